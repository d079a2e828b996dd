//! A database in a folder.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::path::Path;

use service_kit::database::{self, Durability, Error};
use sqlx::migrate::Migrator;

async fn migrations(folder: &Path) -> Migrator {
    std::fs::write(folder.join("0001_notes.sql"), "CREATE TABLE notes (text TEXT NOT NULL) STRICT;").unwrap();
    Migrator::new(folder).await.unwrap()
}

#[tokio::test]
async fn a_database_is_made_with_its_folder_and_keeps_what_is_written() {
    let (data, scripts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let migrations = migrations(scripts.path()).await;
    let folder = data.path().join("a/b");
    let database = database::open(&folder, "notes", Durability::Full, &migrations).await.unwrap();
    let mut transaction = database::write(&database).await.unwrap();
    sqlx::query("INSERT INTO notes VALUES ('kept')").execute(&mut *transaction).await.unwrap();
    transaction.commit().await.unwrap();
    let mut transaction = database::write(&database).await.unwrap();
    sqlx::query("INSERT INTO notes VALUES ('dropped')").execute(&mut *transaction).await.unwrap();
    drop(transaction);
    database.close().await;

    let database = database::open(&folder, "notes", Durability::Normal, &migrations).await.unwrap();
    let notes: Vec<String> = sqlx::query_scalar("SELECT text FROM notes").fetch_all(&database).await.unwrap();
    assert_eq!(notes, ["kept"]);
}

#[tokio::test]
async fn writers_at_the_same_time_wait_for_each_other() {
    let (data, scripts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let migrations = migrations(scripts.path()).await;
    let database = database::open(data.path(), "notes", Durability::Normal, &migrations).await.unwrap();
    let writers: Vec<_> = (0..20)
        .map(|_| {
            let database = database.clone();
            tokio::spawn(async move {
                let mut transaction = database::write(&database).await.unwrap();
                let sql = "INSERT INTO notes SELECT count(*) || ' before me' FROM notes";
                sqlx::query(sql).execute(&mut *transaction).await.unwrap();
                transaction.commit().await.unwrap();
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let different: i64 =
        sqlx::query_scalar("SELECT count(DISTINCT text) FROM notes").fetch_one(&database).await.unwrap();
    assert_eq!(different, 20);
}

#[tokio::test]
async fn a_folder_that_cannot_be_and_a_file_that_is_no_database_are_named() {
    let (data, scripts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let migrations = migrations(scripts.path()).await;
    let file = data.path().join("notes.sqlite");
    std::fs::write(&file, "this is a letter and no database at all").unwrap();
    let error = database::open(data.path(), "notes", Durability::Normal, &migrations).await.unwrap_err();
    assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");

    let error = database::open(&file, "notes", Durability::Normal, &migrations).await.unwrap_err();
    assert!(matches!(error, Error::Folder { .. }), "{error}");
    assert!(error.to_string().contains("PAGEFLEET_DATA"), "{error}");
}
