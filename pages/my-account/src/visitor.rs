//! Who is looking: every view shows the visitor's name and basket, and most are only for who is signed in.

use std::convert::Infallible;
use std::sync::Arc;

use askama::Template;
use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use page_kit::{Cookies, Error, html, private};
use templates::Shell;
use tokio::join;

use crate::accounts::Account;
use crate::assets;
use crate::page::{HOME, MyAccount, with_next};

/// Where one signs in.
pub(crate) const SIGN_IN: &str = "/my-account/sign-in";

/// Anybody.
#[derive(Debug)]
pub(crate) struct Visitor {
    pub(crate) account: Option<Account>,
    /// Whether there is a session of which nothing can be learned now.
    pub(crate) is_unknown: bool,
    basket_count: u32,
    /// The request's cookies, but for the one of a session that has ended.
    pub(crate) cookies: Cookies,
}

/// Somebody who is signed in. Who isn't is sent to sign in, and from there back here.
#[derive(Debug)]
pub(crate) struct SignedIn {
    pub(crate) account: Account,
    basket_count: u32,
}

impl Visitor {
    /// Who is signed in, as anybody.
    pub(crate) fn of(visitor: SignedIn, cookies: Cookies) -> Self {
        Self { account: Some(visitor.account), is_unknown: false, basket_count: visitor.basket_count, cookies }
    }

    /// Whether this is nobody in particular: every view looks as it does to all others like this.
    pub(crate) fn is_nobody(&self) -> bool {
        self.account.is_none() && !self.is_unknown && self.basket_count == 0
    }

    pub(crate) fn shell(&self, page: &MyAccount, title: &str) -> Shell {
        let name = self.account.as_ref().map(|account| account.name.clone());
        Shell { visitor_name: name.unwrap_or_default(), basket_count: self.basket_count, ..page.frame.shell(title) }
    }

    /// Off to sign in, and from there to `wanted`.
    pub(crate) fn into_sign_in(self, wanted: &str) -> Response {
        let place = with_next(SIGN_IN, if wanted == HOME { "" } else { wanted });
        (self.cookies, Redirect::to(&place)).into_response()
    }
}

impl SignedIn {
    pub(crate) fn shell(&self, page: &MyAccount, title: &str) -> Shell {
        Shell { visitor_name: self.account.name.clone(), basket_count: self.basket_count, ..page.frame.shell(title) }
    }
}

impl FromRequestParts<Arc<MyAccount>> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, page: &Arc<MyAccount>) -> Result<Self, Infallible> {
        let Ok(cookies) = Cookies::from_request_parts(parts, page).await;
        let account = async {
            match cookies.session() {
                Some(session) => page.accounts.account(session).await,
                None => Ok(None),
            }
        };
        let count = async {
            match cookies.basket() {
                Some(basket) => page.basket.count(basket).await,
                None => Ok(0),
            }
        };
        let (account, count) = join!(account, count);
        let cookies = if matches!(account, Ok(None)) { cookies.without_session() } else { cookies };
        let is_unknown = account.is_err();
        Ok(Self { account: account.unwrap_or_default(), is_unknown, basket_count: count.unwrap_or_default(), cookies })
    }
}

impl FromRequestParts<Arc<MyAccount>> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, page: &Arc<MyAccount>) -> Result<Self, Response> {
        let Ok(mut visitor) = Visitor::from_request_parts(parts, page).await;
        match visitor.account.take() {
            Some(account) => Ok(Self { account, basket_count: visitor.basket_count }),
            None if visitor.is_unknown => {
                let view = OutOfSightView::new(page, &visitor, parts.uri.path());
                Err((private(false), html(&view).map_err(Error::into_response)?).into_response())
            }
            // What was to be changed can't be shown again, but its form can.
            None if parts.method == Method::GET => Err(visitor.into_sign_in(parts.uri.path())),
            None => Err(visitor.into_sign_in(HOME)),
        }
    }
}

/// In place of a view of an account that nobody can tell us about.
#[derive(Template)]
#[template(path = "out_of_sight.html")]
struct OutOfSightView {
    shell: Shell,
    assets: assets::Urls,
    section: &'static str,
    path: String,
}

impl OutOfSightView {
    fn new(page: &MyAccount, visitor: &Visitor, path: &str) -> Self {
        let shell = visitor.shell(page, "My account");
        Self { shell, assets: page.assets, section: "", path: path.to_owned() }
    }
}
