//! An entry as something to compare with its neighbour.

use super::{
    AT, Damage, EXPIRES, EXPIRES_EVER, FINGERPRINT, FIXED, FLAGS, Head, ID_BYTES, LENGTHS, u32_at,
    u64_at,
};

/// Where the rest begins: behind the message's length.
pub(crate) const REST: usize = LENGTHS + 4;

/// The numbers in front of a head, which seldom are as the neighbour's; the rest of it often is.
#[derive(Clone, Copy, Default)]
pub(crate) struct HeadNumbers {
    pub(crate) at_ms: u64,
    /// From then until it expires; nothing if it never does.
    pub(crate) lifetime_ms: u64,
    pub(crate) fingerprint: u64,
    pub(crate) message_bytes: u32,
}

impl HeadNumbers {
    /// Puts them into a head that has its rest already.
    pub(crate) fn write(&self, head: &mut [u8]) -> Result<(), Damage> {
        let flags = head.get(FLAGS).ok_or("head")?;
        let expires_at_ms = match flags & EXPIRES_EVER {
            0 => 0,
            _ => self.at_ms.wrapping_add(self.lifetime_ms),
        };
        head[AT..EXPIRES].copy_from_slice(&self.at_ms.to_le_bytes());
        head[EXPIRES..FINGERPRINT].copy_from_slice(&expires_at_ms.to_le_bytes());
        head[FINGERPRINT..LENGTHS].copy_from_slice(&self.fingerprint.to_le_bytes());
        head[LENGTHS..REST].copy_from_slice(&self.message_bytes.to_le_bytes());
        Ok(())
    }
}

/// An entry taken apart, to be compared with its neighbour.
#[derive(Clone, Copy, Default)]
pub(crate) struct EntryParts<'a> {
    pub(crate) numbers: HeadNumbers,
    pub(crate) rest: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl<'a> EntryParts<'a> {
    /// Of an entry's head and body, both as they were encoded.
    pub(crate) fn new(head: &'a [u8], body: &'a [u8]) -> Self {
        let Some(fixed) = head.first_chunk::<FIXED>() else {
            unreachable!("every head begins with what all have");
        };
        let at_ms = u64_at(fixed, AT);
        let lifetime_ms = match fixed[FLAGS] & EXPIRES_EVER {
            0 => 0,
            _ => u64_at(fixed, EXPIRES).wrapping_sub(at_ms),
        };
        let numbers = HeadNumbers {
            at_ms,
            lifetime_ms,
            fingerprint: u64_at(fixed, FINGERPRINT),
            message_bytes: u32_at(fixed, LENGTHS),
        };
        Self { numbers, rest: &head[REST..], body }
    }
}

/// How long the body of this head is, which has to be whole.
pub(crate) fn body_bytes(mut head: &[u8]) -> Result<usize, Damage> {
    let bytes = Head::take(&[0; ID_BYTES], &mut head)?.body_bytes();
    if head.is_empty() { Ok(bytes) } else { Err("head") }
}
