//! The rows of the outbox. Each function is one statement, so each is done or not done, whatever is killed when.
//!
//! A lease is a name in the row and a time until which nobody else takes the row up. It saves work and is no promise:
//! whoever is slower than its lease may be overtaken, and its command may be sent twice. What is applied once is
//! decided by the service, which knows the key.

use service_kit::context::RequestContext;
use sqlx::any::AnyRow;
use sqlx::{AnyPool, AssertSqlSafe, Row as _};

use super::database::Database;
use super::row::{Hand, Key, Outcome, Reason, Row};
use super::{Kind, LEASE, millis};

/// A claim takes up what is due, oldest first.
const CLAIM: &str = "
    WITH due AS MATERIALIZED (SELECT key FROM outbox WHERE state = 'pending' AND kind = $1 AND version <= $2
        AND due_at <= $3 ORDER BY due_at LIMIT $4 {locking})
    UPDATE outbox SET lease = $5, due_at = $6, attempts = attempts + 1
    WHERE key IN (SELECT key FROM due) AND state = 'pending' AND due_at <= $3
    RETURNING key, payload, accepted_at, attempts";

/// A command that is about to be written.
#[derive(Debug)]
pub(super) struct New<'a> {
    pub(super) key: Key,
    pub(super) version: i64,
    pub(super) payload: &'a str,
    pub(super) now: i64,
}

/// How many rows there are to deliver, and how many are parked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Census {
    pub(super) pending: i64,
    pub(super) parked: i64,
    /// When the oldest pending one was accepted.
    pub(super) oldest: Option<i64>,
    /// How many could be tried now.
    pub(super) due: i64,
}

/// The rows of one kind. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Store {
    database: Database,
    kind: Kind,
}

impl Store {
    pub(super) fn new(database: Database, kind: Kind) -> Self {
        Self { database, kind }
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn warn_if_lost(&self) {
        if let Some(folder) = &self.database.folder {
            folder.warn_if_lost();
        }
    }

    pub(super) async fn close(&self) {
        self.pool().close().await;
    }

    fn pool(&self) -> &AnyPool {
        &self.database.pool
    }

    /// Writes a new row and takes it in hand; nothing when there is one with this key.
    pub(super) async fn insert(&self, new: &New<'_>) -> sqlx::Result<Option<Hand>> {
        let lease = lease_name();
        let sql = "INSERT INTO outbox (key, kind, version, payload, state, accepted_at, due_at, lease, attempts)
                   VALUES ($1, $2, $3, $4, 'pending', $5, $6, $7, 1) ON CONFLICT (key) DO NOTHING";
        let query = sqlx::query(sql).bind(new.key.to_string()).bind(self.kind.name).bind(new.version).bind(new.payload);
        let query = query.bind(new.now).bind(new.now + millis(LEASE)).bind(&lease);
        let is_new = query.execute(self.pool()).await?.rows_affected() == 1;
        Ok(is_new.then(|| new.in_hand(lease)))
    }

    /// Begins anew with a row that has failed or was parked, if it is still as it was when it was read, and takes it
    /// in hand.
    pub(super) async fn reopen(&self, old: &Row, new: &New<'_>) -> sqlx::Result<Option<Hand>> {
        let lease = lease_name();
        let sql = "UPDATE outbox SET version = $1, payload = $2, state = 'pending', accepted_at = $3, due_at = $4,
                       lease = $5, attempts = 1, ended_at = NULL, outcome = NULL
                   WHERE key = $6 AND state IN ('failed', 'parked') AND accepted_at = $7";
        let query = sqlx::query(sql).bind(new.version).bind(new.payload).bind(new.now).bind(new.now + millis(LEASE));
        let query = query.bind(&lease).bind(new.key.to_string()).bind(old.accepted_at);
        let is_ours = query.execute(self.pool()).await?.rows_affected() == 1;
        Ok(is_ours.then(|| new.in_hand(lease)))
    }

    /// The row with this key.
    pub(super) async fn find(&self, key: Key) -> sqlx::Result<Option<Row>> {
        let sql = "SELECT version, payload, accepted_at, state, outcome FROM outbox WHERE key = $1 AND kind = $2";
        let row = sqlx::query(sql).bind(key.to_string()).bind(self.kind.name).fetch_optional(self.pool()).await?;
        row.map(|row| read(&row)).transpose()
    }

    /// Takes up to `limit` due rows in hand.
    pub(super) async fn claim(&self, now: i64, limit: usize) -> sqlx::Result<Vec<Hand>> {
        let lease = lease_name();
        // SQLite has one writer at a time; Postgres passes by what another claim is just looking at.
        let locking = if self.database.is_postgres { "FOR UPDATE SKIP LOCKED" } else { "" };
        let query =
            sqlx::query(AssertSqlSafe(CLAIM.replace("{locking}", locking))).bind(self.kind.name).bind(self.kind.reads);
        let query = query.bind(now).bind(i64::try_from(limit).unwrap_or(i64::MAX)).bind(&lease);
        let rows = query.bind(now + millis(LEASE)).fetch_all(self.pool()).await?;
        rows.iter().map(|row| in_hand(row, &lease)).collect()
    }

    /// Writes that a command was applied. It is a fact, whoever learned of it and whoever holds the row by now.
    pub(super) async fn done(&self, key: Key, answer: &str, now: i64) -> sqlx::Result<()> {
        let sql = "UPDATE outbox SET state = 'done', outcome = $1, ended_at = $2, lease = NULL
                   WHERE key = $3 AND state <> 'done'";
        sqlx::query(sql).bind(answer).bind(now).bind(key.to_string()).execute(self.pool()).await?;
        Ok(())
    }

    /// Writes that a command was refused for good. False when the row is in other hands by now.
    pub(super) async fn failed(&self, hand: &Hand, reason: &str, now: i64) -> sqlx::Result<bool> {
        let sql = "UPDATE outbox SET state = 'failed', outcome = $1, ended_at = $2, lease = NULL
                   WHERE key = $3 AND lease = $4 AND state = 'pending'";
        let query = sqlx::query(sql).bind(reason).bind(now).bind(hand.key.to_string()).bind(&hand.lease);
        Ok(query.execute(self.pool()).await?.rows_affected() == 1)
    }

    /// Puts a row back, to be tried at `due_at`, unless it is in other hands by now.
    pub(super) async fn put_back(&self, hand: &Hand, due_at: i64) -> sqlx::Result<()> {
        let sql = "UPDATE outbox SET due_at = $1, lease = NULL WHERE key = $2 AND lease = $3 AND state = 'pending'";
        let query = sqlx::query(sql).bind(due_at).bind(hand.key.to_string()).bind(&hand.lease);
        query.execute(self.pool()).await?;
        Ok(())
    }

    /// Puts a row aside for people. False when it is in other hands by now.
    pub(super) async fn park(&self, hand: &Hand) -> sqlx::Result<bool> {
        let sql =
            "UPDATE outbox SET state = 'parked', lease = NULL WHERE key = $1 AND lease = $2 AND state = 'pending'";
        let query = sqlx::query(sql).bind(hand.key.to_string()).bind(&hand.lease);
        Ok(query.execute(self.pool()).await?.rows_affected() == 1)
    }

    /// Lets the next `limit` waiting rows be tried at once: the service is there again.
    pub(super) async fn bring_forward(&self, now: i64, limit: i64) -> sqlx::Result<u64> {
        let sql = "UPDATE outbox SET due_at = $1 WHERE state = 'pending' AND lease IS NULL AND due_at > $1 AND key IN
                       (SELECT key FROM outbox WHERE state = 'pending' AND kind = $2 AND lease IS NULL AND due_at > $1
                        ORDER BY due_at LIMIT $3)";
        let query = sqlx::query(sql).bind(now).bind(self.kind.name).bind(limit);
        Ok(query.execute(self.pool()).await?.rows_affected())
    }

    /// Counts what is left to do.
    pub(super) async fn census(&self, now: i64) -> sqlx::Result<Census> {
        let sql = "SELECT (SELECT count(*) FROM outbox WHERE state = 'pending'),
                          (SELECT count(*) FROM outbox WHERE state = 'parked'),
                          (SELECT min(accepted_at) FROM outbox WHERE state = 'pending'),
                          (SELECT count(*) FROM outbox WHERE state = 'pending' AND kind = $1 AND version <= $2
                               AND due_at <= $3)";
        let row = sqlx::query(sql).bind(self.kind.name).bind(self.kind.reads).bind(now).fetch_one(self.pool()).await?;
        Ok(Census { pending: row.try_get(0)?, parked: row.try_get(1)?, oldest: row.try_get(2)?, due: row.try_get(3)? })
    }

    /// Forgets up to `limit` rows that ended before `before`, and tells how many. What is parked is kept.
    pub(super) async fn prune(&self, before: i64, limit: i64) -> sqlx::Result<u64> {
        let sql = "DELETE FROM outbox WHERE key IN
                       (SELECT key FROM outbox WHERE ended_at IS NOT NULL AND ended_at < $1 ORDER BY ended_at LIMIT $2)";
        Ok(sqlx::query(sql).bind(before).bind(limit).execute(self.pool()).await?.rows_affected())
    }
}

impl New<'_> {
    fn in_hand(&self, lease: String) -> Hand {
        Hand { key: self.key, lease, payload: self.payload.to_owned(), accepted_at: self.now, attempts: 1 }
    }
}

/// A name that no other lease has.
fn lease_name() -> String {
    RequestContext::new().trace_id().to_owned()
}

fn in_hand(row: &AnyRow, lease: &str) -> sqlx::Result<Hand> {
    Ok(Hand {
        key: Key::parse(row.try_get("key")?).ok_or_else(|| corrupt("key"))?,
        lease: lease.to_owned(),
        payload: row.try_get("payload")?,
        accepted_at: row.try_get("accepted_at")?,
        attempts: row.try_get("attempts")?,
    })
}

fn read(row: &AnyRow) -> sqlx::Result<Row> {
    let told: Option<String> = row.try_get("outcome")?;
    let told = told.as_deref().unwrap_or("null");
    let state: String = row.try_get("state")?;
    let outcome = match state.as_str() {
        "pending" => Outcome::Pending,
        "done" => Outcome::Done(serde_json::from_str(told).map_err(|_| corrupt("outcome"))?),
        "failed" => Outcome::Failed(serde_json::from_str::<Reason>(told).map_err(|_| corrupt("outcome"))?),
        "parked" => Outcome::Parked,
        _ => return Err(corrupt("state")),
    };
    Ok(Row {
        version: row.try_get("version")?,
        payload: row.try_get("payload")?,
        accepted_at: row.try_get("accepted_at")?,
        outcome,
    })
}

fn corrupt(column: &str) -> sqlx::Error {
    let source = format!("the outbox holds a {column} that no release writes");
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: source.into() }
}
