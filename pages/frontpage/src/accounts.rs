//! What this page asks accounts: the name of whoever is signed in.

use page_kit::{Lookup, Service, Source, Unavailable};
use serde::Deserialize;

/// The accounts service.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    service: Service,
    session: Lookup<Option<Session>>,
}

#[derive(Deserialize)]
struct Session {
    account: Account,
}

#[derive(Deserialize)]
struct Account {
    name: String,
}

impl Client {
    pub(crate) fn new(source: &Source) -> Self {
        let session = Lookup::optional("session", source, &["no_session"]);
        Self { service: source.service().clone(), session }
    }

    /// The name of whom a session belongs to; none when it has ended.
    pub(crate) async fn name(&self, session: &str) -> Result<Option<String>, Unavailable> {
        let session = self.session.ask(self.service.get(&["session"]).bearer(session)).await?;
        Ok(session.map(|session| session.account.name))
    }
}
