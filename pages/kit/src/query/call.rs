//! One kind of question to a service, and which refusals answer it.

use serde::de::DeserializeOwned;
use service_kit::client::{Error, NAMELESS, Refusal, Request};

use super::source::{Failed, Source};

/// What is asked, by a name for logs and counters.
pub(super) struct Call<T> {
    pub(super) name: &'static str,
    pub(super) source: Source,
    nothing: Option<Nothing<T>>,
}

/// The codes by which a service says that there is no such thing, and the answer that this is.
struct Nothing<T> {
    codes: &'static [&'static str],
    answer: fn() -> T,
}

impl<T: DeserializeOwned> Call<T> {
    pub(super) fn new(name: &'static str, source: &Source) -> Self {
        source.metrics().count_queries_of(source.service().name(), name);
        Self { name, source: source.clone(), nothing: None }
    }

    /// The answer and its length in bytes. A refusal that nobody expects is as good as no answer.
    pub(super) async fn make(&self, request: Request) -> Result<(T, usize), Failed> {
        let refusal = match self.source.call(self.name, request).await {
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

    pub(super) fn count(&self, outcome: &str) {
        self.source.metrics().queried(self.source.service().name(), self.name, outcome);
    }
}

impl<T: DeserializeOwned> Call<Option<T>> {
    pub(super) fn none_when(self, codes: &'static [&'static str]) -> Self {
        Self { nothing: Some(Nothing { codes, answer: || None }), ..self }
    }
}

fn means_nothing(refusal: &Refusal, codes: &[&str]) -> bool {
    refusal.code == NAMELESS || codes.contains(&refusal.code.as_str())
}
