//! How long a request may take, as its header says it: whole milliseconds.

use std::time::Duration;

/// What a request has whose header does not say.
pub(super) const UNTOLD: Duration = Duration::from_secs(10);

const LEAST: Duration = Duration::from_millis(1);
const MOST: Duration = Duration::from_secs(60);

/// The time in a header, within bounds; none when it is no number.
pub(super) fn parse(value: &str) -> Option<Duration> {
    let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
    let milliseconds = value.parse().ok().filter(|_| is_number)?;
    Some(Duration::from_millis(milliseconds).clamp(LEAST, MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_whole_milliseconds_within_reason() {
        let table = [
            ("1500", Some(1_500)),
            ("0", Some(1)),
            ("60000", Some(60_000)),
            ("86400000", Some(60_000)),
            ("99999999999999999999999", None),
            ("-1", None),
            ("+5", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ];
        for (value, expected) in table {
            assert_eq!(parse(value), expected.map(Duration::from_millis), "{value:?}");
        }
    }
}
