//! Calls to another service, over a socket and in process.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::time::Duration;

use axum::Router;
use axum::extract::{Path, RawQuery};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use service_kit::client::{ConfigError, Error, NAMELESS, Service};
use service_kit::context::RequestContext;
use service_kit::error::{ErrorResponse, Fields};
use service_kit::extract::Json;
use service_kit::serve;

fn router() -> Router {
    Router::new()
        .route("/things/{name}", get(async |Path(name): Path<String>| Json(json!({ "name": name }))))
        .route("/query", get(async |RawQuery(query): RawQuery| Json(json!(query))))
        .route("/headers", get(show_headers))
        .route("/timeout", get(async |headers: HeaderMap| headers["x-request-timeout-ms"].to_str().unwrap().to_owned()))
        .route("/echo", post(async |Json(body): Json<Value>| (StatusCode::CREATED, Json(body))))
        .route("/invalid", get(async || ErrorResponse::invalid(Fields::one("email", "No."))))
        .route("/plain", get(async || (StatusCode::FORBIDDEN, "no JSON here")))
        .route("/failing", get(async || ErrorResponse::internal(&std::fmt::Error)))
        .route("/moved", get(async || (StatusCode::FOUND, [("location", "/echo")])))
        .route("/garbage", get(async || "<html>"))
        .route("/long", get(async || "x".repeat(5 * 1024 * 1024)))
        .route("/never", get(async || std::future::pending::<Response>().await))
        .route("/nothing", get(async || StatusCode::NO_CONTENT.into_response()))
}

async fn show_headers(headers: HeaderMap) -> Json<Value> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    Json(json!({ "id": text("x-request-id"), "trace": text("traceparent"), "authorization": text("authorization") }))
}

/// The same service twice: behind a socket, and in this process.
async fn both_ways() -> [Service; 2] {
    let listener = serve::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, router()).into_future());
    [Service::at("stock", &address).unwrap(), Service::in_process("stock", router())]
}

async fn failure(service: &Service, path: &str) -> Error {
    service.get(&[path]).send::<Value>().await.unwrap_err()
}

#[tokio::test]
async fn a_call_sends_and_reads_json() {
    for service in both_ways().await {
        let body = json!({ "a": [1, "ü"] });
        assert_eq!(service.post(&["echo"]).json(&body).send::<Value>().await.unwrap(), body);
        service.get(&["nothing"]).done().await.unwrap();
    }
}

#[tokio::test]
async fn whatever_a_path_segment_or_query_holds_it_stays_one() {
    for service in both_ways().await {
        for name in ["a/b", "a?b#c", "100%", "ü & co", "%2e%2e", ";"] {
            let thing: Value = service.get(&["things", name]).send().await.unwrap();
            assert_eq!(thing["name"], name);
        }
        let query: String = service.get(&["query"]).query("q", "a&b=c d").send().await.unwrap();
        assert_eq!(query, "q=a%26b%3Dc+d");
        for name in ["..", ".", ""] {
            let error = service.get(&["things", name]).send::<Value>().await.unwrap_err();
            assert_eq!(error.refusal().map(|refusal| refusal.status.as_u16()), Some(404), "{name:?}");
        }
    }
}

#[tokio::test]
async fn what_is_too_long_for_a_url_is_refused_and_no_panic() {
    let long = "x".repeat(70_000);
    for service in both_ways().await {
        for request in [service.get(&["things", &long]), service.get(&["query"]).query("q", &long)] {
            let error = request.send::<Value>().await.unwrap_err();
            assert!(error.is_unknown("unknown_thing") && error.is(NAMELESS), "{error}");
        }
    }
}

#[tokio::test]
async fn only_the_code_that_says_so_means_that_there_is_none() {
    for service in both_ways().await {
        let error = failure(&service, "invalid").await;
        assert!(error.is_unknown("invalid") && !error.is_unknown("unknown_thing"));
        assert!(error.refusal_of(&["invalid"]).is_some() && error.refusal_of(&["unknown_thing"]).is_none());
        assert!(!failure(&service, "plain").await.is_unknown("unknown_thing"));
        assert!(!failure(&service, "failing").await.is_unknown("unknown_thing"));
    }
}

#[tokio::test]
async fn a_call_carries_the_requests_context_on() {
    for service in both_ways().await {
        let context = RequestContext::new();
        let call = service.get(&["headers"]).bearer("secret").send::<Value>();
        let (id, trace) = (context.request_id().to_owned(), context.traceparent());
        let call = context.clone().scope(call);
        assert_eq!(call.await.unwrap()["id"], Value::Null, "a call belongs to where it was put together");

        let call = context.scope(async { service.get(&["headers"]).bearer("secret").send::<Value>().await });
        assert_eq!(call.await.unwrap(), json!({ "id": id, "trace": trace, "authorization": "Bearer secret" }));
    }
}

#[tokio::test]
async fn a_refusal_tells_what_the_service_said() {
    for service in both_ways().await {
        let error = failure(&service, "invalid").await;
        assert!(error.is("invalid"));
        assert_eq!(error.refusal().unwrap().fields["email"], "No.");
        let refusal = failure(&service, "plain").await.refusal().cloned().unwrap();
        assert_eq!((refusal.status.as_u16(), refusal.code.as_str()), (403, ""));
    }
}

#[tokio::test]
async fn failures_redirects_and_nonsense_are_told_apart() {
    for service in both_ways().await {
        assert!(matches!(failure(&service, "failing").await, Error::Failed { status, .. } if status == 500));
        assert!(matches!(failure(&service, "moved").await, Error::Failed { status, .. } if status == 302));
        assert!(matches!(failure(&service, "garbage").await, Error::Garbage { .. }));
        assert!(matches!(failure(&service, "long").await, Error::Garbage { .. }));
    }
}

#[tokio::test]
async fn a_call_lasts_no_longer_than_its_request_and_says_how_long_that_is() {
    for service in both_ways().await {
        let service = service.with_deadline(Duration::from_secs(3));
        let told = async |left: Duration| {
            let call = async { service.get(&["timeout"]).send::<u64>().await };
            RequestContext::new().within(left).scope(call).await
        };
        let left = told(Duration::from_secs(2)).await.unwrap();
        assert!((1_900..=2_000).contains(&left), "{left}");
        assert_eq!(told(Duration::from_secs(20)).await.unwrap(), 3_000, "its own deadline is sooner");
        assert_eq!(service.get(&["timeout"]).send::<u64>().await.unwrap(), 3_000, "and there is one without a request");
        let hurried = service.get(&["timeout"]).within(Duration::from_millis(700));
        assert_eq!(hurried.send::<u64>().await.unwrap(), 700);
        let cut = RequestContext::new().within(Duration::from_millis(50));
        let cut = cut.scope(async { service.get(&["never"]).done().await }).await;
        assert!(matches!(cut, Err(Error::Timeout { .. })));
    }
}

#[tokio::test]
async fn a_call_without_any_time_left_does_not_go_out() {
    let untouched = Router::new().fallback(async || -> Response { panic!("it was called") });
    let service = Service::in_process("stock", untouched);
    let over = RequestContext::new().within(Duration::ZERO);
    let error = over.scope(async { service.get(&["things"]).done().await }).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { after, .. } if after.is_zero()));
}

#[tokio::test]
async fn an_answer_is_measured_for_who_keeps_it() {
    for service in both_ways().await {
        let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes);
        let (thing, length) = service.get(&["things", "tent"]).send_and_read(read).await.unwrap();
        assert_eq!((thing["name"].as_str(), length), (Some("tent"), r#"{"name":"tent"}"#.len()));
    }
}

#[tokio::test]
async fn a_call_ends_at_its_deadline() {
    for service in both_ways().await {
        let service = service.with_deadline(Duration::from_millis(50));
        assert!(matches!(failure(&service, "never").await, Error::Timeout { .. }));
    }
}

#[tokio::test]
async fn a_service_that_is_not_there_is_unreachable() {
    let listener = serve::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let service = Service::at("stock", &address).unwrap();
    assert!(matches!(failure(&service, "echo").await, Error::Unreachable { .. }));
}

#[tokio::test]
async fn a_service_may_live_below_a_path() {
    let listener = serve::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = format!("http://{}/inner/", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, Router::new().nest("/inner", router())).into_future());
    let service = Service::at("stock", &address).unwrap();
    assert_eq!(service.get(&["things", "a"]).send::<Value>().await.unwrap()["name"], "a");
}

#[test]
fn where_a_service_is_has_to_be_said_and_to_be_an_http_address() {
    let missing = Service::from_env("no-such").unwrap_err();
    assert!(missing.to_string().contains("PAGEFLEET_SERVICE_NO_SUCH"), "{missing}");
    for address in ["", "stock:7001", "https://stock", "ftp://stock", "/stock"] {
        let error = Service::at("stock", address).unwrap_err();
        assert!(matches!(error, ConfigError::Address { .. }), "{address}");
        assert!(error.to_string().contains("PAGEFLEET_SERVICE_STOCK"), "{error}");
    }
}
