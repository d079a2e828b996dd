//! Who is looking: every view shows the visitor's name and basket, and most are only for who is signed in.

use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use page_kit::{Cookies, Error, log_missing};
use templates::Shell;
use tokio::join;

use crate::accounts::Account;
use crate::page::{HOME, MyAccount, with_next};

/// Where one signs in.
pub(crate) const SIGN_IN: &str = "/my-account/sign-in";

/// Anybody.
#[derive(Debug)]
pub(crate) struct Visitor {
    pub(crate) account: Option<Account>,
    basket_count: u32,
    /// The request's cookies, but for the one of a session that has ended.
    pub(crate) cookies: Cookies,
}

/// Somebody who is signed in. Who isn't is sent to sign in, and from there back here.
#[derive(Debug)]
pub(crate) struct SignedIn {
    pub(crate) account: Account,
    pub(crate) session: String,
    basket_count: u32,
}

impl Visitor {
    /// Who is signed in, as anybody.
    pub(crate) fn of(visitor: SignedIn, cookies: Cookies) -> Self {
        Self { account: Some(visitor.account), basket_count: visitor.basket_count, cookies }
    }

    pub(crate) fn shell(&self, page: &MyAccount, title: &str) -> Shell {
        let name = self.account.as_ref().map(|account| account.name.clone());
        Shell { visitor_name: name.unwrap_or_default(), basket_count: self.basket_count, ..page.frame.shell(title) }
    }
}

impl SignedIn {
    pub(crate) fn shell(&self, page: &MyAccount, title: &str) -> Shell {
        Shell { visitor_name: self.account.name.clone(), basket_count: self.basket_count, ..page.frame.shell(title) }
    }
}

impl FromRequestParts<MyAccount> for Visitor {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, page: &MyAccount) -> Result<Self, Error> {
        let Ok(cookies) = Cookies::from_request_parts(parts, page).await;
        let account = async {
            match cookies.session() {
                Some(session) => page.accounts.account(session).await,
                None => Ok(None),
            }
        };
        let count = async {
            match cookies.basket() {
                Some(basket) => page.orders.basket_count(basket).await,
                None => Ok(0),
            }
        };
        let (account, count) = join!(account, count);
        let (account, basket_count) = (account?, count.inspect_err(log_missing).unwrap_or_default());
        let cookies = if account.is_none() { cookies.without_session() } else { cookies };
        Ok(Self { account, basket_count, cookies })
    }
}

impl FromRequestParts<MyAccount> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, page: &MyAccount) -> Result<Self, Response> {
        let Ok(cookies) = Cookies::from_request_parts(parts, page).await;
        let session = cookies.session().unwrap_or_default().to_owned();
        let visitor = Visitor::from_request_parts(parts, page).await.map_err(Error::into_response)?;
        let Some(account) = visitor.account else {
            // What was to be changed can't be shown again, but its form can.
            let wanted = if parts.method == Method::GET { parts.uri.path() } else { HOME };
            let place = with_next(SIGN_IN, if wanted == HOME { "" } else { wanted });
            return Err((visitor.cookies, Redirect::to(&place)).into_response());
        };
        Ok(Self { account, session, basket_count: visitor.basket_count })
    }
}
