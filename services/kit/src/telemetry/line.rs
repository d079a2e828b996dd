//! How a log line is written: `{"timestamp":…,"level":…,<the event's fields>,"target":…,"span":{<the request's fields>,"name":…}}`.
//!
//! It is the shape of `tracing_subscriber`'s own JSON, which costs a page more than its routing and its template: it
//! reads the span's fields out of their JSON again for every line. Here they are written once, as the text that stands
//! in each line.

use std::error::Error;
use std::fmt;

use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// An event as one line.
pub(super) struct Line;

/// The fields of a span, as they stand in a line.
pub(super) struct Fields;

impl<S> FormatEvent<S, Fields> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, Fields>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        line.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut line)?;
        write!(line, "\",\"level\":\"{}\"", event.metadata().level())?;
        let mut pairs = Pairs { to: line.by_ref(), is_first: false, outcome: Ok(()) };
        event.record(&mut pairs);
        pairs.outcome?;
        write!(line, ",\"target\":\"{}\"", event.metadata().target())?;
        let span = event.parent().and_then(|id| context.span(id)).or_else(|| context.lookup_current());
        if let Some(span) = span {
            line.write_str(",\"span\":{")?;
            if let Some(fields) = span.extensions().get::<FormattedFields<Fields>>().filter(|fields| !fields.is_empty())
            {
                write!(line, "{fields},")?;
            }
            write!(line, "\"name\":\"{}\"}}", span.name())?;
        }
        line.write_str("}\n")
    }
}

impl<'w> FormatFields<'w> for Fields {
    fn format_fields<R: RecordFields>(&self, to: Writer<'w>, fields: R) -> fmt::Result {
        let mut pairs = Pairs { to, is_first: true, outcome: Ok(()) };
        fields.record(&mut pairs);
        pairs.outcome
    }

    fn add_fields(&self, known: &'w mut FormattedFields<Self>, more: &tracing::span::Record<'_>) -> fmt::Result {
        let is_first = known.is_empty();
        let mut pairs = Pairs { to: known.as_writer(), is_first, outcome: Ok(()) };
        more.record(&mut pairs);
        pairs.outcome
    }
}

/// Writes fields as `"name":value`, with commas between them.
struct Pairs<'w> {
    to: Writer<'w>,
    is_first: bool,
    outcome: fmt::Result,
}

impl Pairs<'_> {
    fn pair(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let comma = if std::mem::take(&mut self.is_first) { "" } else { "," };
        let name = field.name();
        self.outcome = self.outcome.and_then(|()| write!(self.to, "{comma}\"{name}\":{value}"));
    }

    fn json(&mut self, field: &Field, value: &(impl Serialize + ?Sized)) {
        match serde_json::to_string(value) {
            Ok(value) => self.pair(field, format_args!("{value}")),
            Err(_) => self.outcome = Err(fmt::Error),
        }
    }
}

impl Visit for Pairs<'_> {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.pair(field, format_args!("{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.pair(field, format_args!("{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.pair(field, format_args!("{value}"));
    }

    // JSON has no NaN and no infinity: they are null.
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.json(field, &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.json(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.json(field, &value.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.json(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(log: impl FnOnce()) -> Vec<Value> {
        let written = Written::default();
        let to = written.clone();
        let layer = tracing_subscriber::fmt::layer().fmt_fields(Fields).event_format(Line);
        let subscriber = tracing_subscriber::registry().with(layer.with_writer(move || to.clone()));
        tracing::subscriber::with_default(subscriber, log);
        let written = written.0.lock().unwrap();
        written.split_inclusive(|byte| *byte == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect()
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
        assert!(time.as_str().unwrap().ends_with('Z') && time.as_str().unwrap().contains('T'), "{time}");
        let expected = json!({
            "timestamp": null, "level": "WARN", "message": "it \"happens\"", "error": "a \"bad\"\nday", "n": -1,
            "big": u64::MAX, "nothing": null, "is": true, "list": "[\"a\\\\\", \"\\u{1}\"]", "shown": "é\"",
            "target": "service_kit::telemetry::line::tests",
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn a_request_s_fields_stand_under_span_the_later_ones_too() {
        let lines = lines(|| {
            let span = tracing::error_span!("request", id = "a\"b", path = tracing::field::Empty);
            span.in_scope(|| tracing::info!("first"));
            span.record("path", "/checkout");
            span.in_scope(|| tracing::info!("second"));
            tracing::error_span!("bare").in_scope(|| tracing::info!("third"));
            tracing::info!("fourth");
        });
        let spans: Vec<_> = lines.iter().map(|line| line["span"].clone()).collect();
        let both = json!({ "name": "request", "id": "a\"b", "path": "/checkout" });
        assert_eq!(spans, [json!({ "name": "request", "id": "a\"b" }), both, json!({ "name": "bare" }), Value::Null]);
    }
}
