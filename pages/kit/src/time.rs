//! How a point in time is written.

use jiff::Timestamp;

/// The day of an RFC 3339 time, in UTC: `3 May 2026`. What is no time is given back as it is.
pub fn day(time: &str) -> String {
    match time.parse::<Timestamp>() {
        Ok(time) => time.strftime("%-d %B %Y").to_string(),
        Err(_) => time.to_owned(),
    }
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
}
