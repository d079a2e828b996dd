//! Sockets that were passed to the proxy, as systemd, a supervisor and an upgrade do: whoever connects while nobody accepts
//! waits, and is not refused.

use crate::harness::{Setup, Socket, Sockets, Stub};
use crate::load::{Client, Load};
use rustix::process::Signal;
use std::net::TcpStream;
use std::time::{Duration, Instant};

#[tokio::test]
async fn who_connects_before_the_proxy_starts_is_answered_by_a_healthy_instance() {
    let page = Stub::start("frontpage", &["--asset", "site.css=a{}"]).await;
    let sockets = Sockets::bind();
    let address = sockets.address();
    let mut early = Client::new(10, address);
    let waiting = tokio::spawn(async move { early.get("/frontpage", &[]).await });
    let proxy = Setup::new().stub(&page).start_on(&sockets).await;
    assert_eq!(proxy.address, address);
    // It has warmed up, or this would be a 503.
    assert_eq!(waiting.await.unwrap().unwrap().status, 200);
    assert_eq!(proxy.instances("frontpage").await[0]["state"], "healthy");
}

#[tokio::test]
async fn an_instance_that_does_not_answer_holds_the_warm_up_for_seconds_only() {
    let page = Stub::start("frontpage", &[]).await;
    // It listens, and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let started = Instant::now();
    let setup = Setup::new().page("frontpage", &[page.address, silent.local_addr().unwrap()]);
    let proxy = setup.start_on(&Sockets::bind()).await;
    println!("warm-up: with a silent instance, the proxy accepted after {:.2?}", started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(proxy.get("/frontpage").await.status(), 200);
}

#[tokio::test]
async fn a_successor_takes_over_and_the_old_one_finishes_what_is_open_and_ends() {
    let page = Stub::start("frontpage", &["--asset", "site.css=a{}"]).await;
    let sockets = Sockets::bind();
    let mut old = Setup::new().stub(&page).start_on(&sockets).await;
    let load = Load::start(old.address, &[("frontpage", "/")], 4);
    let mut idle: Vec<_> = (100..110).map(|host| Client::new(host, old.address)).collect();
    for client in &mut idle {
        assert_eq!(client.get("/frontpage", &[]).await.unwrap().status, 200);
    }
    let mut socket = Socket::open(&old.url("/frontpage/ws")).await;
    let slow = tokio::spawn(old.request("GET", "/frontpage/slow/1000").send());
    let _successor = old.start_successor(&sockets).await;
    old.process.signal(Signal::USR2);
    for client in &mut idle {
        client.ask_until_told_to_close("/frontpage").await;
        assert_eq!((client.connections, client.reopened), (1, 0), "on the connection that it had");
    }
    socket.assert_echoes("still here").await;
    assert_eq!(slow.await.unwrap().unwrap().status(), 200);
    drop(socket);
    assert_eq!(old.process.wait().await, Some(0));
    let report = load.stop().await;
    println!("{report}");
    report.assert_nothing_failed();
}

#[tokio::test]
async fn what_never_ends_is_closed_after_the_grace_and_the_old_one_ends() {
    let page = Stub::start("frontpage", &[]).await;
    let sockets = Sockets::bind();
    let mut old = Setup::new().stub(&page).setting("[timeouts]\ngrace = \"1s\"").start_on(&sockets).await;
    let mut events = old.get("/frontpage/events").await;
    let socket = Socket::open(&old.url("/frontpage/ws")).await;
    let silent = TcpStream::connect(old.address).unwrap();
    let _successor = old.start_successor(&sockets).await;
    let started = Instant::now();
    old.process.signal(Signal::USR2);
    assert_eq!(socket.closed().await, 1001, "going away (RFC 6455 section 7.4.1)");
    while events.chunk().await.expect("a clean end").is_some() {}
    assert_eq!(old.process.wait().await, Some(0));
    let took = started.elapsed();
    assert!(took > Duration::from_millis(900) && took < Duration::from_secs(6), "{took:?}");
    drop(silent);
}
