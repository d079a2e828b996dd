//! What this page asks accounts: everything there is to an account.

use std::sync::Arc;
use std::time::Duration;

use page_kit::{Ages, Answer, Lookup, Query, Service, ServiceError, Source, Unavailable};
use serde::{Deserialize, Serialize};
use serde_json::json;
use templates::{Address, Country};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Where we deliver is the same from day to day.
const COUNTRIES: Ages = Ages { fresh: Duration::from_secs(10 * 60), stale: DAY.saturating_mul(30) };

/// Signing out is done here in any case, so nobody waits long for accounts to be told.
const SIGN_OUT: Duration = Duration::from_secs(1);

/// The accounts service.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    service: Service,
    session: Lookup<Option<Answered>>,
    countries: Query<Countries>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) address: Option<Address>,
}

/// What a new account needs.
#[derive(Debug, Serialize)]
pub(crate) struct SignUp<'a> {
    pub(crate) name: &'a str,
    pub(crate) email: &'a str,
    pub(crate) password: &'a str,
}

/// What proves who somebody is.
#[derive(Debug, Serialize)]
pub(crate) struct SignIn<'a> {
    pub(crate) email: &'a str,
    pub(crate) password: &'a str,
}

/// A session that has just begun.
#[derive(Debug, Deserialize)]
pub(crate) struct Session {
    pub(crate) token: String,
    /// Seconds.
    pub(crate) max_age: i64,
}

#[derive(Deserialize)]
struct Answered {
    account: Account,
}

#[derive(Deserialize)]
struct Countries {
    countries: Vec<Country>,
}

#[derive(Deserialize)]
struct Begun {
    session: Session,
}

impl Client {
    pub(crate) fn new(source: &Source) -> Self {
        Self {
            service: source.service().clone(),
            session: Lookup::optional("session", source, &["no_session"]),
            countries: Query::new("countries", source, COUNTRIES),
        }
    }

    /// A new account and its first session, in place of the session `old`.
    pub(crate) async fn sign_up(&self, form: &SignUp<'_>, old: Option<&str>) -> Result<Session, ServiceError> {
        self.begin("accounts", form, old).await
    }

    /// A new session, in place of the session `old`.
    pub(crate) async fn sign_in(&self, form: &SignIn<'_>, old: Option<&str>) -> Result<Session, ServiceError> {
        self.begin("sessions", form, old).await
    }

    async fn begin(&self, what: &str, form: &impl Serialize, old: Option<&str>) -> Result<Session, ServiceError> {
        let request = self.service.post(&[what]).json(form);
        let request = match old {
            Some(old) => request.bearer(old),
            None => request,
        };
        let begun: Begun = request.send().await?;
        Ok(begun.session)
    }

    pub(crate) async fn sign_out(&self, session: &str) -> Result<(), ServiceError> {
        self.service.delete(&["session"]).bearer(session).within(SIGN_OUT).done().await
    }

    /// Whose session it is; none when it has ended.
    pub(crate) async fn account(&self, session: &str) -> Result<Option<Account>, Unavailable> {
        let answer = self.session.ask(self.service.get(&["session"]).bearer(session)).await?;
        Ok(answer.map(|answer| answer.account))
    }

    pub(crate) async fn save_profile(&self, session: &str, name: &str, email: &str) -> Result<(), ServiceError> {
        let body = json!({ "name": name, "email": email });
        self.service.put(&["account"]).bearer(session).json(&body).done().await
    }

    pub(crate) async fn save_address(&self, session: &str, address: &Address) -> Result<(), ServiceError> {
        self.service.put(&["account", "address"]).bearer(session).json(address).done().await
    }

    /// Where we deliver, as far as it is known, now or from before.
    pub(crate) async fn countries(&self) -> Answer<Vec<Country>> {
        let answer = self.countries.ask(self.service.get(&["countries"])).await;
        answer.map(|known: Arc<Countries>| known.countries.clone())
    }
}
