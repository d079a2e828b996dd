//! `Cache-Control` as it is read (RFC 9111 section 5.2). Pure. What can't be understood is read as the shorter time.

use http::header::{self, HeaderMap, HeaderName};
use std::time::Duration;

/// What counts as for ever (RFC 9111 section 1.2.2).
const FOR_EVER: u64 = 1 << 31;

/// What a response says of its reuse.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// `no-store`.
    pub no_store: bool,
    /// `no-cache` for the whole response.
    pub no_cache: bool,
    /// `private` for the whole response.
    pub private: bool,
    /// `must-revalidate` or `proxy-revalidate`: to a shared cache they are the same.
    pub must_revalidate: bool,
    /// `must-understand`.
    pub must_understand: bool,
    /// `max-age`.
    pub max_age: Option<Duration>,
    /// `s-maxage`.
    pub shared_max_age: Option<Duration>,
    /// `stale-while-revalidate` (RFC 5861 section 3).
    pub while_revalidating: Duration,
    /// `stale-if-error` (RFC 5861 section 4).
    pub if_error: Duration,
    /// Fields that `private` or `no-cache` name: they are for one visitor, the rest is for all.
    pub withheld: Vec<HeaderName>,
}

/// What a request asks of caches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// `no-cache`, or `Pragma: no-cache` where there is no `Cache-Control`.
    pub no_cache: bool,
    /// `no-store`.
    pub no_store: bool,
    /// `only-if-cached`.
    pub only_if_cached: bool,
    /// `max-age`.
    pub max_age: Option<Duration>,
    /// `min-fresh`.
    pub min_fresh: Duration,
    /// `max-stale`, without a value for ever.
    pub max_stale: Option<Duration>,
}

impl Said {
    /// Reads a response's fields.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut said = Self::default();
        for (name, value) in directives(headers) {
            match name.to_ascii_lowercase().as_slice() {
                b"no-store" => said.no_store = true,
                b"no-cache" => said.no_cache |= !said.withhold(value),
                b"private" => said.private |= !said.withhold(value),
                b"must-revalidate" | b"proxy-revalidate" => said.must_revalidate = true,
                b"must-understand" => said.must_understand = true,
                b"max-age" => said.max_age = shorter(said.max_age, seconds(value)),
                b"s-maxage" => said.shared_max_age = shorter(said.shared_max_age, seconds(value)),
                b"stale-while-revalidate" => said.while_revalidating = seconds(value),
                b"stale-if-error" => said.if_error = seconds(value),
                _ => {}
            }
        }
        said
    }

    /// Notes the fields that a directive names, if it names any.
    fn withhold(&mut self, names: Option<&[u8]>) -> bool {
        let named = members(names.map_or(&[], unquoted)).filter_map(|name| HeaderName::from_bytes(name).ok());
        let before = self.withheld.len();
        self.withheld.extend(named);
        self.withheld.len() > before
    }
}

impl Asked {
    /// Reads a request's fields.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut asked = Self::default();
        if !headers.contains_key(header::CACHE_CONTROL) {
            asked.no_cache = headers.get(header::PRAGMA).is_some_and(|pragma| {
                members(pragma.as_bytes()).any(|directive| directive.eq_ignore_ascii_case(b"no-cache"))
            });
            return asked;
        }
        for (name, value) in directives(headers) {
            match name.to_ascii_lowercase().as_slice() {
                b"no-cache" => asked.no_cache = true,
                b"no-store" => asked.no_store = true,
                b"only-if-cached" => asked.only_if_cached = true,
                b"max-age" => asked.max_age = shorter(asked.max_age, seconds(value)),
                b"min-fresh" => asked.min_fresh = seconds(value),
                b"max-stale" => asked.max_stale = Some(value.map_or(Duration::MAX, |value| seconds(Some(value)))),
                _ => {}
            }
        }
        asked
    }

    /// Whether it does not take what would do for others.
    pub fn is_choosy(&self) -> bool {
        self.no_cache || self.max_age.is_some() || !self.min_fresh.is_zero()
    }
}

/// The members of a list (RFC 9110 section 5.6.1). A comma inside quotes parts nothing, unless the quote has no end.
pub fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = value;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let end = end_of_member(rest);
            let (member, next) = (&rest[..end], rest.get(end + 1..).unwrap_or_default());
            rest = next;
            let member = member.trim_ascii();
            if !member.is_empty() {
                return Some(member);
            }
        }
        None
    })
}

fn end_of_member(text: &[u8]) -> usize {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (index, byte) in text.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b',' if !is_quoted => return index,
            _ => {}
        }
    }
    let comma = text.iter().position(|byte| *byte == b',');
    comma.filter(|_| is_quoted).unwrap_or(text.len())
}

fn directives(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    let lines = headers.get_all(header::CACHE_CONTROL).iter();
    lines.flat_map(|line| members(line.as_bytes())).map(|member| match member.iter().position(|byte| *byte == b'=') {
        Some(at) => (member[..at].trim_ascii(), Some(member[at + 1..].trim_ascii())),
        None => (member, None),
    })
}

fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value)
}

/// No time at all where there is no number.
fn seconds(value: Option<&[u8]>) -> Duration {
    let digits = unquoted(value.unwrap_or_default());
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Duration::ZERO;
    }
    let add = |sum: u64, digit: &u8| (sum * 10 + u64::from(digit - b'0')).min(FOR_EVER);
    Duration::from_secs(digits.iter().fold(0, add))
}

fn shorter(known: Option<Duration>, new: Duration) -> Option<Duration> {
    Some(known.map_or(new, |known| known.min(new)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn said(value: &str) -> Said {
        Said::of(&fields(&[("cache-control", value)]))
    }

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_response_says_how_long_it_may_be_used() {
        for (value, expected) in [
            ("max-age=60", Some(secs(60))),
            ("MAX-AGE=60", Some(secs(60))),
            ("max-age=\"60\"", Some(secs(60))),
            ("max-age = 60", Some(secs(60))),
            ("max-age=0060", Some(secs(60))),
            ("max-age=99999999999999999999", Some(secs(FOR_EVER))),
            ("max-age=10, max-age=60", Some(secs(10))),
            ("max-age=60, max-age=10", Some(secs(10))),
            ("max-age=-1", Some(secs(0))),
            ("max-age=60a", Some(secs(0))),
            ("max-age='60'", Some(secs(0))),
            ("max-age=1.5", Some(secs(0))),
            ("max-age", Some(secs(0))),
            ("max-age=60; public", Some(secs(0))),
            ("x=\"max-age=60\"", None),
            ("x=\"a, max-age=60, b\"", None),
            ("", None),
        ] {
            assert_eq!(said(value).max_age, expected, "{value}");
        }
        let both = said("max-age=1, s-maxage=2, stale-while-revalidate=3, stale-if-error=4");
        assert_eq!((both.shared_max_age, both.while_revalidating, both.if_error), (Some(secs(2)), secs(3), secs(4)));
    }

    #[test]
    fn a_response_says_who_may_keep_it() {
        assert!(said("No-Store").no_store && said("max-age=\"1, no-store").no_store, "an open quote hides nothing");
        assert!(said("private").private && said("no-cache").no_cache && said("private=\"\"").private);
        let some = said("private=\"x-user, x-name\", no-cache=set-cookie, max-age=5");
        assert!(!some.private && !some.no_cache);
        assert_eq!(some.withheld, ["x-user", "x-name", "set-cookie"]);
        assert!(said("private=\"x\", private").private);
        assert!(said("must-revalidate").must_revalidate && said("proxy-revalidate").must_revalidate);
        let lines = fields(&[("cache-control", "max-age=5"), ("cache-control", "no-store")]);
        assert!(Said::of(&lines).no_store);
    }

    #[test]
    fn a_request_says_what_it_takes() {
        let asked = |value: &str| Asked::of(&fields(&[("cache-control", value)]));
        assert!(asked("no-cache").no_cache && asked("no-store").no_store && asked("only-if-cached").only_if_cached);
        assert_eq!(asked("max-age=0").max_age, Some(secs(0)));
        assert_eq!(asked("max-stale").max_stale, Some(Duration::MAX));
        assert_eq!(asked("max-stale=5, min-fresh=7").max_stale, Some(secs(5)));
        assert_eq!(asked("min-fresh=7").min_fresh, secs(7));
        assert!(Asked::of(&fields(&[("pragma", "No-Cache")])).no_cache);
        assert!(!Asked::of(&fields(&[("pragma", "no-cache"), ("cache-control", "max-age=5")])).no_cache);
        assert_eq!(Asked::of(&HeaderMap::new()), Asked::default());
    }
}
