//! The forms that frames are encoded in.

use foodtrack_session::Parser;
use foodtrack_wire::engine_io::{self, SEPARATOR};
use foodtrack_wire::rfc6455::{self, Opcode};
use foodtrack_wire::socket_io::Packet;
use foodtrack_wire::{event_stream, msgpack, plain_json};

use crate::frame_layout::{Layout, PacketLayout};

/// What a client reads: the encoding of its parser, on its transport. A further one is a variant here and an arm in
/// [`Parts::write`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Form {
    /// WebSocket frames of the default parser: text, and a binary frame for each attachment. Every frame begins as this.
    WebSocketText,
    /// One binary WebSocket frame of `socket.io-msgpack-parser`.
    WebSocketMsgpack,
    /// One text WebSocket frame with a JSON object.
    PlainJson,
    /// A server-sent event.
    EventStream,
    /// A stretch of the answer to a poll: text, and base64 of each attachment.
    PollingText,
    /// A stretch of the answer to a poll: base64 of a msgpack message.
    PollingMsgpack,
}

impl Form {
    pub(crate) const COUNT: usize = 6;
    /// How many there are that a socket is written in straight from the turn's buffer: the first ones.
    pub(crate) const DIRECT_COUNT: usize = 4;

    pub(crate) fn of(parser: Parser, is_polling: bool) -> Self {
        match (parser, is_polling) {
            (Parser::Unknown | Parser::Json, false) => Self::WebSocketText,
            (Parser::Unknown | Parser::Json, true) => Self::PollingText,
            // It has no other transport.
            (Parser::PlainJson, _) => Self::PlainJson,
            (Parser::EventStream, _) => Self::EventStream,
            (Parser::Msgpack, false) => Self::WebSocketMsgpack,
            (Parser::Msgpack, true) => Self::PollingMsgpack,
        }
    }

    /// Appends a message in this form behind others.
    pub(crate) fn join(self, out: &mut Vec<u8>, message: &[u8]) {
        if matches!(self, Self::PollingText | Self::PollingMsgpack) && !out.is_empty() {
            out.push(SEPARATOR);
        }
        out.extend_from_slice(message);
    }

    /// The server's ping.
    pub(crate) fn ping(self) -> &'static [u8] {
        match self {
            Self::PlainJson => PLAIN_JSON_PING,
            Self::EventStream => event_stream::HEARTBEAT,
            Self::WebSocketText | Self::WebSocketMsgpack => PING,
            Self::PollingText | Self::PollingMsgpack => &PING[2..],
        }
    }
}

/// Engine.IO's ping as a WebSocket frame.
pub(crate) const PING: &[u8] = b"\x81\x012";
/// [`plain_json::PING`] as a WebSocket frame.
const PLAIN_JSON_PING: &[u8] = b"\x81\x0f{\"type\":\"ping\"}";

/// A frame's parts.
pub(crate) enum Parts<'a> {
    /// A Socket.IO packet.
    Packet {
        head: Packet<'a>,
        /// The whole message of the default parser.
        text: &'a [u8],
        attachments: Vec<&'a [u8]>,
    },
    /// A text message as it is.
    Text(&'a [u8]),
    /// A binary message as it is.
    Binary(&'a [u8]),
    /// A control frame, whole.
    Control(&'a [u8]),
}

impl<'a> Parts<'a> {
    /// The parts of a frame whose text form is `bytes`.
    pub(crate) fn of(bytes: &'a [u8], layout: &Layout) -> Option<Self> {
        Some(match layout {
            Layout::Packet(packet) => Self::packet(bytes, packet, &bytes[packet.text.clone()])?,
            Layout::Text(payload) => Self::Text(&bytes[payload.clone()]),
            Layout::Binary(payload) => Self::Binary(&bytes[payload.clone()]),
            Layout::Control => Self::Control(bytes),
        })
    }

    /// The parts of a packet with another text, which differs behind the start of its data alone.
    pub(crate) fn packet(bytes: &'a [u8], layout: &PacketLayout, text: &'a [u8]) -> Option<Self> {
        let said = |range| std::str::from_utf8(text.get(range)?).ok();
        let namespace = match said(layout.namespace.clone())? {
            "" => "/",
            namespace => namespace,
        };
        let data = said(layout.data_start..text.len())?;
        let head = Packet {
            kind: layout.kind,
            attachments: u8::try_from(layout.attachments.len()).ok()?,
            namespace,
            id: layout.id,
            data: (!data.is_empty()).then_some(data),
        };
        let attachments = layout.attachments.iter().map(|range| &bytes[range.clone()]).collect();
        Some(Self::Packet { head, text, attachments })
    }

    /// Appends them in a form. `None` where they cannot be said in it; nothing is appended then.
    pub(crate) fn write(&self, form: Form, out: &mut Vec<u8>) -> Option<()> {
        match (self, form) {
            (Self::Packet { text, attachments, .. }, Form::WebSocketText) => {
                rfc6455::write_frame(out, Opcode::Text, text);
                for attachment in attachments {
                    rfc6455::write_frame(out, Opcode::Binary, attachment);
                }
            }
            (Self::Packet { text, attachments, .. }, Form::PollingText) => {
                out.extend_from_slice(text);
                for attachment in attachments {
                    engine_io::append_to_payload(out, engine_io::Packet::Binary(attachment));
                }
            }
            (Self::Packet { head, attachments, .. }, Form::WebSocketMsgpack) => {
                let message = in_msgpack(head, attachments)?;
                rfc6455::write_frame(out, Opcode::Binary, &message);
            }
            (Self::Packet { head, attachments, .. }, Form::PollingMsgpack) => {
                let message = in_msgpack(head, attachments)?;
                engine_io::append_to_payload(out, engine_io::Packet::Binary(&message));
            }
            (Self::Packet { head, attachments, .. }, Form::PlainJson) => {
                let mut message = Vec::new();
                plain_json::write_packet(&mut message, head, attachments)?;
                rfc6455::write_frame(out, Opcode::Text, &message);
            }
            (Self::Text(text), Form::WebSocketText | Form::WebSocketMsgpack | Form::PlainJson) => {
                rfc6455::write_frame(out, Opcode::Text, text);
            }
            (Self::Text(text), Form::PollingText | Form::PollingMsgpack) => {
                out.extend_from_slice(text);
            }
            (
                Self::Binary(bytes),
                Form::WebSocketText | Form::WebSocketMsgpack | Form::PlainJson,
            ) => {
                rfc6455::write_frame(out, Opcode::Binary, bytes);
            }
            (Self::Binary(bytes), Form::PollingText | Form::PollingMsgpack) => {
                engine_io::append_to_payload(out, engine_io::Packet::Binary(bytes));
            }
            (
                Self::Control(frame),
                Form::WebSocketText | Form::WebSocketMsgpack | Form::PlainJson,
            ) => {
                out.extend_from_slice(frame);
            }
            (Self::Packet { head, attachments, .. }, Form::EventStream) => {
                event_stream::write_packet(out, head, attachments)?;
            }
            // Who polls or reads a stream has no WebSocket that it could be about; nothing but events is for readers of streams.
            (Self::Control(_), Form::PollingText | Form::PollingMsgpack | Form::EventStream)
            | (Self::Text(_) | Self::Binary(_), Form::EventStream) => return None,
        }
        Some(())
    }
}

fn in_msgpack(head: &Packet<'_>, attachments: &[&[u8]]) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    msgpack::write_packet(&mut message, head, attachments).ok()?;
    Some(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ping_in_plain_json_is_one_frame() {
        let mut frame = Vec::new();
        rfc6455::write_frame(&mut frame, Opcode::Text, plain_json::PING.as_bytes());
        assert_eq!(Form::PlainJson.ping(), frame);
    }
}
