use super::*;
use crate::dev::page_routes::PageRoutes;
use crate::layout::Page;
use axum::response::Html;
use std::net::SocketAddr;

/// A dev server in front of a page and a rest that are served in this process.
struct Dev {
    url: String,
    states: watch::Sender<State>,
    client: Client,
}

async fn serve(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn page() -> Router {
    Router::new()
        .route(
            "/checkout",
            get(|| async { ([("etag", "\"1\"")], Html("<body>basket</body>")) }).post(|body: String| async { body }),
        )
        .route("/assets/checkout.css", get(|| async { ([("content-type", "text/css"), ("etag", "\"2\"")], "a {}") }))
}

fn rest() -> Router {
    Router::new()
        .route("/", get(|headers: HeaderMap| async move { format!("front for {:?}", headers["x-forwarded-host"]) }))
        .route("/assets/front.css", get(|| async { "b {}" }))
        .route(
            "/old",
            get(|headers: HeaderMap| async move {
                let host = headers[header::HOST].to_str().unwrap().to_owned();
                (StatusCode::FOUND, [("location", format!("http://{host}/new"))])
            }),
        )
}

async fn dev(rest: Option<Router>) -> Dev {
    let routes = ["/checkout", "/checkout/{*rest}"].map(str::to_owned).to_vec();
    let routes = PageRoutes::of(&Page { name: "checkout".to_owned(), routes }).unwrap();
    let (states, seen) = watch::channel(State::new(routes));
    let rest = match rest {
        Some(rest) => Some(Url::parse(&format!("http://{}", serve(rest).await)).unwrap()),
        None => None,
    };
    let client = crate::readiness::client_without_bound().unwrap();
    let site = Site::new("checkout".to_owned(), seen, client.clone(), rest);
    let url = format!("http://{}", serve(super::router(site)).await);
    Dev { url, states, client }
}

impl Dev {
    async fn built(&self) {
        let address = serve(page()).await;
        self.states.send_modify(|state| {
            state.build = Build::Serving(address);
            state.last_good += 1;
        });
    }

    fn failed(&self) {
        let build = Build::Failed { what: "checkout does not build".to_owned(), said: "expected `Vec<u8>`".to_owned() };
        self.states.send_modify(|state| state.build = build);
    }

    async fn get(&self, path: &str) -> (u16, HeaderMap, String) {
        let answer = self.client.get(format!("{}{path}", self.url)).send().await.unwrap();
        (answer.status().as_u16(), answer.headers().clone(), answer.text().await.unwrap())
    }
}

#[tokio::test]
async fn a_request_during_a_build_waits_for_its_end() {
    let dev = dev(None).await;
    let (answer, ()) = tokio::join!(dev.get("/checkout"), async {
        tokio::task::yield_now().await;
        dev.built().await;
    });
    assert_eq!(answer.0, 200);
}

#[tokio::test]
async fn an_html_page_gets_the_reload_script_and_other_answers_stay_as_they_are() {
    let dev = dev(None).await;
    dev.built().await;
    let (_, headers, html) = dev.get("/checkout").await;
    assert_eq!(html, format!("<body>basket{}</body>", reload::TAG));
    assert_eq!(headers["cache-control"], "no-store");
    assert!(!headers.contains_key("etag"));
    let (_, headers, css) = dev.get("/assets/checkout.css").await;
    assert_eq!((css.as_str(), headers["etag"].to_str().unwrap()), ("a {}", "\"2\""));
    assert!(dev.get(reload::SCRIPT_PATH).await.2.contains("EventSource"));
}

#[tokio::test]
async fn a_form_reaches_the_page_with_its_body() {
    let dev = dev(None).await;
    dev.built().await;
    let answer = dev.client.post(format!("{}/checkout", dev.url)).body("quantity=2").send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "quantity=2");
}

#[tokio::test]
async fn a_failed_build_is_shown_in_the_browser_until_it_is_mended() {
    let dev = dev(None).await;
    dev.failed();
    let (status, _, html) = dev.get("/checkout").await;
    assert_eq!(status, 500);
    assert!(html.contains("expected `Vec&lt;u8&gt;`") && html.contains(reload::TAG), "{html}");
    dev.built().await;
    assert_eq!(dev.get("/checkout").await.0, 200);
}

#[tokio::test]
async fn without_a_rest_another_path_is_told_which_paths_there_are() {
    let dev = dev(None).await;
    let (status, _, html) = dev.get("/products/tent").await;
    assert_eq!(status, 404);
    assert!(html.contains("<a href=\"/checkout\">") && html.contains("/products/tent is not here"), "{html}");
}

#[tokio::test]
async fn with_a_rest_the_page_answers_for_its_own_and_the_rest_for_all_other_paths() {
    let dev = dev(Some(rest())).await;
    dev.built().await;
    let own_host = dev.url.strip_prefix("http://").unwrap();
    assert_eq!(dev.get("/").await.2, format!("front for \"{own_host}\""));
    assert!(dev.get("/checkout").await.2.contains("basket"));
    assert_eq!(dev.get("/assets/checkout.css").await.2, "a {}");
    assert_eq!(dev.get("/assets/front.css").await.2, "b {}");
    assert_eq!(dev.get("/assets/nobodys.css").await.0, 404);
    assert_eq!(dev.get("/old").await.1["location"], "/new");
}

#[tokio::test]
async fn an_open_page_hears_of_each_good_build_once() {
    let dev = dev(None).await;
    let mut stream = dev.client.get(format!("{}{}", dev.url, reload::STREAM_PATH)).send().await.unwrap();
    let mut heard = String::new();
    for (change, expected) in [("start", "data: 0"), ("fail", ""), ("build", "data: 1")] {
        match change {
            "fail" => dev.failed(),
            "build" => dev.built().await,
            _ => {}
        }
        while !expected.is_empty() && !heard.contains(expected) {
            heard.push_str(std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap());
        }
    }
    assert_eq!(heard.matches("event: build").count(), 2, "{heard}");
}

#[test]
fn only_a_redirect_to_the_rest_itself_becomes_ours() {
    let origin = "http://shop.test";
    for (location, expected) in [
        ("http://shop.test/new?a=1", Some("/new?a=1")),
        ("http://shop.test", Some("/")),
        ("http://shop.test.evil/new", None),
        ("/new", None),
    ] {
        let local = local_location(&HeaderValue::from_static(location), origin);
        assert_eq!(local.as_ref().and_then(|value| value.to_str().ok()), expected, "{location}");
    }
}
