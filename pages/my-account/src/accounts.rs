//! What this page asks accounts: everything there is to an account.

use page_kit::{Service, ServiceError};
use serde::{Deserialize, Serialize};
use serde_json::json;
use templates::{Address, Country};

/// The accounts service.
#[derive(Debug, Clone)]
pub(crate) struct Client(Service);

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
struct Answer {
    account: Account,
}

#[derive(Deserialize)]
struct Begun {
    session: Session,
}

impl Client {
    pub(crate) fn new(service: Service) -> Self {
        Self(service)
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
        let request = self.0.post(&[what]).json(form);
        let request = match old {
            Some(old) => request.bearer(old),
            None => request,
        };
        let begun: Begun = request.send().await?;
        Ok(begun.session)
    }

    pub(crate) async fn sign_out(&self, session: &str) -> Result<(), ServiceError> {
        self.0.delete(&["session"]).bearer(session).done().await
    }

    /// Whose session it is; none when it has ended.
    pub(crate) async fn account(&self, session: &str) -> Result<Option<Account>, ServiceError> {
        match self.0.get(&["session"]).bearer(session).send::<Answer>().await {
            Ok(answer) => Ok(Some(answer.account)),
            Err(error) if error.is("no_session") => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn save_profile(&self, session: &str, name: &str, email: &str) -> Result<(), ServiceError> {
        let body = json!({ "name": name, "email": email });
        self.0.put(&["account"]).bearer(session).json(&body).done().await
    }

    pub(crate) async fn save_address(&self, session: &str, address: &Address) -> Result<(), ServiceError> {
        self.0.put(&["account", "address"]).bearer(session).json(address).done().await
    }

    pub(crate) async fn countries(&self) -> Result<Vec<Country>, ServiceError> {
        #[derive(Deserialize)]
        struct Answer {
            countries: Vec<Country>,
        }
        let answer: Answer = self.0.get(&["countries"]).send().await?;
        Ok(answer.countries)
    }
}
