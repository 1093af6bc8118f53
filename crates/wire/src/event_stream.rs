//! Server-sent events: what `EventSource` reads.

use crate::plain_json::write_attachments;
use crate::socket_io::{Packet, PacketType, split_arguments};

/// A comment that says that the server is there.
pub const HEARTBEAT: &[u8] = b":\n\n";

/// Appends an event: its name, its message as JSON on one line, and its cursor as its id. Attachments are a field of the message,
/// `attachments`, in base64.
///
/// `None` where the packet is no event that a reader of a stream can be told; nothing is appended then.
pub fn write_packet(out: &mut Vec<u8>, packet: &Packet<'_>, attachments: &[&[u8]]) -> Option<()> {
    if packet.kind == PacketType::Disconnect {
        out.extend_from_slice(b"event: end\ndata: {}\n\n");
        return Some(());
    }
    if !matches!(packet.kind, PacketType::Event | PacketType::BinaryEvent) {
        return None;
    }
    let arguments = split_arguments(packet.data?).ok()?;
    let name = arguments.first()?.strip_prefix('"')?.strip_suffix('"')?;
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    if let Some(cursor) = arguments.get(2) {
        out.extend_from_slice(b"\nid: ");
        out.extend_from_slice(cursor.trim_matches('"').as_bytes());
    }
    out.extend_from_slice(b"\ndata: ");
    let mut message = *arguments.get(1).unwrap_or(&"null");
    if !attachments.is_empty()
        && let Some(fields) = message.strip_prefix('{')
    {
        out.push(b'{');
        write_attachments(out, attachments);
        out.extend_from_slice(if fields.starts_with('}') { b"" } else { b"," });
        message = fields;
    }
    write_line(out, message);
    out.extend_from_slice(b"\n\n");
    Some(())
}

/// JSON on one line: line breaks stand between its tokens alone, where a space means the same.
fn write_line(out: &mut Vec<u8>, json: &str) {
    let spaced = |byte: u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte };
    out.extend(json.bytes().map(spaced));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(kind: PacketType, id: Option<u64>, data: &str, attachments: &[&[u8]]) -> String {
        let packet = Packet { kind, attachments: 0, namespace: "/", id, data: Some(data) };
        let mut out = Vec::new();
        let said = write_packet(&mut out, &packet, attachments);
        assert_eq!(said.is_none(), out.is_empty());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_event_is_its_name_its_cursor_and_its_message_on_one_line() {
        let event = |data| written(PacketType::Event, None, data, &[]);
        let whole = "event: a:b\nid: k-4+9\ndata: {\"x\":1}\n\n";
        assert_eq!(event(r#"["a:b",{"x":1},"k-4+9"]"#), whole);
        assert_eq!(event(r#"["a",{"x":1}]"#), "event: a\ndata: {\"x\":1}\n\n");
        let broken = event("[\"a\",{\"x\":\r\n[1,\n2]},\"k-1\"]");
        assert_eq!(broken, "event: a\nid: k-1\ndata: {\"x\":  [1, 2]}\n\n");
        let binary = written(PacketType::BinaryEvent, None, r#"["a",{"x":0},"k-1"]"#, &[b"one"]);
        assert_eq!(binary, "event: a\nid: k-1\ndata: {\"attachments\":[\"b25l\"],\"x\":0}\n\n");
    }

    #[test]
    fn what_a_reader_cannot_be_told_is_left_out_and_the_end_is_an_event() {
        assert_eq!(written(PacketType::Connect, None, r#"{"sid":"s"}"#, &[]), "");
        assert_eq!(written(PacketType::Ack, Some(1), "[]", &[]), "");
        assert_eq!(written(PacketType::Disconnect, None, "", &[]), "event: end\ndata: {}\n\n");
    }
}
