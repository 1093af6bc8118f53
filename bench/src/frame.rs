//! The client's half of RFC 6455, as little of it as a load generator needs.

/// What a frame is; its number on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    Text = 0x1,
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xA,
}

/// One whole unmasked frame of a server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) opcode: Opcode,
    pub(crate) payload: &'a [u8],
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    /// Masked, compressed, fragmented, or of no known kind: nothing that was negotiated.
    #[error("a frame begins with {0:#04x} {1:#04x}, which was not negotiated")]
    Unexpected(u8, u8),
    #[error("a frame of {0} bytes, more than the read buffer holds")]
    TooLong(u64),
}

/// The longest frame that [`Frames`] yields: what fits the read buffer with room to spare.
pub(crate) const FRAME_BYTES_MAX: usize = 128 * 1024;

/// Walks the frames of `input` by their headers; stops before the first that is not all there.
pub(crate) struct Frames<'a> {
    input: &'a [u8],
    consumed: usize,
}

impl<'a> Frames<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Self { input, consumed: 0 }
    }

    /// Bytes of the frames yielded so far; the rest is to be kept for the next read.
    pub(crate) fn consumed(&self) -> usize {
        self.consumed
    }

    /// The next frame; `Ok(None)` means "not all here yet".
    ///
    /// # Errors
    /// See [`FrameError`]; the walk cannot go on.
    pub(crate) fn next(&mut self) -> Result<Option<Frame<'a>>, FrameError> {
        let rest = &self.input[self.consumed..];
        let &[first, second, ..] = rest else { return Ok(None) };
        let opcode = match first {
            0x81 => Opcode::Text,
            0x82 => Opcode::Binary,
            0x88 => Opcode::Close,
            0x89 => Opcode::Ping,
            0x8A => Opcode::Pong,
            _ => return Err(FrameError::Unexpected(first, second)),
        };
        let (header, length) = match second {
            0..=125 => (2, usize::from(second)),
            126 => match rest {
                &[_, _, a, b, ..] => (4, usize::from(u16::from_be_bytes([a, b]))),
                _ => return Ok(None),
            },
            127 => match rest.get(2..10) {
                Some(&[a, b, c, d, e, f, g, h]) => {
                    let length = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
                    let fits = usize::try_from(length).ok().filter(|&n| n <= FRAME_BYTES_MAX);
                    (10, fits.ok_or(FrameError::TooLong(length))?)
                }
                _ => return Ok(None),
            },
            _ => return Err(FrameError::Unexpected(first, second)),
        };
        let Some(payload) = rest.get(header..header + length) else { return Ok(None) };
        self.consumed += header + length;
        Ok(Some(Frame { opcode, payload }))
    }
}

/// Servers must unmask whatever the key is; a constant one costs the generator no random numbers.
const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// Appends one masked frame to `out`.
pub(crate) fn encode(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    out.push(0x80 | opcode as u8);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ 0..=125), _) => out.push(0x80 | length),
        (_, Ok(length)) => {
            out.push(0x80 | 126);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            length @ 0..=125 => bytes.push(u8::try_from(length).unwrap()),
            length @ 126..=65_535 => {
                bytes.push(126);
                bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            length => {
                bytes.push(127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn a_frame_cut_anywhere_is_incomplete_and_takes_nothing() {
        for length in [0, 1, 125, 126, 200, 65_535, 65_536] {
            let bytes = server_frame(0x81, &vec![b'x'; length]);
            for cut in (0..bytes.len()).filter(|cut| *cut < 20 || *cut == bytes.len() - 1) {
                let mut frames = Frames::new(&bytes[..cut]);
                assert_eq!(frames.next(), Ok(None), "{length} bytes cut at {cut}");
                assert_eq!(frames.consumed(), 0);
            }
            let mut frames = Frames::new(&bytes);
            assert_eq!(frames.next().unwrap().unwrap().payload.len(), length);
            assert_eq!(frames.consumed(), bytes.len());
        }
    }

    #[test]
    fn frames_that_share_a_read_come_out_one_by_one() {
        let mut bytes = server_frame(0x81, b"2");
        bytes.extend(server_frame(0x82, &[7; 300]));
        bytes.extend(server_frame(0x89, b"hi"));
        let whole = bytes.len();
        bytes.extend(&server_frame(0x81, b"not all of this")[..9]);
        let mut frames = Frames::new(&bytes);
        let mut seen = Vec::new();
        while let Some(frame) = frames.next().unwrap() {
            seen.push((frame.opcode, frame.payload.len()));
        }
        assert_eq!(seen, [(Opcode::Text, 1), (Opcode::Binary, 300), (Opcode::Ping, 2)]);
        assert_eq!(frames.consumed(), whole);
    }

    #[test]
    fn what_was_not_negotiated_ends_the_walk() {
        for (bytes, what) in
            [([0xC1, 0x00], "compressed"), ([0x01, 0x00], "fragment"), ([0x81, 0x80], "masked")]
        {
            let error = FrameError::Unexpected(bytes[0], bytes[1]);
            assert_eq!(Frames::new(&bytes).next(), Err(error), "{what}");
        }
        let long = [0x81, 127, 0, 0, 0, 0, 1, 0, 0, 0];
        assert_eq!(Frames::new(&long).next(), Err(FrameError::TooLong(1 << 24)));
    }

    #[test]
    fn a_frame_of_ours_unmasks_to_its_payload() {
        for length in [0, 5, 125, 126, 65_535, 65_536] {
            let payload: Vec<u8> =
                (0..length).map(|i: usize| u8::try_from(i % 251).unwrap()).collect();
            let mut bytes = Vec::new();
            encode(Opcode::Text, &payload, &mut bytes);
            let header = bytes.len() - length - 4;
            let key: Vec<u8> = bytes[header..header + 4].to_vec();
            let unmasked: Vec<u8> =
                bytes[header + 4..].iter().zip(key.iter().cycle()).map(|(b, k)| b ^ k).collect();
            assert_eq!(unmasked, payload);
            assert_eq!(bytes[1] & 0x80, 0x80, "a client's frame says that it is masked");
        }
    }
}
