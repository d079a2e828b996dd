//! Who is looking. Nobody has to be signed in to order, so without accounts the checkout goes on.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use page_kit::Cookies;
use templates::Shell;

use crate::accounts::Account;
use crate::page::Checkout;

#[derive(Debug)]
pub(crate) struct Visitor {
    pub(crate) account: Option<Account>,
    /// Whether there is a session of which nothing can be learned now.
    pub(crate) is_unknown: bool,
    /// The request's cookies, but for the one of a session that has ended.
    pub(crate) cookies: Cookies,
}

impl Visitor {
    /// Who brought these cookies; for handlers that ask something else meanwhile. Others have it as an argument.
    pub(crate) async fn of(page: &Checkout, cookies: Cookies) -> Self {
        let account = match cookies.session() {
            Some(session) => page.accounts.account(session).await,
            None => Ok(None),
        };
        match account {
            Ok(None) => Self { account: None, is_unknown: false, cookies: cookies.without_session() },
            Ok(account) => Self { account, is_unknown: false, cookies },
            Err(_) => Self { account: None, is_unknown: true, cookies },
        }
    }

    /// Whether this is nobody in particular: every view looks as it does to all others like this.
    pub(crate) fn is_nobody(&self) -> bool {
        self.account.is_none() && !self.is_unknown
    }

    pub(crate) fn shell(&self, page: &Checkout, title: &str, basket_count: u32) -> Shell {
        let name = self.account.as_ref().map(|account| account.name.clone());
        let notice = match self.is_unknown {
            true => "We can’t reach your account at this moment. You can order all the same.",
            false => "",
        };
        Shell {
            visitor_name: name.unwrap_or_default(),
            basket_count,
            notice: notice.to_owned(),
            ..page.frame.shell(title)
        }
    }
}

impl FromRequestParts<Arc<Checkout>> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, page: &Arc<Checkout>) -> Result<Self, Infallible> {
        let cookies = Cookies::from_request_parts(parts, page).await?;
        Ok(Self::of(page, cookies).await)
    }
}
