//! Somebody with a browser's cookies.

use super::{Fleet, PATIENCE, between};
use reqwest::cookie::Jar;
use std::net::SocketAddr;
use std::sync::Arc;

/// An answer, read whole.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
    headers: reqwest::header::HeaderMap,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Somebody with a browser's cookies and headers, who follows no redirect by himself.
pub(crate) struct Visitor {
    client: reqwest::Client,
    cookies: Arc<Jar>,
    root: String,
}

impl Visitor {
    pub(crate) fn of(fleet: &Fleet) -> Self {
        Self::at(fleet.address)
    }

    /// Of whatever is at an address.
    pub(crate) fn at(address: SocketAddr) -> Self {
        let cookies = Arc::<Jar>::default();
        let client = reqwest::Client::builder().cookie_provider(Arc::clone(&cookies)).timeout(PATIENCE);
        let client = client.redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { client, cookies, root: format!("http://{address}") }
    }

    /// Has a cookie from before, such as `basket=…`.
    pub(crate) fn bring_cookie(&self, cookie: &str) {
        self.cookies.add_cookie_str(cookie, &self.root.parse().unwrap());
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.answer(self.client.get(format!("{}{path}", self.root)).header("accept", "text/html,*/*")).await
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let request = self.client.post(format!("{}{path}", self.root)).header("sec-fetch-site", "same-origin");
        self.answer(request.form(form)).await
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }
}

/// What a visitor sends to order: the hidden fields of the form that is shown, and what he types.
pub(crate) fn order_form(details: &Answer) -> Vec<(String, String)> {
    assert_eq!(details.status, 200, "{}", details.text);
    let hidden = details.text.split("<input type=\"hidden\"").skip(1);
    let hidden =
        hidden.map(|input| (between(input, "name=\"", "\"").to_owned(), between(input, "value=\"", "\"").to_owned()));
    let typed = [
        ("email", "ada@example.com"),
        ("name", "Ada Beck"),
        ("line1", "1 Tarn Lane"),
        ("line2", ""),
        ("postcode", "8000"),
        ("city", "Aarhus"),
        ("country", "DK"),
    ];
    hidden.chain(typed.map(|(name, value)| (name.to_owned(), value.to_owned()))).collect()
}
