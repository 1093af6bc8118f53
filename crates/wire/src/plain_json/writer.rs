use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::json::{Reader, unescape};
use crate::socket_io::{Packet, PacketType, split_arguments};

/// Appends a packet of the server's as one JSON object. `None` where its data is not what such a packet has; nothing is appended then.
pub fn write_packet(out: &mut Vec<u8>, packet: &Packet<'_>, attachments: &[&[u8]]) -> Option<()> {
    let start = out.len();
    let written = write(out, packet, attachments);
    if written.is_none() {
        out.truncate(start);
    }
    written
}

fn write(out: &mut Vec<u8>, packet: &Packet<'_>, attachments: &[&[u8]]) -> Option<()> {
    match packet.kind {
        PacketType::Connect => {
            let fields = packet.data?.strip_prefix('{')?;
            out.extend_from_slice(br#"{"type":"connected""#);
            out.extend_from_slice(if fields.starts_with('}') { b"" } else { b"," });
            out.extend_from_slice(fields.as_bytes());
        }
        PacketType::ConnectError => {
            out.extend_from_slice(br#"{"type":"error","error":"#);
            out.extend_from_slice(refusal(packet.data?)?.as_bytes());
            out.push(b'}');
        }
        PacketType::Disconnect => out.extend_from_slice(br#"{"type":"end"}"#),
        PacketType::Event | PacketType::BinaryEvent => {
            let arguments = split_arguments(packet.data?).ok()?;
            let mut arguments = arguments.iter();
            out.extend_from_slice(br#"{"type":"event","event":"#);
            out.extend_from_slice(arguments.next()?.as_bytes());
            out.extend_from_slice(br#","message":"#);
            out.extend_from_slice(arguments.next().unwrap_or(&"null").as_bytes());
            if let Some(cursor) = arguments.next() {
                out.extend_from_slice(br#","cursor":"#);
                out.extend_from_slice(cursor.as_bytes());
            }
            if let Some(id) = packet.id {
                out.extend_from_slice(br#","ack":"#);
                out.extend_from_slice(itoa::Buffer::new().format(id).as_bytes());
            }
            write_all(out, attachments);
            out.push(b'}');
        }
        PacketType::Ack | PacketType::BinaryAck => {
            out.extend_from_slice(br#"{"type":"ack","id":"#);
            out.extend_from_slice(itoa::Buffer::new().format(packet.id?).as_bytes());
            out.extend_from_slice(br#","answer":"#);
            let arguments = split_arguments(packet.data?).ok()?;
            out.extend_from_slice(arguments.first().unwrap_or(&"null").as_bytes());
            write_all(out, attachments);
            out.push(b'}');
        }
    }
    Some(())
}

fn write_all(out: &mut Vec<u8>, attachments: &[&[u8]]) {
    if !attachments.is_empty() {
        out.push(b',');
        write_attachments(out, attachments);
    }
}

/// Appends attachments as the field of an object.
pub(crate) fn write_attachments(out: &mut Vec<u8>, attachments: &[&[u8]]) {
    out.extend_from_slice(br#""attachments":["#);
    for (nth, attachment) in attachments.iter().enumerate() {
        out.extend_from_slice(if nth == 0 { b"\"" } else { b",\"" });
        out.extend_from_slice(STANDARD.encode(attachment).as_bytes());
        out.push(b'"');
    }
    out.push(b']');
}

/// The refusal in the data of a CONNECT_ERROR: what stands beside its message.
fn refusal(error: &str) -> Option<&str> {
    let mut reader = Reader::new(error);
    reader.take(b'{').ok()?;
    loop {
        let name = unescape(reader.key().ok()?);
        let value = reader.value(1).ok()?;
        if name == "data" {
            return Some(value);
        }
        if !reader.take_if(b',') {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(kind: PacketType, id: Option<u64>, data: &str, attachments: &[&[u8]]) -> String {
        let data = (!data.is_empty()).then_some(data);
        let packet = Packet { kind, attachments: 0, namespace: "/", id, data };
        let mut out = Vec::new();
        let said = write_packet(&mut out, &packet, attachments);
        assert_eq!(said.is_none(), out.is_empty());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_packet_of_the_server_is_an_object() {
        use PacketType::{Ack, BinaryEvent, Connect, ConnectError, Disconnect, Event};
        for (kind, id, data, expected) in [
            (Connect, None, r#"{"sid":"s"}"#, r#"{"type":"connected","sid":"s"}"#),
            (Connect, None, "{}", r#"{"type":"connected"}"#),
            (
                ConnectError,
                None,
                r#"{"message":"no","data":{"code":"token_missing"}}"#,
                r#"{"type":"error","error":{"code":"token_missing"}}"#,
            ),
            (Disconnect, None, "", r#"{"type":"end"}"#),
            (
                Event,
                None,
                r#"["a",{"b":1},"k-4+9"]"#,
                r#"{"type":"event","event":"a","message":{"b":1},"cursor":"k-4+9"}"#,
            ),
            (
                Event,
                Some(12),
                r#"["a",{"b":1}]"#,
                r#"{"type":"event","event":"a","message":{"b":1},"ack":12}"#,
            ),
            (Event, None, r#"["a"]"#, r#"{"type":"event","event":"a","message":null}"#),
            (
                Ack,
                Some(7),
                r#"[{"success":true}]"#,
                r#"{"type":"ack","id":7,"answer":{"success":true}}"#,
            ),
            (Ack, Some(7), "[]", r#"{"type":"ack","id":7,"answer":null}"#),
            (Ack, None, "[]", ""),
            (Event, None, "[", ""),
            (ConnectError, None, r#"{"message":"no"}"#, ""),
        ] {
            assert_eq!(written(kind, id, data, &[]), expected, "{data}");
        }
        let binary = written(
            BinaryEvent,
            None,
            r#"["a",{"_placeholder":true,"num":0},"k-1"]"#,
            &[b"one", b""],
        );
        let expected = r#"{"type":"event","event":"a","message":{"_placeholder":true,"num":0},"cursor":"k-1","attachments":["b25l",""]}"#;
        assert_eq!(binary, expected);
    }
}
