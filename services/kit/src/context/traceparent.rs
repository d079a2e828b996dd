//! Reading a `traceparent` (W3C Trace Context, level 1).

/// The trace id and the sampled flag of a `traceparent`, by section 3.2.2; a later version is read as version 00.
pub(super) fn parse(value: &str) -> Option<(&str, bool)> {
    let hex = |part: &str, digits: usize| {
        part.len() == digits && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    let mut parts = value.split('-');
    let (version, trace_id) = (parts.next()?, parts.next()?);
    let (parent_id, flags) = (parts.next()?, parts.next()?);
    let more = parts.next().is_some();
    let well_formed = hex(version, 2)
        && version != "ff"
        && !(version == "00" && more)
        && hex(trace_id, 32)
        && !zero(trace_id)
        && hex(parent_id, 16)
        && !zero(parent_id)
        && hex(flags, 2);
    if !well_formed {
        return None;
    }
    let flags = u8::from_str_radix(flags, 16).ok()?;
    Some((trace_id, flags & 1 == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn traceparents_are_read_as_the_standard_says() {
        let parent = "00f067aa0ba902b7";
        let table = [
            (format!("00-{TRACE}-{parent}-01"), Some(true)),
            (format!("00-{TRACE}-{parent}-00"), Some(false)),
            (format!("00-{TRACE}-{parent}-03"), Some(true)),
            (format!("cc-{TRACE}-{parent}-01-later"), Some(true)),
            (format!("00-{TRACE}-{parent}-01-later"), None),
            (format!("ff-{TRACE}-{parent}-01"), None),
            (format!("00-{}-{parent}-01", TRACE.to_uppercase()), None),
            (format!("00-{}-{parent}-01", "0".repeat(32)), None),
            (format!("00-{TRACE}-{}-01", "0".repeat(16)), None),
            (format!("00-{TRACE}-{parent}"), None),
            (String::new(), None),
        ];
        for (value, expected) in table {
            assert_eq!(parse(&value).map(|(_, sampled)| sampled), expected, "{value}");
        }
    }
}
