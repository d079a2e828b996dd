//! SQLite in a folder: one file, write-ahead log, migrations applied before anything else looks at it.
//!
//! Writers begin with [`write()`], which takes the write lock at once: a transaction that reads first and
//! writes later would fail when another one wrote in between.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool, Transaction};

/// How long a writer waits for another one: less than callers wait for us, so that they learn what became of it.
const BUSY: Duration = Duration::from_secs(2);

/// What a power cut may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The last moments before a power cut, but never the database; a killed process loses nothing.
    Normal,
    /// Nothing that was committed.
    Full,
}

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder cannot be made.
    #[error("cannot make the data folder {} (--data, PAGEFLEET_DATA)", .folder.display())]
    Folder {
        /// The folder that was asked for.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be opened, or is no database.
    #[error("cannot open the database {}", .file.display())]
    Open {
        /// The database file.
        file: PathBuf,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// The schema cannot be brought up to date.
    #[error("cannot migrate the database {}", .file.display())]
    Migrate {
        /// The database file.
        file: PathBuf,
        /// What went wrong.
        source: MigrateError,
    },
}

/// Opens `<folder>/<name>.sqlite`, made when it is not there, and applies `migrations`.
///
/// # Errors
/// When the folder can't be made, or the file can't be opened or migrated; the error names it.
pub async fn open(
    folder: &Path,
    name: &str,
    durability: Durability,
    migrations: &Migrator,
) -> Result<SqlitePool, Error> {
    std::fs::create_dir_all(folder).map_err(|source| Error::Folder { folder: folder.to_owned(), source })?;
    let file = folder.join(format!("{name}.sqlite"));
    let options = SqliteConnectOptions::new()
        .filename(&file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .synchronous(match durability {
            Durability::Normal => SqliteSynchronous::Normal,
            Durability::Full => SqliteSynchronous::Full,
        });
    let pool = SqlitePoolOptions::new().max_connections(8).connect_with(options).await;
    let pool = pool.map_err(|source| Error::Open { file: file.clone(), source })?;
    migrations.run(&pool).await.map_err(|source| Error::Migrate { file, source })?;
    Ok(pool)
}

/// Begins a transaction that holds the write lock from its start.
///
/// # Errors
/// When another writer holds the lock for too long, or the database fails.
pub async fn write(pool: &SqlitePool) -> sqlx::Result<Transaction<'static, Sqlite>> {
    pool.begin_with("BEGIN IMMEDIATE").await
}
