//! Queries against a service that does as it is told, in paused time.

mod failing;
mod sharing;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};
use service_kit::client::Service;
use service_kit::context::RequestContext;
use tokio::time::{Instant, advance, sleep};

use super::*;
use crate::Metrics;

const AGES: Ages = Ages { fresh: Duration::from_secs(10), stale: Duration::from_secs(3_600) };

/// What a service does with a call.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Does {
    Answer,
    AnswerAfter(Duration),
    Hang,
    Fail,
    FailAfter(Duration),
    FailOnce,
    Garbage,
    TooMuch,
    Refuse(&'static str),
}

/// A service, the number of calls it had, and what it was told to do.
#[derive(Clone)]
struct Stock {
    calls: Arc<AtomicUsize>,
    does: Arc<Mutex<Does>>,
    source: Source,
    metrics: Metrics,
}

impl Stock {
    fn that(does: Does) -> Self {
        let (calls, does) = (Arc::<AtomicUsize>::default(), Arc::new(Mutex::new(does)));
        let (counted, told) = (calls.clone(), does.clone());
        let router = Router::new().fallback(move |request: Request| {
            let (call, does) = (counted.fetch_add(1, Ordering::SeqCst) + 1, *told.lock().unwrap());
            answer(does, call, text(&request, "x-request-timeout-ms"))
        });
        let metrics = Metrics::new();
        let source = Source::new(Service::in_process("stock", router), &metrics);
        Self { calls, does, source, metrics }
    }

    fn now(&self, does: Does) {
        *self.does.lock().unwrap() = does;
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn query(&self) -> Query<Value> {
        Query::new("things", &self.source, AGES)
    }

    fn request(&self, thing: &str) -> service_kit::client::Request {
        self.source.service().get(&["things", thing])
    }

    async fn ask(&self, query: &Query<Value>, thing: &str) -> Answer<u64> {
        query.ask(self.request(thing)).await.map(|value| value["call"].as_u64().unwrap())
    }

    /// Asks within a request that has only so long.
    async fn ask_within(&self, query: &Query<Value>, thing: &str, time: Duration) -> Answer<u64> {
        RequestContext::new().within(time).scope(self.ask(query, thing)).await
    }
}

async fn answer(does: Does, call: usize, timeout: String) -> Response {
    let answer = Json(json!({ "call": call, "timeout": timeout }));
    match does {
        Does::Answer => answer.into_response(),
        Does::AnswerAfter(time) => {
            sleep(time).await;
            answer.into_response()
        }
        Does::Hang => std::future::pending().await,
        Does::Fail => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Does::FailAfter(time) => {
            sleep(time).await;
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Does::FailOnce if call == 1 => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Does::FailOnce => answer.into_response(),
        Does::Garbage => "<html>".into_response(),
        Does::TooMuch => "x".repeat(5 * 1024 * 1024).into_response(),
        Does::Refuse(code) => (StatusCode::NOT_FOUND, Json(json!({ "error": { "code": code } }))).into_response(),
    }
}

fn text(request: &Request, name: &str) -> String {
    request.headers().get(name).map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_given_again_while_it_is_fresh_and_asked_for_when_it_is_not() {
    let stock = Stock::that(Does::Answer);
    let query = stock.query();
    assert_eq!(stock.ask(&query, "tent").await, Answer::Fresh(1));
    advance(ms(9_999)).await;
    assert_eq!(stock.ask(&query, "tent").await, Answer::Fresh(1));
    advance(ms(1)).await;
    assert_eq!(stock.ask(&query, "tent").await, Answer::Fresh(2), "nobody is shown an old one without need");
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_of_what_was_asked_and_no_other() {
    let stock = Stock::that(Does::Answer);
    let query = stock.query();
    assert_eq!(stock.ask(&query, "tent").await, Answer::Fresh(1));
    assert_eq!(stock.ask(&query, "mug").await, Answer::Fresh(2));
    let sorted = || stock.request("tent").query("sort", "price");
    assert_eq!(query.ask(sorted()).await.map(|value| value["call"].clone()), Answer::Fresh(json!(3)));
    assert_eq!(query.ask(sorted()).await.map(|value| value["call"].clone()), Answer::Fresh(json!(3)));
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_the_last_answer_is_given_with_its_age_until_it_is_too_old() {
    let stock = Stock::that(Does::Answer);
    let query = stock.query();
    assert_eq!(stock.ask(&query, "tent").await, Answer::Fresh(1));
    stock.now(Does::Garbage);
    advance(ms(20_000)).await;
    assert_eq!(stock.ask(&query, "tent").await, Answer::Stale(1, ms(20_000)));
    advance(ms(3_579_999)).await;
    assert_eq!(stock.ask(&query, "tent").await, Answer::Stale(1, ms(3_599_999)));
    advance(ms(1)).await;
    assert_eq!(stock.ask(&query, "tent").await, Answer::Unavailable);
    stock.now(Does::Answer);
    advance(ms(1_250)).await;
    assert!(stock.ask(&query, "tent").await.is_fresh(), "and it is back as soon as the service is");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_means_none_is_an_answer_and_another_one_is_not() {
    let stock = Stock::that(Does::Refuse("unknown_thing"));
    let query: Query<Option<Value>> = Query::optional("thing", &stock.source, AGES, &["unknown_thing"]);
    for _ in 0..2 {
        assert_eq!(query.ask(stock.request("car")).await, Answer::Fresh(Arc::new(None)));
    }
    assert_eq!(query.ask(stock.request("..")).await, Answer::Fresh(Arc::new(None)), "nothing can have this name");
    assert_eq!(stock.calls(), 1);
    stock.now(Does::Refuse("slow_down"));
    assert_eq!(query.ask(stock.request("bus")).await, Answer::Unavailable);
    assert_eq!(stock.calls(), 2, "and it is not repeated");
}

#[tokio::test(start_paused = true)]
async fn what_is_for_one_visitor_is_kept_for_nobody() {
    let stock = Stock::that(Does::Answer);
    let query = stock.query();
    for call in [1, 2] {
        let answer = query.ask(stock.request("tent").bearer("ada")).await;
        assert_eq!(answer.map(|value| value["call"].clone()), Answer::Fresh(json!(call)));
    }
    let lookup: Lookup<Value> = Lookup::new("thing", &stock.source);
    for call in [3, 4] {
        assert_eq!(lookup.ask(stock.request("tent")).await.unwrap()["call"], call);
    }
    stock.now(Does::Fail);
    assert_eq!(lookup.ask(stock.request("tent")).await, Err(Unavailable));
    let none: Lookup<Option<Value>> = Lookup::optional("thing", &stock.source, &["no_session"]);
    stock.now(Does::Refuse("no_session"));
    assert_eq!(none.ask(stock.request("tent")).await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn outcomes_and_retries_are_counted() {
    let stock = Stock::that(Does::FailOnce);
    let query = stock.query();
    stock.ask(&query, "tent").await.of_any_age();
    stock.now(Does::Fail);
    advance(AGES.fresh).await;
    stock.ask(&query, "tent").await.of_any_age();
    stock.ask(&query, "mug").await.of_any_age();
    let text = stock.metrics.text();
    for line in [
        r#"page_queries_total{outcome="fresh",query="things",service="stock"} 1"#,
        r#"page_queries_total{outcome="stale",query="things",service="stock"} 1"#,
        r#"page_queries_total{outcome="unavailable",query="things",service="stock"} 1"#,
        r#"page_query_retries_total{service="stock"} 3"#,
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}
