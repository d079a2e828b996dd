//! How a point in time is written.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The day of an RFC 3339 time, in UTC: `3 May 2026`. What is no time is given back as it is.
pub fn day(time: &str) -> String {
    match time.parse::<Timestamp>() {
        Ok(time) => time.strftime("%-d %B %Y").to_string(),
        Err(_) => time.to_owned(),
    }
}

/// How long ago something was, as one would say it: `5 minutes ago`.
pub fn ago(age: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match age.as_secs() {
        ..MINUTE => "a moment ago".to_owned(),
        seconds @ ..HOUR => said(seconds / MINUTE, "minute"),
        seconds @ ..DAY => said(seconds / HOUR, "hour"),
        seconds => said(seconds / DAY, "day"),
    }
}

/// The same as RFC 3339 has it, for a `time` element.
pub fn time_ago(age: Duration) -> String {
    let age = SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX);
    let time = Timestamp::now().checked_sub(age).unwrap_or(Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn said(count: u64, unit: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural} ago")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_written_out() {
        assert_eq!(day("2026-05-03T23:59:59.123Z"), "3 May 2026");
        assert_eq!(day("2026-12-31T23:30:00-01:00"), "1 January 2027");
        assert_eq!(day("yesterday"), "yesterday");
    }

    #[test]
    fn an_age_is_told_in_one_unit() {
        let told = [(0, "a moment"), (59, "a moment"), (60, "1 minute"), (3_599, "59 minutes"), (3_600, "1 hour")];
        for (seconds, words) in told.into_iter().chain([(86_399, "23 hours"), (86_400, "1 day"), (200_000, "2 days")]) {
            assert_eq!(ago(Duration::from_secs(seconds)), format!("{words} ago"), "{seconds}");
        }
    }

    #[test]
    fn a_time_ago_is_a_point_in_time() {
        for age in [Duration::ZERO, Duration::from_secs(86_400), Duration::MAX] {
            assert!(time_ago(age).parse::<Timestamp>().is_ok_and(|time| time <= Timestamp::now()), "{age:?}");
        }
    }
}
