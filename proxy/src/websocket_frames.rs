//! Where the frames that a server sends on a WebSocket end (RFC 6455 section 5.2), so that a Close frame may be put
//! after one. It reads along and changes nothing; what frames mean is for the two ends.

/// A Close frame from a server, with status 1001: it is going away (RFC 6455 sections 5.5.1 and 7.4.1).
pub const GOING_AWAY: [u8; 4] = [0x88, 0x02, 0x03, 0xE9];

const CLOSE: u8 = 0x8;

/// What a server has sent so far on an upgraded connection.
#[derive(Debug, Clone, Default)]
pub struct Frames {
    state: State,
    closed: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// Between two frames: also between two fragments of a message, where control frames may stand.
    #[default]
    Boundary,
    /// After the first byte of a head.
    Length,
    /// In the extended length.
    ExtendedLength { missing: u8, length: u64, masked: bool },
    /// In the masking key, which a server should not send, or in the payload.
    Rest { missing: u64 },
}

impl Frames {
    /// Reads on, from wherever the last bytes ended.
    pub fn read(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            if let State::Rest { missing } = self.state {
                let skipped = usize::try_from(missing).unwrap_or(usize::MAX).min(rest.len());
                rest = &rest[skipped..];
                self.state = rest_of(missing - skipped as u64, false);
            } else {
                rest = after;
                self.head(byte);
            }
        }
    }

    /// Whether the last frame is complete.
    pub fn at_boundary(&self) -> bool {
        self.state == State::Boundary
    }

    /// Whether the server has begun to send Close itself: nothing may follow it.
    pub fn closed(&self) -> bool {
        self.closed
    }

    fn head(&mut self, byte: u8) {
        self.state = match self.state {
            State::Boundary => {
                self.closed |= byte & 0x0f == CLOSE;
                State::Length
            }
            State::Length => {
                let masked = byte & 0x80 != 0;
                match byte & 0x7f {
                    126 => State::ExtendedLength { missing: 2, length: 0, masked },
                    127 => State::ExtendedLength { missing: 8, length: 0, masked },
                    length => rest_of(length.into(), masked),
                }
            }
            State::ExtendedLength { missing, length, masked } => {
                let length = length << 8 | u64::from(byte);
                if missing > 1 {
                    State::ExtendedLength { missing: missing - 1, length, masked }
                } else {
                    rest_of(length, masked)
                }
            }
            State::Rest { .. } => self.state,
        };
    }
}

fn rest_of(payload: u64, masked: bool) -> State {
    match payload.saturating_add(if masked { 4 } else { 0 }) {
        0 => State::Boundary,
        missing => State::Rest { missing },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, payload: usize) -> Vec<u8> {
        let head = match payload {
            0..126 => vec![first, payload as u8],
            126..65_536 => [&[first, 126][..], &(payload as u16).to_be_bytes()].concat(),
            _ => [&[first, 127][..], &(payload as u64).to_be_bytes()].concat(),
        };
        // A payload that looks like the head of a Close frame is none.
        [head, vec![0x88; payload]].concat()
    }

    /// Each frame sequence, and whether the server closed.
    fn table() -> Vec<(Vec<Vec<u8>>, bool)> {
        vec![
            (vec![], false),
            (vec![frame(0x81, 0)], false),
            (vec![frame(0x81, 5), frame(0x82, 125)], false),
            (vec![frame(0x82, 126), frame(0x89, 3), frame(0x8a, 0)], false),
            (vec![frame(0x01, 200), frame(0x89, 0), frame(0x80, 65_535)], false),
            (vec![frame(0x82, 65_536), frame(0xc1, 7)], false),
            (vec![frame(0x81, 2), GOING_AWAY.to_vec()], true),
            (vec![frame(0x88, 0)], true),
            (vec![frame(0x88, 125)], true),
            (vec![vec![0x81, 0x82, 1, 2, 3, 4, 0x88, 0x88], frame(0x81, 1)], false),
            (
                vec![
                    vec![0x81, 0x80, 1, 2, 3, 4],
                    vec![0x81, 126, 0, 1, 0x88],
                    vec![0x82, 127, 0, 0, 0, 0, 0, 0, 0, 0],
                ],
                false,
            ),
        ]
    }

    #[test]
    fn frames_end_where_their_lengths_say() {
        for (frames, closed) in table() {
            let mut read = Frames::default();
            assert!(read.at_boundary() && !read.closed());
            for frame in &frames {
                for (index, byte) in frame.iter().enumerate() {
                    read.read(&[*byte]);
                    assert_eq!(read.at_boundary(), index + 1 == frame.len(), "{index} of {}", frame.len());
                }
            }
            assert_eq!(read.closed(), closed);
        }
    }

    #[test]
    fn any_split_of_the_bytes_reads_the_same() {
        for (frames, closed) in table() {
            let bytes = frames.concat();
            let ends = frames.iter().scan(0, |end, frame| {
                *end += frame.len();
                Some(*end)
            });
            let ends = [0].into_iter().chain(ends).collect::<Vec<_>>();
            let step = bytes.len() / 500 + 1;
            let near_ends = ends.iter().flat_map(|end| end.saturating_sub(12)..(end + 12).min(bytes.len()));
            for split in (0..=bytes.len()).step_by(step).chain(near_ends) {
                let mut read = Frames::default();
                read.read(&bytes[..split]);
                assert_eq!(read.at_boundary(), ends.contains(&split), "{split}");
                read.read(&[]);
                read.read(&bytes[split..]);
                assert!(read.at_boundary());
                assert_eq!(read.closed(), closed);
            }
            for size in [1, 2, 3, 7, 100, 4096] {
                let mut read = Frames::default();
                bytes.chunks(size).for_each(|chunk| read.read(chunk));
                assert!(read.at_boundary() && read.closed() == closed, "{size}");
            }
        }
    }

    #[test]
    fn a_length_that_no_frame_can_have_never_ends() {
        let mut read = Frames::default();
        read.read(&[0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        read.read(&[0; 100_000]);
        assert!(!read.at_boundary() && !read.closed());
    }

    #[test]
    fn going_away_is_one_close_frame() {
        let mut read = Frames::default();
        read.read(&GOING_AWAY);
        assert!(read.at_boundary() && read.closed());
        assert_eq!(u16::from_be_bytes([GOING_AWAY[2], GOING_AWAY[3]]), 1001);
    }
}
