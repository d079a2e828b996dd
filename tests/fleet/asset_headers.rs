//! How an asset is answered: the headers of DESIGN section 4, under both of its URLs (RFC 9110 sections 8.8, 12.5.3, 13
//! and 14).

use crate::harness::{Proxy, Setup, Stub, fingerprint, header};
use reqwest::Response;
use std::io::Read;

const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// Worth compressing.
fn stylesheet() -> String {
    (0..200).map(|number| format!(".space-{number}{{margin:{number}px;padding:{number}px}}")).collect()
}

/// A proxy with one page; its stylesheet's text and both URLs.
async fn shop() -> (Stub, Proxy, String, [String; 2]) {
    let css = stylesheet();
    let frontpage = Stub::start("frontpage", &["--asset", &format!("site.css={css}")]).await;
    let proxy = Setup::new().stub(&frontpage).start().await;
    let urls = ["/assets/site.css".to_owned(), frontpage.fingerprinted("site.css").await];
    (frontpage, proxy, css, urls)
}

async fn ask(proxy: &Proxy, path: &str, fields: &[(&str, &str)]) -> Response {
    let mut request = proxy.request("GET", path);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

async fn ask_status(proxy: &Proxy, path: &str, fields: &[(&str, &str)]) -> u16 {
    ask(proxy, path, fields).await.status().as_u16()
}

#[tokio::test]
async fn both_urls_give_the_same_bytes_each_with_its_own_caching() {
    let (frontpage, proxy, css, urls) = shop().await;
    let asked = frontpage.requests().await;
    for (url, caching) in urls.iter().zip(["private, no-cache", IMMUTABLE]) {
        let response = proxy.get(url).await;
        assert_eq!(response.status(), 200, "{url}");
        for (name, value) in [
            ("cache-control", caching),
            ("content-type", "text/css; charset=utf-8"),
            ("x-content-type-options", "nosniff"),
            ("vary", "accept-encoding"),
            ("accept-ranges", "bytes"),
            ("etag", &format!("\"{}\"", fingerprint(&urls[1]))),
            ("content-length", &css.len().to_string()),
        ] {
            assert_eq!(header(&response, name), value, "{name} of {url}");
        }
        assert_eq!(response.text().await.unwrap(), css, "{url}");
    }
    assert_eq!(frontpage.requests().await, asked, "the vault answers, not the page");
}

#[tokio::test]
async fn a_head_has_all_headers_of_a_get_and_no_body() {
    let (_frontpage, proxy, css, urls) = shop().await;
    for url in &urls {
        let (get, head) = (proxy.get(url).await, proxy.request("HEAD", url).send().await.unwrap());
        assert_eq!(head.status(), 200);
        for name in ["etag", "cache-control", "content-type", "content-length", "vary", "x-content-type-options"] {
            assert_eq!(header(&head, name), header(&get, name), "{name} of {url}");
        }
        assert_eq!(header(&head, "content-length"), css.len().to_string());
        assert_eq!(head.bytes().await.unwrap(), "");
        // RFC 9110 section 14.2: only a GET has ranges.
        let ranged = proxy.request("HEAD", url).header("range", "bytes=0-3").send().await.unwrap();
        assert_eq!((ranged.status().as_u16(), header(&ranged, "content-range")), (200, ""), "HEAD with Range");
    }
}

#[tokio::test]
async fn a_part_is_cut_out_of_the_identity_bytes() {
    let (_frontpage, proxy, css, urls) = shop().await;
    let (length, tag) = (css.len(), format!("\"{}\"", fingerprint(&urls[1])));
    for url in &urls {
        for (range, first, end) in [("bytes=0-3", 0, 4), ("bytes=-5", length - 5, length), ("bytes=10-", 10, length)] {
            let part = ask(&proxy, url, &[("range", range), ("accept-encoding", "br")]).await;
            assert_eq!(part.status(), 206, "{range}");
            assert_eq!(header(&part, "content-range"), format!("bytes {first}-{}/{length}", end - 1));
            assert_eq!((header(&part, "content-encoding"), header(&part, "etag")), ("", tag.as_str()));
            assert_eq!(part.text().await.unwrap(), css[first..end]);
        }
        let beyond = ask(&proxy, url, &[("range", "bytes=999999-")]).await;
        assert_eq!(beyond.status(), 416);
        assert_eq!(header(&beyond, "content-range"), format!("bytes */{length}"));
        let range = ("range", "bytes=0-3");
        assert_eq!(ask_status(&proxy, url, &[range, ("if-range", &tag)]).await, 206);
        for other in ["\"other\"", &format!("W/{tag}"), "Sat, 21 Nov 2026 00:00:00 GMT"] {
            assert_eq!(ask_status(&proxy, url, &[range, ("if-range", other)]).await, 200, "{other}");
        }
        assert_eq!(ask_status(&proxy, url, &[range, ("if-none-match", &tag)]).await, 304);
    }
}

#[tokio::test]
async fn an_error_of_an_asset_is_kept_by_nobody() {
    let (_frontpage, proxy, _, urls) = shop().await;
    let answers = [
        ask(&proxy, "/assets/site-0123456789abcdef.css", &[]).await,
        ask(&proxy, "/assets/none.css", &[]).await,
        ask(&proxy, &urls[1], &[("range", "bytes=999999-")]).await,
        ask(&proxy, &urls[1], &[("if-match", "\"other\"")]).await,
        proxy.request("DELETE", &urls[1]).send().await.unwrap(),
    ];
    assert_eq!(answers.each_ref().map(|answer| answer.status().as_u16()), [404, 404, 416, 412, 405]);
    for answer in answers {
        assert_eq!(header(&answer, "cache-control"), "no-store", "{}", answer.status());
    }
}

#[tokio::test]
async fn what_the_client_has_is_not_sent_again() {
    let (_frontpage, proxy, _, urls) = shop().await;
    let tag = format!("\"{}\"", fingerprint(&urls[1]));
    let (weak, list) = (format!("W/{tag}"), format!("\"other\", {tag}"));
    let (brotli, later) = (format!("\"{}-br\"", fingerprint(&urls[1])), "\"0123456789abcdef\"");
    for url in &urls {
        for (known, status) in [
            (tag.as_str(), 304),
            (&weak, 304),
            (&list, 304),
            (&brotli, 304),
            ("*", 304),
            (later, 200),
            (tag.trim_matches('"'), 200),
            ("\"\"", 200),
        ] {
            let answer = ask(&proxy, url, &[("if-none-match", known)]).await;
            assert_eq!(answer.status(), status, "{known} of {url}");
            let caching = if url == &urls[1] { IMMUTABLE } else { "private, no-cache" };
            assert_eq!((header(&answer, "cache-control"), header(&answer, "vary")), (caching, "accept-encoding"));
        }
    }
}

#[tokio::test]
async fn each_encoding_has_its_own_tag_and_all_decode_to_the_same_bytes() {
    let (_frontpage, proxy, css, urls) = shop().await;
    for url in &urls {
        let mut tags = Vec::new();
        for (accepted, coding) in [
            ("identity", ""),
            ("br", "br"),
            ("gzip", "gzip"),
            ("gzip, deflate, br, zstd", "br"),
            ("br;q=0.4, gzip;q=0.8", "gzip"),
            ("br;q=0, *", "gzip"),
            ("br;q=0, gzip;q=0", ""),
            ("zstd", ""),
        ] {
            let answer = ask(&proxy, url, &[("accept-encoding", accepted)]).await;
            assert_eq!(header(&answer, "content-encoding"), coding, "{accepted}");
            assert_eq!(header(&answer, "content-type"), "text/css; charset=utf-8");
            tags.push(header(&answer, "etag").to_owned());
            let body = answer.bytes().await.unwrap();
            assert!(coding.is_empty() || body.len() < css.len() / 4, "{coding}: {} bytes", body.len());
            assert_eq!(decoded(&body, coding), css, "{accepted}");
        }
        assert!(tags[0] != tags[1] && tags[1] != tags[2] && tags[0] != tags[2], "{tags:?}");
        assert!(tags.iter().all(|tag| tag.contains(fingerprint(&urls[1]))), "{tags:?}");
    }
}

fn decoded(body: &[u8], coding: &str) -> String {
    let mut text = String::new();
    match coding {
        "br" => brotli::Decompressor::new(body, 4096).read_to_string(&mut text).unwrap(),
        "gzip" => flate2::read::GzDecoder::new(body).read_to_string(&mut text).unwrap(),
        _ => (&mut &*body).read_to_string(&mut text).unwrap(),
    };
    text
}

#[tokio::test]
async fn the_type_is_that_of_the_name_whatever_the_page_says() {
    // The stub knows none of these: its manifest has no type, its answers say `application/octet-stream`.
    let names = ["a.mjs", "a.json", "a.woff2", "a.webp", "a.wasm", "a.ico"];
    let assets: Vec<_> = names.iter().map(|name| format!("{name}=bytes of {name}")).collect();
    let arguments: Vec<_> = assets.iter().flat_map(|asset| ["--asset", asset]).collect();
    let frontpage = Stub::start("frontpage", &arguments).await;
    let proxy = Setup::new().stub(&frontpage).start().await;
    for (name, path) in frontpage.assets().await {
        let expected = match name.rsplit('.').next().unwrap() {
            "mjs" => "text/javascript; charset=utf-8",
            "json" => "application/json",
            "woff2" => "font/woff2",
            "webp" => "image/webp",
            "wasm" => "application/wasm",
            _ => "image/x-icon",
        };
        for url in [path, format!("/assets/{name}")] {
            let answer = proxy.get(&url).await;
            assert_eq!((header(&answer, "content-type"), answer.status().as_u16()), (expected, 200), "{url}");
        }
    }
}

#[tokio::test]
async fn one_content_under_two_names_has_the_type_of_each() {
    let frontpage = Stub::start("frontpage", &["--asset", "site.js=0"]).await;
    let checkout = Stub::start("checkout", &["--asset", "site.txt=0"]).await;
    let proxy = Setup::new().stub(&frontpage).stub(&checkout).start().await;
    for (stub, name, kind) in [
        (&frontpage, "site.js", "text/javascript; charset=utf-8"),
        (&checkout, "site.txt", "text/plain; charset=utf-8"),
    ] {
        let answer = proxy.get(&stub.fingerprinted(name).await).await;
        assert_eq!(header(&answer, "content-type"), kind, "{name}");
    }
}

#[tokio::test]
async fn an_asset_takes_nothing_but_get_and_head() {
    let (_frontpage, proxy, _, urls) = shop().await;
    for url in &urls {
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            let answer = proxy.request(method, url).send().await.unwrap();
            assert_eq!((answer.status().as_u16(), header(&answer, "allow")), (405, "GET, HEAD"), "{method} {url}");
        }
    }
}
