//! What became of each request, and the figures that come out of it: outcomes by page, percentiles, outages.

use super::outage::{self, Asked, Outage};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Who answers for assets, whichever page they are of.
pub(super) const ASSETS: &str = "assets";

/// One request of a visitor; times are from the start of the run.
#[derive(Debug, Clone)]
pub(super) struct Record {
    /// Whose path it is.
    pub(super) page: String,
    /// `POST /checkout/details`
    pub(super) what: String,
    pub(super) began: Duration,
    pub(super) ended: Duration,
    pub(super) outcome: Outcome,
    /// The proxy's, if it gave one.
    pub(super) request_id: String,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// 2xx or 3xx.
    Good,
    /// 2xx of a page that says that something is missing or old.
    Degraded,
    /// 4xx other than 429.
    ClientError(u16),
    /// 429.
    TooMany,
    /// 5xx.
    ServerError { status: u16, by: By },
    /// None, or not all of it.
    NoAnswer(&'static str),
}

/// Who made a 5xx.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum By {
    /// The proxy, with this word in `x-proxy-error`.
    Proxy(String),
    /// The page.
    Page,
    /// A front.
    Fault,
}

/// A column of the table of outcomes.
pub(super) const COLUMNS: [&str; 9] =
    ["requests", "ok", "degraded", "4xx", "429", "5xx proxy", "5xx page", "5xx made by a fault", "no answer"];

impl Outcome {
    /// Whether the visitor has what was asked for, if perhaps with something missing.
    pub(super) fn is_good(&self) -> bool {
        matches!(self, Self::Good | Self::Degraded)
    }

    /// Whether it is the site's failure.
    pub(super) fn is_failure(&self) -> bool {
        matches!(self, Self::ServerError { .. } | Self::NoAnswer(_))
    }

    /// Its column.
    fn column(&self) -> usize {
        match self {
            Self::Good => 1,
            Self::Degraded => 2,
            Self::ClientError(_) => 3,
            Self::TooMany => 4,
            Self::ServerError { by: By::Proxy(_), .. } => 5,
            Self::ServerError { by: By::Page, .. } => 6,
            Self::ServerError { by: By::Fault, .. } => 7,
            Self::NoAnswer(_) => 8,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good => out.write_str("ok"),
            Self::Degraded => out.write_str("degraded"),
            Self::ClientError(status) => write!(out, "{status}"),
            Self::TooMany => out.write_str("429"),
            Self::ServerError { status, by: By::Proxy(word) } => write!(out, "{status} by the proxy ({word})"),
            Self::ServerError { status, by: By::Page } => write!(out, "{status} by the page"),
            Self::ServerError { status, by: By::Fault } => write!(out, "{status} made by a fault"),
            Self::NoAnswer(why) => out.write_str(why),
        }
    }
}

/// The table of outcomes: a row for each page and for assets.
pub(super) fn outcomes(records: &[Record]) -> BTreeMap<&str, [usize; COLUMNS.len()]> {
    let mut rows: BTreeMap<&str, [usize; COLUMNS.len()]> = BTreeMap::new();
    for record in records {
        let row = rows.entry(&record.page).or_default();
        row[0] += 1;
        row[record.outcome.column()] += 1;
    }
    rows
}

/// How often each outcome that is no good one was seen, by page.
pub(super) fn failures(records: &[Record]) -> BTreeMap<(String, String), usize> {
    let mut counts = BTreeMap::new();
    for record in records.iter().filter(|record| !record.outcome.is_good()) {
        *counts.entry((record.page.clone(), record.outcome.to_string())).or_default() += 1;
    }
    counts
}

/// The longest outage of each page. An answer of class 4xx says nothing about that.
pub(super) fn outages(records: &[Record]) -> BTreeMap<&str, Outage> {
    let mut asked: BTreeMap<&str, Vec<Asked>> = BTreeMap::new();
    let of_pages = records.iter().filter(|record| record.page != ASSETS);
    for Record { page, began, ended, outcome, .. } in of_pages {
        let requests = asked.entry(page).or_default();
        if outcome.is_good() || outcome.is_failure() {
            requests.push(Asked { began: *began, ended: *ended, good: outcome.is_good() });
        }
    }
    asked.into_iter().map(|(page, requests)| (page, outage::longest(&requests))).collect()
}

/// How long page answers took.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Percentiles {
    pub(super) count: usize,
    pub(super) p50: Duration,
    pub(super) p95: Duration,
    pub(super) p99: Duration,
    pub(super) longest: Duration,
}

/// Of the page answers that `holds` is true of.
pub(super) fn percentiles(records: &[Record], holds: impl Fn(&Record) -> bool) -> Percentiles {
    let answered = |record: &&Record| record.page != ASSETS && !matches!(record.outcome, Outcome::NoAnswer(_));
    let taken = records.iter().filter(answered).filter(|record| holds(record));
    let mut taken: Vec<Duration> = taken.map(|record| record.ended - record.began).collect();
    taken.sort_unstable();
    let at = |percent: usize| {
        let rank = (taken.len() * percent).div_ceil(100).max(1);
        taken.get(rank - 1).copied().unwrap_or_default()
    };
    Percentiles { count: taken.len(), p50: at(50), p95: at(95), p99: at(99), longest: at(100) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(page: &str, millis: (u64, u64), outcome: Outcome) -> Record {
        let (began, ended) = (Duration::from_millis(millis.0), Duration::from_millis(millis.1));
        Record { page: page.to_owned(), what: "GET /".to_owned(), began, ended, outcome, request_id: String::new() }
    }

    #[test]
    fn each_outcome_has_a_column_and_each_page_a_row() {
        let by = By::Proxy("connect".to_owned());
        let records = [
            record("checkout", (0, 1), Outcome::Good),
            record("checkout", (0, 1), Outcome::ServerError { status: 502, by }),
            record("checkout", (0, 1), Outcome::ServerError { status: 500, by: By::Fault }),
            record(ASSETS, (0, 1), Outcome::NoAnswer("broken off")),
        ];
        let rows = outcomes(&records);
        assert_eq!(rows["checkout"], [3, 1, 0, 0, 0, 1, 0, 1, 0]);
        assert_eq!(rows[ASSETS], [1, 0, 0, 0, 0, 0, 0, 0, 1]);
        let told = failures(&records);
        assert_eq!(told[&("checkout".to_owned(), "502 by the proxy (connect)".to_owned())], 1);
    }

    #[test]
    fn a_page_is_out_while_it_fails_and_not_while_it_refuses() {
        let failed = || Outcome::NoAnswer("no answer");
        let records = [
            record("checkout", (0, 100), Outcome::Good),
            record("checkout", (1_000, 2_000), failed()),
            record("checkout", (4_000, 4_500), Outcome::Degraded),
            record("frontpage", (0, 9_000), Outcome::ClientError(404)),
            record(ASSETS, (0, 9_000), failed()),
        ];
        let outages = outages(&records);
        assert_eq!(outages["checkout"].length(), Duration::from_millis(3_500));
        assert_eq!(outages["frontpage"].length(), Duration::ZERO);
        assert_eq!(outages.len(), 2);
    }

    #[test]
    fn percentiles_are_of_answers_that_were_given() {
        let mut records: Vec<Record> = (1..=100).map(|ms| record("checkout", (0, ms), Outcome::Good)).collect();
        records.push(record("checkout", (0, 60_000), Outcome::NoAnswer("timed out")));
        let found = percentiles(&records, |_| true);
        let millis = [found.p50, found.p95, found.p99, found.longest].map(|time| time.as_millis());
        assert_eq!((found.count, millis), (100, [50, 95, 99, 100]));
        assert_eq!(percentiles(&records, |_| false), Percentiles::default());
    }
}
