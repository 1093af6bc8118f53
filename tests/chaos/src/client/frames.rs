//! A server's WebSocket frames: unmasked and whole, as a hub without extensions sends them.

/// What opens a WebSocket to a hub.
pub(super) const UPGRADE: &[u8] =
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\n\
    Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    Text(&'a str),
    Ping(&'a [u8]),
    Close,
    /// Nothing for a Socket.IO client that asked for no binary.
    Other,
}

/// What no frame of a hub looks like.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame begins with {0:#04x} {1:#04x}, which was not negotiated")]
pub(super) struct NoFrame(u8, u8);

/// Takes the frame off the front of `input`, and says how many bytes that were; `None` where it is not all there.
pub(super) fn take(input: &[u8]) -> Result<Option<(Frame<'_>, usize)>, NoFrame> {
    let &[first, second, ref rest @ ..] = input else { return Ok(None) };
    if first & 0xf0 != 0x80 || second & 0x80 != 0 {
        return Err(NoFrame(first, second));
    }
    let (header, length): (usize, usize) = match second {
        126 => match *rest {
            [a, b, ..] => (4, usize::from(u16::from_be_bytes([a, b]))),
            _ => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(length) => {
                (10, usize::try_from(u64::from_be_bytes(*length)).unwrap_or(usize::MAX))
            }
            None => return Ok(None),
        },
        short => (2, usize::from(short)),
    };
    let Some(payload) = input.get(header..header.saturating_add(length)) else { return Ok(None) };
    let frame = match first & 0x0f {
        0x1 => Frame::Text(std::str::from_utf8(payload).map_err(|_| NoFrame(first, second))?),
        0x8 => Frame::Close,
        0x9 => Frame::Ping(payload),
        _ => Frame::Other,
    };
    Ok(Some((frame, header + length)))
}

#[cfg(test)]
mod tests {
    use foodtrack_wire::rfc6455::{Opcode, write_frame};

    use super::*;

    #[test]
    fn a_frame_cut_anywhere_is_not_all_there() {
        for length in [0, 125, 126, 65_536] {
            let text = "x".repeat(length);
            let mut bytes = Vec::new();
            write_frame(&mut bytes, Opcode::Text, text.as_bytes());
            for cut in (0..bytes.len()).filter(|cut| *cut < 12 || *cut == bytes.len() - 1) {
                assert_eq!(take(&bytes[..cut]), Ok(None));
            }
            let whole = bytes.len();
            bytes.extend(b"more");
            assert_eq!(take(&bytes), Ok(Some((Frame::Text(&text), whole))));
        }
    }

    #[test]
    fn a_masked_or_fragmented_frame_is_none() {
        assert_eq!(take(&[0x81, 0x80]), Err(NoFrame(0x81, 0x80)));
        assert_eq!(take(&[0x01, 0x00]), Err(NoFrame(0x01, 0x00)));
    }
}
