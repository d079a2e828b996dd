//! The read model's file, and the one row in it that tells how far the feed has been read.

use std::borrow::Cow;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Row, SqliteConnection, SqlitePool};

use crate::data::{Folder, FolderError};
use crate::wal::turn_to_wal;

/// How long a writer waits for another one.
const BUSY: Duration = Duration::from_secs(2);

/// Readers at a time, and the one who writes.
const CONNECTIONS: u32 = 3;

/// How long nobody else reads the feed: longer than a poll takes.
const LEASE_MS: i64 = 5_000;

/// Why a read model can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no folder for it.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The file can't be opened, or is no database.
    #[error("cannot open the read model {file} (--data, PAGEFLEET_DATA)")]
    File {
        /// The database file.
        file: String,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// The schema can't be looked at.
    #[error("cannot migrate the read model")]
    Database(#[from] sqlx::Error),
    /// The schema can't be brought up to date.
    #[error("cannot migrate the read model")]
    Migrate(#[from] MigrateError),
}

/// How far the feed has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) cursor: i64,
    pub(super) last_at: Option<String>,
}

/// Opens the file and brings its tables up to date: ours, and those of the page.
pub(super) async fn open(folder: &Folder, name: &str, page: Migrator) -> Result<SqlitePool, OpenError> {
    let file = folder.file(name);
    // A power cut may take the last moments. They are read again then, since the cursor goes with them.
    let options = SqliteConnectOptions::new()
        .filename(&file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(BUSY);
    let unusable = |source| OpenError::File { file: file.display().to_string(), source };
    turn_to_wal(&file).await.map_err(unusable)?;
    // A file's connections don't grow old, and need not be asked whether they are there. All are opened now, so that
    // nobody who looks at the page waits for one.
    let pool = SqlitePoolOptions::new().min_connections(CONNECTIONS).max_connections(CONNECTIONS);
    let pool = pool.test_before_acquire(false).idle_timeout(None).max_lifetime(None).connect_with(options).await;
    let pool = pool.map_err(unusable)?;
    let ours = sqlx::migrate!("src/feed/migrations");
    let all: Vec<Migration> = ours.iter().chain(page.iter()).cloned().collect();
    // Releases that know more migrations have their say: migrations only add, so this one can go on.
    let all = Migrator { migrations: Cow::Owned(all), ignore_missing: true, ..Migrator::DEFAULT };
    // Two instances may start at once, and SQLite has no lock for migrations but the write lock.
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    all.run_direct(None, &mut *transaction, false).await?;
    transaction.commit().await?;
    Ok(pool)
}

/// Where to read on, for who may read now: `reader`, if it has read last or the one who has does so no more.
pub(super) async fn take(database: &SqlitePool, reader: &str, now: i64) -> sqlx::Result<Option<Place>> {
    // Looked at first, so that those who only wait take no write lock.
    let sql = "SELECT cursor, last_at FROM feed WHERE lease IS ?1 OR leased_until <= ?2";
    if sqlx::query(sql).bind(reader).bind(now).fetch_optional(database).await?.is_none() {
        return Ok(None);
    }
    let sql = "UPDATE feed SET lease = ?1, leased_until = ?2 WHERE lease IS ?1 OR leased_until <= ?3
               RETURNING cursor, last_at";
    let row = sqlx::query(sql).bind(reader).bind(now + LEASE_MS).bind(now).fetch_optional(database).await?;
    row.map(|row| Ok(Place { cursor: row.try_get(0)?, last_at: row.try_get(1)? })).transpose()
}

/// Moves from one place to another. False when somebody else has moved meanwhile.
pub(super) async fn step(
    connection: &mut SqliteConnection,
    reader: &str,
    (from, to): (&Place, &Place),
) -> sqlx::Result<bool> {
    let sql = "UPDATE feed SET cursor = ?1, last_at = ?2 WHERE lease = ?3 AND cursor = ?4 AND last_at IS ?5";
    let query = sqlx::query(sql).bind(to.cursor).bind(&to.last_at).bind(reader).bind(from.cursor).bind(&from.last_at);
    Ok(query.execute(connection).await?.rows_affected() == 1)
}

/// Writes that at `now` there was nothing more to read.
pub(super) async fn reached_end(connection: &mut SqliteConnection, reader: &str, now: i64) -> sqlx::Result<()> {
    let sql = "UPDATE feed SET read_at = max(?1, coalesce(read_at, 0)) WHERE lease = ?2";
    sqlx::query(sql).bind(now).bind(reader).execute(connection).await?;
    Ok(())
}

/// When there was nothing more to read; none if that never was.
pub(super) async fn read_at(database: &SqlitePool) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar("SELECT read_at FROM feed").fetch_one(database).await
}

/// Lets another instance read at once.
pub(super) async fn give_up(database: &SqlitePool, reader: &str) -> sqlx::Result<()> {
    sqlx::query("UPDATE feed SET leased_until = 0 WHERE lease = ?1").bind(reader).execute(database).await?;
    Ok(())
}
