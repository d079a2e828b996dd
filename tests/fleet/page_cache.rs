//! The cache of pages' answers: what it gives without asking, whom it never serves, and what it does when a page is slow or dead.

mod failing_pages;
mod origin;
mod passing_by;
mod privacy;
mod questions;
mod releases;

use crate::harness::{Proxy, header, wait_until};
use origin::{Asked, Origin, Reply, ok, status};
use reqwest::Response;

/// What `x-cache` says, and the body.
async fn told(response: Response) -> (String, String) {
    (header(&response, "x-cache").to_owned(), response.text().await.unwrap())
}

/// Asks with these headers.
async fn get(proxy: &Proxy, path: &str, headers: &[(&str, &str)]) -> Response {
    let request =
        headers.iter().fold(proxy.request("GET", path), |request, (name, value)| request.header(*name, *value));
    request.send().await.unwrap()
}

/// Waits until so many requests are counted; they are when their answers are out.
async fn wait_until_counted(proxy: &Proxy, outcome: &str, count: u64) {
    let name = format!("pagefleet_cache_total{{outcome=\"{outcome}\"}}");
    wait_until(&name, async || (proxy.metric(&name).await == count).then_some(())).await;
}

/// Answers with this `Cache-Control`, and says which answer it is.
fn numbered(lines: &'static str) -> impl Fn(&Asked) -> Reply + Send + Sync {
    move |asked: &Asked| Reply::Now(ok(lines, &format!("{}", asked.nth)))
}

#[tokio::test]
async fn a_fresh_answer_is_given_without_asking_and_says_how_old_it_is() {
    let origin = Origin::start(|_| {
        Reply::Now(ok(
            "Cache-Control: max-age=600\r\nAge: 7\r\nETag: \"a\"\r\nContent-Type: text/html\r\nx-request-id: theirs\r\nx-cache: theirs\r\n\
             Connection: keep-alive, x-hop\r\nx-hop: 1\r\nKeep-Alive: timeout=5\r\n",
            "0123456789",
        ))
    })
    .await;
    let proxy = origin.proxy("").await;
    let first = proxy.get("/p").await;
    let first_id = header(&first, "x-request-id").to_owned();
    assert_eq!(told(first).await, ("miss".to_owned(), "0123456789".to_owned()));
    let second = proxy.get("/p").await;
    assert!((7..20).contains(&header(&second, "age").parse::<u32>().unwrap()));
    assert!(![first_id.as_str(), "theirs"].contains(&header(&second, "x-request-id")));
    assert_eq!((header(&second, "etag"), header(&second, "x-page")), ("\"a\"", "p"));
    assert!(["x-hop", "keep-alive"].iter().all(|name| header(&second, name).is_empty()));
    assert_eq!(told(second).await, ("hit".to_owned(), "0123456789".to_owned()));

    let head = proxy.request("HEAD", "/p").send().await.unwrap();
    assert_eq!((header(&head, "x-cache"), header(&head, "content-length")), ("hit", "10"));
    for (name, value, status, body) in [
        ("if-none-match", "W/\"a\"", 304, ""),
        ("if-none-match", "\"b\"", 200, "0123456789"),
        ("range", "bytes=2-4", 206, "234"),
        ("range", "bytes=99-", 416, ""),
        ("range", "bytes=0-1,3-4", 200, "0123456789"),
    ] {
        let answer = get(&proxy, "/p", &[(name, value)]).await;
        assert_eq!((answer.status().as_u16(), header(&answer, "x-cache")), (status, "hit"), "{name}: {value}");
        assert_eq!(answer.text().await.unwrap(), body);
    }
    assert_eq!(origin.count("/p"), 1);
}

#[tokio::test]
async fn what_a_page_does_not_allow_is_asked_for_each_time() {
    for lines in [
        "",
        "Last-Modified: Sat, 21 Nov 2020 12:00:00 GMT\r\n",
        "Cache-Control: no-store, max-age=600\r\n",
        "Cache-Control: private, max-age=600\r\n",
        "Cache-Control: no-cache, max-age=600\r\n",
        "Cache-Control: max-age=0\r\n",
        "Cache-Control: max-age=600\r\nSet-Cookie: a=b\r\n",
        "Cache-Control: max-age=600\r\nVary: *\r\n",
        "Cache-Control: max-age=600\r\nVary: X-Forwarded-For\r\n",
        "Cache-Control: max-age=600\r\nAge: 600\r\n",
        "Expires: 0\r\n",
    ] {
        let origin = Origin::start(numbered(lines)).await;
        let proxy = origin.proxy("").await;
        for round in ["1", "2", "3"] {
            let expected = ("miss".to_owned(), round.to_owned());
            assert_eq!(told(proxy.get("/p").await).await, expected, "{lines}");
        }
        wait_until_counted(&proxy, "uncacheable", 3).await;
    }
}

#[tokio::test]
async fn an_error_is_kept_only_when_it_is_the_same_for_everybody() {
    let kept = "Cache-Control: max-age=600\r\n";
    for (line, is_kept) in [
        ("404 Not Found", true),
        ("301 Moved Permanently", true),
        ("500 Oops", false),
        ("403 Forbidden", false),
        ("429 Slow", false),
    ] {
        let origin = Origin::start(move |asked| Reply::Now(status(line, kept, &asked.nth.to_string()))).await;
        let proxy = origin.proxy("").await;
        proxy.get("/p").await.text().await.unwrap();
        let second = if is_kept { "1" } else { "2" };
        assert_eq!(proxy.get("/p").await.text().await.unwrap(), second, "{line}");
    }
}

#[tokio::test]
async fn a_request_gets_what_it_asks_of_caches() {
    let lines = "Cache-Control: max-age=600\r\nAge: 300\r\nETag: \"a\"\r\n";
    let origin = Origin::start(move |asked| {
        let is_known = asked.header("if-none-match") == "\"a\"";
        Reply::Now(if is_known { status("304 Not Modified", lines, "") } else { ok(lines, "body") })
    })
    .await;
    let proxy = origin.proxy("").await;
    proxy.get("/p").await.text().await.unwrap();
    let mut asked = 1;
    for (name, value, questions) in [
        ("cache-control", "max-age=400", 0),
        ("cache-control", "max-age=200", 1),
        ("cache-control", "min-fresh=200", 0),
        ("cache-control", "min-fresh=400", 1),
        ("cache-control", "no-cache", 1),
        ("cache-control", "only-if-cached", 0),
        ("cache-control", "no-store", 0),
        ("pragma", "no-cache", 1),
    ] {
        let answer = get(&proxy, "/p", &[(name, value)]).await;
        asked += questions;
        assert_eq!(told(answer).await, ("hit".to_owned(), "body".to_owned()), "{value}");
        assert_eq!(origin.count("/p"), asked, "{value}");
    }
    let nothing = get(&proxy, "/p/other", &[("cache-control", "only-if-cached")]).await;
    assert_eq!((nothing.status().as_u16(), header(&nothing, "x-proxy-error")), (504, "not-cached"));
    get(&proxy, "/p/other", &[("cache-control", "no-store")]).await.text().await.unwrap();
    assert_eq!(told(proxy.get("/p/other").await).await.0, "miss", "what a request wants not stored is not");
    assert_eq!(origin.count("/p/other"), 2);
}

#[tokio::test]
async fn a_client_that_takes_stale_answers_gets_them_where_the_page_lets_it() {
    for (directives, cache) in [("max-age=60", "stale"), ("max-age=60, must-revalidate", "hit")] {
        let origin = Origin::start(move |asked| {
            let age = if asked.nth == 1 { 59 } else { 0 };
            Reply::Now(ok(&format!("Cache-Control: {directives}\r\nAge: {age}\r\nETag: \"a\"\r\n"), "body"))
        })
        .await;
        let proxy = origin.proxy("").await;
        proxy.get("/p").await.text().await.unwrap();
        let stale = async || {
            let answer = get(&proxy, "/p", &[("cache-control", "max-stale=100, only-if-cached")]).await;
            Some(header(&answer, "x-cache").to_owned()).filter(|cache| cache != "hit")
        };
        let seen = wait_until("it is stale", stale).await;
        assert_eq!(seen, if cache == "stale" { "stale" } else { "" }, "{directives}");
    }
}

#[tokio::test]
async fn an_answer_is_for_requests_that_say_the_same_in_what_it_varies_by() {
    let origin = Origin::start(|asked| {
        let lines = "Cache-Control: max-age=600\r\nVary: Accept-Language, X-Kind\r\n";
        Reply::Now(ok(lines, &format!("{} {}", asked.header("accept-language"), asked.header("x-kind"))))
    })
    .await;
    let proxy = origin.proxy("").await;
    for (language, kind) in [("en", "1"), ("de", "1"), ("en", "2"), ("en", "")] {
        let fields = [("accept-language", language), ("x-kind", kind)];
        let fields = if kind.is_empty() { &fields[..1] } else { &fields[..] };
        for cache in ["miss", "hit"] {
            let expected = (cache.to_owned(), format!("{language} {kind}"));
            assert_eq!(told(get(&proxy, "/p", fields).await).await, expected);
        }
    }
    assert_eq!(
        told(get(&proxy, "/p", &[("accept-language", "de"), ("x-kind", "1"), ("x-other", "9")]).await).await.0,
        "hit"
    );
    assert_eq!(origin.count("/p"), 4);
}

#[tokio::test]
async fn a_change_makes_what_was_kept_invalid() {
    let origin = Origin::start(|asked| {
        let kept = "Cache-Control: max-age=600\r\n";
        Reply::Now(match (asked.method.as_str(), asked.target.as_str()) {
            ("POST", "/p/fails") => status("500 Oops", "", ""),
            ("POST", "/p/moves") => status("303 See Other", "Location: /p/there?a=1\r\n", ""),
            ("POST", "/p/elsewhere") => {
                status("201 Created", "Content-Location: http://other.example/p/there?a=1\r\n", "")
            }
            ("POST" | "PUT" | "DELETE", _) => status("200 OK", "", ""),
            _ => ok(kept, &asked.nth.to_string()),
        })
    })
    .await;
    let proxy = origin.proxy("").await;
    let is_kept = async |path: &str| told(proxy.get(path).await).await.0 == "hit";
    let change = async |method: &str, path: &str| {
        proxy.request(method, path).header("cookie", "session=1").send().await.unwrap();
    };
    for (method, changed, seen_at, expected) in [
        ("POST", "/p", "/p", false),
        ("PUT", "/p", "/p", false),
        ("DELETE", "/p", "/p", false),
        ("POST", "/p?other", "/p", true),
        ("POST", "/p/fails", "/p/fails", true),
        ("POST", "/p/moves", "/p/there?a=1", false),
        ("POST", "/p/elsewhere", "/p/there?a=1", true),
    ] {
        is_kept(seen_at).await;
        assert!(is_kept(seen_at).await);
        change(method, changed).await;
        assert_eq!(is_kept(seen_at).await, expected, "{method} {changed}");
    }
}

#[tokio::test]
async fn what_the_cache_does_is_counted_logged_and_bounded() {
    let origin = Origin::start(|asked| {
        let body = if asked.target == "/p/large" { "x".repeat(5_000) } else { "x".repeat(1_000) };
        Reply::Now(match asked.target.as_str() {
            // Of unknown length, so that it is known to be too long only when much of it has gone out.
            "/p/large" => format!("HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
            _ => ok("Cache-Control: max-age=600\r\n", &body),
        })
    })
    .await;
    let mut proxy = origin.proxy("[cache]\nmemory_bytes = 20000\nentry_bytes = 4000").await;
    for expected in ["miss", "miss", "miss"] {
        let (cache, body) = told(proxy.get("/p/large").await).await;
        assert_eq!((cache.as_str(), body.len()), (expected, 5_000));
    }
    for index in 0..100 {
        proxy.get(&format!("/p/{index}")).await.text().await.unwrap();
    }
    let (entries, bytes) = (
        proxy.metric("pagefleet_cache{what=\"entries\"}").await,
        proxy.metric("pagefleet_cache{what=\"bytes\"}").await,
    );
    assert!((3..20).contains(&entries) && bytes <= 20_000, "{entries} entries of {bytes} bytes");
    let hits = proxy.metric("pagefleet_cache_total{outcome=\"hit\"}").await;
    let mut found = 0;
    for index in 0..100 {
        found += u64::from(told(proxy.get(&format!("/p/{index}")).await).await.0 == "hit");
    }
    assert!(found > 0);
    wait_until_counted(&proxy, "hit", hits + found).await;
    proxy.process.wait_for_line("cache=hit", |line| line.contains("\"cache\":\"hit\"").then_some(())).await;
}

#[tokio::test]
async fn a_cache_of_no_bytes_is_none() {
    let origin = Origin::start(numbered("Cache-Control: max-age=600\r\n")).await;
    let proxy = origin.proxy("[cache]\nmemory_bytes = 0").await;
    for round in ["1", "2"] {
        assert_eq!(told(proxy.get("/p").await).await, (String::new(), round.to_owned()));
    }
}

#[tokio::test]
async fn what_is_not_whole_is_not_kept() {
    let head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\n";
    for cut in [
        format!("{head}Content-Length: 100\r\n\r\nhalf"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
    ] {
        let first = cut.clone();
        let origin = Origin::start(move |asked| match asked.nth {
            1 => Reply::Cut(first.clone()),
            _ => Reply::Now(ok("Cache-Control: max-age=600\r\n", "whole")),
        })
        .await;
        let proxy = origin.proxy("").await;
        // What breaks off before any of it has gone out is asked for once more, unseen.
        let first = match proxy.request("GET", "/p").send().await {
            Ok(first) => first.text().await,
            Err(error) => Err(error),
        };
        assert!(first.is_err() || first.is_ok_and(|body| body == "whole"), "{cut}");
        assert_eq!(told(proxy.get("/p").await).await.1, "whole");
        assert_eq!(told(proxy.get("/p").await).await, ("hit".to_owned(), "whole".to_owned()));
    }
}

#[tokio::test]
async fn an_interim_answer_goes_through_and_is_not_kept() {
    let origin = Origin::start(|_| {
        let early = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n";
        Reply::Now(format!("{early}{}", ok("Cache-Control: max-age=600\r\nConnection: close\r\n", "body")))
    })
    .await;
    let proxy = origin.proxy("").await;
    let request = b"GET /p HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n";
    let first = proxy.raw(request).await;
    assert!(first.starts_with("HTTP/1.1 103") && first.ends_with("body"), "{first}");
    let second = proxy.raw(request).await;
    assert!(second.starts_with("HTTP/1.1 200") && second.ends_with("body"), "{second}");
    assert!(second.to_ascii_lowercase().contains("x-cache: hit"), "{second}");
}
