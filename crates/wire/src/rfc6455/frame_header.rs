use super::{Opcode, ProtocolError};

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;

/// A frame's header, as a client sends it.
pub(super) struct FrameHeader {
    pub(super) is_final: bool,
    pub(super) opcode: Opcode,
    pub(super) mask: [u8; 4],
    pub(super) header_bytes: usize,
    /// As announced; nothing of it may have arrived yet.
    pub(super) payload_bytes: u64,
}

impl FrameHeader {
    /// `None`: the header is not all here yet. Errors are found as early as their byte.
    pub(super) fn parse(input: &[u8]) -> Result<Option<Self>, ProtocolError> {
        let Some(&first) = input.first() else { return Ok(None) };
        if first & RESERVED != 0 {
            return Err(ProtocolError::ReservedBits);
        }
        let opcode = Opcode::from_bits(first & 0x0f)
            .ok_or(ProtocolError::ReservedOpcode { opcode: first & 0x0f })?;
        let is_final = first & FIN != 0;
        if opcode.is_control() && !is_final {
            return Err(ProtocolError::FragmentedControl);
        }
        let Some(&second) = input.get(1) else { return Ok(None) };
        if second & MASKED == 0 {
            return Err(ProtocolError::Unmasked);
        }
        if opcode.is_control() && second & !MASKED > 125 {
            return Err(ProtocolError::ControlTooLong);
        }
        let Some((payload_bytes, length_end)) = payload_length(input) else { return Ok(None) };
        if payload_bytes >> 63 != 0 {
            return Err(ProtocolError::LengthOverflow);
        }
        let Some(&mask) = input[length_end..].first_chunk::<4>() else { return Ok(None) };
        let header_bytes = length_end + 4;
        Ok(Some(Self { is_final, opcode, mask, header_bytes, payload_bytes }))
    }
}

/// The announced payload length and where it ends, if it is all here.
fn payload_length(input: &[u8]) -> Option<(u64, usize)> {
    match input.get(1)? & !MASKED {
        126 => Some((u64::from(u16::from_be_bytes(*input[2..].first_chunk()?)), 4)),
        127 => Some((u64::from_be_bytes(*input[2..].first_chunk()?), 10)),
        length => Some((u64::from(length), 2)),
    }
}

/// Header and payload together, once the header is complete; saturates.
pub(super) fn frame_len(input: &[u8]) -> Option<usize> {
    let (payload_bytes, length_end) = payload_length(input)?;
    let mask_bytes = if input[1] & MASKED == 0 { 0 } else { 4 };
    let header_bytes = length_end + mask_bytes;
    (input.len() >= header_bytes)
        .then(|| usize::try_from(payload_bytes).unwrap_or(usize::MAX).saturating_add(header_bytes))
}
