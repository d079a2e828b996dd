//! What this page asks accounts: who is signed in, and which countries we deliver to.

use std::sync::Arc;
use std::time::Duration;

use page_kit::{Ages, Answer, Lookup, Query, Service, Source, Unavailable};
use serde::Deserialize;
use templates::{Address, Country};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// The countries are the same for months.
const COUNTRIES: Ages = Ages { fresh: HOUR, stale: Duration::from_secs(30 * 24 * 60 * 60) };

/// The accounts service.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    service: Service,
    session: Lookup<Option<Session>>,
    countries: Query<Countries>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) address: Option<Address>,
}

#[derive(Debug, Deserialize)]
struct Session {
    account: Account,
}

/// Where we deliver; empty when nobody knows.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Countries {
    pub(crate) countries: Vec<Country>,
}

impl Client {
    pub(crate) fn new(source: &Source) -> Self {
        Self {
            service: source.service().clone(),
            session: Lookup::optional("session", source, &["no_session"]),
            countries: Query::new("countries", source, COUNTRIES),
        }
    }

    /// Whose session it is; none when it has ended.
    pub(crate) async fn account(&self, session: &str) -> Result<Option<Account>, Unavailable> {
        let session = self.session.ask(self.service.get(&["session"]).bearer(session)).await?;
        Ok(session.map(|session| session.account))
    }

    pub(crate) async fn countries(&self) -> Answer<Arc<Countries>> {
        self.countries.ask(self.service.get(&["countries"])).await
    }
}
