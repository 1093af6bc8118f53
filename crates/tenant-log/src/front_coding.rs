//! Front coding: what an entry shares with the one before it in its run is not kept a second time.
//!
//! Neighbours are much alike, and to compare two takes less than to search all for what repeats. Of each entry there is, among
//! the heads, a byte that says what is not as before, and then as much of this as is not:
//!
//! | bit | what | how |
//! | --- | --- | --- |
//! | [`AT`] | when it was taken | a difference |
//! | [`LIFETIME`] | from then until it expires | a difference |
//! | [`FINGERPRINT`] | its fingerprint, where it is not zero | eight bytes, little-endian |
//! | [`LENGTH`] | how long its message is | a number |
//! | [`REST`] | the rest of its head | how much of its beginning is as before, how much is new, and that |
//! | [`BODY`] | how much of its body's beginning and of its end are as before; nothing where it is not set | two numbers |
//!
//! Among the bodies is what is between those two ends. Numbers are LEB128; differences are signed, in zigzag.

use std::ops::Range;

use crate::encoding::{self, EntryParts, HeadNumbers};

const AT: u8 = 1;
const LIFETIME: u8 = 2;
const FINGERPRINT: u8 = 4;
const LENGTH: u8 = 8;
const REST: u8 = 16;
const BODY: u8 = 32;
const ALL: u8 = 2 * BODY - 1;

/// Room for so long a head or body is made beforehand for each, and no more.
const LIKELY_BYTES_MAX: usize = 1 << 10;
/// Less of a body is not worth the two numbers.
const SHARED_BYTES_MIN: usize = 8;

/// Neighbours' heads and bodies, shortened. The memory is used again.
#[derive(Debug, Default)]
pub(crate) struct FrontCoded {
    pub(crate) heads: Vec<u8>,
    pub(crate) bodies: Vec<u8>,
}

impl FrontCoded {
    pub(crate) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// Lets all entries go, and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.heads.clear();
        self.bodies.clear();
    }

    /// Appends an entry; `last` is the one before it, or nothing.
    pub(crate) fn push(&mut self, parts: &EntryParts<'_>, last: &EntryParts<'_>) {
        let Self { heads, bodies } = self;
        let (numbers, last_numbers, body) = (&parts.numbers, &last.numbers, parts.body);
        let at = heads.len();
        let mut control = 0;
        heads.push(control);
        if numbers.at_ms != last_numbers.at_ms {
            control |= AT;
            push_difference(numbers.at_ms, last_numbers.at_ms, heads);
        }
        if numbers.lifetime_ms != last_numbers.lifetime_ms {
            control |= LIFETIME;
            push_difference(numbers.lifetime_ms, last_numbers.lifetime_ms, heads);
        }
        if numbers.fingerprint != 0 {
            control |= FINGERPRINT;
            heads.extend_from_slice(&numbers.fingerprint.to_le_bytes());
        }
        if numbers.message_bytes != last_numbers.message_bytes {
            control |= LENGTH;
            push_number(u64::from(numbers.message_bytes), heads);
        }
        // Most often they are one and the same.
        if !std::ptr::eq(parts.rest, last.rest) && parts.rest != last.rest {
            control |= REST;
            let shared = shared_front(parts.rest, last.rest);
            let new = &parts.rest[shared..];
            push_number(shared as u64, heads);
            push_number(new.len() as u64, heads);
            heads.extend_from_slice(new);
        }
        let [front, back] = shared_ends(body, last.body);
        if front + back > 0 {
            control |= BODY;
            push_number(front as u64, heads);
            push_number(back as u64, heads);
        }
        bodies.extend_from_slice(&body[front..body.len() - back]);
        heads[at] = control;
    }
}

/// How many bytes at their beginning and at their end are the same; none where they are too few.
fn shared_ends(one: &[u8], other: &[u8]) -> [usize; 2] {
    let front = shared_front(one, other);
    // They differ right behind the front, seldom a whole chunk before the next: to look at the front once more is quicker than
    // byte by byte down to it. What is of both ends counts once.
    let back = shared_back(one, other).min(one.len().min(other.len()) - front);
    if front + back < SHARED_BYTES_MIN { [0, 0] } else { [front, back] }
}

/// Compared at once.
const CHUNK: usize = 16;

fn shared_front(one: &[u8], other: &[u8]) -> usize {
    let ((chunks, _), (others, _)) = (one.as_chunks::<CHUNK>(), other.as_chunks::<CHUNK>());
    let mut same = 0;
    for (one, other) in chunks.iter().zip(others) {
        let differ = u128::from_le_bytes(*one) ^ u128::from_le_bytes(*other);
        if differ != 0 {
            return same + differ.trailing_zeros() as usize / 8;
        }
        same += CHUNK;
    }
    let left = one[same..].iter().zip(&other[same..]);
    same + left.take_while(|(one, other)| one == other).count()
}

fn shared_back(one: &[u8], other: &[u8]) -> usize {
    let ((_, chunks), (_, others)) = (one.as_rchunks::<CHUNK>(), other.as_rchunks::<CHUNK>());
    let mut same = 0;
    for (one, other) in chunks.iter().rev().zip(others.iter().rev()) {
        let differ = u128::from_le_bytes(*one) ^ u128::from_le_bytes(*other);
        if differ != 0 {
            return same + differ.leading_zeros() as usize / 8;
        }
        same += CHUNK;
    }
    let [one, other] = [one, other].map(|it| &it[..it.len() - same]);
    let left = one.iter().rev().zip(other.iter().rev());
    same + left.take_while(|(one, other)| one == other).count()
}

fn push_difference(new: u64, old: u64, out: &mut Vec<u8>) {
    let difference = new.wrapping_sub(old).cast_signed();
    push_number(((difference << 1) ^ (difference >> 63)).cast_unsigned(), out);
}

fn push_number(mut number: u64, out: &mut Vec<u8>) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            return out.push(low & 0x7f);
        }
        out.push(low | 0x80);
    }
}

/// The heads of at most so many entries and, where they are wanted, their bodies, each of them whole. Where one is damaged they
/// end before it.
pub(crate) fn restore(entries_max: usize, heads: &[u8], bodies: Option<&[u8]>) -> [Vec<u8>; 2] {
    let mut whole = Whole::default();
    let (mut heads, mut bodies) = (heads, bodies);
    for n in 0..entries_max {
        if whole.take(&mut heads, bodies.as_mut()).is_none() {
            break;
        }
        if n == 0 {
            // The others are about as long.
            whole.heads.reserve(whole.heads.len().min(LIKELY_BYTES_MAX) * entries_max);
            whole.bodies.reserve(whole.bodies.len().min(LIKELY_BYTES_MAX) * entries_max);
        }
    }
    [whole.heads, whole.bodies]
}

/// What was restored so far, and what the next one is compared with.
#[derive(Default)]
struct Whole {
    heads: Vec<u8>,
    bodies: Vec<u8>,
    /// The last head's.
    numbers: HeadNumbers,
    /// Where in `heads` its rest is.
    rest: Range<usize>,
    body_bytes: usize,
    /// Where the last body begins.
    body: usize,
}

impl Whole {
    /// Takes one off; `None` where it is damaged.
    fn take(&mut self, heads: &mut &[u8], bodies: Option<&mut &[u8]>) -> Option<()> {
        let start = self.heads.len();
        let Some(ends) = self.take_head(heads) else {
            self.heads.truncate(start);
            return None;
        };
        match bodies {
            Some(bodies) => self.take_body(bodies, ends),
            None => Some(()),
        }
    }

    /// Puts a head together. Returns how much of the body's two ends is as before.
    fn take_head(&mut self, coded: &mut &[u8]) -> Option<[usize; 2]> {
        let control = take_bytes(coded, 1).map(|it| it[0]).filter(|it| *it <= ALL)?;
        let has = |bits| control & bits != 0;
        let Self { heads, numbers, rest, .. } = self;
        if has(AT) {
            numbers.at_ms = take_difference(coded, numbers.at_ms)?;
        }
        if has(LIFETIME) {
            numbers.lifetime_ms = take_difference(coded, numbers.lifetime_ms)?;
        }
        numbers.fingerprint = match has(FINGERPRINT) {
            true => u64::from_le_bytes(take_bytes(coded, 8)?.try_into().ok()?),
            false => 0,
        };
        if has(LENGTH) {
            numbers.message_bytes = u32::try_from(take_number(coded)?).ok()?;
        }
        let (shared, new) = match has(REST) {
            true => {
                let (shared, new) = (take_number(coded)?, take_number(coded)?);
                (shared, take_bytes(coded, new)?)
            }
            false => (rest.len(), [].as_slice()),
        };
        if shared > rest.len() {
            return None;
        }
        let start = heads.len();
        heads.extend_from_slice(&[0; encoding::REST]);
        heads.extend_from_within(rest.start..rest.start + shared);
        heads.extend_from_slice(new);
        *rest = start + encoding::REST..heads.len();
        numbers.write(&mut heads[start..]).ok()?;
        if has(LENGTH | REST) {
            self.body_bytes = encoding::body_bytes(&heads[start..]).ok()?;
        }
        Some(if has(BODY) { [take_number(coded)?, take_number(coded)?] } else { [0, 0] })
    }

    /// Puts a body together of what it shares with the last one at its front and back, and what is between.
    fn take_body(&mut self, bodies: &mut &[u8], [front, back]: [usize; 2]) -> Option<()> {
        let (start, end) = (self.body, self.bodies.len());
        let shared = front.checked_add(back).filter(|shared| *shared <= end - start)?;
        let between = take_bytes(bodies, self.body_bytes.checked_sub(shared)?)?;
        self.body = end;
        self.bodies.extend_from_within(start..start + front);
        self.bodies.extend_from_slice(between);
        self.bodies.extend_from_within(end - back..end);
        Some(())
    }
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

#[cfg(test)]
mod tests {
    use foodtrack_contract::{EventType, Priority};

    use super::*;
    use crate::encoding::samples::{encoded, full, offset, plain, several};
    use crate::encoding::{Entries, Heads, ID_BYTES};
    use crate::{Durability, LogEntry, LoggedAudience};

    /// The ids; heads and bodies are in `coded`.
    fn code(entries: &[LogEntry], coded: &mut FrontCoded) -> Vec<u8> {
        let encoded = encoded(entries);
        coded.clear();
        let mut last = EntryParts::default();
        for parts in encoded.parts() {
            coded.push(&parts, &last);
            last = parts;
        }
        encoded.ids
    }

    /// Up to the first that is damaged.
    fn decoded(ids: &[u8], heads: &[u8], bodies: &[u8]) -> Vec<LogEntry> {
        let [heads, bodies] = restore(ids.len() / ID_BYTES, heads, Some(bodies));
        Entries::new(Heads::new(offset(7), ids, &heads), &bodies)
            .map_while(|(offset, it)| it.and_then(|(head, body)| head.entry(offset, body)).ok())
            .collect()
    }

    #[track_caller]
    fn check_comes_back(entries: &[LogEntry], coded: &mut FrontCoded) {
        let ids = code(entries, coded);
        let FrontCoded { heads, bodies } = coded;
        assert_eq!(decoded(&ids, heads, bodies), entries);
        let [whole, _] = restore(entries.len(), heads, Some(bodies));
        assert_eq!(restore(entries.len(), heads, None), [whole, Vec::new()]);
    }

    /// Neighbours that differ here and there.
    fn alike(random: &mut fastrand::Rng) -> Vec<LogEntry> {
        let mut entry = full(7);
        let mut entries = Vec::new();
        for n in 7..7 + random.u64(1..40) {
            entry.offset = offset(n);
            match random.u8(..12) {
                0 => entry = plain(n),
                1 => entry = full(n),
                2 => entry.at_ms = random.u64(..),
                3 => entry.at_ms += random.u64(..3),
                4 => entry.expires_at_ms = random.bool().then(|| random.u64(..)),
                5 => entry.fingerprint = random.bool().then(|| random.u64(..3)),
                6 => entry.entity = random.bool().then(|| random.u64(..100).to_string().into()),
                7 => entry.attachments = vec![vec![7; random.usize(..40)]; random.usize(..3)],
                8 => entry.durability = Durability::Recoverable,
                9 => entry.audience = LoggedAudience::default(),
                _ => {
                    let mut message = entry.message.to_vec();
                    if !message.is_empty() {
                        let place = random.usize(..message.len());
                        message[place] = random.u8(..);
                    }
                    message.extend(std::iter::repeat_n(b'x', random.usize(..3)));
                    entry.message = message.into();
                }
            }
            entries.push(entry.clone());
        }
        entries
    }

    #[test]
    fn entries_come_back_as_they_were_and_the_memory_is_used_again() {
        let (mut coded, mut random) = (FrontCoded::default(), fastrand::Rng::with_seed(7));
        check_comes_back(&several(), &mut coded);
        for _ in 0..2_000 {
            check_comes_back(&alike(&mut random), &mut coded);
        }
    }

    #[test]
    fn what_neighbours_share_is_written_once() {
        let entry = |n: u64| LogEntry {
            event: EventType::DeliveryInTransit.into(),
            priority: Priority::Medium,
            message: format!("{{\"order\":{},\"and\":\"{}\"}}", 100 + n, "so on ".repeat(30))
                .into(),
            fingerprint: None,
            attachments: Vec::new(),
            ..full(n)
        };
        let mut coded = FrontCoded::default();
        code(&[entry(1)], &mut coded);
        let one = coded.heads.len() + coded.bodies.len();
        code(&(1..=21).map(entry).collect::<Vec<_>>(), &mut coded);
        let each = (coded.heads.len() + coded.bodies.len() - one) / 20;
        assert!(each < 10 && one > 250, "{one} bytes, then {each}");
    }

    #[test]
    fn what_is_cut_off_anywhere_is_damage_and_never_something_else() {
        let entries = several();
        let mut coded = FrontCoded::default();
        let ids = &code(&entries, &mut coded);
        let FrontCoded { heads, bodies } = &coded;
        let heads_cut = (0..heads.len()).map(|end| decoded(ids, &heads[..end], bodies));
        let bodies_cut = (0..bodies.len()).map(|end| decoded(ids, heads, &bodies[..end]));
        for read in heads_cut.chain(bodies_cut) {
            assert!(read.len() < entries.len() && entries.starts_with(&read));
        }
    }

    #[test]
    fn a_head_that_its_lengths_do_not_add_up_to_is_not_there() {
        let (encoded, mut coded) = (encoded(&[full(7)]), FrontCoded::default());
        code(&[full(7)], &mut coded);
        let parts = encoded.parts().next().unwrap();
        let rest = coded.heads.windows(parts.rest.len()).position(|it| it == parts.rest).unwrap();
        // Behind the length of the binary parts, that of the event's name.
        coded.heads[rest + 4] -= 1;
        assert_eq!(restore(1, &coded.heads, Some(&coded.bodies)), [vec![0; 0], vec![0; 0]]);
    }

    #[test]
    fn what_is_damaged_takes_no_more_memory_than_its_entries_could() {
        let (mut coded, mut random) = (FrontCoded::default(), fastrand::Rng::with_seed(7));
        for _ in 0..300 {
            let entries = alike(&mut random);
            code(&entries, &mut coded);
            let FrontCoded { heads, bodies } = &coded;
            for _ in 0..100 {
                let mut changed = heads.clone();
                for _ in 0..random.usize(1..4) {
                    let place = random.usize(..changed.len());
                    changed[place] = random.u8(..);
                }
                let [whole, restored] = restore(entries.len(), &changed, Some(bodies));
                // No body is longer than the column they come from.
                assert!(restored.len() <= entries.len() * bodies.len());
                assert!(whole.len() <= entries.len() * (changed.len() + 28));
            }
        }
    }
}
