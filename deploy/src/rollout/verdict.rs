//! Whether a new release may have all visitors, by its figures and those of the old one. A pure function of these.

use super::figures::Figures;
use std::time::Duration;

/// Fewer requests on either side prove nothing.
pub(crate) const ENOUGH: u64 = 200;
/// By how many percentage points the error rate may be above the old release's.
const MORE_ERRORS: f64 = 1.0;
/// The time within which 99 of 100 are answered may be so many times the old release's, and this above.
const SLOWER: (f64, Duration) = (1.5, Duration::from_millis(50));

/// What the figures say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing yet.
    TooFew,
    /// The new release is no worse than it may be.
    Good,
    /// It is, by this figure.
    Worse(String),
}

/// Judges the new release.
pub(crate) fn judge(new: &Figures, old: &Figures) -> Verdict {
    if new.requests < ENOUGH || old.requests < ENOUGH {
        return Verdict::TooFew;
    }
    if new.error_percent() > old.error_percent() + MORE_ERRORS {
        let (is, was) = (percent(new), percent(old));
        let (of_new, of_old) = (thousands(new.requests), thousands(old.requests));
        return Verdict::Worse(format!("errors {is} of {of_new} requests, old release {was} of {of_old}"));
    }
    match (new.p99(), old.p99()) {
        (Some(is), Some(was)) if is > was.mul_f64(SLOWER.0) + SLOWER.1 => {
            let limit = milliseconds(was.mul_f64(SLOWER.0) + SLOWER.1);
            let (is, was) = (milliseconds(is), milliseconds(was));
            let (on_new, on_old) = (thousands(new.requests), thousands(old.requests));
            let reason = format!("p99 {is} on {on_new} requests, old release {was} on {on_old}: above {limit}");
            Verdict::Worse(reason)
        }
        _ => Verdict::Good,
    }
}

/// Both sides in a few words, the new one first.
pub(crate) fn told(new: &Figures, old: &Figures) -> String {
    let p99 = |side: &Figures| side.p99().map_or_else(|| "-".to_owned(), milliseconds);
    format!("errors {} / {}, p99 {} / {}", percent(new), percent(old), p99(new), p99(old))
}

/// With commas: 3,870.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut told = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            told.push(',');
        }
        told.push(digit);
    }
    told
}

fn percent(side: &Figures) -> String {
    format!("{:.1} %", side.error_percent())
}

fn milliseconds(time: Duration) -> String {
    format!("{} ms", thousands(time.as_millis().try_into().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With all answers in one bucket of a millisecond, whose end is `slow`.
    fn side(requests: u64, errors: u64, slow: u64) -> Figures {
        let within = vec![((slow - 1) * 1000, 0), (slow * 1000, requests), (u64::MAX, requests)];
        Figures { requests, errors, within }
    }

    #[test]
    fn a_release_is_worse_by_one_point_of_errors_or_by_half_the_time_and_50_ms() {
        let worse = |text: &str| Verdict::Worse(text.to_owned());
        for (new, old, expected) in [
            (side(199, 199, 10), side(5000, 0, 10), Verdict::TooFew),
            (side(5000, 0, 10), side(199, 0, 10), Verdict::TooFew),
            (side(200, 0, 10), side(200, 0, 10), Verdict::Good),
            (side(200, 2, 10), side(200, 0, 10), Verdict::Good),
            (side(200, 3, 10), side(200, 0, 10), worse("errors 1.5 % of 200 requests, old release 0.0 % of 200")),
            (side(412, 21, 10), side(3870, 0, 10), worse("errors 5.1 % of 412 requests, old release 0.0 % of 3,870")),
            (side(1000, 60, 10), side(1000, 50, 10), Verdict::Good),
            (
                side(1000, 61, 10),
                side(1000, 50, 10),
                worse("errors 6.1 % of 1,000 requests, old release 5.0 % of 1,000"),
            ),
            (side(1000, 0, 64), side(1000, 0, 10), Verdict::Good),
            (
                side(1000, 0, 66),
                side(1000, 0, 10),
                worse("p99 65 ms on 1,000 requests, old release 9 ms on 1,000: above 64 ms"),
            ),
            (side(1000, 0, 345), side(1000, 0, 200), Verdict::Good),
            (
                side(1000, 0, 360),
                side(1000, 0, 200),
                worse("p99 359 ms on 1,000 requests, old release 199 ms on 1,000: above 349 ms"),
            ),
            (Figures { within: Vec::new(), ..side(1000, 0, 10) }, side(1000, 0, 10), Verdict::Good),
        ] {
            assert_eq!(judge(&new, &old), expected);
        }
    }

    #[test]
    fn both_sides_are_told_in_a_few_words() {
        let nothing = Figures { within: Vec::new(), ..Figures::default() };
        assert_eq!(told(&side(412, 2, 13), &side(3870, 0, 12)), "errors 0.5 % / 0.0 %, p99 12 ms / 11 ms");
        assert_eq!(told(&nothing, &nothing), "errors 0.0 % / 0.0 %, p99 - / -");
    }

    #[test]
    fn a_number_is_told_with_commas() {
        for (number, expected) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(number), expected);
        }
    }
}
