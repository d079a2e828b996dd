//! The feed before a service that is slow, wrong, dead, or restored from an older copy.

use std::sync::{Arc, Mutex};

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use sqlx::migrate::{Migration, MigrationType};
use tempfile::TempDir;

use super::*;

#[derive(Clone, Default)]
struct Shop(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    /// Cursor and when, of every event.
    events: Vec<(i64, String)>,
    is_down: bool,
    is_confused: bool,
    calls: usize,
}

#[derive(serde::Deserialize)]
struct Window {
    after: i64,
    limit: usize,
}

impl Shop {
    fn happens(&self, cursors: std::ops::RangeInclusive<i64>, at: &str) {
        self.0.lock().unwrap().events.extend(cursors.map(|cursor| (cursor, format!("{at}-{cursor}"))));
    }

    fn service(&self) -> Service {
        Service::in_process("shop", Router::new().route("/events", get(tell)).with_state(self.clone()))
    }
}

async fn tell(State(shop): State<Shop>, Query(window): Query<Window>) -> Response {
    let mut told = shop.0.lock().unwrap();
    told.calls += 1;
    if told.is_down {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let after = told.events.iter().filter(|(cursor, _)| *cursor > window.after).take(window.limit);
    let mut events: Vec<_> = after
        .map(|(cursor, at)| json!({ "cursor": cursor, "type": "made", "at": at, "thing": { "n": cursor } }))
        .collect();
    if told.is_confused {
        events.reverse();
        events.extend(events.clone());
    }
    Json(json!({ "events": events, "next": 0 })).into_response()
}

/// Counts how often an event was applied.
fn apply<'a>(
    connection: &'a mut SqliteConnection,
    event: &'a Event,
) -> Pin<Box<dyn Future<Output = sqlx::Result<()>> + Send + 'a>> {
    Box::pin(async move {
        assert_eq!(event.more["thing"]["n"], event.cursor);
        let sql = "INSERT INTO things VALUES (?1, ?2, 1) ON CONFLICT (n) DO UPDATE SET at = ?2, times = times + 1";
        sqlx::query(sql).bind(event.cursor).bind(&event.at).execute(connection).await.map(|_| ())
    })
}

fn failing<'a>(
    _: &'a mut SqliteConnection,
    _: &'a Event,
) -> Pin<Box<dyn Future<Output = sqlx::Result<()>> + Send + 'a>> {
    Box::pin(async { Err(sqlx::Error::WorkerCrashed) })
}

async fn open(folder: &TempDir, shop: &Shop, apply: Apply) -> Feed {
    let table = sqlx::SqlStr::from_static("CREATE TABLE things (n INTEGER PRIMARY KEY, at TEXT, times INTEGER)");
    let migration = Migration::new(100, "things".into(), MigrationType::Simple, table, false);
    let migrations = Migrator::with_migrations(vec![migration]);
    let model = Model { file: "things.db", migrations, apply };
    Feed::open_in(Folder::at(folder.path()), shop.service(), model).await.unwrap()
}

/// How many things there are, and how often the one that was applied most often was.
async fn things(feed: &Feed) -> (i64, i64) {
    let sql = "SELECT count(*), coalesce(max(times), 0) FROM things";
    sqlx::query_as(sql).fetch_one(feed.model()).await.unwrap()
}

#[tokio::test]
async fn every_event_is_applied_once_over_many_answers_and_a_restart() {
    let (folder, shop) = (tempfile::tempdir().unwrap(), Shop::default());
    let feed = open(&folder, &shop, apply).await;
    feed.read().await.unwrap();
    assert_eq!(things(&feed).await, (0, 0));
    shop.happens(1..=350, "may");
    feed.read().await.unwrap();
    assert_eq!(things(&feed).await, (350, 1));
    model::give_up(feed.model(), &feed.reader).await.unwrap();
    shop.happens(351..=351, "may");
    let feed = open(&folder, &shop, apply).await;
    for _ in 0..3 {
        feed.read().await.unwrap();
    }
    assert_eq!(things(&feed).await, (351, 1));
}

#[tokio::test]
async fn answers_that_repeat_or_are_out_of_order_change_nothing() {
    let (folder, shop) = (tempfile::tempdir().unwrap(), Shop::default());
    let feed = open(&folder, &shop, apply).await;
    shop.happens(1..=5, "may");
    shop.0.lock().unwrap().is_confused = true;
    for _ in 0..3 {
        feed.read().await.unwrap();
    }
    shop.happens(6..=9, "may");
    feed.read().await.unwrap();
    assert_eq!(things(&feed).await, (9, 1));
}

#[tokio::test]
async fn the_feed_says_how_old_it_is_while_the_service_is_down_and_goes_on_after() {
    let (folder, shop) = (tempfile::tempdir().unwrap(), Shop::default());
    let feed = open(&folder, &shop, apply).await;
    shop.0.lock().unwrap().is_down = true;
    assert!(feed.read().await.is_err());
    assert_eq!(feed.as_of(Ok(1)).await, Answer::Unavailable, "nothing was ever read");
    shop.0.lock().unwrap().is_down = false;
    feed.read().await.unwrap();
    assert_eq!(feed.as_of(Ok(1)).await, Answer::Fresh(1));
    sqlx::query("UPDATE feed SET read_at = read_at - 240000").execute(feed.model()).await.unwrap();
    shop.0.lock().unwrap().is_down = true;
    shop.happens(1..=1, "may");
    assert!(feed.read().await.is_err());
    assert!(matches!(feed.as_of(Ok(1)).await, Answer::Stale(1, age) if age.as_secs() / 60 == 4));
    shop.0.lock().unwrap().is_down = false;
    feed.read().await.unwrap();
    assert_eq!((feed.as_of(Ok(1)).await, things(&feed).await), (Answer::Fresh(1), (1, 1)));
}

#[tokio::test]
async fn one_instance_reads_and_another_takes_over_when_its_lease_ends() {
    let (folder, shop) = (tempfile::tempdir().unwrap(), Shop::default());
    let (reader, other) = (open(&folder, &shop, apply).await, open(&folder, &shop, apply).await);
    let begun = now();
    assert_eq!(reader.poll(begun).await.unwrap(), Polled::End);
    assert_eq!(other.poll(begun + 1_000).await.unwrap(), Polled::Elsewhere);
    assert_eq!(shop.0.lock().unwrap().calls, 1);
    assert_eq!(other.poll(begun + 60_000).await.unwrap(), Polled::End);
    assert_eq!(reader.poll(begun + 60_001).await.unwrap(), Polled::Elsewhere);
    model::give_up(other.model(), &other.reader).await.unwrap();
    assert_eq!(reader.poll(begun + 60_002).await.unwrap(), Polled::End);
}

#[tokio::test]
async fn a_reader_that_was_overtaken_moves_nothing() {
    let (folder, shop) = (tempfile::tempdir().unwrap(), Shop::default());
    let (slow, fast) = (open(&folder, &shop, apply).await, open(&folder, &shop, apply).await);
    shop.happens(1..=4, "may");
    let place = model::take(slow.model(), &slow.reader, now()).await.unwrap().unwrap();
    let events = slow.fetch(&place).await.unwrap();
    assert_eq!(fast.poll(now() + 60_000).await.unwrap(), Polled::End);
    assert_eq!(slow.apply(&place, events, now()).await.unwrap(), Polled::Elsewhere);
    assert_eq!(things(&fast).await, (4, 1));
}

#[tokio::test]
async fn an_event_that_cannot_be_written_moves_no_cursor() {
    let (folder, shop) = (tempfile::tempdir().unwrap(), Shop::default());
    shop.happens(1..=2, "may");
    let feed = open(&folder, &shop, failing).await;
    assert!(feed.read().await.is_err());
    model::give_up(feed.model(), &feed.reader).await.unwrap();
    let feed = open(&folder, &shop, apply).await;
    feed.read().await.unwrap();
    assert_eq!(things(&feed).await, (2, 1));
}

#[tokio::test]
async fn a_service_whose_data_were_restored_is_read_from_its_start() {
    for (restored, grown) in [(3, 3), (3, 20), (0, 0)] {
        let (folder, shop) = (tempfile::tempdir().unwrap(), Shop::default());
        let feed = open(&folder, &shop, apply).await;
        shop.happens(1..=7, "may");
        feed.read().await.unwrap();
        shop.0.lock().unwrap().events.clear();
        shop.happens(1..=restored, "may");
        shop.happens(restored + 1..=grown, "june");
        feed.read().await.unwrap();
        feed.read().await.unwrap();
        let told = shop.0.lock().unwrap().events.clone();
        for (cursor, at) in &told {
            let sql = "SELECT at FROM things WHERE n = ?1";
            let known: String = sqlx::query_scalar(sql).bind(cursor).fetch_one(feed.model()).await.unwrap();
            assert_eq!(known, *at, "{cursor}");
        }
        let place = model::take(feed.model(), &feed.reader, now()).await.unwrap().unwrap();
        assert_eq!(place.cursor, told.len() as i64);
    }
}
