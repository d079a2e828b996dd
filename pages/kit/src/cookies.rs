//! The visitor's two cookies: `session`, the token of accounts, and `basket`, the id that orders gave.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::HeaderName;
use axum::http::request::Parts;
use axum::response::{IntoResponseParts, ResponseParts};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, Expiration, SameSite};

/// The scheme that the visitor came by, as the proxy says it.
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

const SESSION: &str = "session";
const BASKET: &str = "basket";
const BASKET_DAYS: i64 = 90;
const SECONDS_A_DAY: i64 = 24 * 60 * 60;

/// The cookies that a request brought. Put into an answer, it sets what was changed.
///
/// They are HttpOnly and SameSite=Lax, and Secure when the visitor came by TLS.
#[derive(Debug, Clone)]
pub struct Cookies {
    jar: CookieJar,
    secure: bool,
}

impl Cookies {
    /// The session's token.
    pub fn session(&self) -> Option<&str> {
        self.value(SESSION)
    }

    /// The basket's id.
    pub fn basket(&self) -> Option<&str> {
        self.value(BASKET)
    }

    /// Signs the visitor in, for `max_age` seconds.
    #[must_use]
    pub fn with_session(self, token: String, max_age: i64) -> Self {
        self.with(SESSION, token, max_age)
    }

    /// Signs the visitor out.
    #[must_use]
    pub fn without_session(self) -> Self {
        if self.jar.get(SESSION).is_none() {
            return self;
        }
        let cookie = Cookie::build(SESSION).path("/").build();
        Self { jar: self.jar.remove(cookie), ..self }
    }

    /// Gives the visitor a basket.
    #[must_use]
    pub fn with_basket(self, id: String) -> Self {
        self.with(BASKET, id, BASKET_DAYS * SECONDS_A_DAY)
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.jar.get(name).map(Cookie::value).filter(|value| !value.is_empty())
    }

    fn with(self, name: &'static str, value: String, seconds: i64) -> Self {
        let mut cookie = Cookie::build((name, value))
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(self.secure)
            .expires(Expiration::Session)
            .build();
        cookie.set_max_age(std::time::Duration::from_secs(seconds.max(0).unsigned_abs()).try_into().ok());
        Self { jar: self.jar.add(cookie), ..self }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Cookies {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let scheme = parts.headers.get(FORWARDED_PROTO);
        let secure = scheme.is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"));
        Ok(Self { jar: CookieJar::from_headers(&parts.headers), secure })
    }
}

impl IntoResponseParts for Cookies {
    type Error = Infallible;

    fn into_response_parts(self, response: ResponseParts) -> Result<ResponseParts, Infallible> {
        self.jar.into_response_parts(response)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{Request, header};
    use axum::response::IntoResponse;

    use super::*;

    async fn cookies(headers: &[(&str, &str)]) -> Cookies {
        let request = headers.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, *value));
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        Cookies::from_request_parts(&mut parts, &()).await.unwrap()
    }

    fn set(cookies: Cookies) -> Vec<String> {
        let response = (cookies, ()).into_response();
        let values = response.headers().get_all(header::SET_COOKIE).iter();
        values.map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[tokio::test]
    async fn a_cookie_is_out_of_reach_of_scripts_and_other_sites() {
        let set = set(cookies(&[]).await.with_session("secret".to_owned(), 60));
        assert_eq!(set, ["session=secret; HttpOnly; SameSite=Lax; Path=/; Max-Age=60"]);
    }

    #[tokio::test]
    async fn a_cookie_that_came_by_tls_goes_by_tls_only() {
        let cookies = cookies(&[("x-forwarded-proto", "https")]).await.with_basket("b".to_owned());
        assert!(set(cookies)[0].contains("; Secure"));
    }

    #[tokio::test]
    async fn signing_out_takes_the_session_and_leaves_the_basket() {
        let cookies = cookies(&[("cookie", "session=s; basket=b")]).await;
        assert_eq!((cookies.session(), cookies.basket()), (Some("s"), Some("b")));
        let set = set(cookies.without_session());
        assert_eq!(set.len(), 1);
        assert!(set[0].starts_with("session=; Path=/; Max-Age=0"), "{set:?}");
    }
}
