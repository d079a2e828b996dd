//! The outbox in SQLite and in Postgres, before a service that fails in every way. What is killed is a future that is
//! dropped between two steps; what would be another instance is another outbox on the same rows.

mod cost;
mod delivering;
mod killed;
mod opening;
mod postgres;
mod rows;
mod submitting;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::HeaderName;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service_kit::client::Service;
use tempfile::TempDir;
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use super::database::Database;
use super::figures::Figures;
use super::row::{Hand, Key, Outcome};
use super::store::{New, Store};
use super::{Kind, LEASE, Outbox, Taken, millis, now};
use crate::Metrics;
use crate::data::Folder;
use postgres::Postgres;

const KIND: Kind = Kind { name: "order", writes: 1, reads: 1 };
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    mugs: u32,
}

/// How the service does.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mood {
    Works,
    /// Answers with this status and code.
    Says(u16, &'static str),
    /// Applies the command, and the answer gets lost.
    Forgets,
    /// Applies the command when it is allowed to, and answers then.
    Waits,
}

/// A service that applies a key once, as every one of ours.
#[derive(Debug, Clone)]
struct Shop(Arc<Counter>);

#[derive(Debug)]
struct Counter {
    mood: watch::Sender<Mood>,
    asked: Notify,
    /// How often it was called, by key.
    calls: Mutex<BTreeMap<String, u32>>,
    /// What was made, by key.
    made: Mutex<BTreeMap<String, Value>>,
}

impl Shop {
    fn open() -> Self {
        Self(Arc::new(Counter {
            mood: watch::Sender::new(Mood::Works),
            asked: Notify::new(),
            calls: Mutex::default(),
            made: Mutex::default(),
        }))
    }

    fn is_in(&self, mood: Mood) {
        self.0.mood.send_replace(mood);
    }

    fn calls(&self, key: Key) -> u32 {
        self.0.calls.lock().unwrap().get(&key.to_string()).copied().unwrap_or(0)
    }

    fn made(&self) -> usize {
        self.0.made.lock().unwrap().len()
    }

    fn service(&self) -> Service {
        Service::in_process("shop", Router::new().route("/orders", post(place)).with_state(self.clone()))
    }
}

async fn place(State(shop): State<Shop>, headers: HeaderMap, Json(order): Json<Order>) -> Response {
    let key = headers["idempotency-key"].to_str().unwrap().to_owned();
    *shop.0.calls.lock().unwrap().entry(key.clone()).or_default() += 1;
    shop.0.asked.notify_waiters();
    let mut moods = shop.0.mood.subscribe();
    let mood = *moods.wait_for(|mood| *mood != Mood::Waits).await.unwrap();
    if let Mood::Says(status, code) = mood {
        let body = json!({ "error": { "code": code, "message": "No.", "fields": { "mugs": "Too many." } } });
        return (StatusCode::from_u16(status).unwrap(), Json(body)).into_response();
    }
    let mut made = shop.0.made.lock().unwrap();
    let number = made.len();
    let order = made.entry(key).or_insert_with(|| json!({ "number": number, "mugs": order.mugs })).clone();
    match mood {
        Mood::Forgets => StatusCode::BAD_GATEWAY.into_response(),
        _ => Json(order).into_response(),
    }
}

/// Where rows are, for one test.
struct Rows {
    at: At,
    shop: Shop,
}

enum At {
    File(TempDir),
    Server { url: String, _server: Arc<Postgres> },
}

impl Rows {
    async fn database(&self) -> Database {
        match &self.at {
            At::File(folder) => Database::file(Folder::at(folder.path())).await.unwrap(),
            At::Server { url, .. } => Database::connect(url).await.unwrap(),
        }
    }

    async fn store(&self, kind: Kind) -> Store {
        Store::new(self.database().await, kind)
    }

    /// An instance of the page.
    async fn instance(&self) -> Outbox<Order> {
        self.parking_after(DAY).await
    }

    async fn parking_after(&self, time: Duration) -> Outbox<Order> {
        let service = self.shop.service();
        let header = HeaderName::from_static("idempotency-key");
        Outbox::on(self.store(KIND).await, Figures::among(&Metrics::new()), time, move |key, order: Order| {
            let request = service.post(&["orders"]).header(header.clone(), &key.to_string()).json(&order);
            async move { request.send().await }
        })
    }
}

/// Runs a test on both databases.
async fn on_both(test: impl AsyncFn(Rows)) {
    test(Rows { at: At::File(tempfile::tempdir().unwrap()), shop: Shop::open() }).await;
    let server = Postgres::running();
    let url = server.new_database().await;
    test(Rows { at: At::Server { url, _server: server }, shop: Shop::open() }).await;
}

fn key() -> Key {
    Key::parse(&Uuid::new_v4().to_string()).unwrap()
}

fn mugs(mugs: u32) -> Order {
    Order { mugs }
}

/// When every lease that anybody has now has ended, and every pause is over.
fn later() -> i64 {
    now() + millis(LEASE).max(400_000)
}

/// Takes in hand what a dead instance left.
async fn the_one_claimed(outbox: &Outbox<Order>) -> Hand {
    let mut claimed = outbox.inner.store.claim(later(), 10).await.unwrap();
    assert_eq!(claimed.len(), 1);
    claimed.remove(0)
}

async fn hand(outbox: &Outbox<Order>, key: Key, order: &Order) -> Hand {
    match outbox.take(key, order).await.unwrap() {
        Taken::Ours(hand) => hand,
        Taken::Theirs(outcome) => panic!("somebody else has it: {outcome:?}"),
    }
}
