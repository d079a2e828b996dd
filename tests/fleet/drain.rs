//! What is in flight on an instance that leaves its page: it goes on for the time of grace, then it is ended cleanly.

use crate::harness::{Proxy, Setup, Socket, Stub, header, page_file, sha256, wait_until};
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{Sender, channel};
use tokio_stream::wrappers::ReceiverStream;

/// Two releases of checkout, and a proxy that only sends visitors to the first.
async fn an_old_and_a_new(grace: &str) -> (Stub, Stub, Proxy) {
    let old = Stub::start("checkout", &["--release", "1"]).await;
    let new = Stub::start("checkout", &["--release", "2"]).await;
    let setup = Setup::new().setting(&format!("[timeouts]\ngrace = \"{grace}\""));
    let file = format!("{}[shares]\n\"2\" = 0\n", page_file("checkout", &[old.address, new.address]));
    let proxy = setup.page_file("checkout", &file).start_cold().await;
    proxy.wait_for_state("checkout", "healthy", 2).await;
    (old, new, proxy)
}

/// The old one leaves.
async fn roll(proxy: &Proxy, old: &Stub, new: &Stub) {
    proxy.page_files().rename_in("checkout", &page_file("checkout", &[new.address]));
    wait_until("visitors get the new release", async || {
        (header(&proxy.get("/checkout").await, "x-stub-release") == "2").then_some(())
    })
    .await;
    assert_ne!(proxy.instance("checkout", old.address).await["state"], "healthy");
}

async fn wait_for_requests(stub: &Stub, count: u64) {
    wait_until("the page has the requests", async || (stub.requests().await == count).then_some(())).await;
}

/// An upload whose body comes as the test sends it.
fn start_upload(
    proxy: &Proxy,
) -> (Sender<Result<Vec<u8>, std::io::Error>>, impl Future<Output = reqwest::Response> + use<>) {
    let (sender, receiver) = channel(1);
    let body = reqwest::Body::wrap_stream(ReceiverStream::new(receiver));
    let sent = proxy.request("POST", "/checkout/upload").body(body).send();
    (sender, async move { sent.await.unwrap() })
}

async fn wait_until_gone(proxy: &Proxy, old: &Stub) {
    wait_until("the old one is gone", async || {
        let instances = proxy.instances("checkout").await;
        (!instances.iter().any(|one| one["address"] == old.address.to_string())).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_in_flight_goes_on_and_completes_within_the_grace() {
    let (old, new, proxy) = an_old_and_a_new("20s").await;
    let slow = tokio::spawn(proxy.request("GET", "/checkout/slow/700").send());
    let (chunks, uploaded) = start_upload(&proxy);
    let uploaded = tokio::spawn(uploaded);
    chunks.send(Ok(vec![1; 50_000])).await.unwrap();
    let mut events = proxy.get("/checkout/events").await;
    let mut socket = Socket::open(&proxy.url("/checkout/ws")).await;
    socket.assert_echoes("before").await;
    // The socket is no request that the stub counts.
    wait_for_requests(&old, 3).await;
    roll(&proxy, &old, &new).await;

    let draining = proxy.instance("checkout", old.address).await;
    assert_eq!((&draining["state"], &draining["in_flight"]), (&"draining".into(), &4.into()), "{draining}");
    socket.assert_echoes("after").await;
    for _ in 0..3 {
        assert!(events.chunk().await.unwrap().is_some());
    }
    chunks.send(Ok(vec![2; 50_000])).await.unwrap();
    drop(chunks);
    let uploaded: Value = uploaded.await.unwrap().json().await.unwrap();
    let whole = [vec![1; 50_000], vec![2; 50_000]].concat();
    assert_eq!((&uploaded["body_bytes"], &uploaded["body_sha256"]), (&100_000.into(), &sha256(&whole).into()));
    let slow = slow.await.unwrap().unwrap();
    assert_eq!((slow.status().as_u16(), header(&slow, "x-stub-release")), (200, "1"));

    drop((events, socket));
    wait_until_gone(&proxy, &old).await;
}

#[tokio::test]
async fn a_stream_of_events_and_a_web_socket_are_ended_cleanly_after_the_grace() {
    let (old, new, proxy) = an_old_and_a_new("1s").await;
    let mut events = proxy.get("/checkout/events").await;
    let mut socket = Socket::open(&proxy.url("/checkout/ws")).await;
    socket.assert_echoes("before").await;
    let started = Instant::now();
    roll(&proxy, &old, &new).await;
    socket.assert_echoes("after").await;
    assert_eq!(socket.closed().await, 1001, "going away (RFC 6455 section 7.4.1)");
    let mut text = String::new();
    while let Some(chunk) = events.chunk().await.expect("a clean end") {
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert!(text.contains("data: 4\n\n") && text.ends_with("\n\n"), "whole events, to the end: {text}");
    let took = started.elapsed();
    println!("drain: with 1 s of grace, streams were ended after {took:?}");
    assert!(took > Duration::from_millis(900) && took < Duration::from_secs(5), "{took:?}");
    wait_until_gone(&proxy, &old).await;
}

#[tokio::test]
async fn an_upload_that_does_not_end_is_cut_after_the_grace_and_never_taken_for_whole() {
    let (old, new, proxy) = an_old_and_a_new("500ms").await;
    let (sender, receiver) = channel::<Result<Vec<u8>, std::io::Error>>(1);
    let body = reqwest::Body::wrap_stream(ReceiverStream::new(receiver));
    let upload = tokio::spawn(proxy.request("POST", "/checkout/upload").body(body).send());
    sender.send(Ok(vec![1; 50_000])).await.unwrap();
    wait_for_requests(&old, 1).await;
    roll(&proxy, &old, &new).await;
    wait_until_gone(&proxy, &old).await;
    drop(sender);
    let ended = upload.await.unwrap();
    assert!(ended.as_ref().map_or(true, |answer| answer.status().is_server_error()), "{ended:?}");
}

#[tokio::test]
async fn a_page_that_leaves_with_something_in_flight_finishes_it() {
    let (old, _new, proxy) = an_old_and_a_new("20s").await;
    let slow = tokio::spawn(proxy.request("GET", "/checkout/slow/500").send());
    wait_for_requests(&old, 1).await;
    proxy.page_files().delete("checkout");
    wait_until("the page is gone", async || (proxy.get("/checkout").await.status() == 404).then_some(())).await;
    assert_eq!(slow.await.unwrap().unwrap().status(), 200);
    wait_until_gone(&proxy, &old).await;
}
