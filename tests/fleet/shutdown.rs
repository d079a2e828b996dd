//! How the proxy ends: what is in flight finishes, what is idle closes, all within a bound.

use crate::harness::{Setup, Stub, header, wait_until};
use rustix::process::Signal;
use std::time::Instant;

#[tokio::test]
async fn what_is_in_flight_finishes_and_new_connections_are_refused() {
    let page = Stub::start("frontpage", &[]).await;
    let mut proxy = Setup::new().stub(&page).start().await;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<&'static str, std::io::Error>>(1);
    let body = reqwest::Body::wrap_stream(tokio_stream::wrappers::ReceiverStream::new(receiver));
    sender.send(Ok("first")).await.unwrap();
    let mut response = proxy.request("POST", "/frontpage/stream").body(body).send().await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "first");
    proxy.process.signal(Signal::TERM);
    wait_until("new connections are refused", async || {
        std::net::TcpStream::connect(proxy.address).is_err().then_some(())
    })
    .await;
    sender.send(Ok("second")).await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "second");
    drop(sender);
    assert_eq!(response.chunk().await.unwrap(), None);
    assert_eq!(proxy.process.wait().await, Some(0));
}

#[tokio::test]
async fn an_answer_during_the_drain_ends_its_connection() {
    let page = Stub::start("frontpage", &["--latency", "500ms"]).await;
    let mut proxy = Setup::new().stub(&page).start().await;
    let answer = tokio::spawn(proxy.request("GET", "/frontpage").send());
    wait_until("the page has the request", async || (page.requests().await == 1).then_some(())).await;
    proxy.process.signal(Signal::TERM);
    let response = answer.await.unwrap().unwrap();
    assert_eq!((response.status().as_u16(), header(&response, "connection")), (200, "close"));
    assert_eq!(proxy.process.wait().await, Some(0));
}

#[tokio::test]
async fn a_request_that_never_ends_does_not_hold_the_shutdown_beyond_its_bound() {
    let page = Stub::start("frontpage", &[]).await;
    let mut proxy = Setup::new().stub(&page).setting("[timeouts]\ndrain = \"1s\"").start().await;
    let hanging = tokio::spawn(proxy.request("GET", "/frontpage/hang").send());
    wait_until("the page has the request", async || (page.requests().await == 1).then_some(())).await;
    let started = Instant::now();
    proxy.process.signal(Signal::TERM);
    assert_eq!(proxy.process.wait().await, Some(0));
    assert!(started.elapsed().as_secs() < 10);
    assert!(hanging.await.unwrap().is_err());
}
