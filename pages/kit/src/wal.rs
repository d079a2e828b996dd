//! Turns a new SQLite file to write-ahead logging, once and for all its connections. For this one change SQLite takes the file
//! for itself alone and says at once that it is busy, whatever the busy timeout (sqlite.org/wal.html): so the wait is ours, and
//! instances that start at the same moment, or a pool that opens several connections, don't fail each other.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection};
use tokio::time::{Instant, sleep};

/// How long a start waits for others that start.
const BOUND: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);

/// SQLITE_BUSY; extended codes have it in their low byte.
const BUSY: i32 = 5;

/// Makes the file where it is missing, and turns it to write-ahead logging.
pub(crate) async fn turn_to_wal(file: &Path) -> sqlx::Result<()> {
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
    let options = options.journal_mode(SqliteJournalMode::Wal);
    let deadline = Instant::now() + BOUND;
    loop {
        match options.connect().await {
            Ok(connection) => return connection.close().await,
            Err(error) if is_busy(&error) && Instant::now() < deadline => sleep(POLL).await,
            Err(error) => return Err(error),
        }
    }
}

fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<i32>().ok());
    code.is_some_and(|code| code & 0xff == BUSY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn many_who_begin_with_one_new_file_at_once_all_find_it_turned() {
        for _ in 0..10 {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("new.db");
            let mut all = tokio::task::JoinSet::new();
            for _ in 0..8 {
                let file = file.clone();
                all.spawn(async move { turn_to_wal(&file).await });
            }
            while let Some(turned) = all.join_next().await {
                turned.unwrap().unwrap();
            }
        }
    }
}
