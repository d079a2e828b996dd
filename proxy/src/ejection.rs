//! When an instance that visitors' attempts keep failing at is put out, and for how long: passive ejection with backoff.

use pagefleet_config::Ejection;
use std::time::{Duration, Instant};

/// How an instance has been doing.
#[derive(Debug, Default)]
pub struct Record {
    failures_in_a_row: u32,
    ejections: u32,
    until: Option<Instant>,
}

impl Record {
    /// Notes how an attempt ended; whether that makes as many failures in a row as it takes.
    pub fn attempted(&mut self, failed: bool, settings: &Ejection) -> bool {
        self.failures_in_a_row = if failed { self.failures_in_a_row.saturating_add(1) } else { 0 };
        settings.failures > 0 && self.failures_in_a_row >= settings.failures
    }

    /// Puts it out from `now` on: for `base`, twice as long each time that follows, at most for `max`. After it has done
    /// well for as long as `max`, the next time is a first one again.
    pub fn eject(&mut self, settings: &Ejection, now: Instant) {
        if self.until.is_some_and(|until| now.saturating_duration_since(until) > settings.max) {
            self.ejections = 0;
        }
        self.until = Some(now + backoff(self.ejections, settings));
        self.ejections = self.ejections.saturating_add(1);
        self.failures_in_a_row = 0;
    }

    /// Whether it is out at `now`.
    pub fn is_ejected(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

fn backoff(ejections: u32, settings: &Ejection) -> Duration {
    settings.base.saturating_mul(2_u32.saturating_pow(ejections)).min(settings.max)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Ejection = Ejection { failures: 3, base: Duration::from_secs(5), max: Duration::from_secs(60) };

    #[test]
    fn only_failures_in_a_row_put_an_instance_out() {
        let mut record = Record::default();
        for (failed, out) in [(true, false), (true, false), (false, false), (true, false), (true, false), (true, true)]
        {
            assert_eq!(record.attempted(failed, &SETTINGS), out);
        }
        assert!(!Record::default().attempted(true, &Ejection { failures: 0, ..SETTINGS }));
    }

    #[test]
    fn each_ejection_is_longer_until_it_has_done_well_for_a_while() {
        let mut record = Record::default();
        let mut now = Instant::now();
        for seconds in [5, 10, 20, 40, 60, 60] {
            record.eject(&SETTINGS, now);
            assert!(record.is_ejected(now + Duration::from_secs(seconds) - Duration::from_millis(1)));
            now += Duration::from_secs(seconds);
            assert!(!record.is_ejected(now));
        }
        now += Duration::from_secs(61);
        record.eject(&SETTINGS, now);
        assert!(!record.is_ejected(now + Duration::from_secs(5)));
    }
}
