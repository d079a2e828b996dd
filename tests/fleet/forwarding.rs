//! What goes through, both ways: headers, bodies, streams, WebSockets.

use crate::harness::{PATIENCE, Proxy, Setup, Stub, header};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio_tungstenite::tungstenite::Message;

async fn one_page() -> (Stub, Proxy) {
    let page = Stub::start("frontpage", &[]).await;
    let proxy = Setup::new().stub(&page).start().await;
    (page, proxy)
}

fn sent<'a>(echo: &'a Value, name: &str) -> Vec<&'a str> {
    let headers = echo["headers"].as_array().unwrap().iter();
    headers.filter(|field| field[0] == name).map(|field| field[1].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_page_learns_who_asks_and_nothing_that_the_client_made_up() {
    let (_page, proxy) = one_page().await;
    let request = proxy.request("GET", "/frontpage/echo?a=b%20c").header("x-forwarded-for", "6.6.6.6");
    let request =
        request.header("x-forwarded-proto", "https").header("forwarded", "for=6.6.6.6").header("x-real-ip", "6.6.6.6");
    let request = request
        .header("x-request-id", "made-up-by-the-client")
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let response = request.header("connection", "keep-alive, x-hop").header("x-hop", "1").send().await.unwrap();
    let id = header(&response, "x-request-id").to_owned();
    let echo: Value = response.json().await.unwrap();
    assert_eq!(echo["target"], "/frontpage/echo?a=b%20c");
    assert_eq!(sent(&echo, "x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(sent(&echo, "x-forwarded-proto"), ["http"]);
    assert_eq!(sent(&echo, "x-forwarded-host"), [proxy.address.to_string()]);
    assert_eq!(sent(&echo, "host"), [proxy.address.to_string()]);
    assert_eq!(sent(&echo, "x-request-id"), [id.as_str()]);
    assert_eq!(sent(&echo, "via"), ["1.1 pagefleet"]);
    assert_ne!(id, "made-up-by-the-client");
    assert!(!sent(&echo, "traceparent")[0].contains("4bf92f35"));
    assert!(sent(&echo, "x-real-ip").is_empty() && sent(&echo, "x-hop").is_empty());
}

#[tokio::test]
async fn a_trusted_proxy_in_front_is_believed() {
    let page = Stub::start("frontpage", &[]).await;
    let proxy = Setup::new().stub(&page).setting("trusted_proxies = [\"127.0.0.0/8\"]").start().await;
    let request = proxy
        .request("GET", "/frontpage/echo")
        .header("x-forwarded-for", "192.0.2.7")
        .header("x-forwarded-proto", "https");
    let request = request
        .header("x-request-id", "edge-0001")
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let response = request.send().await.unwrap();
    assert_eq!(header(&response, "x-request-id"), "edge-0001");
    let echo: Value = response.json().await.unwrap();
    assert_eq!(sent(&echo, "x-forwarded-for"), ["192.0.2.7, 127.0.0.1"]);
    assert_eq!(sent(&echo, "x-forwarded-proto"), ["https"]);
    assert!(sent(&echo, "traceparent")[0].starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
    assert!(!sent(&echo, "traceparent")[0].contains("00f067aa0ba902b7"));
}

#[tokio::test]
async fn a_visitor_learns_nothing_of_the_instance() {
    let (page, proxy) = one_page().await;
    let response = proxy.get("/").await;
    for name in ["server", "x-powered-by", "x-proxy-error", "x-hop", "via"] {
        assert_eq!(header(&response, name), "", "{name}");
    }
    assert_eq!(header(&response, "x-page"), "frontpage");
    assert_eq!(header(&response, "x-stub-release"), "1.0.0");
    let redirect = proxy.get("/frontpage/redirect").await;
    assert_eq!((redirect.status().as_u16(), header(&redirect, "location")), (303, "/frontpage/there?a=1"));
    assert_eq!(header(&proxy.get("/frontpage/cookie").await, "set-cookie"), "a=b; Path=/");
    assert!(!proxy.process.output().contains(&format!("Location: http://{}", page.address)));
}

#[tokio::test]
async fn a_large_upload_arrives_whole() {
    let (_page, proxy) = one_page().await;
    let body: Vec<u8> = (0..5_000_000u32).flat_map(|number| number.to_le_bytes()).take(8 << 20).collect();
    let digest: String = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
    let chunks: Vec<Result<Vec<u8>, std::io::Error>> = body.chunks(70_000).map(|chunk| Ok(chunk.to_vec())).collect();
    for request in [
        proxy.request("POST", "/frontpage/echo").body(body),
        proxy.request("PUT", "/frontpage/echo").body(reqwest::Body::wrap_stream(futures_util::stream::iter(chunks))),
    ] {
        let echo: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(echo["body_bytes"], 8 << 20);
        assert_eq!(echo["body_sha256"], digest.as_str());
    }
}

#[tokio::test]
async fn bodies_are_streamed_both_ways() {
    let (_page, proxy) = one_page().await;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<&'static str, std::io::Error>>(1);
    let body = reqwest::Body::wrap_stream(tokio_stream::wrappers::ReceiverStream::new(receiver));
    sender.send(Ok("first")).await.unwrap();
    let mut response = proxy.request("POST", "/frontpage/stream").body(body).send().await.unwrap();
    // The first chunk is back before the second is sent.
    assert_eq!(response.chunk().await.unwrap().unwrap(), "first");
    sender.send(Ok("second")).await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "second");
    drop(sender);
    assert_eq!(response.chunk().await.unwrap(), None);
}

#[tokio::test]
async fn server_sent_events_come_as_they_are_sent() {
    let (_page, proxy) = one_page().await;
    let mut response = proxy.get("/frontpage/events").await;
    assert_eq!(header(&response, "content-type"), "text/event-stream");
    let mut text = String::new();
    while !text.contains("data: 2\n\n") {
        text.push_str(std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap());
    }
}

#[tokio::test]
async fn a_web_socket_goes_through() {
    let (_page, proxy) = one_page().await;
    let url = format!("ws://{}/frontpage/ws", proxy.address);
    let (mut socket, response) = tokio_tungstenite::connect_async(url).await.unwrap();
    assert!(response.headers().contains_key("x-request-id"));
    for text in ["one", "two"] {
        socket.send(Message::text(text)).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap().into_text().unwrap(), text);
    }
    socket.close(None).await.unwrap();
}

#[tokio::test]
async fn a_body_that_breaks_off_is_never_passed_on_as_complete() {
    let (_page, proxy) = one_page().await;
    let response = proxy.get("/frontpage/cut").await;
    assert_eq!(response.status(), 200);
    assert!(response.bytes().await.is_err());
}

#[tokio::test]
async fn each_request_has_one_log_line_that_names_it() {
    let (page, mut proxy) = one_page().await;
    let response = proxy
        .request("GET", "/frontpage/x?secret=1")
        .header("referer", "http://a/?secret=2")
        .header("cookie", "c=secret")
        .send()
        .await
        .unwrap();
    let id = header(&response, "x-request-id").to_owned();
    let find = |line: &str| serde_json::from_str::<Value>(line).ok().filter(|line| line["request_id"] == id.as_str());
    let line = tokio::time::timeout(PATIENCE, proxy.process.wait_for_line("the request id", find)).await.unwrap();
    assert_eq!(line["message"], "answered");
    assert_eq!(
        (&line["path"], &line["status"], &line["page"]),
        (&"/frontpage/x".into(), &200.into(), &"frontpage".into())
    );
    assert_eq!(line["instance"], page.address.to_string());
    assert_eq!(line["trace_id"].as_str().unwrap().len(), 32);
    assert!(!proxy.process.output().contains("secret"));
}
