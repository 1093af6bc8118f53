//! A head as something to compare with its neighbour's.

use super::{
    AT, Damage, EXPIRES, EXPIRES_EVER, FINGERPRINT, FLAGS, Head, ID_BYTES, LENGTHS, u32_at, u64_at,
};

/// Where the rest begins: behind the message's length.
pub(crate) const REST: usize = LENGTHS + 4;

/// A head taken apart: numbers that seldom are as the neighbour's, and the rest, which often is.
#[derive(Clone, Copy, Default)]
pub(crate) struct HeadParts<'a> {
    pub(crate) at_ms: u64,
    /// From then until it expires; nothing if it never does.
    pub(crate) lifetime_ms: u64,
    pub(crate) fingerprint: u64,
    pub(crate) message_bytes: u32,
    pub(crate) rest: &'a [u8],
}

impl<'a> HeadParts<'a> {
    /// Takes the first head off `heads`; says how long its body is.
    pub(crate) fn take(heads: &mut &'a [u8]) -> Result<(Self, usize), Damage> {
        let all = *heads;
        let head = Head::take(&[0; ID_BYTES], heads)?;
        let parts = Self {
            at_ms: head.at_ms(),
            lifetime_ms: head.expires_at_ms().map_or(0, |it| it.wrapping_sub(head.at_ms())),
            fingerprint: u64_at(head.fixed, FINGERPRINT),
            message_bytes: u32_at(head.fixed, LENGTHS),
            rest: &all[REST..all.len() - heads.len()],
        };
        Ok((parts, head.body_bytes()))
    }

    /// Puts the numbers into a head that has its rest already; the parts' own is not looked at.
    pub(crate) fn write_numbers(&self, head: &mut [u8]) -> Result<(), Damage> {
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

/// How long the body of this head is, which has to be whole.
pub(crate) fn body_bytes(mut head: &[u8]) -> Result<usize, Damage> {
    let (_, bytes) = HeadParts::take(&mut head)?;
    if head.is_empty() { Ok(bytes) } else { Err("head") }
}
