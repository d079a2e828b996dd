//! A server over real sockets: what surrounds each request, and how it stops.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::routing::get;
use serde_json::{Value, json};
use service_kit::args::Listen;
use service_kit::context;
use service_kit::error::with_fallbacks;
use service_kit::serve::{self, Readiness, Server, Stop};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tower::ServiceExt;

struct Running {
    address: SocketAddr,
    readiness: Readiness,
    stop: Option<oneshot::Sender<Stop>>,
    served: JoinHandle<()>,
}

impl Running {
    async fn serve(settle: Duration, router: Router) -> Self {
        let listener = serve::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::new("test", &Listen { listen: address, settle });
        let server = server.live(|| json!({ "page": "test", "requests": 7 }));
        let readiness = server.readiness();
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(server.run_on(listener, router, async { stopped.await.unwrap() }));
        Self { address, readiness, stop: Some(stop), served }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn get(&self, path: &str, headers: &str) -> Answer {
        Answer::to(&mut self.connect().await, path, headers).await
    }

    async fn stop(&mut self, how: Stop) {
        self.stop.take().unwrap().send(how).unwrap();
        while self.readiness.is_ready() {
            tokio::task::yield_now().await;
        }
    }
}

struct Answer {
    head: String,
    body: String,
}

impl Answer {
    async fn to(connection: &mut TcpStream, path: &str, headers: &str) -> Self {
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\n{headers}\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        Self::read(connection).await
    }

    async fn read(connection: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        let head_end = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            assert_ne!(connection.read_buf(&mut bytes).await.unwrap(), 0, "closed before an answer");
        };
        let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap().to_lowercase();
        let length: usize = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        while bytes.len() < head_end + 4 + length {
            connection.read_buf(&mut bytes).await.unwrap();
        }
        let body = String::from_utf8(bytes[head_end + 4..].to_vec()).unwrap();
        Self { head, body }
    }

    fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn router() -> Router {
    let router = Router::new()
        .route("/", get(async || "hello"))
        .route("/panic", get(async || panic!("as asked") as &str))
        .route("/context", get(async || context::current().unwrap().request_id().to_owned()));
    with_fallbacks(router)
}

#[tokio::test]
async fn a_server_is_live_and_ready_and_answers() {
    let server = Running::serve(Duration::ZERO, router()).await;
    let live = server.get("/health/live", "").await;
    assert_eq!((live.status(), live.json()), (200, json!({ "page": "test", "requests": 7 })));
    assert_eq!(server.get("/health/ready", "").await.status(), 200);
    let answer = server.get("/", "").await;
    assert_eq!((answer.status(), answer.body.as_str()), (200, "hello"));
    assert_eq!(answer.header("connection"), None);
}

#[tokio::test]
async fn every_answer_has_the_requests_id_and_so_has_the_handler() {
    let server = Running::serve(Duration::ZERO, router()).await;
    let answer = server.get("/context", "x-request-id: from-the-proxy\r\n").await;
    assert_eq!((answer.header("x-request-id"), answer.body.as_str()), (Some("from-the-proxy"), "from-the-proxy"));
    let answer = server.get("/nowhere", "x-request-id: two words\r\n").await;
    assert_eq!(answer.header("x-request-id").map(str::len), Some(36), "a malformed id is replaced");
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_server_goes_on() {
    let server = Running::serve(Duration::ZERO, router()).await;
    let mut connection = server.connect().await;
    let answer = Answer::to(&mut connection, "/panic", "").await;
    assert_eq!((answer.status(), &answer.json()["error"]["code"]), (500, &json!("internal")));
    assert!(!answer.body.contains("as asked"));
    assert!(answer.header("x-request-id").is_some());
    assert_eq!(Answer::to(&mut connection, "/", "").await.status(), 200, "on the same connection");
}

#[tokio::test]
async fn a_server_gives_up_a_request_whose_time_is_over() {
    let router = || Router::new().route("/never", get(async || std::future::pending::<&str>().await));
    let server = Running::serve(Duration::ZERO, router()).await;
    let mut connection = server.connect().await;
    let answer = Answer::to(&mut connection, "/never", "x-request-timeout-ms: 30\r\n").await;
    assert_eq!((answer.status(), &answer.json()["error"]["code"]), (503, &json!("too_late")));
    assert_eq!(Answer::to(&mut connection, "/health/live", "").await.status(), 200, "on the same connection");
}

#[tokio::test]
async fn a_page_finishes_late_with_what_it_has() {
    let server = Server::new("test", &Listen { listen: ([127, 0, 0, 1], 0).into(), settle: Duration::ZERO });
    let late = get(async || {
        let context = context::current().unwrap();
        tokio::time::sleep_until(context.deadline()).await;
        format!("{:?}", context.remaining())
    });
    let app = server.finishing_late().app(Router::new().route("/", late));
    let request = Request::get("/").header("x-request-timeout-ms", "20").body(Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(to_bytes(response.into_body(), 100).await.unwrap(), "0ns");
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_are_json() {
    let server = Running::serve(Duration::ZERO, router()).await;
    let answer = server.get("/nowhere", "").await;
    assert_eq!((answer.status(), &answer.json()["error"]["code"]), (404, &json!("unknown_path")));
}

#[tokio::test]
async fn a_stopping_server_is_not_ready_and_answers_while_it_settles() {
    let mut server = Running::serve(Duration::from_secs(60), router()).await;
    let mut kept_alive = server.connect().await;
    assert_eq!(Answer::to(&mut kept_alive, "/", "").await.status(), 200);

    server.stop(Stop::Settle).await;
    assert_eq!(server.get("/health/ready", "").await.status(), 503);
    assert_eq!(server.get("/health/live", "").await.status(), 200);
    for mut connection in [kept_alive, server.connect().await] {
        let answer = Answer::to(&mut connection, "/", "").await;
        assert_eq!((answer.status(), answer.header("connection")), (200, Some("close")));
        assert_eq!(connection.read(&mut [0]).await.unwrap(), 0, "and it is closed");
    }
    assert!(!server.served.is_finished());
}

#[tokio::test]
async fn a_stopping_server_finishes_what_is_in_flight() {
    let (entered, mut in_handler) = mpsc::channel(1);
    let (release, released) = oneshot::channel::<()>();
    let released = std::sync::Arc::new(tokio::sync::Mutex::new(Some(released)));
    let slow = get(async move || {
        entered.send(()).await.unwrap();
        released.lock().await.take().unwrap().await.unwrap();
        "at last"
    });
    let mut server = Running::serve(Duration::ZERO, Router::new().route("/slow", slow)).await;
    let mut connection = server.connect().await;
    let request = tokio::spawn(async move { Answer::to(&mut connection, "/slow", "").await });
    in_handler.recv().await.unwrap();

    server.stop(Stop::Settle).await;
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!server.served.is_finished(), "it takes no connections, and waits");
    release.send(()).unwrap();
    let answer = request.await.unwrap();
    assert_eq!((answer.body.as_str(), answer.header("connection")), ("at last", Some("close")));
    server.served.await.unwrap();
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_the_end() {
    let mut server = Running::serve(Duration::ZERO, router()).await;
    let mut idle = server.connect().await;
    assert_eq!(Answer::to(&mut idle, "/", "").await.status(), 200);
    server.stop(Stop::AtOnce).await;
    server.served.await.unwrap();
    assert_eq!(idle.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn an_address_in_use_is_named_with_its_flag_and_variable() {
    let taken = serve::bind(([127, 0, 0, 1], 0).into()).await.unwrap().local_addr();
    let holder = serve::bind(taken.unwrap()).await.unwrap();
    let address = holder.local_addr().unwrap();
    let error = serve::bind(address).await.unwrap_err();
    let text = format!("{:?}", service_kit::Failure::from(error));
    assert!(text.contains(&address.to_string()), "{text}");
    assert!(text.contains("--listen") && text.contains("PAGEFLEET_LISTEN"), "{text}");
    assert!(text.to_lowercase().contains("in use"), "{text}");
}
