//! What one client, one slow page and one slow answer may take: bounded, so that everybody else is served.

use crate::harness::{Setup, Stub, header, wait_until};
use crate::load::Load;
use std::time::{Duration, Instant};

const ONE_CLIENT: &str = "trusted_proxies = [\"127.0.0.2/32\"]\n[client_limit]\nrate = 5\nburst = 20";

fn client_at(address: &str) -> reqwest::Client {
    reqwest::Client::builder().local_address(address.parse::<std::net::IpAddr>().unwrap()).build().unwrap()
}

#[tokio::test]
async fn a_flood_from_one_client_takes_nothing_from_another_who_browses() {
    let page = Stub::start("frontpage", &["--asset", "site.css=a{}"]).await;
    let limit = "[client_limit]\nrate = 50\nburst = 200";
    let proxy = Setup::new().stub(&page).setting(limit).start().await;
    let load = Load::start(proxy.address, &[("frontpage", "/")], 2);
    let flooder = client_at("127.0.0.99");
    let asked = (0..1_000).map(|_| flooder.get(proxy.url("/")).send());
    let answers = futures_util::future::join_all(asked).await;
    let count = |status: u16| answers.iter().flatten().filter(|answer| answer.status() == status).count();
    let (served, refused) = (count(200), count(429));
    println!("flood: 1000 requests at once, {served} served, {refused} refused");
    assert_eq!(served + refused, 1_000);
    assert!((200..400).contains(&served), "{served}");
    let refusal = answers.into_iter().flatten().find(|answer| answer.status() == 429).unwrap();
    assert_eq!((header(&refusal, "retry-after"), header(&refusal, "x-proxy-error")), ("1", "too-many-requests"));
    let asset = page.fingerprinted("site.css").await;
    assert_eq!(flooder.get(proxy.url(&asset)).send().await.unwrap().status(), 200, "assets are exempt");
    let report = load.stop().await;
    println!("{report}");
    report.assert_nothing_failed();
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_client_is_who_that_names_and_anybody_else_is_himself() {
    let page = Stub::start("frontpage", &[]).await;
    let proxy = Setup::new().stub(&page).setting(ONE_CLIENT).start().await;
    let (trusted, stranger) = (client_at("127.0.0.2"), client_at("127.0.0.3"));
    let ask = async |client: &reqwest::Client, named: String| {
        client.get(proxy.url("/")).header("x-forwarded-for", named).send().await.unwrap().status().as_u16()
    };
    for number in 0..60 {
        assert_eq!(ask(&trusted, format!("203.0.113.{number}")).await, 200);
    }
    let mut refused = 0;
    for number in 0..60 {
        refused += u32::from(ask(&stranger, format!("203.0.113.{number}")).await == 429);
    }
    assert!(refused > 20, "{refused} of 60");
    let mut refused = 0;
    for number in 0..60 {
        refused += u32::from(ask(&trusted, format!("2001:db8:0:1::{number}")).await == 429);
    }
    assert!(refused > 20, "one IPv6 network is one client: {refused} of 60");
}

#[tokio::test]
async fn a_page_that_answers_nothing_takes_no_connection_from_the_others() {
    let (slow, other) = (Stub::start("checkout", &[]).await, Stub::start("frontpage", &[]).await);
    let setup = Setup::new().stub(&slow).stub(&other).setting("[limits]\npage_requests = 5");
    let proxy = setup.start().await;
    let hanging: Vec<_> = (0..5).map(|_| tokio::spawn(proxy.request("GET", "/checkout/hang").send())).collect();
    wait_until("five requests hang", async || (proxy.instances("checkout").await[0]["in_flight"] == 5).then_some(()))
        .await;
    let refused = proxy.get("/checkout").await;
    assert_eq!((refused.status().as_u16(), header(&refused, "x-proxy-error")), (503, "page-busy"));
    assert_eq!(header(&refused, "retry-after"), "1");
    assert_eq!(proxy.get("/").await.status(), 200);
    hanging.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn an_answer_that_says_how_long_it_is_has_a_total_time() {
    let page = Stub::start("frontpage", &[]).await;
    let proxy = Setup::new().stub(&page).setting("[timeouts]\ntotal = \"500ms\"").start().await;
    let started = Instant::now();
    let answer = proxy.get("/frontpage/slow/100").await;
    assert_eq!(answer.status(), 200);
    let mut events = proxy.get("/frontpage/events").await;
    while started.elapsed() < Duration::from_millis(1500) {
        assert!(events.chunk().await.unwrap().is_some(), "a stream has no total time");
    }
}

#[tokio::test]
async fn a_page_is_told_how_much_time_it_has() {
    let page = Stub::start("frontpage", &[]).await;
    let proxy = Setup::new().stub(&page).setting("[timeouts]\nfirst_byte = \"7s\"").start().await;
    let echo: serde_json::Value = proxy.get("/frontpage/echo").await.json().await.unwrap();
    let told = echo["headers"].as_array().unwrap().iter().find(|pair| pair[0] == "x-request-timeout-ms").unwrap();
    assert_eq!(told[1], "7000");
}

#[tokio::test]
async fn an_upload_may_take_longer_than_an_answer() {
    let page = Stub::start("frontpage", &[]).await;
    let timeouts = "[timeouts]\nfirst_byte = \"500ms\"\nbetween_bytes = \"500ms\"";
    let proxy = Setup::new().stub(&page).setting(timeouts).start().await;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<bytes::Bytes, std::io::Error>>(1);
    let body = reqwest::Body::wrap_stream(tokio_stream::wrappers::ReceiverStream::new(receiver));
    let upload = tokio::spawn(proxy.request("POST", "/frontpage/echo").body(body).send());
    let started = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    while started.elapsed() < Duration::from_millis(1200) {
        ticks.tick().await;
        sender.send(Ok(bytes::Bytes::from_static(b"part"))).await.unwrap();
    }
    drop(sender);
    assert_eq!(upload.await.unwrap().unwrap().status(), 200);
}
