//! What visitors write down while they walk: every request, every wrong byte, every order.

use super::book::Book;
use super::tally::{ASSETS, Outcome, Record};
use crate::layout::Page;
use http::HeaderMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Shared by all visitors.
#[derive(Debug)]
pub(super) struct Diary {
    /// `http://127.0.0.1:8080`
    pub(super) site: String,
    /// When the run began.
    begun: Instant,
    routes: matchit::Router<String>,
    records: Mutex<Vec<Record>>,
    wrong_bytes: Mutex<Vec<String>>,
    book: Mutex<Book>,
}

impl Diary {
    /// Of a site with these pages. The run begins now.
    pub(super) fn begin(site: String, pages: &[Page]) -> Self {
        let mut routes = matchit::Router::new();
        for page in pages {
            for route in &page.routes {
                routes.insert(route, page.name.clone()).expect("the layout has no two pages on one route");
            }
        }
        let (records, wrong_bytes, book) = Default::default();
        Self { site, begun: Instant::now(), routes, records, wrong_bytes, book }
    }

    /// Since the run began.
    pub(super) fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    /// When the run will be that old.
    pub(super) fn at(&self, age: Duration) -> Instant {
        self.begun + age
    }

    /// A request, by its method and its path, has ended now.
    pub(super) fn record(&self, (method, path): (&str, &str), began: Duration, outcome: Outcome, headers: &HeaderMap) {
        let path = path.split('?').next().unwrap_or(path);
        let page = match self.routes.at(path) {
            _ if path.starts_with("/assets/") => ASSETS,
            Ok(found) => found.value,
            Err(_) => "no page",
        };
        let request_id = headers.get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
        let (page, what, ended) = (page.to_owned(), format!("{method} {path}"), self.now());
        lock(&self.records).push(Record { page, what, began, ended, outcome, request_id });
    }

    /// An asset's bytes are not those that its URL names.
    pub(super) fn wrong_bytes(&self, what: String) {
        lock(&self.wrong_bytes).push(what);
    }

    /// The order book.
    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }

    /// All requests that have ended so far.
    pub(super) fn records(&self) -> Vec<Record> {
        lock(&self.records).clone()
    }

    /// What was wrong with assets so far.
    pub(super) fn all_wrong_bytes(&self) -> Vec<String> {
        lock(&self.wrong_bytes).clone()
    }

    /// How far it is.
    pub(super) fn progress(&self) -> String {
        let records = lock(&self.records);
        let count = |holds: fn(&Outcome) -> bool| records.iter().filter(|record| holds(&record.outcome)).count();
        let (degraded, failed) = (count(|outcome| *outcome == Outcome::Degraded), count(Outcome::is_failure));
        let (all, accepted) = (records.len(), self.book().count_accepted());
        format!("{all} requests, {degraded} degraded, {failed} failed, {accepted} orders accepted")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
