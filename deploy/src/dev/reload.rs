//! How an open page learns of a new build: a script in each HTML page listens to a stream of server-sent events, and
//! reloads when the build it hears of is another than the one it was told first.

use super::rebuild::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use std::convert::Infallible;
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tokio_stream::{Stream, StreamExt};

/// Where the script is.
pub(crate) const SCRIPT_PATH: &str = "/.pagefleet/reload.js";
/// Where the stream is.
pub(crate) const STREAM_PATH: &str = "/.pagefleet/reload";
/// What is put into HTML pages: an external module, so that the page's Content-Security-Policy holds.
pub(crate) const TAG: &str = r#"<script type="module" src="/.pagefleet/reload.js"></script>"#;

/// The script.
pub(crate) const SCRIPT: &str = r#"let shown;
new EventSource("/.pagefleet/reload").addEventListener("build", (event) => {
  shown ??= event.data;
  if (shown !== event.data) location.reload();
});
"#;

/// The stream: the last good build at once, then each one after it.
pub(crate) fn stream(builds: watch::Receiver<State>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut told = None;
    let news = WatchStream::new(builds).filter_map(move |state| {
        let is_new = told.replace(state.last_good) != Some(state.last_good);
        is_new.then(|| Ok(Event::default().event("build").data(state.last_good.to_string())))
    });
    Sse::new(news).keep_alive(KeepAlive::default())
}

/// Puts the tag before the last `</body>`. A fragment, which has none, stays as it is.
pub(crate) fn inject(html: &[u8]) -> Vec<u8> {
    let end = b"</body>";
    let place = html.windows(end.len()).rposition(|window| window.eq_ignore_ascii_case(end));
    match place {
        Some(place) => [&html[..place], TAG.as_bytes(), &html[place..]].concat(),
        None => html.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_goes_before_the_end_of_the_body_and_into_no_fragment() {
        for (html, expected) in [
            ("<body>a</body></html>", format!("<body>a{TAG}</body></html>")),
            ("<BODY>a</BODY>", format!("<BODY>a{TAG}</BODY>")),
            ("<body><pre></body></pre></body>", format!("<body><pre></body></pre>{TAG}</body>")),
            ("<ul id=results></ul>", "<ul id=results></ul>".to_owned()),
            ("", String::new()),
        ] {
            assert_eq!(inject(html.as_bytes()), expected.as_bytes(), "{html}");
        }
    }
}
