use http_body_util::BodyExt;
use shared_assets::SITE_CSS;
use tower::ServiceExt;

use super::*;

async fn request(method: &str, path: &str, if_none_match: Option<&str>) -> Response {
    let mut request = http::Request::builder().method(method).uri(path);
    if let Some(value) = if_none_match {
        request = request.header("if-none-match", value);
    }
    let assets = Arc::new(Assets::new(&[shared_assets::ALL]).unwrap());
    routes(assets).oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn an_asset_has_a_stable_and_a_fingerprinted_url_with_the_same_bytes() {
    for (path, caching) in
        [("/assets/site.css", "private, no-cache"), (SITE_CSS.path, "public, max-age=31536000, immutable")]
    {
        let response = request("GET", path, None).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(&response, "cache-control"), caching);
        assert_eq!(header(&response, "etag"), format!("\"{}\"", SITE_CSS.fingerprint));
        assert_eq!(header(&response, "content-type"), "text/css; charset=utf-8");
        assert_eq!(header(&response, "content-length"), SITE_CSS.size.to_string());
        assert_eq!(header(&response, "x-content-type-options"), "nosniff");
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), SITE_CSS.bytes());
    }
}

#[tokio::test]
async fn an_asset_that_the_client_has_is_not_sent_again() {
    let etag = format!("\"{}\"", SITE_CSS.fingerprint);
    let fits = [etag.clone(), format!("W/{etag}"), format!("\"other\", {etag}"), "*".to_owned()];
    for value in &fits {
        let response = request("GET", "/assets/site.css", Some(value)).await;
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{value}");
        assert_eq!(header(&response, "etag"), etag);
        assert_eq!(header(&response, "cache-control"), "private, no-cache");
        assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
    }
    for value in ["\"other\"", "", "site.css", "\u{e9}"] {
        let response = request("GET", "/assets/site.css", Some(value)).await;
        assert_eq!(response.status(), StatusCode::OK, "{value}");
    }
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let response = request("HEAD", "/assets/site.css", None).await;
    assert_eq!(header(&response, "content-length"), SITE_CSS.size.to_string());
    assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
}

#[tokio::test]
async fn what_is_no_asset_is_never_stored() {
    for path in ["/assets", "/assets/", "/assets/nothing.css", "/assets/site-0000000000000000.css"] {
        let response = request("GET", path, None).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(header(&response, "cache-control"), "no-store");
    }
    let response = request("POST", "/assets/site.css", None).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(header(&response, "allow"), "GET, HEAD");
    assert_eq!(header(&response, "cache-control"), "no-store");
}

#[test]
fn a_page_can_not_take_a_name_of_the_shared_bundle() {
    const OWN: &[Asset] = &[SITE_CSS];
    assert_eq!(Assets::new(&[shared_assets::ALL, OWN]).err(), Some(NameTaken("site.css")));
}
