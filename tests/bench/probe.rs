//! One request, and what it must be answered with: asked before anything is measured, so that no peer is measured at
//! answering wrongly.

use reqwest::Client;
use reqwest::header::{CONTENT_ENCODING, HeaderMap};
use std::io::Read;
use std::net::SocketAddr;

/// A GET.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// What came back, with the body as it was before it was compressed.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// Bytes of the body on the way.
    pub(crate) sent: usize,
}

/// What must come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) status: u16,
    /// None if any body will do.
    pub(crate) body: Option<Vec<u8>>,
}

impl Ask {
    /// Without any header.
    pub(crate) fn plain(path: &str) -> Self {
        Self { path: path.to_owned(), headers: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

impl Answer {
    /// A header as text, or "".
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// What anybody must answer who answers as this one did.
    pub(crate) fn expected(&self) -> Expected {
        Expected { status: self.status, body: Some(self.body.clone()) }
    }
}

impl Expected {
    /// What is wrong with an answer.
    pub(crate) fn check(&self, answer: &Answer) -> Result<(), String> {
        if answer.status != self.status {
            return Err(format!("answered {}, not {}", answer.status, self.status));
        }
        match &self.body {
            Some(body) if *body != answer.body => {
                Err(format!("a body of {} bytes, not the {} that the page sends", answer.body.len(), body.len()))
            }
            _ => Ok(()),
        }
    }
}

/// Asks once.
pub(crate) async fn ask(client: &Client, at: SocketAddr, ask: &Ask) -> Result<Answer, String> {
    let mut request = client.get(format!("http://{at}{}", ask.path));
    for (name, value) in &ask.headers {
        request = request.header(*name, value);
    }
    let response = request.send().await.map_err(|error| format!("no answer: {error}"))?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await.map_err(|error| format!("no whole body: {error}"))?;
    let coding = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let body = decoded(coding, &bytes)?;
    Ok(Answer { status, headers, body, sent: bytes.len() })
}

fn decoded(coding: &str, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    let read = match coding {
        "" | "identity" => return Ok(bytes.to_vec()),
        "gzip" => flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut body),
        "br" => brotli::Decompressor::new(bytes, 4096).read_to_end(&mut body),
        other => return Err(format!("a coding that nobody asked for: {other}")),
    };
    read.map(|_| body).map_err(|error| format!("a body that is not {coding}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn answer(status: u16, body: &[u8]) -> Answer {
        Answer { status, headers: HeaderMap::new(), body: body.to_vec(), sent: body.len() }
    }

    #[test]
    fn another_status_and_another_body_are_told() {
        let expected = answer(200, b"body").expected();
        assert_eq!(expected.check(&answer(200, b"body")), Ok(()));
        assert!(expected.check(&answer(502, b"body")).unwrap_err().contains("502, not 200"));
        assert!(expected.check(&answer(200, b"bo")).unwrap_err().contains("2 bytes, not the 4"));
        assert_eq!(Expected { status: 304, body: None }.check(&answer(304, b"")), Ok(()));
    }

    #[test]
    fn a_body_is_compared_as_it_was_before_it_was_compressed() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(b"body").unwrap();
        assert_eq!(decoded("gzip", &gzip.finish().unwrap()).unwrap(), b"body");
        assert_eq!(decoded("", b"body").unwrap(), b"body");
        assert!(decoded("gzip", b"body").is_err());
        assert!(decoded("zstd", b"body").unwrap_err().contains("nobody asked"));
    }
}
