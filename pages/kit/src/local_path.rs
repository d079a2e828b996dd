//! Paths of this site: which ones a link may ask us to send a visitor on to, and how they are written.

use url::{Url, form_urlencoded};

/// `path` if it is an absolute path of this site, and nothing that a browser could take for another one.
pub fn local_path(path: &str) -> Option<&str> {
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && c != '\\';
    if !path.starts_with('/') || path.starts_with("//") || !path.chars().all(plain) {
        return None;
    }
    // A second opinion, by the parser that browsers' behaviour is written down in (WHATWG URL).
    let here = Url::parse("http://here.invalid/").expect("the URL is well-formed");
    let there = here.join(path).ok()?;
    (there.origin() == here.origin()).then_some(path)
}

/// `path` with a query of one pair: `/my-account/sign-in?next=%2Fcheckout`.
pub fn link(path: &str, name: &str, value: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish();
    format!("{path}?{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_site_are_followed() {
        for path in
            ["/", "/checkout", "/checkout/details?a=b&c=%2F#main", "/a//b", "/%5Cevil.example", "/@evil.example"]
        {
            assert_eq!(local_path(path), Some(path));
        }
        for path in [
            "",
            "checkout",
            "https://evil.example/",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            " /checkout",
            "/check out",
            "/a\u{0}b",
            "javascript:alert(1)",
        ] {
            assert_eq!(local_path(path), None, "{path:?}");
        }
    }
}
