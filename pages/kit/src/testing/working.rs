//! What a page does beside answering requests, for as long as a test wants it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use service_kit::serve::Readiness;
use tokio::task::JoinHandle;

use crate::Work;

/// Work that goes on, as beside a page that runs.
pub struct Working {
    readiness: Readiness,
    running: JoinHandle<()>,
    finish: Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>,
}

impl Working {
    /// Begins.
    pub fn on(work: Work) -> Self {
        let readiness = Readiness::default();
        Self { running: tokio::spawn((work.run)(readiness.clone())), readiness, finish: work.finish }
    }

    /// Stops as a page that is asked to, and waits for the end.
    ///
    /// # Panics
    /// When the work has.
    pub async fn stop(self) {
        self.readiness.stop();
        self.running.await.expect("the work ends well");
        (self.finish)().await;
    }
}

impl fmt::Debug for Working {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Working").field("running", &self.running).finish_non_exhaustive()
    }
}
