//! The proxy's counters of one page, out of its Prometheus text (exposition format 0.0.4): how many answers, errors and how
//! fast, for each release.

use std::collections::BTreeMap;

/// What a release has counted, since its proxy began.
pub(crate) type Counters = BTreeMap<(String, Counter), u64>;

/// One of the counters that a rollout is decided by. Those of assets don't count: they come out of the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Counter {
    /// Answers to visitors.
    Answers,
    /// Of these, those of class 5xx.
    ServerErrors,
    /// Attempts that an instance gave no answer to, also when another one then did.
    FailedAttempts,
    /// Answers within so many microseconds; all of them at the largest number.
    Within(u64),
}

/// Reads the counters of `page`; lines that are not about them are passed over.
pub(crate) fn counters_of(page: &str, text: &str) -> Counters {
    let mut counters = Counters::new();
    let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(sample);
    for (name, labels, value) in samples {
        let label = |name: &str| labels.iter().find(|(found, _)| *found == name).map(|(_, value)| value.as_str());
        if label("page") != Some(page) || label("kind").is_some_and(|kind| kind != "page") {
            continue;
        }
        let release = label("release").unwrap_or_default();
        let mut add = |counter| *counters.entry((release.to_owned(), counter)).or_default() += value;
        match name {
            "pagefleet_requests_total" => {
                add(Counter::Answers);
                if label("class") == Some("5xx") {
                    add(Counter::ServerErrors);
                }
            }
            "pagefleet_failed_attempts_total" => add(Counter::FailedAttempts),
            "pagefleet_request_duration_seconds_bucket" => {
                if let Some(bound) = label("le").and_then(microseconds) {
                    add(Counter::Within(bound));
                }
            }
            _ => {}
        }
    }
    counters
}

type Labels<'a> = Vec<(&'a str, String)>;

/// `name{label="value",…} 12`
fn sample(line: &str) -> Option<(&str, Labels<'_>, u64)> {
    let (name, rest) = line.split_once('{')?;
    let (labels, rest) = labels(rest)?;
    let value: f64 = rest.split_ascii_whitespace().next()?.parse().ok()?;
    (value >= 0.0).then_some((name, labels, value as u64))
}

/// The labels before `}`, and what follows it.
fn labels(mut rest: &str) -> Option<(Labels<'_>, &str)> {
    let mut labels = Labels::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(behind) = rest.strip_prefix('}') {
            return Some((labels, behind));
        }
        let (name, quoted) = rest.split_once("=\"")?;
        let (value, behind) = unquoted(quoted)?;
        labels.push((name, value));
        rest = behind;
    }
}

/// The text before the closing quote, with `\\`, `\"` and `\n` resolved, and what follows it.
fn unquoted(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    loop {
        match characters.next()? {
            (at, '"') => return Some((value, &quoted[at + 1..])),
            (_, '\\') => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            (_, other) => value.push(other),
        }
    }
}

fn microseconds(le: &str) -> Option<u64> {
    let seconds: f64 = le.parse().ok()?;
    if seconds.is_infinite() { Some(u64::MAX) } else { Some((seconds * 1e6).round() as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# HELP pagefleet_requests_total answers
# TYPE pagefleet_requests_total counter
pagefleet_requests_total{class="2xx",kind="page",page="checkout",release="0.1.0"} 40
pagefleet_requests_total{class="5xx",kind="page",page="checkout",release="0.1.0"} 2
pagefleet_requests_total{class="none",kind="page",page="checkout",release="0.1.0"} 1
pagefleet_requests_total{class="2xx",kind="asset",page="checkout",release="0.1.0"} 900
pagefleet_requests_total{class="2xx",kind="page",page="frontpage",release="0.1.0"} 70
pagefleet_requests_total{class="2xx",kind="page",page="checkout",release="a\"},b\\"} 3
pagefleet_failed_attempts_total{page="checkout",release="0.1.0"} 5 1700000000000
pagefleet_request_duration_seconds_bucket{kind="page",page="checkout",release="0.1.0",le="0.001"} 10
pagefleet_request_duration_seconds_bucket{kind="page",page="checkout",release="0.1.0",le="0.0014142135623730951"} 20
pagefleet_request_duration_seconds_bucket{kind="page",page="checkout",release="0.1.0",le="+Inf"} 43
pagefleet_request_duration_seconds_sum{kind="page",page="checkout",release="0.1.0"} 1.5
pagefleet_in_flight 7
pagefleet_requests_total{class="2xx",kind="page",page="checkout",release="torn
"#;

    #[test]
    fn the_counters_of_one_page_are_read_by_release() {
        let expected = [
            ("0.1.0", Counter::Answers, 43),
            ("0.1.0", Counter::ServerErrors, 2),
            ("0.1.0", Counter::FailedAttempts, 5),
            ("0.1.0", Counter::Within(1000), 10),
            ("0.1.0", Counter::Within(1414), 20),
            ("0.1.0", Counter::Within(u64::MAX), 43),
            ("a\"},b\\", Counter::Answers, 3),
        ];
        let expected = expected.map(|(release, counter, value)| ((release.to_owned(), counter), value));
        assert_eq!(counters_of("checkout", TEXT), Counters::from(expected));
        assert_eq!(counters_of("basket", TEXT), Counters::new());
    }
}
