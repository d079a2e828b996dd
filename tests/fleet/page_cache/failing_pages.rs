//! A page that is slow, wrong or dead, and what is kept of it.

use super::origin::{Origin, Reply, ok, status};
use super::{get, told};
use crate::harness::{Proxy, header, wait_until};
use std::time::{Duration, Instant};

/// Stale from the first moment on.
const STALE: &str = "Cache-Control: max-age=60, stale-if-error=600\r\nAge: 90\r\n";
const BARE: &str = "Cache-Control: max-age=60\r\nAge: 59\r\n";

async fn stale_copy(proxy: &Proxy) {
    let answer = get(proxy, "/p", &[]).await;
    assert_eq!(answer.status(), 200);
    let age = header(&answer, "age").parse::<u32>().unwrap();
    assert!((90..130).contains(&age), "{age}");
    assert_eq!(told(answer).await, ("stale".to_owned(), "kept".to_owned()));
}

#[tokio::test]
async fn instead_of_a_pages_error_visitors_get_what_is_kept_where_it_says_so() {
    let origin = Origin::start(|_| Reply::Now(ok(STALE, "kept"))).await;
    let proxy = origin.proxy("").await;
    get(&proxy, "/p", &[]).await.text().await.unwrap();
    for line in ["500 Oops", "503 Busy", "429 Slow"] {
        origin.now(move |_| Reply::Now(status(line, "", "broken")));
        stale_copy(&proxy).await;
    }
    origin.now(|_| Reply::Cut(String::new()));
    stale_copy(&proxy).await;
    let head = proxy.request("HEAD", "/p").send().await.unwrap();
    assert_eq!((head.status().as_u16(), header(&head, "x-cache")), (200, "stale"));
    // A page that is well again says so itself, and nobody is told otherwise for long.
    origin.now(|_| Reply::Now(ok("Cache-Control: max-age=600\r\n", "well")));
    wait_until("the page's own answer is seen", async || {
        (told(get(&proxy, "/p", &[]).await).await.1 == "well").then_some(())
    })
    .await;
}

#[tokio::test]
async fn without_leave_an_error_is_an_error() {
    for lines in [BARE, "Cache-Control: max-age=60, stale-if-error=600, must-revalidate\r\nAge: 59\r\n"] {
        let origin = Origin::start(move |_| Reply::Now(ok(lines, "kept"))).await;
        let proxy = origin.proxy("").await;
        get(&proxy, "/p", &[]).await.text().await.unwrap();
        origin.now(|_| Reply::Now(status("500 Oops", "", "broken")));
        wait_until("it is stale", async || (get(&proxy, "/p", &[]).await.status() == 500).then_some(())).await;
    }
}

#[tokio::test]
async fn a_slow_page_costs_a_visitor_no_more_than_the_bound_and_is_asked_once() {
    let origin = Origin::start(|asked| match asked.nth {
        1 => Reply::Now(ok(STALE, "kept")),
        _ => Reply::Held(ok("Cache-Control: max-age=600\r\n", "late")),
    })
    .await;
    let proxy = origin.proxy("[cache]\nstale_wait = \"100ms\"").await;
    get(&proxy, "/p", &[]).await.text().await.unwrap();
    for _ in 0..3 {
        let began = Instant::now();
        stale_copy(&proxy).await;
        assert!(began.elapsed() < Duration::from_secs(10));
    }
    assert_eq!(origin.count("/p"), 2);
    origin.open();
    wait_until("what it said late is kept", async || {
        (told(get(&proxy, "/p", &[]).await).await == ("hit".to_owned(), "late".to_owned())).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_dead_pages_visitors_get_what_is_fresh_or_may_be_stale_and_others_an_error() {
    let origin = Origin::start(|asked| {
        let lines = if asked.target == "/p/fresh" { "Cache-Control: max-age=600\r\n" } else { STALE };
        Reply::Now(ok(lines, "kept"))
    })
    .await;
    let proxy = origin.proxy("").await;
    for path in ["/p", "/p/fresh"] {
        get(&proxy, path, &[]).await.text().await.unwrap();
    }
    drop(origin);
    proxy.wait_for_state("p", "unhealthy", 1).await;
    stale_copy(&proxy).await;
    assert_eq!(told(get(&proxy, "/p/fresh", &[]).await).await, ("hit".to_owned(), "kept".to_owned()));
    assert_eq!(get(&proxy, "/p/other", &[]).await.status(), 503);
    assert_eq!(
        get(&proxy, "/p", &[("cookie", "session=1")]).await.status(),
        503,
        "who is known gets nobody else's copy"
    );
    // A page whose file is gone is gone, whatever is kept of it.
    proxy.page_files().delete("p");
    wait_until("the page is gone", async || (get(&proxy, "/p", &[]).await.status() == 404).then_some(())).await;
}
