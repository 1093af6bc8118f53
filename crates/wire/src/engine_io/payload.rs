use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::packet::{Packet, PacketError, decode_text};

/// Between the packets of a polling body.
pub const SEPARATOR: u8 = 0x1e;

/// Writes padding, and reads what JavaScript's decoders read: without padding too.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Reads a polling body, packet by packet and in order; binary ones are `b` and base64.
///
/// # Errors
/// Stops at the first segment that is no packet (an empty one is none): those before it have been
/// handed to `each`, those behind it are not looked at. See [`PacketError`].
pub fn decode_payload(body: &str, mut each: impl FnMut(Packet<'_>)) -> Result<(), PacketError> {
    let mut bytes = Vec::new();
    for segment in body.split(char::from(SEPARATOR)) {
        match segment.strip_prefix('b') {
            Some(encoded) => {
                bytes.clear();
                BASE64.decode_vec(encoded, &mut bytes).map_err(|_| PacketError::InvalidBase64)?;
                each(Packet::Binary(&bytes));
            }
            None => each(decode_text(segment)?),
        }
    }
    Ok(())
}

/// Appends one packet to a polling body, behind a separator unless the body is empty.
///
/// For anything but [`Packet::Binary`], an empty body becomes the packet's WebSocket text message.
/// The form has no escape for [`SEPARATOR`] inside text; JSON never contains it.
pub fn append_to_payload(body: &mut Vec<u8>, packet: Packet<'_>) {
    if !body.is_empty() {
        body.push(SEPARATOR);
    }
    let (kind, data) = match packet {
        Packet::Open(data) => (b'0', data),
        Packet::Close => (b'1', ""),
        Packet::Ping(data) => (b'2', data),
        Packet::Pong(data) => (b'3', data),
        Packet::Text(data) => (b'4', data),
        Packet::Upgrade => (b'5', ""),
        Packet::Noop => (b'6', ""),
        Packet::Binary(bytes) => {
            body.push(b'b');
            append_base64(body, bytes);
            return;
        }
    };
    body.push(kind);
    body.extend_from_slice(data.as_bytes());
}

fn append_base64(body: &mut Vec<u8>, bytes: &[u8]) {
    let start = body.len();
    body.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written = BASE64.encode_slice(bytes, &mut body[start..]);
    assert_eq!(written, Ok(body.len() - start), "base64 takes four bytes for every three begun");
}
