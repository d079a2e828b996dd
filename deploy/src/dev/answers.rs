//! The pages that the dev server makes itself: the build failed, the page does not answer, nobody has this path.

use super::reload;
use axum::response::{Html, IntoResponse, Response};
use http::{StatusCode, header};

/// The build failed: what the compiler said, until a build succeeds.
pub(crate) fn failed(what: &str, said: &str) -> Response {
    let said = escape(&without_colours(said));
    let body = format!("<p>This page reloads itself when the build succeeds.</p>\n<pre>{said}</pre>");
    answer(StatusCode::INTERNAL_SERVER_ERROR, what, &body)
}

/// The page or the rest of the site does not answer.
pub(crate) fn silent(who: &str, reason: &str) -> Response {
    answer(StatusCode::BAD_GATEWAY, &format!("{who} does not answer"), &format!("<pre>{}</pre>", escape(reason)))
}

/// No page here has that path.
pub(crate) fn unknown(path: &str, page: &str, patterns: &[String]) -> Response {
    let list: String = patterns.iter().map(|pattern| entry(pattern)).collect();
    let body = format!(
        "<p>Only the page <b>{page}</b> runs here. It has these paths:</p>\n<ul>{list}</ul>\n\
         <p>With <code>cargo fleet dev {page} --rest http://127.0.0.1:8080</code> all other paths come from the site at \
         that address.</p>",
        page = escape(page)
    );
    answer(StatusCode::NOT_FOUND, &format!("{path} is not here"), &body)
}

fn entry(pattern: &str) -> String {
    let shown = escape(pattern);
    if pattern.contains('{') {
        format!("<li><code>{shown}</code></li>")
    } else {
        format!("<li><a href=\"{shown}\"><code>{shown}</code></a></li>")
    }
}

fn answer(status: StatusCode, title: &str, body: &str) -> Response {
    let title = escape(title);
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<h1>{title}</h1>\n{body}\n{}\n</body>\n</html>\n",
        reload::TAG
    );
    (status, [(header::CACHE_CONTROL, "no-store")], Html(page)).into_response()
}

const STYLE: &str = ":root{color-scheme:light dark;font:1rem/1.5 system-ui,sans-serif}\
    body{max-width:70rem;margin:3rem auto;padding:0 1rem}h1{font-size:1.3rem;overflow-wrap:anywhere}\
    pre{overflow:auto;padding:1rem;border:1px solid;border-radius:.4rem;font-size:.85rem}";

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Takes out a terminal's control sequences: ESC `[` up to a letter (ECMA-48 section 5.4).
fn without_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').get(1..).unwrap_or_default());
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_text_and_never_markup() {
        assert_eq!(escape("Vec<u8> & 'a' \"b\""), "Vec&lt;u8&gt; &amp; &#39;a&#39; &quot;b&quot;");
    }

    #[test]
    fn the_colours_of_a_terminal_are_taken_out() {
        let coloured = "\u{1b}[0m\u{1b}[1m\u{1b}[38;5;9merror[E0425]\u{1b}[0m: cannot find";
        assert_eq!(without_colours(coloured), "error[E0425]: cannot find");
    }
}
