//! What the supervisor tells of the work it was asked for, to the one who asked and at its own terminal.

use crate::error::Error;
use crate::progress;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// One line of JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Event {
    /// A step is done.
    Step {
        step: String,
        /// What is known of it.
        known: String,
        seconds: f64,
    },
    /// A step goes on.
    Progress { text: String },
    /// The outcome: it is done.
    Done { text: String },
    /// The outcome: it is not.
    Failed {
        /// One line.
        reason: String,
        /// Lines that explain it, such as the end of a log.
        details: Vec<String>,
    },
}

/// Why something that was asked for did not happen.
#[derive(Debug)]
pub(crate) struct Failure {
    /// One line.
    pub(crate) reason: String,
    /// Lines that explain it.
    pub(crate) details: Vec<String>,
}

/// Where the work tells of itself.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    /// A page, or the proxy.
    subject: String,
    /// Closed when the one who asked has gone away.
    events: mpsc::UnboundedSender<Event>,
}

impl Failure {
    /// One that a line explains.
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), details: Vec::new() }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::NotReady { name, reason, log } => {
                let log = log.to_string();
                let details = log.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
                Self { reason: format!("{name} was never ready: {reason}"), details }
            }
            error => Self::new(error.to_string()),
        }
    }
}

impl Report {
    /// Of work on `subject`, with the events as they come.
    pub(crate) fn new(subject: &str) -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (events, told) = mpsc::unbounded_channel();
        (Self { subject: subject.to_owned(), events }, told)
    }

    /// A step that began at `begun` is done.
    pub(crate) fn step(&self, step: &str, begun: Instant, known: impl Into<String>) {
        let event = Event::Step { step: step.to_owned(), known: known.into(), seconds: begun.elapsed().as_secs_f64() };
        if let Some(line) = event.line() {
            progress::step(&self.subject, line);
        }
        self.tell(event);
    }

    /// How far a step is. Only the one who asked cares.
    pub(crate) fn progress(&self, text: impl Into<String>) {
        self.tell(Event::Progress { text: text.into() });
    }

    /// The last event.
    pub(crate) fn outcome(&self, outcome: Result<String, Failure>) {
        let event = match outcome {
            Ok(text) => Event::Done { text },
            Err(Failure { reason, details }) => Event::Failed { reason, details },
        };
        if let Event::Done { text } | Event::Failed { reason: text, .. } = &event {
            progress::line(text);
        }
        self.tell(event);
    }

    fn tell(&self, event: Event) {
        // Whoever asked may have gone away.
        let _ = self.events.send(event);
    }
}

impl Event {
    /// How a terminal shows that a step is done.
    pub(crate) fn line(&self) -> Option<String> {
        match self {
            Self::Step { step, known, seconds } => Some(format!("{step:<10} {known} ({seconds:.1} s)")),
            _ => None,
        }
    }
}
