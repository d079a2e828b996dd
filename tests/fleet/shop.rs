//! The shop end to end over HTTP: services, pages and proxy as `cargo fleet up` starts them.

use crate::harness::{Fleet, Visitor, between, order_form, wait_until};

#[tokio::test]
async fn a_visitor_browses_searches_signs_up_buys_and_finds_the_order_in_the_account() {
    let fleet = Fleet::up(&[]).await;
    let visitor = Visitor::of(&fleet);

    let front = visitor.get("/").await;
    assert_eq!(front.header("x-page"), "frontpage");
    assert!(front.text.contains("66 products"), "the whole shop is shown");
    let found = visitor.get("/?q=kettle").await;
    let slug = between(&found.text, "href=\"/products/", "\"").to_owned();
    assert!(slug.contains("kettle"), "{slug}");
    let product = visitor.get(&format!("/products/{slug}")).await;
    assert_eq!(product.status, 200);
    assert_eq!(visitor.get("/visitor.json").await.text, r#"{"name":null,"basket":0}"#);
    let added = visitor.post(&format!("/products/{slug}"), &[("quantity", "2")]).await;
    assert_eq!(added.status, 303, "{}", added.text);
    assert_eq!(visitor.get("/visitor.json").await.text, r#"{"name":null,"basket":2}"#);

    let email = "ada@example.com";
    let sign_up = [("name", "Ada Beck"), ("email", email), ("password", "a long enough one")];
    let signed_up = visitor.post("/my-account/sign-up", &sign_up).await;
    assert_eq!((signed_up.status, signed_up.header("location")), (303, "/my-account"));
    assert!(visitor.get("/my-account").await.text.contains("Hello, Ada Beck"));

    let basket = visitor.get("/checkout").await;
    assert!(basket.text.contains(&slug) && basket.text.contains("Ada Beck"));
    let fewer = visitor.post(&format!("/checkout/lines/{slug}"), &[("quantity", "1")]).await;
    assert_eq!(fewer.status, 303);
    let form = order_form(&visitor.get("/checkout/details").await);
    let order: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let placed = visitor.post("/checkout/details", &order).await;
    assert_eq!(placed.status, 303, "{}", placed.text);
    let confirmation = visitor.get(placed.header("location")).await;
    let number = format!("TW-{}", between(&confirmation.text, "TW-", "<"));
    // A double click is one order.
    assert_eq!(visitor.post("/checkout/details", &order).await.header("location"), placed.header("location"));
    assert_eq!(visitor.get("/visitor.json").await.text, r#"{"name":"Ada Beck","basket":0}"#);

    let orders = wait_until("the account has heard of the order", async || {
        let orders = visitor.get("/my-account/orders").await;
        orders.text.contains(&number).then_some(orders)
    })
    .await;
    assert_eq!(orders.text.matches(&number).count(), 1, "{number}");
    let one = between(&orders.text, "href=\"/my-account/orders/", "\"").to_owned();
    let one = visitor.get(&format!("/my-account/orders/{one}")).await;
    assert!(one.text.contains(&number) && one.text.contains("1 Tarn Lane"));

    let out = visitor.post("/my-account/sign-out", &[]).await;
    assert_eq!(out.status, 303);
    assert_eq!(visitor.get("/my-account/orders").await.status, 303, "signed out");
    let other = Visitor::of(&fleet);
    assert_eq!(other.get(&format!("/my-account/orders/{}", "x")).await.status, 303, "never signed in");
}

#[tokio::test]
async fn form_errors_come_back_beside_the_field_with_the_input_kept() {
    let fleet = Fleet::up(&[]).await;
    let visitor = Visitor::of(&fleet);
    let sign_up = [("name", "Ada Beck"), ("email", "not-an-address"), ("password", "short")];
    let refused = visitor.post("/my-account/sign-up", &sign_up).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("value=\"Ada Beck\"") && refused.text.contains("value=\"not-an-address\""));
    assert!(refused.text.matches("aria-invalid=\"true\"").count() == 2, "{}", refused.text);
    assert!(!refused.text.contains("value=\"short\""), "a password is never sent back");
    let wrong =
        visitor.post("/my-account/sign-in", &[("email", "nobody@example.com"), ("password", "whatever it is")]).await;
    assert_eq!(wrong.status, 422);

    let found = visitor.get("/?q=kettle").await;
    let slug = between(&found.text, "href=\"/products/", "\"").to_owned();
    for quantity in ["0", "-1", "999", "many", ""] {
        let refused = visitor.post(&format!("/products/{slug}"), &[("quantity", quantity)]).await;
        assert_eq!(refused.status, 422, "{quantity}");
        assert!(refused.text.contains("aria-invalid=\"true\""), "{quantity}");
    }
    visitor.post(&format!("/products/{slug}"), &[("quantity", "1")]).await;
    let details = visitor.get("/checkout/details").await;
    let key = between(&details.text, "name=\"key\" value=\"", "\"").to_owned();
    let refused = visitor
        .post("/checkout/details", &[("key", key.as_str()), ("email", "x"), ("city", "Aarhus"), ("country", "DK")])
        .await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("value=\"Aarhus\"") && refused.text.contains(&key));
}

#[tokio::test]
async fn pages_that_anybody_may_cache_hold_nothing_personal() {
    let fleet = Fleet::up(&[]).await;
    let visitor = Visitor::of(&fleet);
    let sign_up = [("name", "Quite Personal"), ("email", "quite@example.com"), ("password", "a long enough one")];
    assert_eq!(visitor.post("/my-account/sign-up", &sign_up).await.status, 303);
    let front = visitor.get("/").await;
    assert!(front.header("cache-control").contains("public"), "{}", front.header("cache-control"));
    assert!(!front.text.contains("Quite Personal") && front.text.contains("data-visitor=\"/visitor.json\""));
    for path in ["/my-account", "/checkout", "/visitor.json"] {
        let cache_control = visitor.get(path).await.header("cache-control").to_owned();
        assert!(!cache_control.contains("public"), "{path}: {cache_control}");
    }
}

#[tokio::test]
async fn small_paths_of_the_site_answer_as_users_expect() {
    let fleet = Fleet::up(&[]).await;
    let visitor = Visitor::of(&fleet);
    let slash = visitor.get("/checkout/").await;
    assert_eq!((slash.status, slash.header("location")), (308, "/checkout"));
    assert_eq!(visitor.get("/robots.txt").await.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(visitor.get("/favicon.ico").await.status, 200);
    for (path, page) in [
        ("/products/no-such-thing", "frontpage"),
        ("/checkout/no-such-step", "checkout"),
        ("/my-account/no-such-view", "my-account"),
    ] {
        let missing = visitor.get(path).await;
        assert_eq!((missing.status, missing.header("x-page")), (404, page), "{path}");
        assert!(missing.text.contains("Tarnwell"), "{path}");
    }
    let unknown = visitor.get("/no-such-page").await;
    assert_eq!((unknown.status, unknown.header("x-proxy-error")), (404, "no-route"));
    assert!(unknown.text.contains(unknown.header("x-request-id")));
}

#[tokio::test]
async fn a_request_is_followed_by_its_id_from_the_proxy_to_the_services() {
    let fleet = Fleet::up(&[]).await;
    // What nobody has asked before comes from no cache.
    let id = Visitor::of(&fleet).get("/?q=followed").await.header("x-request-id").to_owned();
    wait_until("proxy, page and service have logged the id", async || {
        let logs = std::fs::read_dir(fleet.folder().join(".fleet/logs")).ok()?;
        let with_id: Vec<_> = logs
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| std::fs::read_to_string(path).is_ok_and(|text| text.contains(&id)))
            .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
            .collect();
        ["proxy", "frontpage", "catalog"]
            .iter()
            .all(|name| with_id.iter().any(|log| log.starts_with(name)))
            .then_some(())
    })
    .await;
}
