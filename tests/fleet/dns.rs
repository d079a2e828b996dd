//! Instances behind a DNS name: they come and go with its records, and no answer is better than the last good one.

use crate::harness::{NameServer, Proxy, Setup, Stub, page_file, time_until, wait_until};
use crate::load::Load;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

const NAME: &str = "checkout.shop";

/// One instance at 127.0.0.1, one at 127.0.0.2 and one at ::1, on one port; their releases are 1, 2 and 3.
async fn at_three_addresses() -> [Stub; 3] {
    loop {
        let first = start("127.0.0.1:0", "1").await.unwrap();
        let port = first.address.port();
        let second = start(&format!("127.0.0.2:{port}"), "2").await;
        let third = start(&format!("[::1]:{port}"), "3").await;
        // Somebody else may have the port at one of them.
        if let (Some(second), Some(third)) = (second, third) {
            return [first, second, third];
        }
    }
}

async fn start(listen: &str, release: &str) -> Option<Stub> {
    let address: SocketAddr = listen.parse().unwrap();
    std::net::TcpListener::bind(address).ok()?;
    Some(Stub::start("checkout", &["--listen", listen, "--release", release, "--asset", "site.css=a{}"]).await)
}

fn by_name(server: &NameServer, instances: &[Stub; 3], more: &str) -> Setup {
    let name = format!("dns:{NAME}:{}", instances[0].address.port());
    let settings = format!("{more}\n[dns]\nservers = [\"{}\"]", server.address);
    Setup::new().setting(&settings).page_file("checkout", &page_file("checkout", &[name]))
}

/// The IP addresses of the instances that get visitors.
async fn healthy(proxy: &Proxy) -> Vec<IpAddr> {
    let instances = proxy.instances("checkout").await;
    let healthy = instances.iter().filter(|one| one["state"] == "healthy");
    let ip = |address: &str| address.parse::<SocketAddr>().unwrap().ip();
    let mut found: Vec<_> = healthy.map(|one| ip(one["address"].as_str().unwrap())).collect();
    found.sort_unstable();
    found
}

async fn time_until_healthy(proxy: &Proxy, addresses: &[&str]) -> Duration {
    let mut wanted: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
    wanted.sort_unstable();
    time_until(&format!("{addresses:?} are healthy"), async || healthy(proxy).await == wanted).await
}

#[tokio::test]
async fn instances_come_and_go_with_the_records_of_their_name_and_no_request_is_lost() {
    let instances = at_three_addresses().await;
    let server = NameServer::start(NAME, &["127.0.0.1"]).await;
    let proxy = by_name(&server, &instances, "").start_cold().await;
    time_until_healthy(&proxy, &["127.0.0.1"]).await;
    let load = Load::start(proxy.address, &[("checkout", "/checkout")], 6);
    for addresses in [
        &["127.0.0.1", "127.0.0.2"][..],
        &["127.0.0.2"],
        &["127.0.0.2", "::1"],
        &["::1"],
        &["127.0.0.1", "127.0.0.2", "::1"],
        &["127.0.0.1"],
    ] {
        server.change(NAME, addresses);
        println!("dns: {addresses:?} took effect in {:?}", time_until_healthy(&proxy, addresses).await);
    }
    let report = load.stop().await;
    println!("{report}");
    report.assert_nothing_failed();
    assert_eq!(report.page("checkout").releases.keys().collect::<Vec<_>>(), ["1", "2", "3"]);
}

#[tokio::test]
async fn a_name_whose_every_address_changes_at_once_loses_no_request() {
    let instances = at_three_addresses().await;
    let server = NameServer::start(NAME, &["127.0.0.1"]).await;
    let proxy = by_name(&server, &instances, "").start_cold().await;
    time_until_healthy(&proxy, &["127.0.0.1"]).await;
    let load = Load::start(proxy.address, &[("checkout", "/checkout")], 6);
    for addresses in [["127.0.0.2"], ["::1"], ["127.0.0.1"]] {
        server.change(NAME, &addresses);
        println!("dns: only {addresses:?} took effect in {:?}", time_until_healthy(&proxy, &addresses).await);
    }
    let report = load.stop().await;
    println!("{report}");
    report.assert_nothing_failed();
}

#[tokio::test]
async fn a_name_without_a_good_answer_keeps_the_last_addresses() {
    let instances = at_three_addresses().await;
    let mut server = NameServer::start(NAME, &["127.0.0.1", "::1"]).await;
    let proxy = by_name(&server, &instances, "").start_cold().await;
    let both = ["127.0.0.1", "::1"];
    time_until_healthy(&proxy, &both).await;
    let load = Load::start(proxy.address, &[("checkout", "/checkout")], 4);

    server.change(NAME, &[]);
    let mut told = vec![wait_until("there is no such name", async || problem(&proxy).await).await];
    assert_eq!(healthy(&proxy).await.len(), 2, "after NXDOMAIN");
    server.stop().await;
    told.push(another_problem(&proxy, &told[0]).await);
    assert_eq!(healthy(&proxy).await.len(), 2, "with no server");
    server.start_again().await;
    told.push(another_problem(&proxy, &told[1]).await);
    assert_eq!(healthy(&proxy).await.len(), 2, "after REFUSED");
    println!("dns: {told:#?}");

    // A server that refuses would do so for a family without record.
    let others = ["127.0.0.2", "::1"];
    server.change(NAME, &others);
    time_until_healthy(&proxy, &others).await;
    assert_eq!(problem(&proxy).await, None);
    load.stop().await.assert_nothing_failed();
}

/// What the admin address says is wrong with the name.
async fn problem(proxy: &Proxy) -> Option<String> {
    let fleet = proxy.fleet().await;
    let name = fleet["names"].as_array()?.iter().find(|name| name["name"] == NAME)?.clone();
    name["problem"].as_str().map(str::to_owned)
}

async fn another_problem(proxy: &Proxy, before: &str) -> String {
    wait_until("something else is wrong", async || problem(proxy).await.filter(|problem| problem != before)).await
}

#[tokio::test]
async fn an_address_that_the_operator_does_not_allow_is_not_asked_whatever_the_name_says() {
    let instances = at_three_addresses().await;
    let server = NameServer::start(NAME, &["127.0.0.1", "127.0.0.2", "169.254.169.254"]).await;
    let allowed = "allowed_networks = [\"127.0.0.1/32\", \"::1/128\"]";
    let proxy = by_name(&server, &instances, allowed).start_cold().await;
    time_until_healthy(&proxy, &["127.0.0.1"]).await;
    let refused = wait_until("the others are refused", async || {
        let fleet = proxy.fleet().await;
        let refused: Vec<_> = fleet["refused"].as_array()?.iter().map(|one| one["error"].to_string()).collect();
        (refused.len() == 2).then_some(refused)
    })
    .await;
    for (address, reason) in [("127.0.0.2", "allowed_networks"), ("169.254.169.254", "link-local")] {
        assert!(refused.iter().any(|error| error.contains(address) && error.contains(reason)), "{refused:?}");
    }
    for _ in 0..20 {
        assert_eq!(proxy.get("/checkout").await.headers()["x-stub-release"], "1");
    }
    assert_eq!(instances[1].requests().await, 0);
    server.change(NAME, &["::1", "127.0.0.2"]);
    time_until_healthy(&proxy, &["::1"]).await;
}
