use super::{Opcode, mask};

/// The longest header of a server frame.
pub const HEADER_BYTES_MAX: usize = 10;

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
/// 125 bytes of control payload, less the code.
const CLOSE_REASON_BYTES_MAX: usize = 123;

/// Appends the header of an unmasked, unfragmented frame; `payload_bytes` bytes are to follow.
pub fn write_header(out: &mut Vec<u8>, opcode: Opcode, payload_bytes: usize) {
    write_any_header(out, opcode, payload_bytes, 0);
}

/// Appends an unmasked, unfragmented frame, as a server sends it.
pub fn write_frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    out.reserve(HEADER_BYTES_MAX + payload.len());
    write_header(out, opcode, payload.len());
    out.extend_from_slice(payload);
}

/// Appends a close frame; of `reason` as many whole characters as fit into 123 bytes.
pub fn write_close(out: &mut Vec<u8>, code: u16, reason: &str) {
    let reason = &reason[..reason.floor_char_boundary(CLOSE_REASON_BYTES_MAX)];
    write_header(out, Opcode::Close, 2 + reason.len());
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
}

/// Appends an unfragmented frame masked with `mask`, as a client sends it.
pub fn write_client_frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], mask: [u8; 4]) {
    out.reserve(HEADER_BYTES_MAX + mask.len() + payload.len());
    write_any_header(out, opcode, payload.len(), MASKED);
    out.extend_from_slice(&mask);
    let start = out.len();
    out.extend_from_slice(payload);
    mask::apply(&mut out[start..], mask);
}

fn write_any_header(out: &mut Vec<u8>, opcode: Opcode, payload_bytes: usize, masked: u8) {
    let first = FIN | opcode.bits();
    if let Some(short) = u8::try_from(payload_bytes).ok().filter(|&bytes| bytes < 126) {
        out.extend_from_slice(&[first, masked | short]);
    } else if let Ok(bytes) = u16::try_from(payload_bytes) {
        let [high, low] = bytes.to_be_bytes();
        out.extend_from_slice(&[first, masked | 126, high, low]);
    } else {
        out.extend_from_slice(&[first, masked | 127]);
        out.extend_from_slice(&(payload_bytes as u64).to_be_bytes());
    }
}
