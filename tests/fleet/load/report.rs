//! What visitors saw, page by page.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// How many failures are told in full.
const TOLD: usize = 20;

/// What all visitors saw.
#[derive(Debug, Default, Clone)]
pub(crate) struct Report {
    pub(crate) pages: BTreeMap<&'static str, Page>,
    pub(crate) took: Duration,
    /// How many connections were opened.
    pub(crate) connections: u64,
    /// How many of those because the one before was closed while it was idle.
    pub(crate) reopened: u64,
}

/// What they saw of one page and its assets.
#[derive(Debug, Default, Clone)]
pub(crate) struct Page {
    pub(crate) requests: u64,
    pub(crate) failures: Vec<Failure>,
    /// Paths of assets whose bytes were others' than their fingerprint's, or a document.
    pub(crate) wrong_bytes: Vec<String>,
    /// Documents by release.
    pub(crate) releases: BTreeMap<String, u64>,
    /// The releases of each visitor with cookies, one after the other.
    pub(crate) histories: BTreeMap<usize, Vec<String>>,
    /// The longest that a document took.
    pub(crate) slowest: Duration,
}

/// A request that was not answered 200.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// How long after the start.
    pub(crate) after: Duration,
    pub(crate) path: String,
    pub(crate) what: String,
}

impl Page {
    pub(super) fn visited(&mut self, release: String, visitor_with_cookies: Option<usize>, took: Duration) {
        self.slowest = self.slowest.max(took);
        if let Some(visitor) = visitor_with_cookies {
            let history = self.histories.entry(visitor).or_default();
            if history.last() != Some(&release) {
                history.push(release.clone());
            }
        }
        *self.releases.entry(release).or_default() += 1;
    }

    /// How many documents of a release were seen.
    pub(crate) fn documents_of(&self, release: &str) -> u64 {
        self.releases.get(release).copied().unwrap_or_default()
    }
}

impl Report {
    pub(crate) fn page(&self, page: &str) -> Page {
        self.pages.get(page).cloned().unwrap_or_default()
    }

    /// That every request of every page was answered 200 with the right bytes.
    pub(crate) fn assert_nothing_failed(&self) {
        self.assert_only_failed(&|_, _| false);
    }

    /// That the bytes were right, and what failed may be excused by its page and its words.
    pub(crate) fn assert_only_failed(&self, excuse: &dyn Fn(&str, &Failure) -> bool) {
        assert!(!self.pages.is_empty() && self.pages.values().all(|page| page.requests > 0), "nobody asked:\n{self}");
        for (name, page) in &self.pages {
            let failed = page.failures.iter().filter(|failure| !excuse(name, failure)).count();
            assert_eq!((failed, page.wrong_bytes.len()), (0, 0), "of {name}:\n{self}");
        }
    }

    /// That each visitor with cookies went through the releases of a page in this order, some left out, none again.
    pub(crate) fn assert_in_order(&self, page: &str, order: &[&str]) {
        for (visitor, history) in &self.page(page).histories {
            let mut order = order.iter();
            let follows = history.iter().all(|release| order.any(|next| next == release));
            assert!(follows, "visitor {visitor} of {page} went {history:?}\n{self}");
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, connections, reopened) = (self.took.as_secs_f64(), self.connections, self.reopened);
        for (name, page) in &self.pages {
            let releases: Vec<_> =
                page.releases.iter().map(|(release, documents)| format!("{release}: {documents}")).collect();
            writeln!(
                f,
                "load: {name:<10} {:>6} requests, {} failed, {} wrong bytes, slowest document {} ms, by release {}",
                page.requests,
                page.failures.len(),
                page.wrong_bytes.len(),
                page.slowest.as_millis(),
                releases.join(", ")
            )?;
        }
        write!(f, "load: {seconds:.1} s, {connections} connections, {reopened} reopened after they were closed idle")?;
        for (name, page) in &self.pages {
            for failure in page.failures.iter().take(TOLD) {
                let Failure { after, path, what } = failure;
                write!(f, "\n  {name} after {:.3} s: GET {path}: {what}", after.as_secs_f64())?;
            }
            for path in page.wrong_bytes.iter().take(TOLD) {
                write!(f, "\n  {name}: wrong bytes for {path}")?;
            }
        }
        Ok(())
    }
}
