//! Page files while the proxy runs: whatever is done to them, what is right takes effect, what is wrong is told, and
//! nobody who is connected notices.

use crate::harness::{Proxy, Setup, Socket, Stub, free_address, header, page_file, time_until, wait_until};
use crate::load::Load;
use std::time::{Duration, Instant};

/// Two pages with an instance each, and the text of the second's file.
async fn two_pages() -> (Stub, Stub, Proxy) {
    let frontpage = Stub::start("frontpage", &["--asset", "site.css=a{}"]).await;
    let checkout = Stub::start("checkout", &["--asset", "site.css=a{}", "--release", "1"]).await;
    let proxy = Setup::new().stub(&frontpage).stub(&checkout).start().await;
    (frontpage, checkout, proxy)
}

async fn status_of(proxy: &Proxy, path: &str) -> u16 {
    proxy.get(path).await.status().as_u16()
}

async fn release_at(proxy: &Proxy, path: &str) -> String {
    header(&proxy.get(path).await, "x-stub-release").to_owned()
}

async fn refused_with(proxy: &Proxy, page: &str, words: &str) -> String {
    wait_until(&format!("{page} is refused with {words}"), async || {
        proxy.refusal(page).await.filter(|error| error.contains(words))
    })
    .await
}

#[tokio::test]
async fn a_page_appears_changes_its_routes_and_goes_without_a_restart() {
    let frontpage = Stub::start("frontpage", &[]).await;
    let checkout = Stub::start("checkout", &[]).await;
    let proxy = Setup::new().stub(&frontpage).start().await;
    let (pid, files) = (proxy.fleet().await["pid"].clone(), proxy.page_files());
    let mut socket = Socket::open(&proxy.url("/frontpage/ws")).await;
    assert_eq!(status_of(&proxy, "/checkout").await, 404);

    let text = page_file("checkout", &[checkout.address]);
    files.rename_in("checkout", &text);
    let came = time_until("the page is there", async || status_of(&proxy, "/checkout").await == 200).await;
    files.rename_in("checkout", &text.replace("/checkout", "/basket"));
    let moved = time_until("it has moved", async || status_of(&proxy, "/basket").await == 200).await;
    assert_eq!(status_of(&proxy, "/checkout").await, 404);
    files.delete("checkout");
    let went = time_until("the page is gone", async || status_of(&proxy, "/basket").await == 404).await;
    println!("page file: a page came in {came:?} (its first check included), moved in {moved:?}, went in {went:?}");

    socket.assert_echoes("still here").await;
    assert_eq!(proxy.fleet().await["pid"], pid);
    assert!(came < Duration::from_secs(5) && moved < Duration::from_secs(5) && went < Duration::from_secs(5));
}

#[tokio::test]
async fn a_file_takes_effect_however_it_is_written() {
    let (_frontpage, mut checkout, proxy) = two_pages().await;
    let files = proxy.page_files();
    let load = Load::start(proxy.address, &[("frontpage", "/"), ("checkout", "/checkout")], 6);
    let mut socket = Socket::open(&proxy.url("/frontpage/ws")).await;
    for (release, written) in [("2", "in place"), ("3", "renamed in"), ("4", "deleted and written again")] {
        let next = Stub::start("checkout", &["--asset", "site.css=a{}", "--release", release]).await;
        let both = page_file("checkout", &[checkout.address, next.address]);
        let alone = page_file("checkout", &[next.address]);
        let write = |text: &str| match written {
            "in place" => files.write("checkout", text),
            "renamed in" => files.rename_in("checkout", text),
            _ => {
                files.delete("checkout");
                files.write("checkout", text);
            }
        };
        write(&both);
        proxy.wait_for_state("checkout", "healthy", 2).await;
        write(&alone);
        let took = time_until("the old one is left", async || {
            proxy.instances("checkout").await.iter().all(|one| one["release"] == release)
        });
        println!("page file: {written}, seen in {:?}", took.await);
        assert_eq!(release_at(&proxy, "/checkout").await, release);
        checkout = next;
    }
    files.truncate("checkout");
    wait_until("the empty file is refused", async || proxy.refusal("checkout").await).await;
    assert_eq!(release_at(&proxy, "/checkout").await, "4");
    socket.assert_echoes("still here").await;
    let report = load.stop().await;
    println!("{report}");
    report.assert_nothing_failed();
}

#[tokio::test]
async fn a_config_map_swap_changes_all_pages_at_once_and_for_good() {
    let frontpage = Stub::start("frontpage", &[]).await;
    let checkout = Stub::start("checkout", &["--asset", "site.css=a{}"]).await;
    let setup = Setup::new();
    let files = setup.page_files();
    let front_file = page_file("frontpage", &[frontpage.address]);
    let generation = |number: u32| {
        let moved = page_file("checkout", &[checkout.address]).replace("/checkout", &format!("/basket-{number}"));
        [("frontpage", front_file.replace("/frontpage/", &format!("/front-{number}/"))), ("checkout", moved)]
    };
    files.swap(0, &generation(0));
    let proxy = setup.start_cold().await;
    proxy.wait_for_state("frontpage", "healthy", 1).await;
    proxy.wait_for_state("checkout", "healthy", 1).await;
    let load = Load::start(proxy.address, &[("frontpage", "/")], 4);
    for number in 1..=5 {
        files.swap(number, &generation(number));
        let took = time_until("both have moved", async || {
            let moved = [format!("/basket-{number}"), format!("/front-{number}/x")];
            status_of(&proxy, &moved[0]).await == 200 && status_of(&proxy, &moved[1]).await == 200
        });
        println!("page file: swapped by symlink, seen in {:?}", took.await);
        assert_eq!(status_of(&proxy, &format!("/basket-{}", number - 1)).await, 404);
    }
    let report = load.stop().await;
    println!("{report}");
    report.assert_nothing_failed();
    assert_eq!(proxy.fleet().await["refused"], serde_json::json!([]));
}

#[tokio::test]
async fn a_file_that_is_rewritten_a_hundred_times_a_second_disturbs_nobody_and_the_last_text_counts() {
    let (_frontpage, checkout, proxy) = two_pages().await;
    let second = Stub::start("checkout", &["--asset", "site.css=a{}", "--release", "1"]).await;
    let files = proxy.page_files();
    files.write("checkout", &page_file("checkout", &[checkout.address, second.address]));
    proxy.wait_for_state("checkout", "healthy", 2).await;
    let load = Load::start(proxy.address, &[("frontpage", "/"), ("checkout", "/checkout")], 6);
    let mut socket = Socket::open(&proxy.url("/checkout/ws")).await;
    let (started, mut ticks) = (Instant::now(), tokio::time::interval(Duration::from_millis(10)));
    for number in 0..200 {
        ticks.tick().await;
        let mut instances = [checkout.address, second.address];
        instances.rotate_left(number % 2);
        let text = format!("# {number}\n{}", page_file("checkout", &instances));
        if number % 3 == 0 { files.rename_in("checkout", &text) } else { files.write("checkout", &text) }
    }
    println!("page file: rewritten 200 times in {:?}", started.elapsed());
    files.write("checkout", &page_file("checkout", &[checkout.address, second.address]).replace("{*rest}", "{*end}"));
    wait_until("the last text counts", async || {
        let fleet = proxy.fleet().await;
        let page = fleet["pages"].as_array()?.iter().find(|page| page["page"] == "checkout")?.clone();
        (page["routes"][1] == "/checkout/{*end}" && fleet["refused"] == serde_json::json!([])).then_some(())
    })
    .await;
    socket.assert_echoes("still here").await;
    let report = load.stop().await;
    println!("{report}");
    report.assert_nothing_failed();
    assert!(proxy.instances("checkout").await.iter().all(|one| one["state"] == "healthy"));
}

#[tokio::test]
async fn a_bad_file_is_told_with_its_line_and_the_last_good_state_stays_across_a_restart() {
    let (_frontpage, checkout, proxy) = two_pages().await;
    let good = page_file("checkout", &[checkout.address]);
    proxy.page_files().write("checkout", &format!("{good}weight = 3\n"));
    let error = wait_until("the file is refused", async || proxy.refusal("checkout").await).await;
    assert!(error.contains("checkout.toml:3: unknown field `weight`"), "{error}");
    assert_eq!(status_of(&proxy, "/checkout").await, 200);

    let proxy = proxy.restart().await;
    proxy.wait_for_state("checkout", "healthy", 1).await;
    assert_eq!(status_of(&proxy, "/checkout").await, 200);
    assert!(proxy.refusal("checkout").await.unwrap().contains("checkout.toml:3"));

    proxy.page_files().write("checkout", &good);
    wait_until("nothing is refused", async || proxy.refusal("checkout").await.is_none().then_some(())).await;
    assert_eq!(status_of(&proxy, "/checkout").await, 200);
}

#[tokio::test]
async fn an_instance_where_the_operator_wants_none_is_never_asked() {
    let frontpage = Stub::start("frontpage", &[]).await;
    let outside = Stub::start("checkout", &["--listen", "127.0.0.9:0"]).await;
    let setup = Setup::new().stub(&frontpage).setting("allowed_networks = [\"127.0.0.1/32\"]");
    let proxy = setup.page_file("checkout", &page_file("checkout", &[outside.address])).start().await;
    for (address, reason) in [(outside.address.to_string(), "127.0.0.9"), ("169.254.169.254:80".into(), "link-local")] {
        proxy.page_files().rename_in("checkout", &page_file("checkout", &[address]));
        let error = refused_with(&proxy, "checkout", reason).await;
        assert!(error.contains("checkout.toml:2"), "{error}");
    }
    assert_eq!(status_of(&proxy, "/checkout").await, 404);
    for own in [proxy.address, proxy.admin] {
        proxy.page_files().rename_in("checkout", &page_file("checkout", &[own]));
        refused_with(&proxy, "checkout", &own.to_string()).await;
        assert_eq!(status_of(&proxy, "/checkout").await, 503);
    }
    assert_eq!(outside.requests().await, 0);
}

#[tokio::test]
async fn a_route_inside_another_pages_prefix_must_be_listed_by_the_operator() {
    let (_frontpage, _checkout, mut proxy) = two_pages().await;
    let gifts = Stub::start("gifts", &[]).await;
    let inside = format!("routes = [\"/checkout/gifts\"]\ninstances = [\"{}\"]\n", gifts.address);
    let reserved = "routes = [\"/health/gifts\"]\ninstances = []\n".to_owned();
    for (text, reason) in [(reserved, "/health/"), (inside, "nested_routes")] {
        proxy.page_files().rename_in("gifts", &text);
        let error = refused_with(&proxy, "gifts", reason).await;
        assert!(error.contains("gifts.toml:1"), "{error}");
    }
    proxy.set("nested_routes = [\"/checkout/gifts\"]");
    wait_until("it is let in", async || {
        let answer = proxy.get("/checkout/gifts").await;
        (header(&answer, "x-page") == "gifts" && answer.status() == 200).then_some(())
    })
    .await;
    assert_eq!(header(&proxy.get("/checkout").await, "x-page"), "checkout");
}

#[tokio::test]
async fn an_address_that_does_not_answer_yet_takes_nothing_from_the_others() {
    let (_frontpage, checkout, proxy) = two_pages().await;
    let late = free_address();
    proxy.page_files().write("checkout", &page_file("checkout", &[checkout.address, late]));
    proxy.wait_for_state("checkout", "joining", 1).await;
    for _ in 0..20 {
        assert_eq!(status_of(&proxy, "/checkout").await, 200);
    }
    let problem = wait_until("the admin address says why", async || {
        proxy.instance("checkout", late).await["problem"].as_str().map(str::to_owned)
    });
    assert!(!problem.await.is_empty());
    let _second =
        Stub::start("checkout", &["--asset", "site.css=a{}", "--release", "1", "--listen", &late.to_string()]).await;
    proxy.wait_for_state("checkout", "healthy", 2).await;
}

#[tokio::test]
async fn a_page_whose_every_instance_changes_at_once_loses_no_request() {
    let (_frontpage, mut checkout, proxy) = two_pages().await;
    let load = Load::start(proxy.address, &[("checkout", "/checkout")], 6);
    for release in ["2", "3", "4"] {
        let next = Stub::start("checkout", &["--filler", "20x100000", "--release", release]).await;
        proxy.page_files().rename_in("checkout", &page_file("checkout", &[next.address]));
        wait_until("the new one serves", async || (release_at(&proxy, "/checkout").await == release).then_some(()))
            .await;
        // The old process runs until the proxy has let it go.
        wait_until("the old one is gone", async || (proxy.instances("checkout").await.len() == 1).then_some(())).await;
        checkout = next;
    }
    let report = load.stop().await;
    drop(checkout);
    println!("{report}");
    report.assert_nothing_failed();
}
