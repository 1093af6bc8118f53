//! Which ids may have been seen, in few bytes: where it says no, nobody need look.

use std::collections::VecDeque;

use super::RECENT_IDS_MAX;

/// Bits of memory for each id. With [`PROBES`] of them set, one in 300 of those that are new looks as though it were known.
const BITS_PER_ID: usize = 12;
const PROBES: u32 = 6;
/// How many ids the first part is made for; each further one takes twice as many as the one before.
const FIRST_IDS: usize = 1_024;

/// A Bloom filter that grows by parts. It forgets nothing of the last [`RECENT_IDS_MAX`] ids, and bit by bit what came before.
#[derive(Debug, Default)]
pub(crate) struct IdFilter {
    /// Oldest first.
    parts: VecDeque<Part>,
}

#[derive(Debug)]
struct Part {
    bits: Box<[u64]>,
    count: usize,
    max: usize,
}

impl IdFilter {
    /// Sees to it that so many ids more fit well.
    pub(crate) fn reserve(&mut self, ids: usize) {
        let last = self.parts.back();
        if last.is_some_and(|last| last.count + ids <= last.max) {
            return;
        }
        let max = last.map_or(FIRST_IDS, |last| 2 * last.max).max(ids).min(RECENT_IDS_MAX);
        let bits = vec![0; (max * BITS_PER_ID).div_ceil(64)].into_boxed_slice();
        self.parts.push_back(Part { bits, count: 0, max });
        // The others remember as many as there need be.
        while self.parts.iter().skip(1).map(|part| part.count).sum::<usize>() >= RECENT_IDS_MAX {
            self.parts.pop_front();
        }
    }

    /// Takes in an id by its hash, which spreads well.
    pub(crate) fn insert(&mut self, hash: u64) {
        self.reserve(1);
        if let Some(last) = self.parts.back_mut() {
            for bit in probes(hash, last.bits.len()) {
                last.bits[bit / 64] |= 1 << (bit % 64);
            }
            last.count += 1;
        }
    }

    /// Whether an id may have been taken in. Where not, it was not.
    pub(crate) fn may_have(&self, hash: u64) -> bool {
        let is_set = |part: &Part, bit: usize| part.bits[bit / 64] & (1 << (bit % 64)) != 0;
        self.parts.iter().any(|part| probes(hash, part.bits.len()).all(|bit| is_set(part, bit)))
    }

    /// What it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        let of_bits: usize = self.parts.iter().map(|part| size_of_val(&*part.bits)).sum();
        of_bits + self.parts.capacity() * size_of::<Part>()
    }
}

/// The bits that stand for an id, in so many words.
fn probes(hash: u64, words: usize) -> impl Iterator<Item = usize> {
    // Two halves of one hash serve as many (Kirsch, Mitzenmacher 2006).
    let (first, step) = (hash & 0xffff_ffff, (hash >> 32) | 1);
    let bits = words as u64 * 64;
    (0..u64::from(PROBES)).map(move |n| {
        // What is left of a number of bits fits.
        usize::try_from(first.wrapping_add(n * step) % bits).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: usize) -> u64 {
        let mixed = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }

    fn with(ids: usize) -> IdFilter {
        let mut filter = IdFilter::default();
        (0..ids).for_each(|n| filter.insert(hash(n)));
        filter
    }

    #[test]
    fn what_was_taken_in_is_known_and_hardly_anything_else_seems_to_be() {
        assert!(!IdFilter::default().may_have(hash(0)));
        let filter = with(10_000);
        assert!((0..10_000).all(|n| filter.may_have(hash(n))));
        let wrong = (10_000..110_000).filter(|n| filter.may_have(hash(*n))).count();
        assert!(wrong < 2_000, "{wrong} of 100 000");
        assert!(filter.bytes() < 32 << 10, "{}", filter.bytes());
    }

    #[test]
    fn the_last_ids_are_known_whatever_came_before_in_bounded_memory() {
        let ids = 5 * RECENT_IDS_MAX;
        let filter = with(ids);
        assert!((ids - RECENT_IDS_MAX..ids).all(|n| filter.may_have(hash(n))));
        assert!(filter.bytes() < 320 << 10, "{}", filter.bytes());
    }
}
