//! A page that is down, and what the others notice: nothing.

use crate::harness::{Setup, Stub, header, wait_until};
use crate::load::Load;

#[tokio::test]
async fn a_dead_page_gets_a_branded_error_and_the_others_go_on() {
    let frontpage = Stub::start("frontpage", &[]).await;
    let mut checkout = Stub::start("checkout", &[]).await;
    let proxy = Setup::new().stub(&frontpage).stub(&checkout).start().await;
    checkout.process.kill().await;
    let first = proxy.get("/checkout").await;
    assert!([502, 503].contains(&first.status().as_u16()), "{}", first.status());
    assert!(!header(&first, "x-proxy-error").is_empty());
    proxy.wait_for_state("checkout", "unhealthy", 1).await;
    let response = proxy.request("GET", "/checkout").header("accept", "text/html").send().await.unwrap();
    assert_eq!((response.status().as_u16(), header(&response, "x-proxy-error")), (503, "no-healthy-instance"));
    assert_eq!(header(&response, "retry-after"), "5");
    let id = header(&response, "x-request-id").to_owned();
    let body = response.text().await.unwrap();
    assert!(body.contains(&id) && !body.contains("127.0.0.1"), "{body}");
    assert_eq!(proxy.get("/").await.status(), 200);
}

#[tokio::test]
async fn a_page_that_comes_back_is_served_again() {
    let mut page = Stub::start("frontpage", &[]).await;
    let address = page.address.to_string();
    let proxy = Setup::new().stub(&page).start().await;
    page.process.kill().await;
    proxy.wait_for_state("frontpage", "unhealthy", 1).await;
    let _back = Stub::start("frontpage", &["--listen", &address, "--release", "2.0.0"]).await;
    proxy.wait_for_state("frontpage", "healthy", 1).await;
    assert_eq!(header(&proxy.get("/").await, "x-release"), "2.0.0");
}

#[tokio::test]
async fn a_dead_instance_costs_no_visitor_an_error_while_another_lives() {
    let alive = Stub::start("frontpage", &[]).await;
    let mut dead = Stub::start("frontpage", &[]).await;
    // A long interval: the requests themselves must cope.
    let setup = Setup::new().page("frontpage", &[alive.address, dead.address]);
    let proxy = setup.setting("[health]\ninterval = \"10m\"").start().await;
    for _ in 0..20 {
        assert_eq!(proxy.get("/").await.status(), 200);
    }
    assert!(dead.requests().await > 0, "both get traffic");
    dead.process.kill().await;
    for request in 0..20 {
        let response = proxy.request(if request % 2 == 0 { "GET" } else { "POST" }, "/").send().await.unwrap();
        assert_eq!(response.status(), 200, "request {request}");
    }
}

#[tokio::test]
async fn a_post_that_may_have_been_seen_is_not_sent_twice() {
    let one = Stub::start("frontpage", &[]).await;
    let two = Stub::start("frontpage", &[]).await;
    let proxy = Setup::new().page("frontpage", &[one.address, two.address]).start().await;
    // The instance takes the request and dies of it.
    let response = proxy.request("POST", "/frontpage/exit").body("order").send().await.unwrap();
    assert_eq!((response.status().as_u16(), header(&response, "x-proxy-error")), (502, "upstream-failed"));
    wait_until("one instance is left", async || {
        let alive =
            [one.address, two.address].iter().filter(|address| std::net::TcpStream::connect(address).is_ok()).count();
        (alive == 1).then_some(())
    })
    .await;
    assert_eq!(proxy.get("/").await.status(), 200);
}

#[tokio::test]
async fn a_page_that_never_answers_is_a_504() {
    let page = Stub::start("frontpage", &[]).await;
    let proxy = Setup::new().stub(&page).setting("[timeouts]\nfirst_byte = \"300ms\"").start().await;
    let response = proxy.get("/frontpage/hang").await;
    assert_eq!((response.status().as_u16(), header(&response, "x-proxy-error")), (504, "first-byte-timeout"));
}

#[tokio::test]
async fn a_page_without_instances_is_a_503() {
    let frontpage = Stub::start("frontpage", &[]).await;
    let proxy = Setup::new().stub(&frontpage).page("checkout", &[]).start().await;
    assert_eq!(proxy.get("/checkout").await.status(), 503);
    assert_eq!(proxy.get("/").await.status(), 200);
}

#[tokio::test]
async fn a_process_of_another_page_never_joins() {
    let impostor = Stub::start("checkout", &[]).await;
    let mut proxy = Setup::new().page("frontpage", &[impostor.address]).start_cold().await;
    proxy
        .process
        .wait_for_line("the reason", |line| line.contains("the manifest is of page `checkout`").then_some(()))
        .await;
    assert_eq!(proxy.get("/").await.status(), 503);
}

#[tokio::test]
async fn with_two_of_three_pages_dead_the_third_is_unharmed() {
    let (front, mut account, checkout) =
        (Stub::start("frontpage", &[]).await, Stub::start("my-account", &[]).await, Stub::start("checkout", &[]).await);
    let proxy = Setup::new().stub(&front).stub(&account).stub(&checkout).start().await;
    let load = Load::start(proxy.address, &[("frontpage", "/")], 4);
    account.process.kill().await;
    checkout.process.signal(rustix::process::Signal::STOP);
    let dead = proxy.get("/my-account").await;
    assert!(dead.status() == 502 || dead.status() == 503, "{}", dead.status());
    proxy.wait_for_state("checkout", "unhealthy", 1).await;
    assert_eq!(proxy.get("/checkout").await.status(), 503);
    let report = load.stop().await;
    println!("{report}");
    report.assert_nothing_failed();
    checkout.process.signal(rustix::process::Signal::CONT);
    account = Stub::start("my-account", &["--listen", &account.address.to_string()]).await;
    proxy.wait_for_state("checkout", "healthy", 1).await;
    proxy.wait_for_state("my-account", "healthy", 1).await;
    assert_eq!(proxy.get("/my-account").await.status(), 200);
    drop((account, checkout));
}
