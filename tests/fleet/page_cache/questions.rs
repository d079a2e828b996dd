//! Many who want the same ask once; and nobody waits for what is not for him.

use super::origin::{Origin, Reply, ok, status};
use super::{get, told, wait_until_counted};
use crate::harness::{Proxy, header, wait_until};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const KEPT: &str = "Cache-Control: max-age=600\r\n";

/// Asks from so many visitors at once; what each is told, in the end.
fn crowd(proxy: &Arc<Proxy>, count: usize) -> JoinSet<(String, String)> {
    let mut crowd = JoinSet::new();
    for _ in 0..count {
        let proxy = Arc::clone(proxy);
        crowd.spawn(async move { told(get(&proxy, "/p", &[]).await).await });
    }
    crowd
}

#[tokio::test]
async fn twenty_who_want_the_same_ask_once() {
    let origin = Origin::start(|asked| Reply::Held(ok(KEPT, &asked.nth.to_string()))).await;
    let proxy = Arc::new(origin.proxy("[cache]\nlock_wait = \"60s\"").await);
    let visitors = crowd(&proxy, 20);
    origin.wait_for("/p", 1).await;
    origin.open();
    let told = visitors.join_all().await;
    assert!(told.iter().all(|(_, body)| body == "1"), "{told:?}");
    assert_eq!(told.iter().filter(|(cache, _)| cache == "miss").count(), 1);
    assert_eq!(origin.count("/p"), 1);
}

#[tokio::test]
async fn who_waited_for_an_answer_that_is_for_one_only_goes_to_the_page_with_all_others() {
    for private in ["Cache-Control: private\r\n", "Cache-Control: max-age=600\r\nSet-Cookie: a=b\r\n"] {
        let origin = Origin::start(move |asked| match asked.nth {
            1 => Reply::Held(ok(private, "1")),
            // One after the other they would never be answered.
            _ => Reply::Together(20, ok(private, &asked.nth.to_string())),
        })
        .await;
        let proxy = Arc::new(origin.proxy("[cache]\nlock_wait = \"60s\"").await);
        let visitors = crowd(&proxy, 20);
        origin.wait_for("/p", 1).await;
        origin.open();
        let mut told: Vec<_> = visitors.join_all().await.into_iter().map(|(_, body)| body).collect();
        told.sort_unstable();
        told.dedup();
        assert_eq!((told.len(), origin.count("/p")), (20, 20), "each has an answer of its own");
        // Known now: nobody waits, though the page holds the first.
        origin.now(move |asked| if asked.nth == 21 { Reply::Held(String::new()) } else { Reply::Now(ok(private, "")) });
        let _held = crowd(&proxy, 1);
        origin.wait_for("/p", 21).await;
        get(&proxy, "/p", &[]).await;
    }
}

#[tokio::test]
async fn when_the_first_to_ask_goes_away_another_asks_for_the_rest() {
    let origin = Origin::start(|asked| match asked.nth {
        1 => Reply::Held(String::new()),
        _ => Reply::Now(ok(KEPT, &asked.nth.to_string())),
    })
    .await;
    let proxy = Arc::new(origin.proxy("[cache]\nlock_wait = \"60s\"").await);
    let mut first = TcpStream::connect(proxy.address).await.unwrap();
    let host = proxy.address;
    first.write_all(format!("GET /p HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes()).await.unwrap();
    origin.wait_for("/p", 1).await;
    let visitors = crowd(&proxy, 10);
    // It leaves with a reset, as a browser's tab that is closed.
    rustix::net::sockopt::set_socket_linger(&first, Some(Duration::ZERO)).unwrap();
    drop(first);
    let told = visitors.join_all().await;
    assert!(told.iter().all(|(_, body)| body == "2"), "{told:?}");
    assert_eq!(origin.count("/p"), 2);
}

#[tokio::test]
async fn nobody_waits_for_another_longer_than_the_bound() {
    let origin = Origin::start(|asked| match asked.nth {
        1 => Reply::Held(ok(KEPT, "1")),
        _ => Reply::Now(ok(KEPT, "2")),
    })
    .await;
    let proxy = Arc::new(origin.proxy("[cache]\nlock_wait = \"200ms\"").await);
    let mut held = crowd(&proxy, 1);
    origin.wait_for("/p", 1).await;
    let began = Instant::now();
    assert_eq!(told(get(&proxy, "/p", &[]).await).await, ("miss".to_owned(), "2".to_owned()));
    assert!((Duration::from_millis(200)..Duration::from_secs(10)).contains(&began.elapsed()));
    assert_eq!(told(get(&proxy, "/p", &[]).await).await, ("hit".to_owned(), "2".to_owned()));
    origin.open();
    assert_eq!(held.join_next().await.unwrap().unwrap().1, "1");
}

#[tokio::test]
async fn what_is_stale_is_given_at_once_and_asked_for_anew_once_and_counted() {
    let origin = Origin::start(|asked| match asked.nth {
        1 => Reply::Now(ok("Cache-Control: max-age=60, stale-while-revalidate=600\r\nAge: 60\r\nETag: \"1\"\r\n", "1")),
        _ => Reply::Held(ok("Cache-Control: max-age=600\r\n", "2")),
    })
    .await;
    let proxy = Arc::new(origin.proxy("").await);
    get(&proxy, "/p", &[]).await.text().await.unwrap();
    for _ in 0..10 {
        let answer = get(&proxy, "/p", &[("cookie", "analytics=ann")]).await;
        assert!(header(&answer, "age").parse::<u32>().unwrap() >= 60);
        assert_eq!(told(answer).await, ("stale".to_owned(), "1".to_owned()));
    }
    origin.wait_for("/p", 2).await;
    let asked = &origin.asked("/p")[1];
    assert_eq!((asked.header("if-none-match"), asked.header("cookie"), asked.method.as_str()), ("\"1\"", "", "GET"));
    assert_eq!(asked.header("host"), proxy.address.to_string());
    assert!(!asked.header("x-request-id").is_empty() && asked.header("x-forwarded-for") == "127.0.0.1");
    assert_eq!(proxy.instance("p", origin.address).await["in_flight"], 1, "asked for nobody, and counted all the same");
    origin.open();
    wait_until("the new answer is there", async || {
        (told(get(&proxy, "/p", &[]).await).await == ("hit".to_owned(), "2".to_owned())).then_some(())
    })
    .await;
    assert_eq!(origin.count("/p"), 2);
    assert_eq!(proxy.instance("p", origin.address).await["in_flight"], 0);
}

#[tokio::test]
async fn a_page_that_says_that_its_answer_holds_renews_it() {
    let origin = Origin::start(|asked| {
        let is_known = asked.header("if-none-match") == "\"a\"";
        let lines =
            |age: u32| format!("Cache-Control: max-age=60\r\nAge: {age}\r\nETag: \"a\"\r\nx-answer: {}\r\n", asked.nth);
        Reply::Now(match is_known {
            true => status("304 Not Modified", &lines(0), ""),
            false => ok(&lines(59), "body"),
        })
    })
    .await;
    let proxy = origin.proxy("").await;
    get(&proxy, "/p", &[]).await.text().await.unwrap();
    wait_until("it is validated", async || {
        let answer = get(&proxy, "/p", &[]).await;
        let news = header(&answer, "x-answer").to_owned();
        assert_eq!(told(answer).await, ("hit".to_owned(), "body".to_owned()));
        (news == "2").then_some(())
    })
    .await;
    wait_until_counted(&proxy, "revalidated", 1).await;
    let answer = get(&proxy, "/p", &[("if-none-match", "\"a\"")]).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "x-cache")), (304, "hit"));
    assert_eq!(origin.count("/p"), 2);
}

#[tokio::test]
async fn a_page_whose_answer_is_another_one_now_gives_that() {
    let origin = Origin::start(|asked| {
        Reply::Now(match asked.nth {
            1 => ok("Cache-Control: max-age=60, stale-if-error=600\r\nAge: 60\r\nETag: \"a\"\r\n", "1"),
            2 => ok("Cache-Control: max-age=60, stale-if-error=600\r\nAge: 60\r\nETag: \"b\"\r\n", "2"),
            3 => status("304 Not Modified", "ETag: \"of another content\"\r\n", ""),
            nth => ok("Cache-Control: private\r\n", &nth.to_string()),
        })
    })
    .await;
    let proxy = origin.proxy("").await;
    for expected in [("miss", "1"), ("hit", "2"), ("miss", "4"), ("miss", "5")] {
        let seen = told(get(&proxy, "/p", &[]).await).await;
        assert_eq!((seen.0.as_str(), seen.1.as_str()), expected);
    }
}
