//! What clients may send: strict heads, in time, within bounds; and every refusal is signed.

use crate::harness::{PATIENCE, Proxy, Setup, Stub};
use std::io::{Read, Write};
use std::net::TcpStream;

async fn one_page(settings: &str) -> (Stub, Proxy) {
    let page = Stub::start("frontpage", &[]).await;
    let proxy = Setup::new().stub(&page).setting(settings).start().await;
    (page, proxy)
}

#[tokio::test]
async fn ambiguous_requests_are_refused_and_never_reach_a_page() {
    let (page, proxy) = one_page("").await;
    for (status, head) in [
        (400, "GET / HTTP/1.1\r\n\r\n"),
        (400, "GET / HTTP/1.1\nHost: a\n\n"),
        (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
        (501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n"),
        (400, "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        (405, "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (405, "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"),
        (505, "GET / HTTP/3.0\r\nHost: a\r\n\r\n"),
    ] {
        let answer = proxy.raw(head.as_bytes()).await.to_ascii_lowercase();
        assert!(answer.starts_with(&format!("http/1.1 {status}")), "{head:?}: {answer:.300}");
        assert!(answer.contains("x-request-id: ") && answer.contains("connection: close"), "{head:?}");
    }
    assert_eq!(page.requests().await, 0);
}

#[tokio::test]
async fn a_smuggled_second_request_is_not_answered() {
    let (page, proxy) = one_page("").await;
    let bytes = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nZ\r\n0\r\n\r\nGET /frontpage/x HTTP/1.1\r\nHost: a\r\n\r\n";
    let answer = proxy.raw(bytes.as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    assert_eq!(page.requests().await, 0);
}

#[tokio::test]
async fn absolute_form_and_empty_lines_are_understood() {
    let (_page, proxy) = one_page("").await;
    let bytes =
        "\r\nGET http://shop.example/frontpage/echo?x=1 HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n";
    let answer = proxy.raw(bytes.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("\"target\":\"/frontpage/echo?x=1\""), "{answer}");
    let options = proxy.raw(b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(options.starts_with("HTTP/1.1 204"), "{options}");
    let old = proxy.raw(b"GET /frontpage/echo HTTP/1.0\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.1 200") || old.starts_with("HTTP/1.0 200"), "{old}");
}

#[tokio::test]
async fn heads_are_bounded_in_size_and_number() {
    let (_page, proxy) = one_page("").await;
    let ask = async |fields: String| {
        proxy.raw(format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n").as_bytes()).await
    };
    assert!(ask(format!("Cookie: a={}\r\n", "b".repeat(20_000))).await.starts_with("HTTP/1.1 200"));
    assert!(ask(format!("Cookie: a={}\r\n", "b".repeat(60_000))).await.starts_with("HTTP/1.1 431"));
    assert!(ask("A: b\r\n".repeat(200)).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn a_trickled_head_is_cut_and_a_slow_body_is_not() {
    let (_page, proxy) = one_page("[timeouts]\nhead = \"300ms\"").await;
    let address = proxy.address;
    let trickled = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    assert!(trickled.await.unwrap().starts_with("HTTP/1.1 408"));
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<&'static str, std::io::Error>>(1);
    let body = reqwest::Body::wrap_stream(tokio_stream::wrappers::ReceiverStream::new(receiver));
    let answer = tokio::spawn(proxy.request("POST", "/frontpage/echo").body(body).send());
    sender.send(Ok("slow ")).await.unwrap();
    // Longer than the head may take: the point of the test.
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    sender.send(Ok("body")).await.unwrap();
    drop(sender);
    let echo: serde_json::Value = answer.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(echo["body_bytes"], 9);
}

#[tokio::test]
async fn a_connection_is_kept_and_guarded_again_for_each_request() {
    let (_page, proxy) = one_page("").await;
    let address = proxy.address;
    let answers = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answers = Vec::new();
        for request in [
            "GET /frontpage HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /frontpage HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        ] {
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = [0; 64 << 10];
            let count = stream.read(&mut answer).unwrap();
            answers.push(String::from_utf8_lossy(&answer[..count]).into_owned());
        }
        answers
    });
    let answers = answers.await.unwrap();
    assert!(answers[0].starts_with("HTTP/1.1 200") && answers[1].starts_with("HTTP/1.1 200"), "{answers:?}");
    assert!(answers[2].starts_with("HTTP/1.1 400"), "{answers:?}");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_and_guarded_each() {
    let (page, proxy) = one_page("").await;
    let bytes = "GET /frontpage/echo?1 HTTP/1.1\r\nHost: a\r\n\r\n\
                 POST /frontpage/echo?2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
                 GET /frontpage/echo?3 HTTP/1.1\r\nHost: a\r\n\r\n\
                 GET /frontpage/echo?4 HTTP/1.1\r\nHost : a\r\n\r\n";
    let answer = proxy.raw(bytes.as_bytes()).await;
    let places: Vec<_> =
        ["echo?1\"", "echo?2\"", "echo?3\"", "HTTP/1.1 400"].iter().map(|part| answer.find(part)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?} {answer}");
    assert!(answer.contains("\"body_bytes\":3"));
    assert_eq!(page.requests().await, 3);
}

/// Sends parts, each when the other side had time to read the one before, then reads to the end.
async fn in_parts(proxy: &Proxy, parts: &[&str], half_close: bool) -> String {
    let (address, parts) = (proxy.address, parts.iter().map(|part| part.as_bytes().to_vec()).collect::<Vec<_>>());
    tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        for part in parts {
            if stream.write_all(&part).is_err() {
                // Refused by now.
                break;
            }
            // Apart on the wire is the point: one write could arrive as one read.
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        if half_close {
            stream.shutdown(std::net::Shutdown::Write).unwrap();
        }
        let mut answer = Vec::new();
        // A reset after the answer is as good as its end.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_chunked_body_is_read_strictly_and_hides_no_request() {
    let (page, proxy) = one_page("").await;
    let head = "POST /frontpage/echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let next = "GET /frontpage/echo?next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for body in
        ["\r\n", ";a\r\nabc\r\n0\r\n\r\n", "3 \r\nabc\r\n0\r\n\r\n", "3;a\nb\r\nabc\r\n0\r\n\r\n", "0\r\nbad\r\n\r\n"]
    {
        let before = page.requests().await;
        let answer = in_parts(&proxy, &[head, body, "\r\n", next], false).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{body:?}: {answer:.200}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{body:?}: {answer}");
        assert!(page.requests().await <= before + 1, "{body:?}");
    }
    for parts in
        [&[head, "3\r\nabc\r\n0\r\n\r\n", next][..], &[head, "3;x=y\r\nab", "c\r\n0\r\nT: u\r\n\r\n\r\n", next]]
    {
        for parts in [parts.to_vec(), vec![parts.concat().leak() as &str]] {
            let answer = in_parts(&proxy, &parts, false).await;
            assert_eq!(answer.matches("HTTP/1.1 200").count(), 2, "{parts:?}: {answer}");
            assert!(answer.contains("\"body_bytes\":3") && answer.contains("echo?next\""), "{answer}");
        }
    }
}

#[tokio::test]
async fn a_client_that_ended_its_side_still_gets_its_answer() {
    let page = Stub::start("frontpage", &["--latency", "200ms"]).await;
    let proxy = Setup::new().stub(&page).start().await;
    for request in [
        "GET /frontpage/echo HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /frontpage/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        "POST /frontpage/echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ] {
        let answer = in_parts(&proxy, &[request], true).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{request:?}: {answer:?}");
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_an_answer_too() {
    let (_page, proxy) = one_page("[timeouts]\nidle = \"300ms\"").await;
    // Only the end of the connection ends this read.
    let answer = proxy.raw(b"GET /frontpage HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("keep-alive"), "{answer}");
    assert_eq!(proxy.raw(b"").await, "");
}

#[tokio::test]
async fn an_http_1_0_client_is_never_sent_chunks() {
    let (_page, proxy) = one_page("").await;
    let request =
        "POST /frontpage/stream HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc";
    let answer = proxy.raw(request.as_bytes()).await;
    assert!(!answer.to_ascii_lowercase().contains("transfer-encoding") && answer.ends_with("\r\n\r\nabc"), "{answer}");
}

#[tokio::test]
async fn a_refused_upload_gets_its_answer_before_the_connection_ends() {
    let (_page, proxy) = one_page("").await;
    let address = proxy.address;
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let body = vec![b'x'; 5 << 20];
        let head = format!("POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).unwrap();
        for part in body.chunks(16 << 10) {
            stream.write_all(part).unwrap();
        }
        let mut answer = [0; 64];
        stream.read_exact(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    });
    assert!(answer.await.unwrap().starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn only_a_websocket_handshake_is_an_upgrade() {
    let (_page, proxy) = one_page("").await;
    let get = |fields: &str| format!("GET /frontpage/echo HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    for fields in [
        "Upgrade: h2c\r\nConnection: upgrade\r\n",
        "Upgrade: websocket\r\n",
        "Upgrade: x\r\nConnection: close, upgrade\r\n",
    ] {
        let next = "GET /frontpage/echo?next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let answer = proxy.raw(format!("{}{next}", get(fields)).as_bytes()).await;
        assert!(!answer.contains("\"upgrade\""), "{fields:?}: {answer}");
        let answers = if fields.contains("close") { 1 } else { 2 };
        assert_eq!(answer.matches("HTTP/1.1 200").count(), answers, "{fields:?}: {answer}");
    }
    let closes = "GET /frontpage HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: close\r\n\r\n";
    assert!(proxy.raw(closes.as_bytes()).await.contains("Connection: close"));
}
