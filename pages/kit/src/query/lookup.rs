//! Questions whose answers are for one visitor: who is signed in, how full the basket is. Nothing of them is kept.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use service_kit::client::Request;
use service_kit::context;

use super::Content;
use super::answer::Unavailable;
use super::call::Call;
use super::source::Source;
use crate::metrics::Outcomes;

/// A question about one visitor. It has a query's deadline and retries, and no memory. Cheap to clone.
pub struct Lookup<T>(Arc<Call>, PhantomData<fn() -> T>);

impl<T: DeserializeOwned + Send + Sync + 'static> Lookup<T> {
    /// A question to `source`, by its name in logs and counters.
    pub fn new(name: &'static str, source: &Source) -> Self {
        Self(Arc::new(Call::new::<T>(name, source)), PhantomData)
    }

    /// Asks by `request`, which has to be safe to repeat.
    ///
    /// # Errors
    /// When the service gives no answer now. It has been logged.
    pub fn ask(&self, request: Request) -> impl Future<Output = Result<T, Unavailable>> + Send + use<T> {
        // In a box: every handler that may ask something would have the request in itself, and move it about.
        let answer = Box::pin(ask(self.0.clone(), request));
        async move {
            let content = answer.await?.downcast().ok();
            Ok(content
                .and_then(Arc::into_inner)
                .expect("a lookup reads answers of its own type, and has them for itself"))
        }
    }
}

impl<T: DeserializeOwned + Send + Sync + 'static> Lookup<Option<T>> {
    /// A question that may be answered by none: that is what it means when the service refuses with one of `codes`, or
    /// nothing can have such a name.
    pub fn optional(name: &'static str, source: &Source, codes: &'static [&'static str]) -> Self {
        Self(Arc::new(Call::optional::<T>(name, source, codes)), PhantomData)
    }
}

async fn ask(call: Arc<Call>, request: Request) -> Result<Content, Unavailable> {
    let answer = answer(call.clone(), request).await;
    let Outcomes { fresh, unavailable, .. } = &call.outcomes;
    if answer.is_ok() { fresh } else { unavailable }.inc();
    answer
}

async fn answer(call: Arc<Call>, request: Request) -> Result<Content, Unavailable> {
    let time_left = request.time_left();
    if time_left.is_zero() {
        return Err(Unavailable);
    }
    let patience = call.source.admit().ok_or(Unavailable)?;
    // A task of its own, since others learn from what comes of it, also after this visitor stopped waiting.
    let call = context::spawn(async move { call.make(request).await });
    match tokio::time::timeout(patience.min(time_left), call).await {
        Ok(Ok(Ok((content, _length)))) => Ok(content),
        _ => Err(Unavailable),
    }
}

impl<T> Clone for Lookup<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<T> fmt::Debug for Lookup<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lookup").field(&self.0.name).finish()
    }
}
