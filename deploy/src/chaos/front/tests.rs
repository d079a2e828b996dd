use super::*;
use axum::Router;
use axum::routing::{get, post};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A process with a front: `GET /` is JSON, `POST /` counts.
struct Fronted {
    front: Front,
    process: JoinSet<()>,
    at: SocketAddr,
    done: Arc<AtomicUsize>,
    client: reqwest::Client,
}

async fn fronted() -> Fronted {
    let free = crate::address::pick(2, &[]).unwrap();
    let front = Front::open(free[0], free[1]).await.unwrap();
    let client = crate::readiness::client_without_bound().unwrap();
    let mut fronted = Fronted { front, process: JoinSet::new(), at: free[1], done: Arc::default(), client };
    fronted.start().await;
    fronted
}

impl Fronted {
    async fn start(&mut self) {
        let listener = TcpListener::bind(self.at).await.unwrap();
        let done = Arc::clone(&self.done);
        let count = move || async move { (done.fetch_add(1, Ordering::SeqCst) + 1).to_string() };
        let json = || async { axum::Json(["0123456789"; 20]) };
        let router = Router::new().route("/", get(json)).route("/", post(count));
        self.process.spawn(async move { axum::serve(listener, router).await.unwrap() });
    }

    fn url(&self) -> String {
        format!("http://{}/", self.front.address)
    }

    async fn text(&self) -> reqwest::Result<String> {
        self.client.get(self.url()).send().await?.text().await
    }

    async fn post(&self) -> reqwest::Result<reqwest::Response> {
        self.client.post(self.url()).send().await
    }
}

#[tokio::test]
async fn answers_come_through_as_they_are_on_one_connection() {
    let fronted = fronted().await;
    for _ in 0..3 {
        assert!(fronted.text().await.unwrap().starts_with(r#"["0123456789","#));
    }
    assert_eq!(fronted.post().await.unwrap().text().await.unwrap(), "1");
}

#[tokio::test]
async fn an_error_or_a_reset_comes_before_it_is_done_or_after() {
    let fronted = fronted().await;
    for (spoil, status, done) in [
        (Spoil::Error { done: false }, Some(500), 0),
        (Spoil::Error { done: true }, Some(500), 1),
        (Spoil::Reset { done: false }, None, 1),
        (Spoil::Reset { done: true }, None, 2),
    ] {
        fronted.front.spoils(Some(spoil));
        let answer = fronted.post().await.ok().map(|answer| answer.status().as_u16());
        assert_eq!((answer, fronted.done.load(Ordering::SeqCst)), (status, done), "{spoil:?}");
    }
    fronted.front.spoils(None);
    assert_eq!(fronted.post().await.unwrap().text().await.unwrap(), "3");
}

#[tokio::test]
async fn a_body_is_garbage_or_breaks_off_or_is_100_mb() {
    let fronted = fronted().await;
    fronted.front.spoils(Some(Spoil::Garbage));
    assert_eq!(fronted.text().await.unwrap(), r#"{"products":[{"slug":"squall-jack"#);
    fronted.front.spoils(Some(Spoil::Half));
    let mut answer = fronted.client.get(fronted.url()).send().await.unwrap();
    let length = answer.content_length().unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap().len() as u64, length / 2);
    answer.chunk().await.unwrap_err();
    fronted.front.spoils(Some(Spoil::Huge));
    assert_eq!(fronted.text().await.unwrap().len(), 100_000_000);
}

#[tokio::test]
async fn a_slow_answer_comes_late_and_whole() {
    let fronted = fronted().await;
    let by = Duration::from_millis(300);
    fronted.front.spoils(Some(Spoil::Slow(by)));
    let begun = std::time::Instant::now();
    assert!(fronted.text().await.unwrap().ends_with(']'));
    assert!(begun.elapsed() >= by);
}

#[tokio::test]
async fn connections_are_refused_while_the_process_refuses_them() {
    let mut fronted = fronted().await;
    fronted.text().await.unwrap();
    fronted.process.shutdown().await;
    fronted.front.look();
    let refused = async {
        while !fronted.text().await.is_err_and(|error| error.is_connect()) {
            sleep(POLL).await;
        }
    };
    timeout(Duration::from_secs(10), refused).await.unwrap();
    fronted.start().await;
    let answered = async {
        while fronted.text().await.is_err() {
            sleep(POLL).await;
        }
    };
    timeout(Duration::from_secs(10), answered).await.unwrap();
}
