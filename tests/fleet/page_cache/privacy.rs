//! No personal byte gets into the cache or out of it.

use super::origin::{Asked, Origin, Reply, ok};
use super::{get, told};
use std::sync::Arc;
use tokio::task::JoinSet;

/// A page that greets by name, and says wrongly that everybody may have it.
fn careless(asked: &Asked) -> Reply {
    let cookies = asked.header("cookie");
    let name = cookies.split("; ").find_map(|cookie| cookie.strip_prefix("session="));
    let name = name.or_else(|| asked.header("authorization").strip_prefix("Bearer ")).unwrap_or("stranger");
    Reply::Now(ok("Cache-Control: public, max-age=600\r\n", &format!("hello {name}")))
}

#[tokio::test]
async fn signed_in_and_anonymous_walks_never_mix() {
    let origin = Origin::start(careless).await;
    let proxy = Arc::new(origin.proxy("").await);
    let mut walks = JoinSet::new();
    for visitor in 0..8 {
        let proxy = Arc::clone(&proxy);
        walks.spawn(async move {
            let session = format!("analytics=7; session=ann-{visitor}");
            for step in 0..60 {
                let path = format!("/p/{}", step % 7);
                // Every other step is signed in, each visitor out of step with his neighbour.
                let is_known = (visitor + step) % 2 == 0;
                let fields = [("cookie", if is_known { session.as_str() } else { "analytics=7" })];
                let (cache, body) = told(get(&proxy, &path, &fields).await).await;
                if is_known {
                    assert_eq!((cache.as_str(), body), ("bypass", format!("hello ann-{visitor}")));
                } else {
                    assert!(cache == "hit" || cache == "miss", "{cache}");
                    assert_eq!(body, "hello stranger");
                }
            }
        });
    }
    walks.join_all().await;
    for path in 0..7 {
        let asked = origin.asked(&format!("/p/{path}"));
        let anonymous = asked.iter().filter(|asked| !asked.header("cookie").contains("session")).count();
        assert_eq!(anonymous, 1, "all others got the one answer");
    }
}

#[tokio::test]
async fn who_is_known_passes_the_cache_by_and_the_operator_says_who_is() {
    let origin = Origin::start(careless).await;
    let proxy = origin.proxy("[cache]\nbypass_cookies = [\"sid\", \"session\"]").await;
    for (name, value, cache, body) in [
        ("cookie", "session=ann", "bypass", "hello ann"),
        ("cookie", "a=b; sid=1", "bypass", "hello stranger"),
        ("authorization", "Bearer ann", "bypass", "hello ann"),
        ("accept", "text/html", "miss", "hello stranger"),
        ("cookie", "basket=1", "hit", "hello stranger"),
        ("cookie", "session=ann", "bypass", "hello ann"),
        ("authorization", "Bearer ann", "bypass", "hello ann"),
        ("cookie", "pagefleet-bucket=1; analytics=2", "hit", "hello stranger"),
    ] {
        let seen = told(get(&proxy, "/p", &[(name, value)]).await).await;
        assert_eq!((seen.0.as_str(), seen.1.as_str()), (cache, body), "{name}: {value}");
    }
}

#[tokio::test]
async fn a_request_that_some_servers_take_for_another_is_answered_to_nobody_else() {
    let origin = Origin::start(|asked| {
        let target = match asked.header("x-original-url") {
            "" => asked.target.as_str(),
            other => other,
        };
        Reply::Now(ok("Cache-Control: max-age=600\r\n", target))
    })
    .await;
    let proxy = origin.proxy("").await;
    assert_eq!(told(get(&proxy, "/p", &[("x-original-url", "/admin")]).await).await.1, "/admin");
    assert_eq!(told(get(&proxy, "/p", &[]).await).await, ("miss".to_owned(), "/p".to_owned()));
    for other in [("host", "shop.example"), ("x-forwarded-host", "evil.example")] {
        let expected = if other.0 == "host" { "miss" } else { "hit" };
        assert_eq!(told(get(&proxy, "/p", &[other]).await).await.0, expected, "{other:?}");
    }
}
