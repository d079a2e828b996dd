//! A real page or service, as a process of its own, and what may go wrong between the two.

use super::{Process, binary, wait_until};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use rustix::process::Signal;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::sync::watch;
use tokio_stream::StreamExt;

/// A running page or service with its data.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    data: Arc<TempDir>,
    environment: Vec<(String, String)>,
}

impl Server {
    /// Starts a program of the workspace, with data of its own, that is told where services are.
    pub(crate) async fn start(name: &'static str, services: &[(&str, SocketAddr)]) -> Self {
        Self::start_with(name, services, &[]).await
    }

    /// As [`Self::start`], with more environment.
    pub(crate) async fn start_with(
        name: &'static str,
        services: &[(&str, SocketAddr)],
        environment: &[(&str, &str)],
    ) -> Self {
        let variable = |service: &str| format!("PAGEFLEET_SERVICE_{}", service.to_uppercase());
        let services = services.iter().map(|(service, address)| (variable(service), format!("http://{address}")));
        let more = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let environment = services.chain(more).collect();
        Self::run(name, "127.0.0.1:0", Arc::new(tempfile::tempdir().unwrap()), environment).await
    }

    async fn run(name: &'static str, listen: &str, data: Arc<TempDir>, environment: Vec<(String, String)>) -> Self {
        let mut command = Command::new(binary(name));
        command.args(["--listen", listen]).env("PAGEFLEET_DATA", data.path()).env("PAGEFLEET_SETTLE", "0s");
        command.envs(environment.iter().cloned());
        let mut process = Process::start(&mut command);
        let address = process.wait_until_listening().await["address"].as_str().unwrap().parse().unwrap();
        let server = Self { process, name, address, data, environment };
        wait_until("it is ready", async || {
            let ready = reqwest::get(format!("http://{address}/health/ready")).await;
            ready.is_ok_and(|ready| ready.status() == 200).then_some(())
        })
        .await;
        server
    }

    /// Another instance, with the same data and environment.
    pub(crate) async fn another(&self) -> Self {
        Self::run(self.name, "127.0.0.1:0", Arc::clone(&self.data), self.environment.clone()).await
    }

    /// SIGKILL; its data stays.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// Starts it again where it was, with the same data.
    pub(crate) async fn revive(&mut self) {
        let address = self.address.to_string();
        *self = Self::run(self.name, &address, Arc::clone(&self.data), self.environment.clone()).await;
    }

    /// SIGSTOP: it holds its connections and answers nothing.
    pub(crate) fn freeze(&self) {
        self.process.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        self.process.signal(Signal::CONT);
    }
}

/// What becomes of a request on its way to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// It goes through.
    Open,
    /// It is answered 500.
    Status500,
    /// It is answered 200, with what is no JSON.
    Garbage,
    /// It is answered with half of a body that was promised whole.
    HalfBody,
    /// It is answered with 100 MB.
    Huge,
    /// It waits, and the service never hears of it.
    HeldBefore,
    /// The service answers, and the answer never comes back.
    HeldAfter,
}

/// Stands before a service, and lets happen to requests what a test wants.
pub(crate) struct Passage {
    pub(crate) address: SocketAddr,
    way: watch::Sender<Way>,
    held: Arc<AtomicUsize>,
}

struct Shared {
    way: watch::Receiver<Way>,
    held: Arc<AtomicUsize>,
    service: SocketAddr,
    client: reqwest::Client,
    /// Only what begins with it is hindered.
    path: &'static str,
}

impl Passage {
    /// An open way to a service.
    pub(crate) async fn to(service: &Server) -> Self {
        Self::for_path(service, "/").await
    }

    /// An open way to a service, that can be hindered for one path.
    pub(crate) async fn for_path(service: &Server, path: &'static str) -> Self {
        let (way, receiver) = watch::channel(Way::Open);
        let held = Arc::<AtomicUsize>::default();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let shared = Shared { way: receiver, held: Arc::clone(&held), service: service.address, client, path };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(pass).with_state(Arc::new(shared));
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { address, way, held }
    }

    /// From now on.
    pub(crate) fn set(&self, way: Way) {
        self.way.send_replace(way);
    }

    /// Waits until so many requests have been held in all.
    pub(crate) async fn has_held(&self, count: usize) {
        wait_until("a request is held", async || (self.held.load(Ordering::SeqCst) >= count).then_some(())).await;
    }
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let way = *shared.way.borrow();
    let is_hindered = request.uri().path().starts_with(shared.path);
    match way {
        _ if !is_hindered => forward(&shared, request).await,
        Way::Open => forward(&shared, request).await,
        Way::Status500 => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Way::Garbage => ([("content-type", "application/json")], "<!doctype html><p>{").into_response(),
        Way::HalfBody => {
            let parts = [Ok(Bytes::from_static(b"{\"products\":[")), Err(std::io::Error::other("cut"))];
            Body::from_stream(tokio_stream::iter(parts)).into_response()
        }
        Way::Huge => {
            let parts = (0..1_600).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 65_536])));
            Body::from_stream(tokio_stream::iter(parts)).into_response()
        }
        Way::HeldBefore => held(&shared).await,
        Way::HeldAfter => {
            forward(&shared, request).await;
            held(&shared).await
        }
    }
}

async fn held(shared: &Shared) -> Response {
    shared.held.fetch_add(1, Ordering::SeqCst);
    std::future::pending().await
}

async fn forward(shared: &Shared, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let body = reqwest::Body::wrap_stream(body.into_data_stream().map(|part| part.map_err(std::io::Error::other)));
    let asked = shared.client.request(head.method, format!("http://{}{target}", shared.service));
    let mut headers = head.headers;
    headers.remove("host");
    match asked.headers(headers).body(body).send().await {
        Ok(answer) => {
            let (status, headers) = (answer.status(), answer.headers().clone());
            let mut response = Body::from(answer.bytes().await.unwrap_or_default()).into_response();
            *response.status_mut() = status;
            response.headers_mut().extend(headers.into_iter().filter_map(|(name, value)| {
                let name = name?;
                (name != "transfer-encoding" && name != "content-length").then_some((name, value))
            }));
            response
        }
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}
