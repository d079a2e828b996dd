//! Whether an answer may be kept and on which terms (RFC 9111 sections 3 and 4.2), and whether a kept one may be used
//! (sections 4 and 5.2.1, RFC 5861). Pure.
//!
//! Stricter than the RFC, on purpose: an answer with `Set-Cookie` is never kept, no page's failure is, and none whose page
//! does not say how long it may be used: no guess is made. An answer that must be validated each time (`no-cache`,
//! `max-age=0`) is not kept either: a visitor's own validators reach the page as well without us.

use super::directives::{Asked, Said, members};
use http::{HeaderMap, StatusCode, header};
use std::time::{Duration, SystemTime};

/// Statuses that are the same for everybody who asks.
const UNDERSTOOD: [u16; 11] = [200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 410];

/// On which terms an answer is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How old it was when it came.
    pub age: Duration,
    /// How old it may be to be used unasked.
    pub lifetime: Duration,
    /// For how long after that it may be used while the page is asked anew.
    pub while_revalidating: Duration,
    /// For how long after that it may be used when the page fails.
    pub if_error: Duration,
    /// Whether it may not be used stale even if the client takes it.
    pub must_revalidate: bool,
}

/// When an answer came.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// When its head was complete.
    pub now: SystemTime,
    /// How long after the question that was.
    pub delay: Duration,
}

/// How a kept answer may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// As it is.
    Fresh,
    /// As it is, while the page is asked anew.
    Stale,
    /// When the page, asked anew, says that it still holds.
    Ask {
        /// Whether it may be used as well when the page fails.
        may_fall_back: bool,
    },
}

impl Terms {
    /// The terms of an answer to a GET; `None` when it may not be kept.
    pub fn of(status: StatusCode, headers: &HeaderMap, timing: Timing) -> Option<Self> {
        let said = Said::of(headers);
        let is_forbidden = said.private || said.no_cache || (said.no_store && !said.must_understand);
        let is_personal = headers.contains_key(header::SET_COOKIE);
        if is_forbidden || is_personal || !UNDERSTOOD.contains(&status.as_u16()) {
            return None;
        }
        let lifetime = said.shared_max_age.or(said.max_age).or_else(|| expires_after(headers, timing.now))?;
        // Who allows staleness beside `s-maxage` means shared caches too, whatever section 5.2.2.10 says of a bare one.
        let stale = |allowed: Duration| if said.must_revalidate { Duration::ZERO } else { allowed };
        let terms = Self {
            age: age_at_arrival(headers, timing),
            lifetime,
            while_revalidating: stale(said.while_revalidating),
            if_error: stale(said.if_error),
            must_revalidate: said.must_revalidate || said.shared_max_age.is_some(),
        };
        (terms.age < terms.usable_until()).then_some(terms)
    }

    /// The age from which on it is of no use at all, but to be validated.
    pub fn usable_until(&self) -> Duration {
        self.lifetime + self.while_revalidating.max(self.if_error)
    }

    /// How it may be used at an age, for a request that asks so.
    pub fn reuse(&self, age: Duration, asked: &Asked) -> Reuse {
        let staleness = age.saturating_sub(self.lifetime);
        let is_fresh = age < self.lifetime;
        let ask = Reuse::Ask { may_fall_back: is_fresh || staleness < self.if_error };
        let is_too_old = asked.max_age.is_some_and(|max| age > max);
        let is_going_stale = !asked.min_fresh.is_zero() && age + asked.min_fresh > self.lifetime;
        if asked.no_cache || is_too_old || is_going_stale {
            return ask;
        }
        // A request with a `max-age` takes nothing stale, unless it says so (section 5.2.1.1).
        let takes_stale = !self.must_revalidate && asked.max_stale.is_some_and(|max| staleness <= max);
        match is_fresh {
            true => Reuse::Fresh,
            false if takes_stale => Reuse::Stale,
            false if staleness < self.while_revalidating && asked.max_age.is_none() => Reuse::Stale,
            false => ask,
        }
    }
}

/// RFC 9111 section 4.2.3, `corrected_initial_age`. Of several `Age`s the first counts, and one that is no number does not
/// (section 5.1).
fn age_at_arrival(headers: &HeaderMap, timing: Timing) -> Duration {
    let first = headers.get(header::AGE).and_then(|age| members(age.as_bytes()).next());
    let seconds = first.and_then(|age| str::from_utf8(age).ok()?.parse::<u32>().ok());
    let told = Duration::from_secs(seconds.unwrap_or_default().into());
    let apparent = date(headers, &header::DATE).and_then(|date| whole_seconds(timing.now).duration_since(date).ok());
    (told + timing.delay).max(apparent.unwrap_or_default())
}

/// RFC 9111 section 5.3: a value that is no date, or more than one, is the past.
fn expires_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    headers.get(header::EXPIRES)?;
    let from = date(headers, &header::DATE).unwrap_or_else(|| whole_seconds(now));
    let until = date(headers, &header::EXPIRES).and_then(|expires| expires.duration_since(from).ok());
    Some(until.unwrap_or_default())
}

/// A field's one date.
pub(super) fn date(headers: &HeaderMap, name: &header::HeaderName) -> Option<SystemTime> {
    let mut values = headers.get_all(name).iter();
    let only = values.next().filter(|_| values.next().is_none())?;
    httpdate::parse_http_date(only.to_str().ok()?).ok()
}

/// Dates have no fractions: neither may what they are held against.
fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "Sat, 21 Nov 2026 12:00:00 GMT";

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn terms_of(status: u16, lines: &[(&'static str, &str)]) -> Option<Terms> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        let now = httpdate::parse_http_date(NOW).unwrap() + Duration::from_millis(700);
        Terms::of(StatusCode::from_u16(status).unwrap(), &headers, Timing { now, delay: Duration::ZERO })
    }

    #[test]
    fn only_what_is_for_everybody_is_kept() {
        for (expected, status, lines) in [
            (true, 200, &[("cache-control", "max-age=60")][..]),
            (true, 404, &[("cache-control", "max-age=60")]),
            (true, 301, &[("expires", "Sat, 21 Nov 2026 12:01:00 GMT")]),
            (true, 200, &[("cache-control", "no-store, must-understand, max-age=60")]),
            (true, 200, &[("cache-control", "private=\"x-user\", max-age=60")]),
            (true, 200, &[("cache-control", "max-age=0, stale-while-revalidate=5")]),
            (false, 200, &[]),
            (false, 200, &[("last-modified", "Sat, 21 Nov 2020 12:00:00 GMT")]),
            (false, 200, &[("cache-control", "public")]),
            (false, 200, &[("cache-control", "max-age=60, no-store")]),
            (false, 200, &[("cache-control", "max-age=60, private")]),
            (false, 200, &[("cache-control", "max-age=60, no-cache")]),
            (false, 200, &[("cache-control", "max-age=0")]),
            (false, 200, &[("cache-control", "max-age=60"), ("set-cookie", "a=b")]),
            (false, 200, &[("cache-control", "max-age=60"), ("age", "60")]),
            (true, 200, &[("cache-control", "max-age=60"), ("age", "old")]),
            (true, 200, &[("cache-control", "max-age=60"), ("age", "0"), ("age", "60")]),
            (false, 200, &[("cache-control", "max-age=60"), ("age", "60, 0")]),
            (false, 200, &[("cache-control", "max-age=60"), ("date", "Sat, 21 Nov 2026 11:59:00 GMT")]),
            (false, 200, &[("expires", "0")]),
            (false, 200, &[("cache-control", "max-age=60, s-maxage=0")]),
            (false, 206, &[("cache-control", "max-age=60")]),
            (false, 304, &[("cache-control", "max-age=60")]),
            (false, 401, &[("cache-control", "max-age=60")]),
            (false, 429, &[("cache-control", "max-age=60")]),
            (false, 500, &[("cache-control", "max-age=60")]),
            (false, 599, &[("cache-control", "no-store, must-understand, max-age=60")]),
        ] {
            assert_eq!(terms_of(status, lines).is_some(), expected, "{status} {lines:?}");
        }
    }

    #[test]
    fn the_lifetime_is_that_for_shared_caches_and_the_age_all_that_has_passed() {
        for (lifetime, age, lines) in [
            (60, 0, &[("cache-control", "max-age=5, s-maxage=60")][..]),
            (60, 7, &[("cache-control", "max-age=60"), ("age", "7")]),
            (60, 9, &[("cache-control", "max-age=60"), ("age", "7"), ("date", "Sat, 21 Nov 2026 11:59:51 GMT")]),
            (60, 7, &[("cache-control", "max-age=60"), ("age", "7"), ("date", "Sat, 21 Nov 2026 12:09:51 GMT")]),
            (60, 0, &[("cache-control", "max-age=60"), ("expires", "0")]),
            (30, 0, &[("expires", "Sat, 21 Nov 2026 12:00:30 GMT"), ("date", NOW)]),
            (30, 0, &[("expires", "Saturday, 21-Nov-26 12:00:30 GMT")]),
        ] {
            let terms = terms_of(200, lines).unwrap();
            assert_eq!((terms.lifetime, terms.age), (secs(lifetime), secs(age)), "{lines:?}");
        }
        let stale = |value: &str| terms_of(200, &[("cache-control", value)]).map(|terms| terms.usable_until());
        assert_eq!(stale("max-age=1, stale-while-revalidate=2, stale-if-error=3"), Some(secs(4)));
        assert_eq!(stale("s-maxage=1, stale-while-revalidate=2"), Some(secs(3)));
        assert_eq!(stale("max-age=1, stale-if-error=3, must-revalidate"), Some(secs(1)));
        assert_eq!(stale("max-age=1, stale-if-error=3, proxy-revalidate"), Some(secs(1)));
    }

    #[test]
    fn what_is_used_and_how_is_the_pages_and_the_requests_to_say() {
        let ask = Reuse::Ask { may_fall_back: false };
        let fall_back = Reuse::Ask { may_fall_back: true };
        let all = Terms {
            age: secs(0),
            lifetime: secs(10),
            while_revalidating: secs(10),
            if_error: secs(20),
            must_revalidate: false,
        };
        let strict = Terms { while_revalidating: secs(0), if_error: secs(0), must_revalidate: true, ..all };
        let lax = Terms { must_revalidate: false, ..strict };
        let plain = Asked::default();
        let no_cache = Asked { no_cache: true, ..plain };
        let max_age = |seconds| Asked { max_age: Some(secs(seconds)), ..plain };
        let min_fresh = |seconds| Asked { min_fresh: secs(seconds), ..plain };
        let max_stale = |seconds| Asked { max_stale: Some(secs(seconds)), ..plain };
        for (terms, age, asked, expected) in [
            (all, 0, plain, Reuse::Fresh),
            (all, 9, plain, Reuse::Fresh),
            (all, 10, plain, Reuse::Stale),
            (all, 19, plain, Reuse::Stale),
            (all, 20, plain, fall_back),
            (all, 29, plain, fall_back),
            (all, 30, plain, ask),
            (strict, 10, plain, ask),
            (all, 5, no_cache, fall_back),
            (strict, 5, no_cache, fall_back),
            (strict, 15, no_cache, ask),
            (all, 5, max_age(5), Reuse::Fresh),
            (all, 5, max_age(4), fall_back),
            (all, 0, max_age(0), Reuse::Fresh),
            (all, 15, max_age(60), fall_back),
            (all, 5, min_fresh(5), Reuse::Fresh),
            (all, 6, min_fresh(5), fall_back),
            (lax, 15, max_stale(5), Reuse::Stale),
            (lax, 16, max_stale(5), ask),
            (strict, 15, max_stale(60), ask),
        ] {
            assert_eq!(terms.reuse(secs(age), &asked), expected, "{age} {asked:?}");
        }
    }
}
