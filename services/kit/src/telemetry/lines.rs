//! How a log line is written: `{"timestamp":…,"level":…,<the event's fields>,"target":…,"span":{<the request's>}}`.
//!
//! A subscriber that has no spans. What `tracing_subscriber` does for them costs a page as much as its routing: the
//! request's fields are put away, found again for each line, and read out of their JSON to be written once more. Here
//! they are a text in the request's context, which every task of the request has anyway.

use std::error::Error;
use std::fmt;
use std::io::Write;
use std::time::SystemTime;

use serde::{Serialize, Serializer};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::Targets;

use crate::context;

/// Most lines are shorter.
const LENGTH: usize = 512;

/// Writes every event that `filter` lets through by `write`, as a line; and says how soon it has to be seen.
pub(super) struct Lines<W> {
    pub(super) filter: Targets,
    pub(super) write: W,
}

/// How soon a line has to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// When there is time for it: what a request logs in passing.
    Soon,
    /// Before anything else happens.
    Now,
}

impl<W: Fn(&[u8], Urgency) + 'static> Subscriber for Lines<W> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && self.filter.would_enable(metadata.target(), metadata.level())
    }

    fn event(&self, event: &Event<'_>) {
        let (line, urgency) = line(event);
        (self.write)(&line, urgency);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn line(event: &Event<'_>) -> (Vec<u8>, Urgency) {
    let level = *event.metadata().level();
    let mut line = Pairs(Vec::with_capacity(LENGTH));
    line.parts(&["{\"timestamp\":\""]);
    write!(line.0, "{}", humantime::format_rfc3339_micros(SystemTime::now())).expect("memory can be written to");
    line.parts(&["\",\"level\":\"", level.as_str(), "\""]);
    event.record(&mut line);
    line.pair("target", event.metadata().target());
    let mut urgency = Urgency::Now;
    context::log_fields(|context, method, path| {
        // Ids and methods are tokens (RFC 9110, section 5.6.2), of which nothing has to be escaped.
        line.parts(&[",\"span\":{\"name\":\"request\",\"request_id\":\"", context.request_id()]);
        line.parts(&["\",\"trace_id\":\"", context.trace_id(), "\",\"method\":\"", method.as_str(), "\""]);
        line.pair("path", path);
        line.parts(&["}"]);
        if level >= Level::INFO {
            urgency = Urgency::Soon;
        }
    });
    line.parts(&["}\n"]);
    (line.0, urgency)
}

/// Writes a JSON object, pair by pair after the first.
struct Pairs(Vec<u8>);

impl Pairs {
    fn pair(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        self.parts(&[",\"", name, "\":"]);
        serde_json::to_writer(&mut self.0, value).expect("texts and numbers can be written to memory");
    }

    /// Texts that are JSON as they are.
    fn parts(&mut self, texts: &[&str]) {
        texts.iter().for_each(|text| self.0.extend_from_slice(text.as_bytes()));
    }
}

impl Visit for Pairs {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.pair(field.name(), &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.pair(field.name(), &value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.pair(field.name(), &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.pair(field.name(), &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.pair(field.name(), value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.pair(field.name(), &Shown(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.pair(field.name(), &Debugged(value));
    }
}

/// A text, as it is shown.
struct Shown<T>(T);

impl<T: fmt::Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A text, as it is for who looks for mistakes.
struct Debugged<'a>(&'a dyn fmt::Debug);

impl fmt::Display for Debugged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Debugged<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;
    use crate::context::RequestContext;

    fn lines(log: impl FnOnce()) -> Vec<Value> {
        let written = Arc::new(Mutex::new(Vec::new()));
        let to = written.clone();
        let write = move |line: &[u8], _| to.lock().unwrap().push(serde_json::from_slice(line).unwrap());
        let filter = "info,quiet=error".parse().unwrap();
        tracing::subscriber::with_default(Lines { filter, write }, log);
        written.lock().unwrap().clone()
    }

    #[test]
    fn a_line_is_json_whatever_is_in_it() {
        let broken = io::Error::other("a \"bad\"\nday");
        let lines = lines(|| {
            tracing::warn!(
                error = &broken as &(dyn Error + 'static),
                n = -1,
                big = u64::MAX,
                nothing = f64::NAN,
                is = true,
                list = ?["a\\", "\u{1}"],
                shown = %"é\"",
                "it \"happens\""
            );
        });
        let mut line = lines[0].clone();
        let time = line["timestamp"].take();
        let time = time.as_str().unwrap();
        assert!(time.len() == "2026-05-03T23:59:59.123456Z".len() && time.ends_with('Z'), "{time}");
        let expected = json!({
            "timestamp": null, "level": "WARN", "message": "it \"happens\"", "error": "a \"bad\"\nday", "n": -1,
            "big": u64::MAX, "nothing": null, "is": true, "list": "[\"a\\\\\", \"\\u{1}\"]", "shown": "é\"",
            "target": "service_kit::telemetry::lines::tests",
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn what_the_filter_keeps_back_is_not_written() {
        let lines = lines(|| {
            tracing::debug!("one");
            tracing::info!(target: "quiet", "two");
            tracing::info!("three");
            tracing::error_span!("inside").in_scope(|| tracing::error!(target: "quiet", "four"));
        });
        let told: Vec<_> = lines.iter().map(|line| line["message"].clone()).collect();
        assert_eq!(told, ["three", "four"]);
    }

    #[tokio::test]
    async fn only_what_a_request_tells_in_passing_can_wait() {
        let urgencies = Arc::new(Mutex::new(Vec::new()));
        let told = urgencies.clone();
        let lines = Lines {
            filter: "info".parse().unwrap(),
            write: move |_: &[u8], urgency| told.lock().unwrap().push(urgency),
        };
        let _during = tracing::subscriber::set_default(lines);
        let context = RequestContext::of(&http::Request::get("/").body(()).unwrap());
        context.scope(async { tracing::info!("answered") }).await;
        let context = RequestContext::of(&http::Request::get("/").body(()).unwrap());
        context.scope(async { tracing::warn!("not answered") }).await;
        tracing::info!("stopping");
        assert_eq!(*urgencies.lock().unwrap(), [Urgency::Soon, Urgency::Now, Urgency::Now]);
    }

    #[tokio::test]
    async fn the_fields_of_a_request_stand_under_span() {
        let context = RequestContext::of(&http::Request::get("/baskets/7").body(()).unwrap());
        let ids = (context.request_id().to_owned(), context.trace_id().to_owned());
        let within = context.scope(async { lines(|| tracing::info!("asked")) }).await;
        let expected =
            json!({ "name": "request", "request_id": ids.0, "trace_id": ids.1, "method": "GET", "path": "(none)" });
        assert_eq!(within[0]["span"], expected);
        let background = RequestContext::new().scope(async { lines(|| tracing::info!("working")) }).await;
        assert_eq!([&background[0]["span"], &lines(|| tracing::info!("starting"))[0]["span"]], [&Value::Null; 2]);
    }
}
