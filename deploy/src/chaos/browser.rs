//! One visit's browser: cookies, the Referer, redirects, and the assets of each page, which are checked against their
//! fingerprints. Everything it does is recorded.

mod transfer;

use super::diary::Diary;
use super::html;
use super::tally::Outcome;
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, LOCATION, ORIGIN, REFERER, SET_COOKIE};
use http::{HeaderValue, Method};
use reqwest::{Client, RequestBuilder};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use transfer::{Form, Transfer, encoded};

pub(super) use transfer::client;

const REDIRECTS: usize = 5;
/// Hex digits of a fingerprint.
const FINGERPRINT: usize = 16;

/// A browser that is empty at first.
#[derive(Debug)]
pub(super) struct Browser {
    diary: Arc<Diary>,
    client: Client,
    cookies: BTreeMap<String, String>,
    /// The path of the page that is showing.
    showing: Option<String>,
    /// The fingerprinted assets that it has.
    has: BTreeSet<String>,
}

/// An answer, whole.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) status: u16,
    pub(super) location: Option<String>,
    pub(super) body: String,
    set_cookies: Vec<String>,
}

impl Browser {
    pub(super) fn new(diary: Arc<Diary>, client: Client) -> Self {
        Self { diary, client, cookies: BTreeMap::new(), showing: None, has: BTreeSet::new() }
    }

    /// Goes to a page, follows redirects, and loads its assets. None when there is no answer.
    pub(super) async fn go(&mut self, path: &str) -> Option<Page> {
        let mut page = self.send(Method::GET, path, &[]).await;
        let mut path = path.to_owned();
        for _ in 0..REDIRECTS {
            let found = page?;
            self.keep_cookies(&found);
            let Some(next) = &found.location else {
                self.show(&path, &found).await;
                return Some(found);
            };
            path.clone_from(next);
            page = self.send(Method::GET, &path, &[]).await;
        }
        None
    }

    /// Sends a form; a redirect is not followed.
    pub(super) async fn submit(&mut self, path: &str, form: Form<'_>) -> Option<Page> {
        let page = self.send(Method::POST, path, form).await?;
        self.keep_cookies(&page);
        Some(page)
    }

    /// Sends a form twice at once, as a double click does; the browser shows the second answer.
    pub(super) async fn submit_twice(&mut self, path: &str, form: Form<'_>) -> [Option<Page>; 2] {
        let (first, second) = tokio::join!(self.send(Method::POST, path, form), self.send(Method::POST, path, form));
        for page in [&first, &second].into_iter().flatten() {
            self.keep_cookies(page);
        }
        [first, second]
    }

    /// Asks for a page and leaves it at that.
    pub(super) async fn look(&self, path: &str) -> Option<Page> {
        self.send(Method::GET, path, &[]).await
    }

    async fn show(&mut self, path: &str, page: &Page) {
        self.showing = Some(path.to_owned());
        if let Some(source) = html::visitor_source(&page.body) {
            self.send(Method::GET, source, &[]).await;
        }
        for asset in html::assets(&page.body) {
            if !self.has.contains(&asset) && self.load(&asset).await {
                self.has.insert(asset);
            }
        }
    }

    /// Loads an asset; whether it came whole and is what its URL says. A stable URL says nothing.
    /// Loads an asset; whether it came whole and is what its URL says. A stable URL says nothing.
    async fn load(&self, asset: &str) -> bool {
        let began = self.diary.now();
        let Transfer { outcome, headers, body, .. } = Transfer::of(self.request(Method::GET, asset)).await;
        let expected = outcome.is_good().then(|| fingerprint(asset)).flatten();
        let is_right = expected.is_some_and(|expected| digest(&body).starts_with(expected));
        if expected.is_some() && !is_right {
            self.diary.wrong_bytes(format!("{asset}: {} bytes, SHA-256 {}", body.len(), digest(&body)));
        }
        self.diary.record(("GET", asset), began, outcome, &headers);
        is_right
    }

    async fn send(&self, method: Method, path: &str, form: Form<'_>) -> Option<Page> {
        let began = self.diary.now();
        let mut request = self.request(method.clone(), path);
        if method == Method::POST {
            request = request.header(ORIGIN, &self.diary.site).header("sec-fetch-site", "same-origin");
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(encoded(form));
        }
        let Transfer { mut outcome, status, headers, body } = Transfer::of(request).await;
        let body = String::from_utf8_lossy(&body).into_owned();
        if outcome == Outcome::Good && (html::is_degraded(&body) || body.contains("\"unknown\":[")) {
            outcome = Outcome::Degraded;
        }
        let is_answer = !matches!(outcome, Outcome::NoAnswer(_));
        self.diary.record((method.as_str(), path), began, outcome, &headers);
        let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
        is_answer.then(|| Page {
            status,
            location: headers.get(LOCATION).and_then(text),
            body,
            set_cookies: headers.get_all(SET_COOKIE).iter().filter_map(text).collect(),
        })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let mut request = self.client.request(method, format!("{}{path}", self.diary.site));
        request = request.header(ACCEPT, "text/html,*/*;q=0.8");
        if let Some(showing) = &self.showing {
            request = request.header(REFERER, format!("{}{showing}", self.diary.site));
        }
        if !self.cookies.is_empty() {
            let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(COOKIE, pairs.join("; "));
        }
        request
    }

    fn keep_cookies(&mut self, page: &Page) {
        for cookie in &page.set_cookies {
            let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
            let Some((name, value)) = pair.split_once('=') else { continue };
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name.trim());
            } else {
                self.cookies.insert(name.trim().to_owned(), value.trim().to_owned());
            }
        }
    }
}

/// The digits in `/assets/site-5d1f0c3a9b7e2468.css`.
fn fingerprint(asset: &str) -> Option<&str> {
    let stem = asset.rsplit_once('.')?.0;
    let digits = stem.rsplit_once('-')?.1;
    (digits.len() == FINGERPRINT && digits.bytes().all(|digit| digit.is_ascii_hexdigit())).then_some(digits)
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_16_hex_digits_between_hyphen_and_extension() {
        assert_eq!(fingerprint("/assets/site-5d1f0c3a9b7e2468.css"), Some("5d1f0c3a9b7e2468"));
        for stable in ["/assets/site.css", "/assets/site-wide.css", "/assets/site-5d1f0c3a9b7e246.css", "/assets/x"] {
            assert_eq!(fingerprint(stable), None, "{stable}");
        }
    }
}
