//! What this page asks accounts: the name of whoever is signed in.

use page_kit::{Service, ServiceError};
use serde::Deserialize;

/// The accounts service.
#[derive(Debug, Clone)]
pub(crate) struct Client(Service);

impl Client {
    pub(crate) fn new(service: Service) -> Self {
        Self(service)
    }

    /// The name of whom a session belongs to; none when it has ended.
    pub(crate) async fn name(&self, session: &str) -> Result<Option<String>, ServiceError> {
        #[derive(Deserialize)]
        struct Answer {
            account: Account,
        }
        #[derive(Deserialize)]
        struct Account {
            name: String,
        }
        match self.0.get(&["session"]).bearer(session).send::<Answer>().await {
            Ok(answer) => Ok(Some(answer.account.name)),
            Err(error) if error.is("no_session") => Ok(None),
            Err(error) => Err(error),
        }
    }
}
