//! What this page asks accounts: who is signed in, and which countries we deliver to.

use page_kit::{Service, ServiceError};
use serde::Deserialize;
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

impl Client {
    pub(crate) fn new(service: Service) -> Self {
        Self(service)
    }

    /// Whose session it is; none when it has ended.
    pub(crate) async fn account(&self, session: &str) -> Result<Option<Account>, ServiceError> {
        #[derive(Deserialize)]
        struct Answer {
            account: Account,
        }
        match self.0.get(&["session"]).bearer(session).send::<Answer>().await {
            Ok(answer) => Ok(Some(answer.account)),
            Err(error) if error.is("no_session") => Ok(None),
            Err(error) => Err(error),
        }
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
