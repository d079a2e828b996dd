//! What a page does beside answering requests, and what it tells of that.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;
use service_kit::serve::Readiness;

type Working = Pin<Box<dyn Future<Output = ()> + Send>>;
type Run = Box<dyn FnOnce(Readiness) -> Working + Send>;
type Finish = Box<dyn FnOnce() -> Working + Send>;
type Live = Arc<dyn Fn() -> Value + Send + Sync>;

/// Work that goes on from the start of a page until it is asked to stop, as [`crate::serve_with`] runs it.
pub struct Work {
    pub(crate) name: &'static str,
    pub(crate) run: Run,
    pub(crate) live: Option<Live>,
    pub(crate) finish: Finish,
}

impl Work {
    /// Work by its name. It ends by itself soon after the page is not ready any more.
    pub(crate) fn new<F>(name: &'static str, run: impl FnOnce(Readiness) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self {
            name,
            run: Box::new(move |readiness| Box::pin(run(readiness))),
            live: None,
            finish: Box::new(|| Box::pin(async {})),
        }
    }

    /// Does this once the work has ended and no request is left.
    pub(crate) fn finish<F>(self, finish: impl FnOnce() -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self { finish: Box::new(move || Box::pin(finish())), ..self }
    }

    /// Tells this of it in `/health/live`.
    pub(crate) fn live(self, live: impl Fn() -> Value + Send + Sync + 'static) -> Self {
        Self { live: Some(Arc::new(live)), ..self }
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").field("name", &self.name).finish_non_exhaustive()
    }
}
