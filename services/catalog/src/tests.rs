//! The catalog as its callers see it: requests to the router, on a database in a temporary folder.

mod products;
mod reservations;

use std::collections::BTreeSet;
use std::path::Path;

use axum::Router;
use serde_json::{Value, json};
use service_kit::database::{self, Durability};
use service_kit::testing;
use sqlx::SqlitePool;
use tempfile::TempDir;
use uuid::Uuid;

use crate::seed::{self, Seed};
use crate::{MIGRATIONS, api};

const SMALL_SHOP: &str = r#"
currency = "EUR"

[[categories]]
slug = "tents"
name = "Tents & shelters"
tagline = "Dry."
drawing = "tents"

[[categories]]
slug = "kitchen"
name = "Camp kitchen"
tagline = "Warm."
drawing = "kitchen"

[[products]]
slug = "ridge-tent"
name = "Ridge tent"
category = "tents"
price = 18900
stock = 3
summary = "For two in the wind."
description = ["It stands.", "Even in snow."]
specs = [["Weight", "1.9 kg"]]
drawing = "ridge-tent"
featured = true
badge = "New"

[[products]]
slug = "tarp"
name = "Tarp"
category = "tents"
price = 5900
stock = 20
summary = "A roof and nothing else."
description = ["Big enough for a brew."]
specs = []
drawing = "tarp"
featured = false

[[products]]
slug = "stove"
name = "Gas stove"
category = "kitchen"
price = 4900
stock = 0
summary = "Boils half a litre in three minutes, in a tent porch too."
description = ["Café au lait in the morning."]
specs = [["Weight", "80 g"]]
drawing = "stove"
featured = false
"#;

struct Shop {
    router: Router,
    database: SqlitePool,
    folder: TempDir,
}

impl Shop {
    async fn open() -> Self {
        Self::of(&toml::from_str(SMALL_SHOP).unwrap()).await
    }

    async fn of(seed: &Seed) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (router, database) = router(folder.path(), seed).await;
        Self { router, database, folder }
    }

    async fn reopened_with(self, seed: &str) -> Self {
        let (router, database) = router(self.folder.path(), &toml::from_str(seed).unwrap()).await;
        Self { router, database, ..self }
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        testing::call(&self.router, &format!("GET {path}"), &[], Value::Null).await
    }

    async fn slugs(&self, query: &str) -> Vec<String> {
        let (status, body) = self.get(&format!("/products?{query}")).await;
        assert_eq!(status, 200, "{query}: {body}");
        let products = body["products"].as_array().unwrap();
        products.iter().map(|product| product["slug"].as_str().unwrap().to_owned()).collect()
    }

    async fn stock(&self, slug: &str) -> Value {
        self.get(&format!("/products/{slug}")).await.1["stock"].clone()
    }

    async fn reserve(&self, key: Uuid, lines: &[(&str, i64)]) -> (u16, Value) {
        let lines: Vec<_> =
            lines.iter().map(|(slug, quantity)| json!({ "slug": slug, "quantity": quantity })).collect();
        let body = json!({ "key": key, "lines": lines });
        testing::call(&self.router, "POST /reservations", &[], body).await
    }

    async fn confirm(&self, key: Uuid) -> u16 {
        testing::call(&self.router, &format!("PUT /reservations/{key}/confirmation"), &[], Value::Null).await.0
    }

    async fn release(&self, key: Uuid) -> u16 {
        testing::call(&self.router, &format!("DELETE /reservations/{key}"), &[], Value::Null).await.0
    }
}

async fn router(folder: &Path, seed: &Seed) -> (Router, SqlitePool) {
    let database = database::open(folder, "catalog", Durability::Normal, &MIGRATIONS).await.unwrap();
    seed::apply(&database, seed).await.unwrap();
    (api::routes(database.clone()), database)
}

#[tokio::test]
async fn the_shipped_products_are_complete_and_all_listed() {
    let seed = seed::shipped().unwrap();
    let slugs: BTreeSet<_> = seed.products.iter().map(|product| &product.slug).collect();
    assert_eq!(slugs.len(), seed.products.len(), "a slug is there twice");
    assert!(seed.products.len() >= 60);
    assert_eq!(seed.categories.len(), 6);
    let known: BTreeSet<_> = seed.categories.iter().map(|category| &category.slug).collect();
    for product in &seed.products {
        assert!(known.contains(&product.category), "{}", product.slug);
        assert!(product.price > 0 && product.stock >= 0, "{}", product.slug);
    }

    let shop = Shop::of(&seed).await;
    let (_, body) = shop.get("/products").await;
    assert_eq!(body["total"], seed.products.len());
    let (_, body) = shop.get("/categories").await;
    let counts = body["categories"].as_array().unwrap().iter().map(|it| it["count"].as_u64().unwrap());
    assert_eq!(counts.sum::<u64>(), seed.products.len() as u64);
    for product in &seed.products {
        let (status, body) = shop.get(&format!("/products/{}", product.slug)).await;
        assert_eq!((status, body["related"].as_array().unwrap().len()), (200, 4), "{}", product.slug);
        assert_eq!(body["name"], product.name.as_str());
    }
}

#[tokio::test]
async fn a_product_that_left_the_seed_is_listed_no_more() {
    let start = SMALL_SHOP.find("[[products]]\nslug = \"stove\"").unwrap();
    let shop = Shop::open().await.reopened_with(&SMALL_SHOP[..start]).await;
    assert_eq!(shop.slugs("").await, ["ridge-tent", "tarp"]);
    assert_eq!(shop.slugs("q=gas").await, [""; 0]);
    assert_eq!(shop.get("/products/stove").await.0, 404);
    assert_eq!(shop.reserve(Uuid::new_v4(), &[("stove", 1)]).await.0, 409);
}

#[tokio::test]
async fn a_category_that_left_the_seed_is_listed_no_more() {
    let tents_only = SMALL_SHOP
        .replace("slug = \"kitchen\"", "slug = \"warmth\"")
        .replace("category = \"kitchen\"", "category = \"warmth\"");
    let shop = Shop::open().await.reopened_with(&tents_only).await;
    let (_, body) = shop.get("/categories").await;
    let slugs: Vec<_> = body["categories"].as_array().unwrap().iter().map(|it| &it["slug"]).collect();
    assert_eq!(slugs, ["tents", "warmth"]);
    assert_eq!(shop.get("/products?category=kitchen").await.0, 422);
}

#[tokio::test]
async fn whatever_is_not_ours_is_refused_in_our_error_shape() {
    let shop = Shop::open().await;
    for (request, body, expected) in [
        ("GET /boats", Value::Null, (404, "unknown_path")),
        ("DELETE /products", Value::Null, (405, "wrong_method")),
        ("POST /reservations", json!([]), (422, "invalid")),
        ("POST /reservations", Value::Null, (415, "not_json")),
        ("DELETE /reservations/yesterday", Value::Null, (422, "invalid")),
        ("GET /products?q=a&q=b", Value::Null, (400, "bad_query")),
    ] {
        let (status, answer) = testing::call(&shop.router, request, &[], body).await;
        assert_eq!((status, answer["error"]["code"].as_str().unwrap()), expected, "{request}");
    }
}
