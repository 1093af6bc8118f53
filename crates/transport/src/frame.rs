//! A message that outlives its turn, shared by every recipient that has yet to take it.

use std::sync::OnceLock;

use foodtrack_wire::FrameMeta;

use crate::form::{Form, Parts};
use crate::frame_layout::Layout;

/// A message in its parts, and encoded once for each form that somebody speaks who waits for it.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) meta: FrameMeta,
    /// Where the parts lie in the text form.
    layout: Layout,
    /// As [`Form::WebSocketText`].
    text_form: Box<[u8]>,
    /// The other forms, by number; without content where the message cannot be said in one.
    other_forms: [OnceLock<Option<Box<[u8]>>>; Form::COUNT],
}

impl Frame {
    /// A message whose text form is `text_form`.
    pub(crate) fn new(meta: FrameMeta, layout: Layout, text_form: Box<[u8]>) -> Self {
        Self { meta, layout, text_form, other_forms: [const { OnceLock::new() }; Form::COUNT] }
    }

    /// It with a form, by its number, that is there already.
    pub(crate) fn with_form(self, form: usize, bytes: &[u8]) -> Self {
        // It is new: the form is not set yet.
        let _ = self.other_forms[form].set(Some(bytes.into()));
        self
    }

    /// How many bytes it counts for in a queue: those of its text form.
    pub(crate) fn bytes(&self) -> usize {
        self.text_form.len()
    }

    /// How many Engine.IO packets it is.
    pub(crate) fn packets(&self) -> usize {
        self.layout.packets()
    }

    /// Appends it in a form. Returns whether it can be said in that.
    pub(crate) fn append(&self, form: Form, out: &mut Vec<u8>) -> bool {
        let encoded = match form {
            Form::WebSocketText => Some(&*self.text_form),
            Form::PollingText if let Some(text) = self.layout.lone_text() => {
                Some(&self.text_form[text])
            }
            form => self.other_forms[form as usize].get_or_init(|| self.encode(form)).as_deref(),
        };
        if let Some(encoded) = encoded {
            form.join(out, encoded);
        }
        encoded.is_some()
    }

    fn encode(&self, form: Form) -> Option<Box<[u8]>> {
        let mut encoded = Vec::new();
        Parts::of(&self.text_form, &self.layout)?.write(form, &mut encoded)?;
        Some(encoded.into())
    }

    /// Whether it ends with a cursor, in whose place a recipient's own may go.
    pub(crate) fn has_cursor(&self) -> bool {
        matches!(&self.layout, Layout::Packet(packet) if !packet.cursor.is_empty())
    }

    /// As [`Self::append`], with `cursor` in the place of the offset that all recipients share.
    pub(crate) fn append_with(&self, cursor: &str, form: Form, out: &mut Vec<u8>) -> bool {
        let Layout::Packet(packet) = &self.layout else { return self.append(form, out) };
        let shared = &self.text_form[packet.text.clone()];
        let mut text = Vec::with_capacity(shared.len() + cursor.len());
        text.extend_from_slice(&shared[..packet.cursor.start]);
        text.extend_from_slice(cursor.as_bytes());
        text.extend_from_slice(&shared[packet.cursor.end..]);
        let mut encoded = Vec::new();
        let written = Parts::packet(&self.text_form, packet, &text)
            .and_then(|parts| parts.write(form, &mut encoded));
        if written.is_some() {
            form.join(out, &encoded);
        }
        written.is_some()
    }
}

#[cfg(test)]
mod tests {
    use foodtrack_wire::rfc6455::{Limits, Message, MessageDecoder};
    use foodtrack_wire::socket_io::{self, Packet, PacketType};
    use foodtrack_wire::{engine_io, msgpack};

    use super::*;
    use crate::frame_layout::{Data, write_packet};
    use crate::packet_parts::CursorSuffix;

    fn packet(namespace: &str, arguments: &str, attachments: &[Vec<u8>], offset: u64) -> Frame {
        let kind = match attachments {
            [] => PacketType::Event,
            _ => PacketType::BinaryEvent,
        };
        let count = u8::try_from(attachments.len()).unwrap();
        let head = Packet { kind, attachments: count, namespace, id: Some(12), data: None };
        let data = Data::Arguments(|out: &mut Vec<u8>| out.extend_from_slice(arguments.as_bytes()));
        // Where in a buffer it lies is no part of its layout.
        let mut buffer = vec![7; 3];
        let suffix = Some(CursorSuffix { epoch: b"k", offset });
        let layout = write_packet(&mut buffer, &head, data, suffix, attachments);
        Frame::new(FrameMeta::default(), layout, buffer[3..].into())
    }

    fn append(frame: &Frame, cursor: Option<&str>, form: Form) -> Vec<u8> {
        let mut out = Vec::new();
        let is_said = match cursor {
            Some(cursor) => frame.append_with(cursor, form, &mut out),
            None => frame.append(form, &mut out),
        };
        assert!(is_said);
        out
    }

    /// The messages of WebSocket frames, each as its text or its bytes.
    fn websocket_messages(mut frames: Vec<u8>) -> Vec<Result<String, Vec<u8>>> {
        // As a client's frames, which are masked: the decoder is a server's.
        let (mut messages, mut at) = (Vec::new(), 0);
        while at < frames.len() {
            let header_bytes = match frames[at + 1] {
                126 => 4,
                127 => 10,
                _ => 2,
            };
            frames[at + 1] |= 0x80;
            frames.splice(at + header_bytes..at + header_bytes, [0; 4]);
            let limits = Limits { message_bytes_max: 1 << 20, fragments_max: 1 };
            let mut decoder = MessageDecoder::default();
            let decoded = decoder.decode(&mut frames[at..], &limits).unwrap();
            messages.push(match decoded.message.unwrap() {
                Message::Text(text) => Ok(text.to_owned()),
                Message::Binary(bytes) => Err(bytes.to_vec()),
                other => panic!("{other:?}"),
            });
            at += decoded.consumed;
        }
        messages
    }

    /// Checks that a frame says the same in every form: `head` and `arguments` in front of the cursor, and `attachments`.
    fn check(frame: &Frame, own: Option<&str>, text: &str, attachments: &[Vec<u8>]) {
        let binaries = || attachments.iter().cloned().map(Err);
        let websocket = websocket_messages(append(frame, own, Form::WebSocketText));
        let expected: Vec<_> = std::iter::once(Ok(text.to_owned())).chain(binaries()).collect();
        assert_eq!(websocket, expected);

        let polling = String::from_utf8(append(frame, own, Form::PollingText)).unwrap();
        let mut polled = Vec::new();
        engine_io::decode_payload(&polling, |packet| {
            polled.push(match packet {
                engine_io::Packet::Text(text) => Ok(format!("4{text}")),
                engine_io::Packet::Binary(bytes) => Err(bytes.to_vec()),
                other => panic!("{other:?}"),
            });
        })
        .unwrap();
        assert_eq!(polled, expected);

        let expected = socket_io::decode(&text[1..]).unwrap();
        let websocket = websocket_messages(append(frame, own, Form::WebSocketMsgpack));
        let [Err(message)] = &websocket[..] else { panic!("{websocket:?}") };
        let packet = msgpack::decode(message, usize::MAX).unwrap();
        assert_eq!(packet.namespace, expected.namespace);
        assert_eq!((packet.id, packet.data.as_deref()), (expected.id, expected.data));
        assert_eq!(packet.attachments, attachments);
        let polling = append(frame, own, Form::PollingMsgpack);
        let mut expected = Vec::new();
        engine_io::append_to_payload(&mut expected, engine_io::Packet::Binary(message));
        assert_eq!(polling, expected);
    }

    #[test]
    fn a_frame_says_the_same_in_every_form() {
        check(&packet("/", r#""x",1"#, &[], 9), None, r#"4212["x",1,"k-9"]"#, &[]);
        let custom = packet("/custom", r#""x",{"a":"k-9"}"#, &[], 9);
        check(&custom, None, r#"42/custom,12["x",{"a":"k-9"},"k-9"]"#, &[]);
        let placeholders = r#""x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#;
        let attachments = [b"one".to_vec(), vec![7; 70_000]];
        let binary = packet("/custom", placeholders, &attachments, 10);
        let text = format!(r#"452-/custom,12["x",{},"k-10"]"#, &placeholders[4..]);
        check(&binary, None, &text, &attachments);
    }

    #[test]
    fn a_recipients_own_cursor_takes_the_place_of_the_offset_and_nothing_else_changes() {
        let frame = packet("/", r#""x",{"a":"k-9"}"#, &[], 9);
        check(&frame, Some("4+9"), r#"4212["x",{"a":"k-9"},"k-4+9"]"#, &[]);
        check(&frame, None, r#"4212["x",{"a":"k-9"},"k-9"]"#, &[]);
        let attachments = [b"one".to_vec(), vec![7; 70_000]];
        let placeholders = r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#;
        let binary = packet("/", &format!(r#""x",{placeholders}"#), &attachments, 10);
        check(
            &binary,
            Some("123"),
            &format!(r#"452-12["x",{placeholders},"k-123"]"#),
            &attachments,
        );
    }

    #[test]
    fn the_header_fits_whatever_length_the_text_has_with_its_own_cursor() {
        for filler in [80, 100, 110, 120, 65_500, 65_520] {
            let filler = "x".repeat(filler);
            let beyond: Vec<_> = (1..=64).map(|n| (u64::from(u32::MAX) + n).to_string()).collect();
            let cursor = format!("3+{}", beyond.join(","));
            let frame = packet("/", &format!(r#""x","{filler}""#), &[], 4_294_967_300);
            check(&frame, Some(&cursor), &format!(r#"4212["x","{filler}","k-{cursor}"]"#), &[]);
        }
    }

    #[test]
    fn what_cannot_be_said_in_msgpack_is_not_said_in_it() {
        let deep = format!("\"x\",{}{}", "[".repeat(80), "]".repeat(80));
        let frame = packet("/", &deep, &[], 9);
        let mut out = Vec::new();
        for form in [Form::WebSocketMsgpack, Form::PollingMsgpack] {
            assert!(!frame.append(form, &mut out) && !frame.append_with("4", form, &mut out));
        }
        assert_eq!(out, b"");
        assert!(frame.append(Form::PollingText, &mut out));
    }
}
