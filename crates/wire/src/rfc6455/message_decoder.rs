use super::frame_header::{self, FrameHeader};
use super::{CloseFrame, Message, Opcode, ProtocolError, mask};

/// Messages out of a client's frames.
///
/// Between messages it owns no heap. A message in one frame is lent from the input; a fragmented
/// one is gathered here and lent from here, and its memory is freed by the next call of
/// [`decode`](Self::decode), whatever that call finds.
///
/// After an error the stream has no meaning any more: close, and decode no further.
#[derive(Default)]
pub struct MessageDecoder {
    fragments: Option<Box<Fragments>>,
}

/// What [`MessageDecoder::decode`] took off the front of its input.
#[derive(Debug, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// Bytes of the input that are done with; 0 when the frame is not all here yet.
    pub consumed: usize,
    /// `None` beside `consumed > 0`: a fragment was taken, its message goes on.
    pub message: Option<Message<'a>>,
}

/// What a client may send.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of one message, over all its fragments.
    pub message_bytes_max: usize,
    /// Frames of one message; control frames between them do not count.
    pub fragments_max: u32,
}

struct Fragments {
    is_text: bool,
    bytes: Vec<u8>,
    /// So many bytes at the front are known to be UTF-8.
    valid_bytes: usize,
    frames: u32,
    is_complete: bool,
}

impl MessageDecoder {
    /// Takes one frame off the front of `input`, unmasking it in place.
    ///
    /// `consumed == 0`: not all here yet, nothing was taken or changed. Call again with more input
    /// behind it. Limits hold from the header on, before the payload arrives.
    ///
    /// # Errors
    /// The client broke the protocol or a limit: see [`ProtocolError`].
    pub fn decode<'a>(
        &'a mut self,
        input: &'a mut [u8],
        limits: &Limits,
    ) -> Result<Decoded<'a>, ProtocolError> {
        self.fragments.take_if(|fragments| fragments.is_complete);
        let Some(header) = FrameHeader::parse(input)? else { return Ok(Decoded::INCOMPLETE) };
        let payload_bytes = self.admit(&header, limits)?;
        let consumed = header.header_bytes + payload_bytes;
        let Some(payload) = input.get_mut(header.header_bytes..consumed) else {
            return Ok(Decoded::INCOMPLETE);
        };
        mask::apply(payload, header.mask);
        let payload = &*payload;
        let message = match header.opcode {
            Opcode::Close => Some(Message::Close(CloseFrame::parse(payload)?)),
            Opcode::Ping => Some(Message::Ping(payload)),
            Opcode::Pong => Some(Message::Pong(payload)),
            Opcode::Text if header.is_final => Some(Message::Text(text(payload)?)),
            Opcode::Binary if header.is_final => Some(Message::Binary(payload)),
            Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                let is_text = header.opcode == Opcode::Text;
                let fragments =
                    self.fragments.get_or_insert_with(|| Box::new(Fragments::new(is_text)));
                fragments.append(payload, header.is_final)?
            }
        };
        Ok(Decoded { consumed, message })
    }

    /// Memory of a fragmented message that is under way.
    pub fn held_bytes(&self) -> usize {
        self.fragments.as_ref().map_or(0, |fragments| fragments.bytes.capacity())
    }

    /// Bytes of the whole frame at the front of `input`, once its header is complete, so that a
    /// buffer can be sized for it. Meant for input that [`decode`](Self::decode) found incomplete:
    /// what it finds malformed or too big is not refused here.
    pub fn frame_len(input: &[u8]) -> Option<usize> {
        frame_header::frame_len(input)
    }

    /// Checks the frame against the message under way and the limits; returns its payload's length.
    fn admit(&self, header: &FrameHeader, limits: &Limits) -> Result<usize, ProtocolError> {
        let message_bytes_max = limits.message_bytes_max;
        let too_big = ProtocolError::MessageTooBig { message_bytes_max };
        let payload_bytes = usize::try_from(header.payload_bytes).map_err(|_| too_big)?;
        if header.opcode.is_control() {
            return Ok(payload_bytes);
        }
        let fragments = self.fragments.as_deref();
        let (gathered_bytes, frames) = match (header.opcode, fragments) {
            (Opcode::Continuation, Some(fragments)) => (fragments.bytes.len(), fragments.frames),
            (Opcode::Continuation, None) => return Err(ProtocolError::UnexpectedContinuation),
            (_, Some(_)) => return Err(ProtocolError::InterruptedMessage),
            (_, None) => (0, 0),
        };
        let is_fragment = !header.is_final || fragments.is_some();
        if is_fragment && frames >= limits.fragments_max {
            let fragments_max = limits.fragments_max;
            return Err(ProtocolError::TooManyFragments { fragments_max });
        }
        if payload_bytes > message_bytes_max.saturating_sub(gathered_bytes) {
            return Err(too_big);
        }
        Ok(payload_bytes)
    }
}

impl Decoded<'_> {
    const INCOMPLETE: Self = Self { consumed: 0, message: None };
}

impl Fragments {
    fn new(is_text: bool) -> Self {
        Self { is_text, bytes: Vec::new(), valid_bytes: 0, frames: 0, is_complete: false }
    }

    fn append(
        &mut self,
        payload: &[u8],
        is_final: bool,
    ) -> Result<Option<Message<'_>>, ProtocolError> {
        self.bytes.extend_from_slice(payload);
        self.frames += 1;
        self.is_complete = is_final;
        if !is_final {
            if self.is_text {
                self.check_text()?;
            }
            return Ok(None);
        }
        let bytes = self.bytes.as_slice();
        Ok(Some(if self.is_text { Message::Text(text(bytes)?) } else { Message::Binary(bytes) }))
    }

    /// Fails at the first byte that no continuation could make right; a character may be cut.
    fn check_text(&mut self) -> Result<(), ProtocolError> {
        match str::from_utf8(&self.bytes[self.valid_bytes..]) {
            Ok(_) => self.valid_bytes = self.bytes.len(),
            Err(error) if error.error_len().is_none() => self.valid_bytes += error.valid_up_to(),
            Err(_) => return Err(ProtocolError::InvalidUtf8),
        }
        Ok(())
    }
}

fn text(bytes: &[u8]) -> Result<&str, ProtocolError> {
    str::from_utf8(bytes).map_err(|_| ProtocolError::InvalidUtf8)
}

// A million idle connections each hold one.
const _: () = assert!(size_of::<MessageDecoder>() <= 16);

#[cfg(test)]
mod tests {
    use super::super::write_client_frame;
    use super::*;

    #[test]
    fn the_memory_of_a_fragmented_message_is_freed_by_the_next_call() {
        let limits = Limits { message_bytes_max: 100, fragments_max: 2 };
        let mut stream = Vec::new();
        write_client_frame(&mut stream, Opcode::Text, b"a", [1; 4]);
        stream[0] &= 0x7f;
        let first_bytes = stream.len();
        write_client_frame(&mut stream, Opcode::Continuation, b"b", [2; 4]);

        let mut decoder = MessageDecoder::default();
        let decoded = decoder.decode(&mut stream, &limits);
        assert_eq!(decoded, Ok(Decoded { consumed: first_bytes, message: None }));
        let decoded = decoder.decode(&mut stream[first_bytes..], &limits);
        assert_eq!(decoded.map(|decoded| decoded.message), Ok(Some(Message::Text("ab"))));
        assert!(decoder.fragments.is_some());
        assert_eq!(decoder.decode(&mut [], &limits), Ok(Decoded::INCOMPLETE));
        assert!(decoder.fragments.is_none());
    }
}
