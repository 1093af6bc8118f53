use super::packet::{ATTACHMENTS_MAX, Packet, PacketType};
use super::packet_error::PacketError;
use super::placeholder::check_placeholders;
use crate::json::Reader;

/// Reads one packet: `<type>[<attachments>-][<namespace>,][<id>][<data>]`.
///
/// Checks what can be told without reading an event's arguments: an EVENT or ACK has data that
/// begins with `[` (then [`split_arguments`](super::split_arguments) checks the rest), an ACK has
/// an id. CONNECT and CONNECT_ERROR are checked to be JSON of their kind, DISCONNECT to be bare,
/// and a binary packet's data to be JSON whose placeholders point to its attachments: a packet
/// that would make other clients' parsers fail is refused here.
///
/// # Errors
/// See [`PacketError`].
pub fn decode(text: &str) -> Result<Packet<'_>, PacketError> {
    let type_number = text.as_bytes().first().map_or(u8::MAX, |byte| byte.wrapping_sub(b'0'));
    let kind = PacketType::from_number(type_number).ok_or(PacketError::UnknownType)?;
    let rest = &text[1..];
    let (attachments, rest) = if kind.is_binary() { split_attachments(rest)? } else { (0, rest) };
    let (namespace, rest) = split_namespace(rest);
    let (id, rest) = split_id(rest)?;
    let data = (!rest.is_empty()).then_some(rest);
    let packet = Packet { kind, attachments, namespace, id, data };
    check(&packet)?;
    Ok(packet)
}

fn split_attachments(rest: &str) -> Result<(u8, &str), PacketError> {
    let (digits, rest) = rest.split_at(digits_at_front(rest));
    let rest = rest.strip_prefix('-').ok_or(PacketError::InvalidAttachments)?;
    if digits.is_empty() {
        return Err(PacketError::InvalidAttachments);
    }
    match digits.parse::<u8>() {
        Ok(0) => Err(PacketError::InvalidAttachments),
        Ok(attachments @ 1..=ATTACHMENTS_MAX) => Ok((attachments, rest)),
        _ => Err(PacketError::TooManyAttachments),
    }
}

/// A namespace begins with `/` and ends with the first comma, or with the text.
fn split_namespace(rest: &str) -> (&str, &str) {
    if !rest.starts_with('/') {
        return ("/", rest);
    }
    let (namespace, rest) = rest.split_once(',').unwrap_or((rest, ""));
    (without_query(namespace), rest)
}

pub(crate) fn without_query(namespace: &str) -> &str {
    namespace.split_once('?').map_or(namespace, |(namespace, _)| namespace)
}

fn split_id(rest: &str) -> Result<(Option<u64>, &str), PacketError> {
    let (digits, rest) = rest.split_at(digits_at_front(rest));
    if digits.is_empty() {
        return Ok((None, rest));
    }
    let id = digits.parse().map_err(|_| PacketError::InvalidId)?;
    Ok((Some(id), rest))
}

fn digits_at_front(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

fn check(packet: &Packet<'_>) -> Result<(), PacketError> {
    let first = packet.data.and_then(|data| data.bytes().next());
    match packet.kind {
        PacketType::Connect if matches!(first, None | Some(b'{')) => {}
        PacketType::Disconnect if first.is_none() => {}
        PacketType::ConnectError if matches!(first, Some(b'{' | b'"')) => {}
        PacketType::Event | PacketType::Ack if first == Some(b'[') => {}
        PacketType::BinaryEvent | PacketType::BinaryAck if first == Some(b'[') => {}
        _ => return Err(PacketError::InvalidData),
    }
    let is_id_expected = match packet.kind {
        PacketType::Event | PacketType::BinaryEvent => packet.id.is_some(),
        PacketType::Ack | PacketType::BinaryAck => true,
        PacketType::Connect | PacketType::Disconnect | PacketType::ConnectError => false,
    };
    if packet.id.is_some() != is_id_expected {
        return Err(PacketError::InvalidId);
    }
    match (packet.kind, packet.data) {
        (PacketType::Connect | PacketType::ConnectError, Some(data)) => {
            let mut reader = Reader::new(data);
            reader.value(0)?;
            reader.end()?;
        }
        (PacketType::BinaryEvent | PacketType::BinaryAck, Some(data)) => {
            check_placeholders(data, usize::from(packet.attachments))?;
        }
        _ => {}
    }
    Ok(())
}
