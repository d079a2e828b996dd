//! One kind of question to a service, and which refusals answer it.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use service_kit::client::{Error, NAMELESS, Refusal, Request};

use super::Content;
use super::source::{Failed, Source};
use crate::metrics::Outcomes;

/// What is asked, by a name for logs and counters.
pub(super) struct Call {
    pub(super) name: &'static str,
    pub(super) source: Source,
    read: Read,
    nothing: Option<Nothing>,
    pub(super) outcomes: Outcomes,
}

/// Reads what a service has written.
pub(super) type Read = fn(&[u8]) -> serde_json::Result<Content>;

/// The codes by which a service says that there is no such thing, and the answer that this is.
struct Nothing {
    codes: &'static [&'static str],
    answer: fn() -> Content,
}

impl Call {
    /// A call that is answered by a `T`.
    pub(super) fn new<T: DeserializeOwned + Send + Sync + 'static>(name: &'static str, source: &Source) -> Self {
        let outcomes = source.metrics().queries_of(source.service().name(), name);
        let read: Read = |bytes| Ok(Arc::new(serde_json::from_slice::<T>(bytes)?));
        Self { name, source: source.clone(), read, nothing: None, outcomes }
    }

    /// A call that is answered by a `T`, or by none with one of these codes.
    pub(super) fn optional<T: DeserializeOwned + Send + Sync + 'static>(
        name: &'static str,
        source: &Source,
        codes: &'static [&'static str],
    ) -> Self {
        let nothing = Nothing { codes, answer: || Arc::new(None::<T>) };
        Self { nothing: Some(nothing), ..Self::new::<Option<T>>(name, source) }
    }

    /// The answer and its length in bytes. A refusal that nobody expects is as good as no answer.
    pub(super) async fn make(&self, request: Request) -> Result<(Content, usize), Failed> {
        let refusal = match self.source.call(self.name, request, self.read).await {
            Err(Failed::Refused(refusal)) => refusal,
            result => return result,
        };
        match &self.nothing {
            Some(Nothing { codes, answer }) if means_nothing(&refusal, codes) => Ok((answer(), 0)),
            _ => {
                let service = self.source.service().name().into();
                self.source.complain(self.name, &Error::Refused { service, refusal });
                Err(Failed::Service)
            }
        }
    }
}

fn means_nothing(refusal: &Refusal, codes: &[&str]) -> bool {
    refusal.code == NAMELESS || codes.contains(&refusal.code.as_str())
}
