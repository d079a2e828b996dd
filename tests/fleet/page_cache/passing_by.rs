//! What a page answers to requests that pass the cache by goes through as it is, however its end is told.

use super::origin::{Origin, Reply, ok};
use super::wait_until_counted;
use crate::harness::Proxy;

/// The answer to a GET by a known visitor, byte by byte, its head in lower case.
async fn asked(proxy: &Proxy, line: &str) -> (String, String) {
    let request = format!("{line} HTTP/1.1\r\nhost: 127.0.0.1\r\ncookie: session=1\r\nconnection: close\r\n\r\n");
    let answer = proxy.raw(request.as_bytes()).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (head.to_ascii_lowercase(), body.to_owned())
}

#[tokio::test]
async fn a_body_goes_through_however_its_end_is_told() {
    let origin = Origin::start(|asked| match asked.target.as_str() {
        "/p?chunks" => Reply::Now(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nx-trailer: 1\r\n\r\n"
                .to_owned(),
        ),
        "/p?to-the-end" => Reply::Cut("HTTP/1.1 200 Fine\r\n\r\nabcde".to_owned()),
        "/p?events" => Reply::Cut("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: a\n\n".to_owned()),
        "/p?nothing" => Reply::Now("HTTP/1.1 204 No Content\r\n\r\n".to_owned()),
        "/p?known" => Reply::Now("HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\n\r\n".to_owned()),
        "/p?broken" => Reply::Cut("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n".to_owned()),
        _ => Reply::Now(ok("x-fine: 1\r\nconnection: x-hop\r\nx-hop: 1\r\n", "abcde")),
    })
    .await;
    let proxy = origin.proxy("").await;
    for (target, status, framing, body) in [
        ("/p?length", "200 ok", "content-length: 5\r\n", "abcde"),
        ("/p?chunks", "200 ok", "transfer-encoding: chunked\r\n", "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
        ("/p?to-the-end", "200 fine", "transfer-encoding: chunked\r\n", "5\r\nabcde\r\n0\r\n\r\n"),
        ("/p?events", "200 ok", "content-type: text/event-stream\r\n", "data: a\n\n"),
        ("/p?nothing", "204 no content", "", ""),
        ("/p?known", "304 not modified", "etag: \"a\"\r\n", ""),
        ("/p?broken", "200 ok", "transfer-encoding: chunked\r\n", "3\r\nabc\r\n"),
    ] {
        let (head, got) = asked(&proxy, &format!("GET {target}")).await;
        assert!(head.starts_with(&format!("http/1.1 {status}\r\n")), "{target}: {head}");
        assert!(head.contains(framing) && head.contains("connection: close"), "{target}: {head}");
        assert!(!head.contains("x-hop") && head.contains("\r\ndate: "), "{target}: {head}");
        assert_eq!(got, body, "{target}");
    }
    let (head, body) = asked(&proxy, "HEAD /p?length").await;
    assert!(head.contains("content-length: 5\r\n") && body.is_empty(), "{head}\n{body}");
}

#[tokio::test]
async fn interim_answers_go_through_before_the_answer() {
    let origin = Origin::start(|_| {
        let early = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\nserver: x\r\n\r\n";
        Reply::Now(format!("{early}{early}{}", ok("", "body")))
    })
    .await;
    let proxy = origin.proxy("").await;
    let (head, rest) = asked(&proxy, "GET /p").await;
    assert!(head.starts_with("http/1.1 103 early hints\r\nlink: </a.css>; rel=preload\r\nx-request-id: "), "{head}");
    assert!(rest.starts_with("HTTP/1.1 103 Early Hints\r\n") && rest.contains("\r\n\r\nHTTP/1.1 200 OK\r\n"), "{rest}");
    assert!(rest.ends_with("\r\n\r\nbody"), "{rest}");
}

#[tokio::test]
async fn an_answer_with_very_many_fields_goes_through() {
    let origin = Origin::start(|_| Reply::Now(ok(&"x-many: 1\r\n".repeat(200), "body"))).await;
    let proxy = origin.proxy("").await;
    let (head, body) = asked(&proxy, "GET /p").await;
    assert_eq!((head.matches("x-many: 1").count(), body.as_str()), (200, "body"));
}

#[tokio::test]
async fn a_kept_connection_that_the_page_has_closed_costs_no_request() {
    // It says that the connection is kept, and ends it.
    let origin = Origin::start(|_| Reply::Cut(ok("", "body"))).await;
    let proxy = origin.proxy("").await;
    for count in 1..=20 {
        let (head, body) = asked(&proxy, "GET /p").await;
        assert!(head.starts_with("http/1.1 200") && body == "body", "{head}");
        wait_until_counted(&proxy, "bypass", count).await;
    }
    assert_eq!(proxy.metric("pagefleet_failed_attempts_total").await, 0);
}

#[tokio::test]
async fn an_answer_that_is_none_is_told_as_such() {
    let origin = Origin::start(|asked| match asked.target.as_str() {
        "/p?two-lengths" => {
            Reply::Now("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab".to_owned())
        }
        "/p?coded" => Reply::Now("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nab".to_owned()),
        "/p?switched" => Reply::Now("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\nab".to_owned()),
        "/p?gone" => Reply::Cut(String::new()),
        _ => Reply::Now("not HTTP at all\r\n\r\n".to_owned()),
    })
    .await;
    let proxy = origin.proxy("").await;
    for target in ["/p?two-lengths", "/p?coded", "/p?switched", "/p?gone", "/p?nonsense"] {
        let (head, _) = asked(&proxy, &format!("GET {target}")).await;
        assert!(
            head.starts_with("http/1.1 502 ") && head.contains("x-proxy-error: upstream-failed"),
            "{target}: {head}"
        );
    }
}
