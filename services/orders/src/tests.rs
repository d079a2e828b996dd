//! Orders as its callers see it: requests to the router, on a database in a temporary folder, beside a stand-in for the
//! catalog in the same process.

mod baskets;
mod confirming;
mod events;
mod fake_catalog;
mod orders;
mod refusals;

use std::path::Path;

use axum::Router;
use serde_json::{Value, json};
use service_kit::client::Service;
use service_kit::database::{self, Durability};
use service_kit::testing;
use sqlx::SqlitePool;
use tempfile::TempDir;
use uuid::Uuid;

use crate::catalog::Catalog;
use crate::confirming::Confirming;
use crate::{MIGRATIONS, api};
use fake_catalog::FakeCatalog;

struct Shop {
    router: Router,
    database: SqlitePool,
    catalog: FakeCatalog,
    /// Runs when a test says so, and not by itself.
    confirming: Confirming,
    folder: TempDir,
}

impl Shop {
    /// A shop that sells a tent at 189.00 (3 in stock), a mug at 9.90 (50) and a stove at 49.00 (0).
    async fn open() -> Self {
        let catalog = FakeCatalog::selling(&[("tent", 18900, 3), ("mug", 990, 50), ("stove", 4900, 0)]);
        let folder = tempfile::tempdir().unwrap();
        let (router, database, confirming) = router(folder.path(), &catalog).await;
        Self { router, database, catalog, confirming, folder }
    }

    async fn reopened(self) -> Self {
        self.database.close().await;
        let (router, database, confirming) = router(self.folder.path(), &self.catalog).await;
        Self { router, database, confirming, ..self }
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        testing::call(&self.router, &format!("GET {path}"), &[], Value::Null).await
    }

    async fn new_basket(&self) -> String {
        let (status, basket) = testing::call(&self.router, "POST /baskets", &[], Value::Null).await;
        assert_eq!(status, 201);
        basket["id"].as_str().unwrap().to_owned()
    }

    async fn add(&self, basket: &str, slug: &str, quantity: i64) -> (u16, Value) {
        let body = json!({ "slug": slug, "quantity": quantity });
        testing::call(&self.router, &format!("POST /baskets/{basket}/lines"), &[], body).await
    }

    async fn set(&self, basket: &str, slug: &str, quantity: i64) -> (u16, Value) {
        let body = json!({ "quantity": quantity });
        testing::call(&self.router, &format!("PUT /baskets/{basket}/lines/{slug}"), &[], body).await
    }

    async fn basket_with(&self, lines: &[(&str, i64)]) -> String {
        let basket = self.new_basket().await;
        for (slug, quantity) in lines {
            assert_eq!(self.add(&basket, slug, *quantity).await.0, 200, "{slug}");
        }
        basket
    }

    async fn order(&self, key: Uuid, basket: &str) -> (u16, Value) {
        place(self.router.clone(), key, order_of(basket)).await
    }

    /// Lets every write of that kind of row fail, as on a full disk, until [`Shop::repair`].
    async fn break_table(&self, table: &str) {
        let sql = format!("CREATE TRIGGER broken BEFORE INSERT ON {table} BEGIN SELECT raise(ABORT, 'broken'); END");
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&self.database).await.unwrap();
    }

    async fn repair(&self) {
        sqlx::query("DROP TRIGGER broken").execute(&self.database).await.unwrap();
    }
}

async fn router(folder: &Path, catalog: &FakeCatalog) -> (Router, SqlitePool, Confirming) {
    let database = database::open(folder, "orders", Durability::Full, &MIGRATIONS).await.unwrap();
    let catalog = Catalog::new(Service::in_process("catalog", catalog.router()));
    let confirming = Confirming::new(database.clone(), catalog.clone());
    (api::routes(database.clone(), catalog, confirming.clone()), database, confirming)
}

async fn place(router: Router, key: Uuid, body: Value) -> (u16, Value) {
    testing::call(&router, "POST /orders", &[("idempotency-key", &key.to_string())], body).await
}

fn order_of(basket: &str) -> Value {
    json!({ "basket": basket, "customer": null, "email": "ada@example.com", "address": {
        "name": "Ada", "line1": "Seestrasse 12", "line2": "", "postcode": "8002", "city": "Zürich", "country": "CH" } })
}

fn euros(amount: i64) -> Value {
    json!({ "amount": amount, "currency": "EUR" })
}

fn code(answer: &Value) -> &str {
    answer["error"]["code"].as_str().unwrap_or_else(|| panic!("no error: {answer}"))
}

#[tokio::test]
async fn whatever_is_not_ours_is_refused_in_our_error_shape() {
    let shop = Shop::open().await;
    for (request, expected) in [
        ("GET /boats", (404, "unknown_path")),
        ("DELETE /orders", (405, "wrong_method")),
        ("GET /baskets/mine", (404, "unknown_basket")),
        ("GET /orders/mine", (404, "unknown_order")),
        ("GET /orders", (422, "invalid")),
        ("GET /orders?customer=ada&limit=0", (422, "invalid")),
        ("GET /events?after=yesterday", (422, "invalid")),
        ("GET /events?after=-1", (422, "invalid")),
        ("GET /events?limit=0", (422, "invalid")),
    ] {
        let (status, answer) = testing::call(&shop.router, request, &[], Value::Null).await;
        assert_eq!((status, code(&answer)), expected, "{request}");
    }
}
