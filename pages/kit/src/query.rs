//! Questions to services, whose answers are kept: what the shop sells is the same for everybody.
//!
//! - Younger than its fresh age, an answer is given from memory.
//! - Older, the service is asked, and the asker waits: who is shown a price is shown today's while there is one. Nothing
//!   is refreshed behind a visitor's back, since on a quiet day that would show yesterday's price with a healthy service.
//! - When that fails, the last answer is given as [`Answer::Stale`] within its stale age, and after it
//!   [`Answer::Unavailable`]. Nobody is sent out for the same thing again for about a second.
//!
//! A call takes a second at most, and no longer than the request has in which it is asked. Twenty who ask the same at
//! once share one call, which goes on whoever of them leaves. It is repeated once, after a quick failure, as long as no
//! more than about one in seven calls to that service was. A service that lets two calls in a row wait in vain is left
//! alone: everybody gets at once what there is, and about every second one who asks finds out whether it is back.
//!
//! A refusal (4xx) is an answer: [`Query::optional`] says which ones. What is about one visitor is never kept: that is
//! what [`Lookup`] is for.

mod answer;
mod breaker;
mod call;
mod complaints;
mod flights;
mod lookup;
mod memory;
mod retries;
mod source;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use service_kit::client::Request;
use service_kit::context;

pub use answer::{Answer, Unavailable};
pub use lookup::Lookup;
pub use source::Source;

use call::Call;
use flights::{Flight, Flights, Landed, Landing};
use memory::Memory;
use source::Failed;

/// What a call may take, its repetition included.
const ATTEMPT: Duration = Duration::from_secs(1);

/// Outcomes, as the counters call them.
pub(crate) const FRESH: &str = "fresh";
pub(crate) const STALE: &str = "stale";
pub(crate) const UNAVAILABLE: &str = "unavailable";

/// How long answers are good for.
#[derive(Debug, Clone, Copy)]
pub struct Ages {
    /// So long an answer is given without asking again.
    pub fresh: Duration,
    /// So long it is better than none.
    pub stale: Duration,
}

/// A question to one service, and the answers to it by what exactly was asked. Cheap to clone.
pub struct Query<T>(Arc<Inner<T>>);

struct Inner<T> {
    call: Call<T>,
    memory: Memory<T>,
    flights: Arc<Flights<T>>,
}

impl<T: DeserializeOwned + Send + Sync + 'static> Query<T> {
    /// A question to `source`, by its name in logs and counters.
    pub fn new(name: &'static str, source: &Source, ages: Ages) -> Self {
        Self::of(Call::new(name, source), ages)
    }

    /// Asks by `request`, a `GET`: its path and query are what the answer is kept by.
    pub async fn ask(&self, request: Request) -> Answer<Arc<T>> {
        let answer = match request.is_personal() {
            false => self.answer(request).await,
            // It has no place in a memory that everybody shares.
            true => self.0.call.make(request).await.map_or(Answer::Unavailable, |(value, _)| fresh(value)),
        };
        self.0.call.count(answer.outcome());
        answer
    }

    fn of(call: Call<T>, ages: Ages) -> Self {
        Self(Arc::new(Inner { call, memory: Memory::new(ages), flights: Arc::default() }))
    }

    async fn answer(&self, request: Request) -> Answer<Arc<T>> {
        let key = request.target();
        loop {
            let flight = match self.join(&key, &request) {
                Ok(flight) => flight,
                Err(answer) => return answer,
            };
            match flight.landed(request.time_left()).await {
                Some(Landed::Answer(value)) => return Answer::Fresh(value),
                Some(Landed::CutShort) if !request.time_left().is_zero() => {}
                _ => return self.0.memory.fallback(&key),
            }
        }
    }

    /// A call to wait for; or what is known, when there is no need to call or no point in it.
    fn join(&self, key: &str, request: &Request) -> Result<Flight<T>, Answer<Arc<T>>> {
        let Inner { call, memory, flights } = &*self.0;
        if let Some(answer) = memory.fresh(key) {
            return Err(answer);
        }
        let (flight, landing) = flights.join(key, || {
            // It may have landed just now.
            if let Some(answer) = memory.fresh(key) {
                return Err(answer);
            }
            if memory.is_failing(key) || request.time_left().is_zero() {
                return Err(memory.fallback(key));
            }
            call.source.admit().ok_or_else(|| memory.fallback(key))
        })?;
        if let Some(landing) = landing {
            context::spawn(fly(self.0.clone(), request.clone(), landing));
        }
        Ok(flight)
    }
}

impl<T: DeserializeOwned + Send + Sync + 'static> Query<Option<T>> {
    /// A question that may be answered by none: that is what it means when the service refuses with one of `codes`, or
    /// nothing can have such a name.
    pub fn optional(name: &'static str, source: &Source, ages: Ages, codes: &'static [&'static str]) -> Self {
        Self::of(Call::new(name, source).none_when(codes), ages)
    }
}

async fn fly<T>(query: Arc<Inner<T>>, request: Request, landing: Landing<T>)
where
    T: DeserializeOwned + Send + Sync + 'static,
{
    let key = request.target();
    let landed = match query.call.make(request).await {
        Ok((value, length)) => {
            let value = Arc::new(value);
            query.memory.learn(&key, value.clone(), length);
            Landed::Answer(value)
        }
        Err(Failed::CutShort) => Landed::CutShort,
        Err(Failed::Service | Failed::Refused(_)) => {
            query.memory.failed(&key);
            Landed::Failed
        }
    };
    landing.land(landed);
}

fn fresh<T>(value: T) -> Answer<Arc<T>> {
    Answer::Fresh(Arc::new(value))
}

/// About a second: how long what failed is not tried again. At random, so that not everything is tried at once.
fn moment() -> Duration {
    Duration::from_millis(rand::random_range(750..1250))
}

impl<T> Clone for Query<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for Query<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Query").field(&self.0.call.name).finish()
    }
}

#[cfg(test)]
mod tests;
