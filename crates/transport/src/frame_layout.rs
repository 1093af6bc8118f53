//! Where the parts of a frame lie in its text form: noted when it is written.

use std::ops::Range;

use foodtrack_wire::rfc6455::{self, Opcode};
use foodtrack_wire::socket_io::{self, Packet, PacketType};

use crate::packet_parts::CursorSuffix;

/// What a frame is, and where its parts lie from its start.
#[derive(Clone, Debug)]
pub(crate) enum Layout {
    /// A Socket.IO packet: a text frame, and a binary frame for each attachment.
    Packet(PacketLayout),
    /// A text message that is passed on as it is: its payload.
    Text(Range<usize>),
    /// A binary message that is passed on as it is: its payload.
    Binary(Range<usize>),
    /// A control frame of the WebSocket's own.
    Control,
}

/// Where the parts of a Socket.IO packet lie.
#[derive(Clone, Debug)]
pub(crate) struct PacketLayout {
    pub(crate) kind: PacketType,
    pub(crate) id: Option<u64>,
    /// The whole Engine.IO message, `4` and all, behind its frame's header.
    pub(crate) text: Range<usize>,
    /// In the text. Empty for `/`, which is not said.
    pub(crate) namespace: Range<usize>,
    /// In the text, to its end: arguments in brackets, or an object. Empty where there is none.
    pub(crate) data_start: usize,
    /// In the text: the part of a cursor that is a recipient's own. Empty where there is none.
    pub(crate) cursor: Range<usize>,
    /// From the frame's start: the payloads.
    pub(crate) attachments: Box<[Range<usize>]>,
}

impl Layout {
    /// Appends a text message that `write` appends.
    pub(crate) fn text(buffer: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let start = buffer.len();
        let payload = write_text(buffer, write);
        Self::Text(payload.start - start..payload.end - start)
    }

    /// Appends a binary message.
    pub(crate) fn binary(buffer: &mut Vec<u8>, payload: &[u8]) -> Self {
        let start = buffer.len();
        rfc6455::write_frame(buffer, Opcode::Binary, payload);
        let end = buffer.len() - start;
        Self::Binary(end - payload.len()..end)
    }

    /// How many Engine.IO packets it is.
    pub(crate) fn packets(&self) -> usize {
        match self {
            Self::Packet(packet) => 1 + packet.attachments.len(),
            Self::Text(_) | Self::Binary(_) | Self::Control => 1,
        }
    }

    /// Where its text lies, if that is all of it.
    pub(crate) fn lone_text(&self) -> Option<Range<usize>> {
        match self {
            Self::Packet(packet) if packet.attachments.is_empty() => Some(packet.text.clone()),
            Self::Text(text) => Some(text.clone()),
            _ => None,
        }
    }
}

/// What a packet carries behind its head.
pub(crate) enum Data<W> {
    /// Nothing.
    None,
    /// One JSON value.
    Value(W),
    /// An event's or an acknowledgement's arguments, with commas between them.
    Arguments(W),
}

/// Appends a packet in its text form: a text frame, and a binary frame for each attachment.
pub(crate) fn write_packet<W: FnOnce(&mut Vec<u8>)>(
    buffer: &mut Vec<u8>,
    head: &Packet<'_>,
    data: Data<W>,
    suffix: Option<CursorSuffix<'_>>,
    attachments: &[Vec<u8>],
) -> Layout {
    let frame_start = buffer.len();
    let (mut namespace, mut data_start, mut cursor) = (0..0, 0, 0..0);
    let text = write_text(buffer, |out| {
        let text_start = out.len();
        out.push(b'4');
        socket_io::write_packet(out, &Packet { id: None, data: None, ..*head });
        if head.namespace != "/" {
            let end = out.len() - text_start - 1;
            namespace = end - head.namespace.len()..end;
        }
        let mut digits = itoa::Buffer::new();
        if let Some(id) = head.id {
            out.extend_from_slice(digits.format(id).as_bytes());
        }
        data_start = out.len() - text_start;
        match data {
            Data::None => {}
            Data::Value(write) => write(out),
            Data::Arguments(write) => {
                out.push(b'[');
                write(out);
                if let Some(suffix) = suffix {
                    out.extend_from_slice(b",\"");
                    out.extend_from_slice(suffix.epoch);
                    out.push(b'-');
                    let start = out.len() - text_start;
                    out.extend_from_slice(digits.format(suffix.offset).as_bytes());
                    cursor = start..out.len() - text_start;
                    out.push(b'"');
                }
                out.push(b']');
            }
        }
    });
    let text = text.start - frame_start..text.end - frame_start;
    let attachments = attachments
        .iter()
        .map(|attachment| {
            rfc6455::write_frame(buffer, Opcode::Binary, attachment);
            let end = buffer.len() - frame_start;
            end - attachment.len()..end
        })
        .collect();
    let (kind, id) = (head.kind, head.id);
    Layout::Packet(PacketLayout { kind, id, text, namespace, data_start, cursor, attachments })
}

/// Appends a text frame whose payload `write` appends; returns where the payload is in the buffer.
fn write_text(buffer: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
    let start = buffer.len();
    // The header's length depends on the payload's, which is not known yet: guess the common one, and move if wrong.
    const GUESS: usize = 4;
    buffer.extend_from_slice(&[0; GUESS]);
    write(buffer);
    let payload_bytes = buffer.len() - start - GUESS;
    // Written behind the payload first: no memory of its own for ten bytes.
    let end = buffer.len();
    rfc6455::write_header(buffer, Opcode::Text, payload_bytes);
    let mut header = [0; rfc6455::HEADER_BYTES_MAX];
    let header_bytes = buffer.len() - end;
    header[..header_bytes].copy_from_slice(&buffer[end..]);
    buffer.truncate(end);
    let header = &header[..header_bytes];
    if header_bytes == GUESS {
        buffer[start..start + GUESS].copy_from_slice(header);
    } else {
        buffer.splice(start..start + GUESS, header.iter().copied());
    }
    start + header_bytes..buffer.len()
}
