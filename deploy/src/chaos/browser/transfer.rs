//! One request and what it brought, whole or not at all.

use super::super::front::MARK;
use super::super::tally::{By, Outcome};
use http::HeaderMap;
use reqwest::{Client, RequestBuilder, Url};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::time::Duration;

/// How long a visitor waits at most.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is sent.
pub(crate) type Form<'a> = &'a [(&'a str, &'a str)];

/// What a request brought. Without an answer there is no status and nothing else.
#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) outcome: Outcome,
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// The connections of the visitor with this number, who has an address of its own where the system lets it.
pub(crate) fn client(number: u8) -> reqwest::Result<Client> {
    let own = IpAddr::from(Ipv4Addr::new(127, 0, 0, number));
    let own = TcpListener::bind((own, 0)).is_ok().then_some(own);
    let local = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    local.local_address(own).timeout(PATIENCE).build()
}

impl Transfer {
    pub(super) async fn of(request: RequestBuilder) -> Self {
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if error.is_timeout() => return Self::none("no answer in time"),
            Err(error) if error.is_connect() => return Self::none("no connection"),
            Err(_) => return Self::none("no answer"),
        };
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        match answer.bytes().await {
            Ok(body) => Self { outcome: outcome(status, &headers), status, headers, body: body.into() },
            Err(error) if error.is_timeout() => Self { headers, ..Self::none("no whole answer in time") },
            Err(_) => Self { headers, ..Self::none("broken off") },
        }
    }

    fn none(why: &'static str) -> Self {
        Self { outcome: Outcome::NoAnswer(why), status: 0, headers: HeaderMap::new(), body: Vec::new() }
    }
}

fn outcome(status: u16, headers: &HeaderMap) -> Outcome {
    let by = || match headers.get("x-proxy-error") {
        Some(word) => By::Proxy(word.to_str().unwrap_or_default().to_owned()),
        None if headers.contains_key(MARK) => By::Fault,
        None => By::Page,
    };
    match status {
        429 => Outcome::TooMany,
        400..500 => Outcome::ClientError(status),
        500.. => Outcome::ServerError { status, by: by() },
        _ => Outcome::Good,
    }
}

/// As browsers send a form.
pub(super) fn encoded(form: Form<'_>) -> String {
    let mut url = Url::parse("http://form/").expect("it is a URL");
    url.query_pairs_mut().extend_pairs(form);
    url.query().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_5xx_is_the_proxys_a_faults_or_the_pages() {
        for (name, by) in [("x-proxy-error", By::Proxy("connect".to_owned())), (MARK, By::Fault), ("x-page", By::Page)]
        {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), "connect".parse().unwrap())]);
            assert_eq!(outcome(502, &headers), Outcome::ServerError { status: 502, by });
        }
    }

    #[test]
    fn a_form_is_sent_as_browsers_send_it() {
        assert_eq!(encoded(&[("name", "Ada & Co"), ("city", "Zürich")]), "name=Ada+%26+Co&city=Z%C3%BCrich");
    }
}
