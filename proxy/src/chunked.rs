//! Where a chunked body ends, strictly (RFC 9112 section 7.1): a size is hexadecimal digits and nothing else, lines end
//! with CRLF, extensions and trailers are bounded. It reads along and changes nothing.

/// A chunked body that is being read.
#[derive(Debug, Clone)]
pub struct ChunkedBody {
    state: State,
    /// Bytes of the line that is being read, or of all trailers.
    line: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Size { value: u64, digits: u8 },
    Extension { value: u64 },
    SizeLf { value: u64 },
    Data { left: u64 },
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    Done,
}

/// Not a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the chunked body is malformed")]
pub struct Malformed;

const MAX_LINE: usize = 4 << 10;
const MAX_TRAILERS: usize = 8 << 10;
const MAX_DIGITS: u8 = 15;

impl Default for ChunkedBody {
    fn default() -> Self {
        Self { state: State::Size { value: 0, digits: 0 }, line: 0 }
    }
}

impl ChunkedBody {
    /// Reads on; how many of these bytes belong to the body.
    ///
    /// # Errors
    /// At the first byte that can't be.
    pub fn read(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut at = 0;
        while at < bytes.len() && !self.is_done() {
            if let State::Data { left } = self.state {
                let skipped = left.min((bytes.len() - at) as u64);
                at += usize::try_from(skipped).map_err(|_| Malformed)?;
                self.state = if skipped == left { State::DataCr } else { State::Data { left: left - skipped } };
            } else {
                self.step(bytes[at])?;
                at += 1;
            }
        }
        Ok(at)
    }

    /// Whether the last byte was read.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    fn step(&mut self, byte: u8) -> Result<(), Malformed> {
        self.line += 1;
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let text = |byte: u8| byte == b'\t' || (byte >= 0x20 && byte != 0x7f);
        self.state = match (self.state, byte) {
            (State::Size { value, digits }, _) if byte.is_ascii_hexdigit() && digits < MAX_DIGITS => {
                let digit = char::from(byte).to_digit(16).map_or(0, u64::from);
                State::Size { value: value * 16 + digit, digits: digits + 1 }
            }
            (State::Size { value, digits: 1.. }, b';') => State::Extension { value },
            (State::Size { value, digits: 1.. }, b'\r') => State::SizeLf { value },
            (State::Extension { value }, b'\r') => State::SizeLf { value },
            (State::Extension { value }, _) if text(byte) && self.line < MAX_LINE => State::Extension { value },
            (State::SizeLf { value: 0 }, b'\n') => State::TrailerStart,
            (State::SizeLf { value }, b'\n') => State::Data { left: value },
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size { value: 0, digits: 0 },
            (State::TrailerStart, b'\r') => State::EndLf,
            (State::TrailerStart | State::TrailerName, _) if token(byte) && self.line < MAX_TRAILERS => {
                State::TrailerName
            }
            (State::TrailerName, b':') => State::TrailerValue,
            (State::TrailerValue, b'\r') => State::TrailerLf,
            (State::TrailerValue, _) if text(byte) && self.line < MAX_TRAILERS => State::TrailerValue,
            (State::TrailerLf, b'\n') => State::TrailerStart,
            (State::EndLf, b'\n') => State::Done,
            _ => return Err(Malformed),
        };
        if matches!(self.state, State::Data { .. } | State::Size { digits: 0, .. }) {
            self.line = 0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &[u8]) -> Result<(usize, bool), Malformed> {
        let mut whole = ChunkedBody::default();
        let at_once = whole.read(body)?;
        let mut bytewise = ChunkedBody::default();
        let one_by_one: usize = body.iter().map(|byte| bytewise.read(&[*byte])).sum::<Result<_, _>>()?;
        assert_eq!((at_once, whole.is_done()), (one_by_one, bytewise.is_done()));
        Ok((at_once, whole.is_done()))
    }

    #[test]
    fn a_body_ends_behind_its_last_line_and_not_before() {
        for (body, rest) in [
            ("0\r\n\r\n", ""),
            ("3\r\nabc\r\n0\r\n\r\n", "GET / HTTP/1.1"),
            ("00A;name=\"value\"\r\n0123456789\r\n000\r\n\r\n", "\r\n"),
            ("1\r\na\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n", "x"),
        ] {
            assert_eq!(read(format!("{body}{rest}").as_bytes()), Ok((body.len(), true)), "{body:?}");
        }
        assert_eq!(read(b"3\r\nab"), Ok((5, false)));
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_malformed() {
        for body in [
            "\r\n",
            ";a\r\nabc\r\n0\r\n\r\n",
            "3 \r\nabc\r\n",
            "+3\r\nabc\r\n",
            "0x3\r\nabc\r\n",
            "3\nabc\r\n",
            "3;a\nb\r\nabc\r\n",
            "3;a\0\r\nabc\r\n",
            "3\r\nabcd\r\n",
            "3\r\nabc\n0\r\n\r\n",
            "ffffffffffffffff\r\n",
            "0\r\nbad\r\n\r\n",
            "0\r\n X: y\r\n\r\n",
            "0\r\nX : y\r\n\r\n",
            "0\r\n\n",
            "-1\r\n",
        ] {
            assert_eq!(read(body.as_bytes()), Err(Malformed), "{body:?}");
        }
        assert_eq!(read(format!("3;{}\r\n", "a".repeat(20_000)).as_bytes()), Err(Malformed));
        assert_eq!(read(format!("0\r\nX: {}\r\n", "a".repeat(20_000)).as_bytes()), Err(Malformed));
    }
}
