//! One visitor's connection: an address of its own, cookies if wanted, and nothing that hides a failure. A connection
//! that turns out to be closed before anything was written to it is opened again, as browsers do, and counted.

use crate::harness::wait_until;
use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, CONTENT_TYPE, COOKIE, HOST, HeaderMap, REFERER, SET_COOKIE};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpSocket;

/// No answer takes this long unless something is broken.
const BOUND: Duration = Duration::from_secs(20);

/// Who asks, and how.
pub(crate) struct Client {
    from: Ipv4Addr,
    to: SocketAddr,
    keeps_alive: bool,
    /// `None`: turned off.
    cookies: Option<BTreeMap<String, String>>,
    connection: Option<SendRequest<Empty<Bytes>>>,
    /// How many connections it has opened.
    pub(crate) connections: u64,
    /// How many of those because the one before was closed while it was idle.
    pub(crate) reopened: u64,
}

/// An answer, read whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// A header as text, or "".
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn is_html(&self) -> bool {
        self.header(CONTENT_TYPE.as_str()).starts_with("text/html")
    }
}

impl Client {
    /// At 127.0.0.`host`, with cookies and keep-alive.
    pub(crate) fn new(host: u8, to: SocketAddr) -> Self {
        Self {
            from: Ipv4Addr::new(127, 0, 0, host),
            to,
            keeps_alive: true,
            cookies: Some(BTreeMap::new()),
            connection: None,
            connections: 0,
            reopened: 0,
        }
    }

    pub(crate) fn without_cookies(self) -> Self {
        Self { cookies: None, ..self }
    }

    /// Says `Connection: close` with each request.
    pub(crate) fn without_keep_alive(self) -> Self {
        Self { keeps_alive: false, ..self }
    }

    pub(crate) fn has_cookies(&self) -> bool {
        self.cookies.is_some()
    }

    /// What it was told to keep under this name.
    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.as_ref()?.get(name).map(String::as_str)
    }

    /// One request and its answer, or what went wrong.
    pub(crate) async fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Result<Answer, String> {
        let answer = tokio::time::timeout(BOUND, self.exchange(path, headers)).await;
        let answer = answer.map_err(|_| format!("no answer within {BOUND:?}")).flatten();
        match &answer {
            Ok(answer) => self.keep_cookies(&answer.headers),
            Err(_) => self.connection = None,
        }
        answer
    }

    /// Asks until an answer says that it was the last on its connection, as a process that has a successor does.
    pub(crate) async fn ask_until_told_to_close(&mut self, path: &str) {
        wait_until("it is told that an answer is the last", async || {
            let answer = self.get(path, &[]).await.unwrap();
            assert_eq!(answer.status, 200);
            (answer.header(CONNECTION.as_str()) == "close").then_some(())
        })
        .await;
    }

    async fn exchange(&mut self, path: &str, headers: &[(&str, &str)]) -> Result<Answer, String> {
        let mut request = self.request(path, headers);
        loop {
            let kept = self.connection.take().filter(|connection| !connection.is_closed());
            let is_kept = kept.is_some();
            let mut connection = match kept {
                Some(connection) => connection,
                None => self.connect().await?,
            };
            let response = match connection.try_send_request(request).await {
                Ok(response) => response,
                Err(mut failed) => match failed.take_message().filter(|_| is_kept) {
                    Some(not_sent) => {
                        self.reopened += 1;
                        request = not_sent;
                        continue;
                    }
                    None => return Err(format!("{}, {:?}", failed.error(), failed.error())),
                },
            };
            let (head, body) = response.into_parts();
            let body = body.collect().await.map_err(|error| format!("in the body: {error}, {error:?}"))?.to_bytes();
            let closes = head.headers.get(CONNECTION).is_some_and(|value| value.as_bytes() == b"close");
            self.connection = Some(connection).filter(|_| self.keeps_alive && !closes);
            return Ok(Answer { status: head.status, headers: head.headers, body });
        }
    }

    async fn connect(&mut self) -> Result<SendRequest<Empty<Bytes>>, String> {
        self.connections += 1;
        let opened = async {
            let socket = TcpSocket::new_v4()?;
            socket.bind((self.from, 0).into())?;
            socket.connect(self.to).await
        };
        let stream = opened.await.map_err(|error| format!("not connected: {error}"))?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        // Its error comes with the request's.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    fn request(&self, path: &str, headers: &[(&str, &str)]) -> Request<Empty<Bytes>> {
        let mut request = Request::get(path).header(HOST, self.to.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !self.keeps_alive {
            request = request.header(CONNECTION, "close");
        }
        let pairs = self.cookies.iter().flatten().map(|(name, value)| format!("{name}={value}"));
        let cookies: Vec<_> = pairs.collect();
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies.join("; "));
        }
        request.body(Empty::new()).unwrap()
    }

    fn keep_cookies(&mut self, headers: &HeaderMap) {
        let Some(cookies) = &mut self.cookies else { return };
        let set = headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
        for (name, value) in set.filter_map(|set| set.split(';').next()?.split_once('=')) {
            cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}

/// What a browser says with a request for a document.
pub(crate) fn for_a_document() -> [(&'static str, &'static str); 1] {
    [(ACCEPT.as_str(), "text/html,*/*")]
}

/// What a browser says with a request for what a document pulls in.
pub(crate) fn from_a_document(url: &str) -> [(&'static str, &str); 1] {
    [(REFERER.as_str(), url)]
}
