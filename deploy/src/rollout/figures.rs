//! The figures that a release is judged by: requests, errors, and the time within which 99 of 100 were answered. They are
//! counted over a window, across restarts of the proxy, whose counters then begin at 0 again.

use super::exposition::{Counter, Counters};
use std::time::Duration;

/// Of one side of a rollout, the new release or the old.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// What visitors asked, and what an instance left unanswered.
    pub(crate) requests: u64,
    /// Of these, those that went wrong.
    pub(crate) errors: u64,
    /// How many were answered within a bound in microseconds, in the order of the bounds; the last has none.
    pub(crate) within: Vec<(u64, u64)>,
}

/// What was counted since the first look.
#[derive(Debug, Default)]
pub(crate) struct Window {
    last: Option<Counters>,
    counted: Counters,
}

impl Window {
    /// Takes note of the proxy's counters as they are now. A counter that is less than it was is that of another proxy.
    pub(crate) fn look(&mut self, now: Counters) {
        let value = |counters: &Counters, key: &(String, Counter)| counters.get(key).copied().unwrap_or_default();
        if let Some(last) = &self.last {
            let is_another = last.iter().any(|(key, was)| value(&now, key) < *was);
            for (key, is) in &now {
                let was = if is_another { 0 } else { value(last, key) };
                *self.counted.entry(key.clone()).or_default() += is - was;
            }
        }
        self.last = Some(now);
    }

    /// The figures of the releases that `side` says yes to.
    pub(crate) fn figures(&self, side: impl Fn(&str) -> bool) -> Figures {
        Figures::of(&self.counted, side)
    }
}

impl Figures {
    /// The figures of the releases that `side` says yes to.
    pub(crate) fn of(counters: &Counters, side: impl Fn(&str) -> bool) -> Self {
        let mut figures = Self::default();
        for ((_, counter), value) in counters.iter().filter(|((release, _), _)| side(release)) {
            match *counter {
                Counter::Answers => figures.requests += value,
                Counter::ServerErrors => figures.errors += value,
                Counter::FailedAttempts => {
                    figures.requests += value;
                    figures.errors += value;
                }
                Counter::Within(bound) => figures.add_within(bound, *value),
            }
        }
        figures
    }

    fn add_within(&mut self, bound: u64, count: u64) {
        match self.within.binary_search_by_key(&bound, |(bound, _)| *bound) {
            Ok(at) => self.within[at].1 += count,
            Err(at) => self.within.insert(at, (bound, count)),
        }
    }

    /// Errors of 100 requests.
    pub(crate) fn error_percent(&self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.errors as f64 * 100.0 / self.requests as f64 }
    }

    /// The time within which 99 of 100 were answered, interpolated inside its bucket as Prometheus does; the last bound if
    /// it is beyond. `None` if nothing was answered.
    pub(crate) fn p99(&self) -> Option<Duration> {
        let all = self.within.last()?.1;
        if all == 0 {
            return None;
        }
        let rank = all as f64 * 0.99;
        let at = self.within.iter().position(|(_, count)| *count as f64 >= rank)?;
        let (lower, below) = if at == 0 { (0, 0) } else { self.within[at - 1] };
        let (upper, count) = self.within[at];
        if upper == u64::MAX || count == below {
            return Some(Duration::from_micros(lower));
        }
        let inside = (rank - below as f64) / (count - below) as f64;
        Some(Duration::from_micros(lower + ((upper - lower) as f64 * inside).round() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(release: &str, values: &[(Counter, u64)]) -> Counters {
        values.iter().map(|(counter, value)| ((release.to_owned(), *counter), *value)).collect()
    }

    #[test]
    fn a_window_counts_from_its_first_look_and_on_over_a_restart_of_the_proxy() {
        let answers = |count, errors| counters("new", &[(Counter::Answers, count), (Counter::ServerErrors, errors)]);
        let mut window = Window::default();
        for (now, requests, errors) in [
            (answers(1000, 9), 0, 0),
            (answers(1100, 10), 100, 1),
            (answers(30, 2), 130, 3),
            (Counters::new(), 130, 3),
            (answers(5, 0), 135, 3),
            (answers(40, 0), 170, 3),
        ] {
            window.look(now);
            let figures = window.figures(|release| release == "new");
            assert_eq!((figures.requests, figures.errors), (requests, errors));
        }
        assert_eq!(window.figures(|release| release == "old"), Figures::default());
    }

    #[test]
    fn what_an_instance_left_unanswered_counts_as_a_request_and_as_an_error() {
        let values = [(Counter::Answers, 95), (Counter::ServerErrors, 1), (Counter::FailedAttempts, 5)];
        let figures = Figures::of(&counters("new", &values), |_| true);
        assert_eq!((figures.requests, figures.errors), (100, 6));
        assert!((figures.error_percent() - 6.0).abs() < 1e-9);
        assert!(Figures::default().error_percent().abs() < 1e-9);
    }

    #[test]
    fn the_99th_percentile_is_interpolated_inside_its_bucket() {
        const ALL: u64 = u64::MAX;
        for (within, expected) in [
            (&[][..], None),
            (&[(1000, 0), (ALL, 0)], None),
            (&[(1000, 100), (2000, 100), (ALL, 100)], Some(990)),
            (&[(1000, 0), (2000, 100), (ALL, 100)], Some(1990)),
            (&[(1000, 98), (2000, 100), (ALL, 100)], Some(1500)),
            (&[(1000, 99), (2000, 99), (ALL, 100)], Some(990 + 10)),
            (&[(1000, 50), (2000, 60), (ALL, 100)], Some(2000)),
        ] {
            let figures = Figures { within: within.to_vec(), ..Figures::default() };
            assert_eq!(figures.p99(), expected.map(Duration::from_micros), "{within:?}");
        }
    }

    #[test]
    fn the_old_side_may_be_several_releases() {
        let mut both = counters("0.1.0", &[(Counter::Within(1000), 3), (Counter::Within(u64::MAX), 4)]);
        both.extend(counters("0.2.0", &[(Counter::Within(2000), 5), (Counter::Within(u64::MAX), 6)]));
        let figures = Figures::of(&both, |release| release != "0.3.0");
        assert_eq!(figures.within, [(1000, 3), (2000, 5), (u64::MAX, 10)]);
    }
}
