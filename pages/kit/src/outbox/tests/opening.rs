//! Opening an outbox: beside another instance, after a newer release, and where there is none.

use super::super::{OpenError, Settings};
use super::*;
use crate::{Config, Page};

const PAGE: Page = Page { name: "page", version: "1.0.0", build: None, check: &[] };

#[tokio::test]
async fn two_instances_may_start_at_once() {
    on_both(async |rows: Rows| {
        let rows = Arc::new(rows);
        let opening: Vec<_> = (0..6)
            .map(|_| {
                let rows = rows.clone();
                tokio::spawn(async move { rows.instance().await.find(key()).await.unwrap() })
            })
            .collect();
        for opened in opening {
            assert_eq!(opened.await.unwrap(), None);
        }
    })
    .await;
}

#[tokio::test]
async fn a_release_goes_on_with_the_table_that_the_next_one_has_added_to() {
    on_both(async |rows: Rows| {
        let database = rows.database().await;
        for sql in [
            "ALTER TABLE outbox ADD COLUMN priority BIGINT NOT NULL DEFAULT 0",
            "INSERT INTO outbox_migrations (version, description, success, checksum, execution_time)
             SELECT 2, 'later', success, checksum, 0 FROM outbox_migrations",
        ] {
            sqlx::query(sql).execute(&database.pool).await.unwrap();
        }
        let outbox = rows.instance().await;
        assert!(matches!(outbox.submit(key(), mugs(1)).await.unwrap(), Outcome::Done(_)));
    })
    .await;
}

#[tokio::test]
async fn what_was_accepted_is_still_there_after_a_restart() {
    on_both(async |rows: Rows| {
        let key = key();
        rows.shop.is_in(Mood::Says(503, ""));
        rows.instance().await.submit(key, mugs(1)).await.unwrap();
        assert_eq!(rows.instance().await.find(key).await.unwrap(), Some(Outcome::Pending));
    })
    .await;
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_named_by_its_variable_and_without_its_password() {
    for (url, expected) in [
        ("postgres://shop:secret@127.0.0.1:1/shop?sslmode=disable", "postgres://shop@127.0.0.1:1/shop"),
        ("mysql://shop:secret@127.0.0.1/shop", "is not of the form postgres://"),
        ("secret", "is not of the form postgres://"),
    ] {
        let error = Database::connect(url).await.unwrap_err();
        let told = crate::Failure::from(error).to_string();
        assert!(told.contains("PAGEFLEET_OUTBOX_URL") && told.contains(expected), "{told}");
        assert!(!told.contains("secret"), "{told}");
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named_by_its_variable() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut config = Config::standalone(PAGE);
    config.flags.standalone = false;
    let settings = Settings { data: crate::Data { data: Some(file.path().to_owned()) }, ..Settings::default() };
    let error = Database::open(&config, &settings).await.unwrap_err();
    assert!(matches!(error, OpenError::Folder(_)) && error.to_string().contains("PAGEFLEET_DATA"), "{error}");
}

#[tokio::test]
async fn a_page_by_itself_keeps_its_commands_for_as_long_as_it_runs() {
    let settings = Settings { outbox_url: Some("postgres://nowhere.invalid/shop".to_owned()), ..Settings::default() };
    let database = Database::open(&Config::standalone(PAGE), &settings).await.unwrap();
    assert!(!database.is_postgres);
}
