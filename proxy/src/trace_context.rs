//! The W3C `traceparent`: one trace over proxy, pages and services (Trace Context section 3.2).

use http::HeaderValue;

/// A trace and the span in it that we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: u128,
    span_id: u64,
    flags: u8,
}

impl TraceContext {
    /// A new, sampled trace.
    pub fn new() -> Self {
        Self { trace_id: non_zero(rand::random), span_id: non_zero(rand::random), flags: 1 }
    }

    /// The trace of a `traceparent`, with a span of our own; `None` when the header is malformed, of version `ff`, or
    /// all zero.
    pub fn continued(header: &str) -> Option<Self> {
        let mut parts = header.trim().splitn(5, '-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let known_length = parts.next().is_none() || version != "00";
        if version == "ff" || !lower_hex(version, 2) || !known_length {
            return None;
        }
        if !lower_hex(trace, 32) || !lower_hex(span, 16) || !lower_hex(flags, 2) {
            return None;
        }
        let trace_id = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
        u64::from_str_radix(span, 16).ok().filter(|id| *id != 0)?;
        let flags = u8::from_str_radix(flags, 16).ok()? & 1;
        Some(Self { trace_id, span_id: non_zero(rand::random), flags })
    }

    /// The value of `traceparent`.
    pub fn to_header(&self) -> HeaderValue {
        let mut text = *b"00-TTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTT-SSSSSSSSSSSSSSSS-FF";
        write_hex(&mut text[3..35], self.trace_id);
        write_hex(&mut text[36..52], self.span_id.into());
        write_hex(&mut text[53..], self.flags.into());
        // Digits and dashes make a good value.
        HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static(""))
    }

    /// The trace's id as 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }
}

/// Writes a number as lower-case hexadecimal digits that fill the room. For each request, so not by the formatter.
fn write_hex(room: &mut [u8], mut number: u128) {
    for digit in room.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
}

impl Default for TraceContext {
    fn default() -> Self {
        Self::new()
    }
}

fn lower_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

fn non_zero<T: Default + PartialEq>(mut random: impl FnMut() -> T) -> T {
    loop {
        let value = random();
        if value != T::default() {
            return value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_traceparent_is_continued_with_a_span_of_our_own() {
        let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let ours = TraceContext::continued(header).unwrap();
        assert_eq!(ours.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        let sent = ours.to_header();
        let parts: Vec<_> = sent.to_str().unwrap().split('-').collect();
        assert_eq!((parts[0], parts[1], parts[3]), ("00", "4bf92f3577b34da6a3ce929d0e0e4736", "01"));
        assert!(parts[2].len() == 16 && parts[2] != "00f067aa0ba902b7");
        assert!(TraceContext::continued(&format!("{}-more", header.replacen("00", "cc", 1))).is_some());
    }

    #[test]
    fn a_malformed_traceparent_is_not_continued() {
        for header in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        ] {
            assert_eq!(TraceContext::continued(header), None, "{header}");
        }
    }
}
