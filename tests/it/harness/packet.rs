//! Socket.IO packets, whole: with their attachments, in either parser's form.

use foodtrack_wire::socket_io::{self, PacketType};
use foodtrack_wire::{msgpack, socket_io::Packet};
use serde_json::Value;

use super::client::Parser;
use super::link::Outgoing;

/// A packet that came whole.
#[derive(Clone, Debug)]
pub(crate) struct WholePacket {
    pub(crate) kind: PacketType,
    pub(crate) id: Option<u64>,
    pub(crate) data: Value,
    pub(crate) attachments: Vec<Vec<u8>>,
    /// How many attachments are still to come.
    pub(crate) missing: usize,
}

impl WholePacket {
    pub(crate) fn from_text(text: &str) -> Self {
        let packet = socket_io::decode(text).unwrap();
        let data = packet.data.map_or(Value::Null, |data| serde_json::from_str(data).unwrap());
        let missing = usize::from(packet.attachments);
        let kind = match packet.kind {
            PacketType::BinaryEvent => PacketType::Event,
            PacketType::BinaryAck => PacketType::Ack,
            kind => kind,
        };
        Self { kind, id: packet.id, data, attachments: Vec::new(), missing }
    }

    pub(crate) fn from_msgpack(bytes: &[u8]) -> Self {
        let packet = msgpack::decode(bytes, usize::MAX).unwrap();
        let data = packet.data.map_or(Value::Null, |data| serde_json::from_str(&data).unwrap());
        let attachments = packet.attachments;
        Self { kind: packet.kind, id: packet.id, data, attachments, missing: 0 }
    }

    /// What socket.io-client takes as its offset: the last argument, where that is a string.
    pub(crate) fn cursor(&self) -> Option<&str> {
        let has_callback = self.id.is_some();
        self.data.as_array()?.last()?.as_str().filter(|_| !has_callback)
    }
}

/// A packet as it goes out.
pub(crate) fn encode(
    parser: Parser,
    kind: PacketType,
    id: Option<u64>,
    data: &Value,
    attachments: &[Vec<u8>],
) -> Vec<Outgoing> {
    let text = data.to_string();
    let kind = match kind {
        PacketType::Event if !attachments.is_empty() => PacketType::BinaryEvent,
        kind => kind,
    };
    let packet = Packet {
        kind,
        attachments: u8::try_from(attachments.len()).unwrap(),
        namespace: "/",
        id,
        data: (!data.is_null()).then_some(text.as_str()),
    };
    match parser {
        Parser::Json => {
            let mut out = vec![b'4'];
            socket_io::write_packet(&mut out, &packet);
            let mut packets = vec![Outgoing::Text(String::from_utf8(out).unwrap())];
            packets.extend(attachments.iter().cloned().map(Outgoing::Binary));
            packets
        }
        Parser::Msgpack => {
            let mut out = Vec::new();
            let attachments: Vec<&[u8]> = attachments.iter().map(Vec::as_slice).collect();
            msgpack::write_packet(&mut out, &packet, &attachments).unwrap();
            vec![Outgoing::Binary(out)]
        }
    }
}
