//! Undoes front coding: in layout 5, what an entry shared with the one before it in its run was not kept a second time.
//!
//! Of each entry there is, among the heads, a byte that says what is not as before, and then as much of this as is not:
//!
//! | bit | what | how |
//! | --- | --- | --- |
//! | [`AT`] | when it was taken | a difference |
//! | [`LIFETIME`] | from then until it expires | a difference |
//! | [`FINGERPRINT`] | its fingerprint, where it is not zero | eight bytes, little-endian |
//! | [`LENGTH`] | how long its message is | a number |
//! | [`REST`] | the rest of its head | how much of its beginning is as before, how much is new, and that |
//! | [`BODY`] | how much of its body's beginning and of its end are as before | two numbers |
//!
//! Among the bodies is what is between those two ends. Numbers are LEB128; differences are signed, in zigzag.

use std::ops::Range;

const AT: u8 = 1;
const LIFETIME: u8 = 2;
const FINGERPRINT: u8 = 4;
const LENGTH: u8 = 8;
const REST: u8 = 16;
const BODY: u8 = 32;
const ALL: u8 = 2 * BODY - 1;

/// A whole head begins with when it was taken, when it expires, its fingerprint, and seven lengths: its message's, its parts',
/// and its texts'.
const NUMBERS_BYTES: usize = 28;
const LENGTHS: Range<usize> = 24..52;
const FLAGS: usize = 56;
const FIXED: usize = 60;
const EXPIRES_EVER: u8 = 8;
const IS_WITHOUT_ID: u8 = 128;
/// What is left out of a message that [`IS_WITHOUT_ID`].
const ID_IN_FRONT_BYTES: usize = 43;

/// The heads and bodies of so many entries, each of them whole. Where one is damaged they end before it.
pub(super) fn restore(entries: usize, mut heads: &[u8], mut bodies: &[u8]) -> [Vec<u8>; 2] {
    let mut whole = Whole::default();
    for _ in 0..entries {
        let (heads_end, bodies_end) = (whole.heads.len(), whole.bodies.len());
        if whole.take(&mut heads, &mut bodies).is_none() {
            whole.heads.truncate(heads_end);
            whole.bodies.truncate(bodies_end);
            break;
        }
    }
    [whole.heads, whole.bodies]
}

/// What was restored so far, and what the next one is compared with.
#[derive(Default)]
struct Whole {
    heads: Vec<u8>,
    bodies: Vec<u8>,
    at_ms: u64,
    lifetime_ms: u64,
    message_bytes: u32,
    /// Where in `heads` the rest of the last one is.
    rest: Range<usize>,
    /// Where in `bodies` the last one begins.
    body: usize,
}

impl Whole {
    /// Takes one off; `None` where it is damaged.
    fn take(&mut self, heads: &mut &[u8], bodies: &mut &[u8]) -> Option<()> {
        let control = take_bytes(heads, 1).map(|it| it[0]).filter(|it| *it <= ALL)?;
        let has = |bit| control & bit != 0;
        if has(AT) {
            self.at_ms = take_difference(heads, self.at_ms)?;
        }
        if has(LIFETIME) {
            self.lifetime_ms = take_difference(heads, self.lifetime_ms)?;
        }
        let fingerprint = if has(FINGERPRINT) { take_bytes(heads, 8)? } else { &[0; 8] };
        if has(LENGTH) {
            self.message_bytes = u32::try_from(take_number(heads)?).ok()?;
        }
        let (shared, new) = match has(REST) {
            true => {
                let (shared, new) = (take_number(heads)?, take_number(heads)?);
                (shared, take_bytes(heads, new)?)
            }
            false => (self.rest.len(), [].as_slice()),
        };
        let [front, back] =
            if has(BODY) { [take_number(heads)?, take_number(heads)?] } else { [0, 0] };
        if shared > self.rest.len() {
            return None;
        }
        let start = self.heads.len();
        self.heads.extend_from_slice(&self.at_ms.to_le_bytes());
        // Until its flags are known.
        self.heads.extend_from_slice(&[0; 8]);
        self.heads.extend_from_slice(fingerprint);
        self.heads.extend_from_slice(&self.message_bytes.to_le_bytes());
        self.heads.extend_from_within(self.rest.start..self.rest.start + shared);
        self.heads.extend_from_slice(new);
        self.rest = start + NUMBERS_BYTES..self.heads.len();
        let head = &mut self.heads[start..];
        if head.get(FLAGS)? & EXPIRES_EVER != 0 {
            let expires_at_ms = self.at_ms.wrapping_add(self.lifetime_ms);
            head[8..16].copy_from_slice(&expires_at_ms.to_le_bytes());
        }
        let body_bytes = body_bytes(head)?;
        // What it shares with the last one at its front and back, and what is between.
        let (start, end) = (self.body, self.bodies.len());
        let shared = front.checked_add(back).filter(|shared| *shared <= end - start)?;
        let between = take_bytes(bodies, body_bytes.checked_sub(shared)?)?;
        self.body = end;
        self.bodies.extend_from_within(start..start + front);
        self.bodies.extend_from_slice(between);
        self.bodies.extend_from_within(end - back..end);
        Some(())
    }
}

/// How long the body of this head is, which has to be whole.
fn body_bytes(head: &[u8]) -> Option<usize> {
    let (lengths, _) = head.get(LENGTHS)?.as_chunks();
    let mut lengths = lengths.iter().map(|it| u32::from_le_bytes(*it) as usize);
    let (message, parts) = (lengths.next()?, lengths.next()?);
    let left_out = if head.get(FLAGS)? & IS_WITHOUT_ID == 0 { 0 } else { ID_IN_FRONT_BYTES };
    (head.len() == FIXED + lengths.sum::<usize>())
        .then_some(message.saturating_sub(left_out) + parts)
}

fn take_bytes<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

fn take_difference(bytes: &mut &[u8], old: u64) -> Option<u64> {
    let number = take_u64(bytes)?;
    let difference = (number >> 1).cast_signed() ^ -(number & 1).cast_signed();
    Some(old.wrapping_add(difference.cast_unsigned()))
}

fn take_number(bytes: &mut &[u8]) -> Option<usize> {
    usize::try_from(take_u64(bytes)?).ok()
}

fn take_u64(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let byte = take_bytes(bytes, 1)?[0];
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}
