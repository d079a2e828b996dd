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

use std::any::Any;
use std::fmt;
use std::future::ready;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::Either;
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

/// How long answers are good for.
#[derive(Debug, Clone, Copy)]
pub struct Ages {
    /// So long an answer is given without asking again.
    pub fresh: Duration,
    /// So long it is better than none.
    pub stale: Duration,
}

/// What an answer says, of whatever type. Only [`Query`] and [`Lookup`] know types: all that is behind them is there once
/// in a page, and not once for each of its questions.
type Content = Arc<dyn Any + Send + Sync>;

/// A question to one service, and the answers to it by what exactly was asked. Cheap to clone.
pub struct Query<T>(Arc<Inner>, PhantomData<fn() -> T>);

struct Inner {
    call: Call,
    memory: Memory,
    flights: Arc<Flights>,
}

impl<T: DeserializeOwned + Send + Sync + 'static> Query<T> {
    /// A question to `source`, by its name in logs and counters.
    pub fn new(name: &'static str, source: &Source, ages: Ages) -> Self {
        Self::of(Call::new::<T>(name, source), ages)
    }

    /// Asks by `request`, a `GET`: its path and query are what the answer is kept by.
    pub fn ask(&self, request: Request) -> impl Future<Output = Answer<Arc<T>>> + Send + use<T> {
        let answer = match self.0.known(&request) {
            Some(answer) => Either::Left(ready(answer)),
            // In a box: every handler that asks something would have the request in itself, and move it about.
            None => Either::Right(Box::pin(self.0.clone().ask(request))),
        };
        let inner = self.0.clone();
        answer.map(move |answer| {
            answer.counter(&inner.call.outcomes).inc();
            answer.map(|content| content.downcast().expect("a query reads answers of its own type"))
        })
    }

    fn of(call: Call, ages: Ages) -> Self {
        Self(Arc::new(Inner { call, memory: Memory::new(ages), flights: Arc::default() }), PhantomData)
    }
}

impl Inner {
    /// What can be said at once. What is for one visitor has no place in a memory that everybody shares.
    fn known(&self, request: &Request) -> Option<Answer<Content>> {
        match request.is_personal() {
            false => self.memory.fresh(request.target()),
            true => None,
        }
    }

    async fn ask(self: Arc<Self>, request: Request) -> Answer<Content> {
        match request.is_personal() {
            false => self.answer(request).await,
            true => self.call.make(request).await.map_or(Answer::Unavailable, |(content, _)| Answer::Fresh(content)),
        }
    }

    async fn answer(self: &Arc<Self>, request: Request) -> Answer<Content> {
        let key = request.target().to_owned();
        loop {
            let flight = match self.join(&key, &request) {
                Ok(flight) => flight,
                Err(answer) => return answer,
            };
            match flight.landed(request.time_left()).await {
                Some(Landed::Answer(content)) => return Answer::Fresh(content),
                Some(Landed::CutShort) if !request.time_left().is_zero() => {}
                _ => return self.memory.fallback(&key),
            }
        }
    }

    /// A call to wait for; or what is known, when there is no need to call or no point in it.
    fn join(self: &Arc<Self>, key: &str, request: &Request) -> Result<Flight, Answer<Content>> {
        let Self { call, memory, flights } = &**self;
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
            context::spawn(fly(self.clone(), request.clone(), landing));
        }
        Ok(flight)
    }
}

impl<T: DeserializeOwned + Send + Sync + 'static> Query<Option<T>> {
    /// A question that may be answered by none: that is what it means when the service refuses with one of `codes`, or
    /// nothing can have such a name.
    pub fn optional(name: &'static str, source: &Source, ages: Ages, codes: &'static [&'static str]) -> Self {
        Self::of(Call::optional::<T>(name, source, codes), ages)
    }
}

async fn fly(query: Arc<Inner>, request: Request, landing: Landing) {
    let key = request.target().to_owned();
    let landed = match query.call.make(request).await {
        Ok((content, length)) => {
            query.memory.learn(&key, content.clone(), length);
            Landed::Answer(content)
        }
        Err(Failed::CutShort) => Landed::CutShort,
        Err(Failed::Service | Failed::Refused(_)) => {
            query.memory.failed(&key);
            Landed::Failed
        }
    };
    landing.land(landed);
}

/// About a second: how long what failed is not tried again. At random, so that not everything is tried at once.
fn moment() -> Duration {
    Duration::from_millis(rand::random_range(750..1250))
}

impl<T> Clone for Query<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<T> fmt::Debug for Query<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Query").field(&self.0.call.name).finish()
    }
}

#[cfg(test)]
mod tests;
