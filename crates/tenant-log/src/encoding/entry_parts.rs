//! An entry as something to compare with its neighbour.

use super::{
    AT, Damage, EXPIRES, EXPIRES_EVER, FINGERPRINT, FLAGS, Head, ID_BYTES, LENGTHS, u32_of,
};
use crate::EntryRef;

/// Where the rest begins: behind the message's length.
pub(crate) const REST: usize = LENGTHS + 4;

/// The numbers in front of a head, which seldom are as the neighbour's; the rest of it often is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HeadNumbers {
    pub(crate) at_ms: u64,
    /// From then until it expires; nothing if it never does.
    pub(crate) lifetime_ms: u64,
    pub(crate) fingerprint: u64,
    pub(crate) message_bytes: u32,
}

impl HeadNumbers {
    /// Those of an entry.
    pub(crate) fn of(entry: &EntryRef<'_>) -> Self {
        Self {
            at_ms: entry.at_ms,
            lifetime_ms: entry.expires_at_ms.map_or(0, |it| it.wrapping_sub(entry.at_ms)),
            fingerprint: entry.fingerprint.unwrap_or(0),
            message_bytes: u32_of(entry.message.len()),
        }
    }

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

/// How long the body of this head is, which has to be whole.
pub(crate) fn body_bytes(mut head: &[u8]) -> Result<usize, Damage> {
    let bytes = Head::take(&[0; ID_BYTES], &mut head)?.body_bytes();
    if head.is_empty() { Ok(bytes) } else { Err("head") }
}
