//! How long a page was out: the longest time in which somebody waited for it, and nobody got a good answer.

use std::time::Duration;

/// A request, as far as outages are concerned; times are from the start of the run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) began: Duration,
    pub(super) ended: Duration,
    /// It was answered 2xx or 3xx.
    pub(super) good: bool,
}

/// From when to when.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Outage {
    pub(super) from: Duration,
    pub(super) to: Duration,
}

impl Outage {
    /// How long it took.
    pub(super) fn length(self) -> Duration {
        self.to - self.from
    }
}

/// The longest outage. One begins with the last good answer, or with the first request after it, as nobody knows what
/// an answer would have been while nobody asked.
pub(super) fn longest(requests: &[Asked]) -> Outage {
    let mut requests = requests.to_vec();
    requests.sort_by_key(|request| request.ended);
    let mut longest = Outage::default();
    let mut last_good = Duration::ZERO;
    let mut waiting_since: Option<Duration> = None;
    for request in requests {
        let since = waiting_since.map_or(request.began, |since| since.min(request.began)).max(last_good);
        let outage = Outage { from: since, to: request.ended.max(since) };
        if outage.length() > longest.length() {
            longest = outage;
        }
        waiting_since = (!request.good).then_some(since);
        if request.good {
            last_good = request.ended;
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(requests: &[(u64, u64, bool)]) -> Outage {
        let second = Duration::from_secs;
        let asked =
            |&(began, ended, good): &(u64, u64, bool)| Asked { began: second(began), ended: second(ended), good };
        longest(&requests.iter().map(asked).collect::<Vec<_>>())
    }

    fn outage(from: u64, to: u64) -> Outage {
        Outage { from: Duration::from_secs(from), to: Duration::from_secs(to) }
    }

    #[test]
    fn an_outage_takes_from_the_first_failure_to_the_next_good_answer() {
        let requests = [(0, 0, true), (5, 6, false), (7, 8, false), (9, 10, true), (20, 20, true)];
        assert_eq!(asked(&requests), outage(5, 10));
    }

    #[test]
    fn time_in_which_nobody_asked_is_no_outage() {
        assert_eq!(asked(&[(0, 0, true), (600, 600, true)]).length(), Duration::ZERO);
        assert_eq!(asked(&[]).length(), Duration::ZERO);
    }

    #[test]
    fn a_failure_beside_good_answers_is_no_outage_longer_than_the_time_between_them() {
        let requests = [(0, 30, false), (0, 1, true), (10, 11, true), (20, 21, true), (29, 31, true)];
        assert_eq!(asked(&requests), outage(21, 31));
    }

    #[test]
    fn an_answer_that_everybody_waits_for_is_an_outage_too() {
        assert_eq!(asked(&[(0, 1, true), (2, 14, true), (15, 15, true)]), outage(2, 14));
    }

    #[test]
    fn an_outage_that_does_not_end_takes_to_the_last_failure() {
        assert_eq!(asked(&[(0, 1, true), (3, 4, false), (30, 40, false)]), outage(3, 40));
    }
}
