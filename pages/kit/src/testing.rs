//! For tests: a visitor who walks through a page in process, and keeps its cookies as a browser would; and services that
//! fail as they are told.

mod faults;
mod working;

use std::collections::BTreeMap;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, Request};
use tower::ServiceExt;

pub use faults::{Fault, Faulty};
pub use working::Working;

/// Somebody who visits a page.
#[derive(Debug, Clone)]
pub struct Visitor {
    page: Router,
    cookies: BTreeMap<String, String>,
}

/// What the visitor got.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as far as it is text.
    pub body: String,
}

impl Visitor {
    /// A visitor without cookies.
    pub fn of(page: Router) -> Self {
        Self { page, cookies: BTreeMap::new() }
    }

    /// Takes a cookie from elsewhere.
    pub fn take_cookie(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    /// The cookie that the visitor has, or an empty one.
    pub fn cookie(&self, name: &str) -> &str {
        self.cookies.get(name).map_or("", String::as_str)
    }

    /// Goes to a path.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(&format!("GET {path}"), &[], "").await
    }

    /// Sends a form, written as `name=value&…`.
    pub async fn post(&mut self, path: &str, form: &str) -> Answer {
        self.send(&format!("POST {path}"), &[("sec-fetch-site", "same-origin")], form).await
    }

    /// Sends `request`, as in `"GET /"`, with headers and a form.
    ///
    /// # Panics
    /// When the request is malformed: a test is wrong then.
    pub async fn send(&mut self, request: &str, headers: &[(&str, &str)], form: &str) -> Answer {
        let (method, path) = request.split_once(' ').expect("a request is a method and a path");
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut builder = Request::builder().method(method).uri(path);
        if !cookies.is_empty() {
            builder = builder.header(COOKIE, cookies.join("; "));
        }
        if !form.is_empty() {
            builder = builder.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        builder = headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
        let request = builder.body(Body::from(form.to_owned())).expect("the request is well-formed");
        let Ok(response) = self.page.clone().oneshot(request).await;
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("the body is in memory");
        self.keep_cookies(&parts.headers);
        let body = String::from_utf8_lossy(&body).into_owned();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    fn keep_cookies(&mut self, headers: &HeaderMap) {
        for cookie in headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok()) {
            let pair = cookie.split(';').next().unwrap_or_default();
            match pair.split_once('=') {
                Some((name, value)) if !value.is_empty() => self.take_cookie(name, value),
                Some((name, _)) => drop(self.cookies.remove(name)),
                None => {}
            }
        }
    }
}

impl Answer {
    /// A header, or an empty one.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Whether the body has this text in it.
    pub fn says(&self, text: &str) -> bool {
        self.body.contains(text)
    }
}
