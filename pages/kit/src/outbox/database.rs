//! The outbox's database: a SQLite file that instances on one machine share, or Postgres. The same SQL goes to both.

use std::borrow::Cow;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AnyConnection, AnyPool, Connection};
use url::Url;

use super::Settings;
use crate::Config;
use crate::data::{Folder, FolderError, url_path};
use crate::wal::turn_to_wal;

/// How long a start waits for Postgres.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a request waits for a connection: less than its visitor does.
const ACQUIRE: Duration = Duration::from_secs(2);

/// Nothing that was committed is lost in a power cut, and a writer waits for another one for 2 s.
const SQLITE: &str = "PRAGMA busy_timeout = 2000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;";

/// Why an outbox can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no folder for it.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The file can't be opened, or is no database.
    #[error("cannot open the outbox {file} (--data, PAGEFLEET_DATA)")]
    File {
        /// The database file.
        file: String,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// The folder's path can't be written as a URL.
    #[error("cannot open the outbox {file} (--data, PAGEFLEET_DATA)")]
    Path {
        /// The database file.
        file: String,
        /// What is wrong with the path.
        source: io::Error,
    },
    /// The URL is none of a Postgres database. It may hold a password, so it is not told.
    #[error("PAGEFLEET_OUTBOX_URL is not of the form postgres://user:password@host/database")]
    Url,
    /// The database can't be reached.
    #[error("cannot reach the outbox at {database} (--outbox-url, PAGEFLEET_OUTBOX_URL)")]
    Unreachable {
        /// The database, without the password.
        database: String,
        /// What Postgres or the system said.
        source: sqlx::Error,
    },
    /// The schema can't be brought up to date.
    #[error("cannot migrate the outbox")]
    Migrate(#[from] MigrateError),
    /// The schema can't be looked at.
    #[error("cannot migrate the outbox")]
    Database(#[from] sqlx::Error),
}

/// An open database. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Database {
    pub(super) pool: AnyPool,
    pub(super) is_postgres: bool,
    pub(super) folder: Option<Folder>,
}

impl Database {
    /// Opens what the settings name and brings its schema up to date.
    pub(super) async fn open(config: &Config, settings: &Settings) -> Result<Self, OpenError> {
        match &settings.outbox_url {
            Some(url) if !config.is_alone() => Self::connect(url).await,
            _ => Self::file(Folder::of(config, &settings.data)?).await,
        }
    }

    pub(super) async fn file(folder: Folder) -> Result<Self, OpenError> {
        sqlx::any::install_default_drivers();
        let path = folder.file("outbox.db");
        let file = path.display().to_string();
        let url = url_path(&path).map_err(|source| OpenError::Path { file: file.clone(), source })?;
        let unusable = |source| OpenError::File { file: file.clone(), source };
        let options = AnyConnectOptions::from_str(&format!("sqlite://{url}?mode=rwc")).map_err(unusable)?;
        turn_to_wal(&path).await.map_err(unusable)?;
        // A file's connections don't grow old, and need not be asked whether they are there.
        let pool = AnyPoolOptions::new().max_connections(4).test_before_acquire(false).idle_timeout(None);
        let pool = pool.max_lifetime(None).acquire_timeout(ACQUIRE).after_connect(|connection, _| {
            Box::pin(async move { sqlx::raw_sql(SQLITE).execute(connection).await.map(|_| ()) })
        });
        let pool = pool.connect_with(options).await.map_err(unusable)?;
        // Two instances may start at once, and SQLite has no lock for migrations but the write lock.
        let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
        migrations().run_direct(None, &mut *transaction, false).await?;
        transaction.commit().await?;
        Ok(Self { pool, is_postgres: false, folder: Some(folder) })
    }

    pub(super) async fn connect(url: &str) -> Result<Self, OpenError> {
        sqlx::any::install_default_drivers();
        let database = without_secrets(url).ok_or(OpenError::Url)?;
        let unreachable = |source| OpenError::Unreachable { database: database.clone(), source };
        let options = AnyConnectOptions::from_str(url).map_err(|_| OpenError::Url)?;
        // A pool would go on trying and then say no more than that it took too long.
        let first = tokio::time::timeout(CONNECT, AnyConnection::connect_with(&options)).await;
        let mut first = first.map_err(|_| unreachable(sqlx::Error::PoolTimedOut))?.map_err(unreachable)?;
        migrations().run_direct(None, &mut first, false).await?;
        first.close().await?;
        let pool = AnyPoolOptions::new().max_connections(8).acquire_timeout(ACQUIRE).connect_lazy_with(options);
        Ok(Self { pool, is_postgres: true, folder: None })
    }
}

/// Releases that know more migrations than this one have their say: migrations only add, so this one can go on.
fn migrations() -> Migrator {
    let mut migrations = sqlx::migrate!("src/outbox/migrations");
    migrations.set_ignore_missing(true);
    migrations.dangerous_set_table_name(Cow::Borrowed("outbox_migrations"));
    migrations
}

/// A Postgres URL as it may be logged.
fn without_secrets(url: &str) -> Option<String> {
    let mut url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "postgres" | "postgresql"))?;
    url.set_password(None).ok()?;
    url.set_query(None);
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_told() {
        let told = without_secrets("postgres://shop:secret@db.shop:5432/shop?password=secret").unwrap();
        assert_eq!(told, "postgres://shop@db.shop:5432/shop");
        for url in ["mysql://shop:secret@db/shop", "secret", "", "sqlite:///tmp/x"] {
            assert_eq!(without_secrets(url), None, "{url}");
        }
    }
}
