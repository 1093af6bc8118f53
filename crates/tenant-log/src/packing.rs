//! Heads and bodies as they are kept: neighbours repeat each other, so that less is written, moved and read.
//!
//! Four bytes, little-endian, then the rest. They are the unpacked size, and the rest is an LZ4 block; or they are zero, and
//! the rest is what it is; or it is sealed (`row_seals.rs`). Where the bit [`HAS_CHECKSUM`] of them is set, a CRC-32 over all before it comes last; logs of
//! layouts before 7 have none.

use std::borrow::Cow;

use crc32fast::Hasher;
use lz4_flex::block::{
    CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size,
};

/// Less is not worth it.
const PACKED_BYTES_MIN: usize = 512;
pub(crate) const SIZE_BYTES: usize = 4;
/// In the last byte of the size: a checksum stands at the end. No size is that large.
const HAS_CHECKSUM: u8 = 0x40;
const CHECKSUM_BYTES: usize = 4;
/// LZ4 gets no more out of a byte.
const BYTES_PER_BYTE_MAX: usize = 255;

/// Memory to pack in, used again and again.
#[derive(Default)]
pub(crate) struct Packer {
    table: CompressTable,
    room: Vec<u8>,
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer").finish_non_exhaustive()
    }
}

impl Packer {
    /// Packs bytes where that makes them smaller. Appends what comes of it.
    pub(crate) fn pack(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let room = get_maximum_output_size(bytes.len());
        if self.room.len() < room {
            self.room.resize(room, 0);
        }
        let packed = (bytes.len() >= PACKED_BYTES_MIN)
            .then(|| compress_into_with_table(bytes, &mut self.room, &mut self.table).ok())
            .flatten()
            .filter(|packed| *packed < bytes.len());
        match (packed, u32::try_from(bytes.len())) {
            (Some(packed), Ok(size)) => {
                out.extend_from_slice(&size.to_le_bytes());
                out.extend_from_slice(&self.room[..packed]);
            }
            _ => leave(bytes, out),
        }
    }
}

/// Puts a checksum behind what was packed to `out` from `start` on. `checksum` has hashed what it covers besides.
pub(crate) fn seal(mut checksum: Hasher, out: &mut Vec<u8>, start: usize) {
    if let Some(size) = out.get_mut(start + SIZE_BYTES - 1) {
        *size |= HAS_CHECKSUM;
        checksum.update(&out[start..]);
        out.extend_from_slice(&checksum.finalize().to_le_bytes());
    }
}

/// Appends bytes as they are.
pub(crate) fn leave(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&[0; SIZE_BYTES]);
    out.extend_from_slice(bytes);
}

/// What was packed. Nothing at all where it is damaged: entries are then missing, which is found out by whoever takes them
/// apart. `checksum` has hashed what its checksum covers besides.
pub(crate) fn unpack(mut bytes: &[u8], mut checksum: Hasher) -> Cow<'_, [u8]> {
    let has_checksum = bytes.get(SIZE_BYTES - 1).is_some_and(|size| size & HAS_CHECKSUM != 0);
    if has_checksum {
        let Some((packed, expected)) = bytes.split_last_chunk::<CHECKSUM_BYTES>() else {
            return Cow::default();
        };
        checksum.update(packed);
        if checksum.finalize() != u32::from_le_bytes(*expected) {
            return Cow::default();
        }
        bytes = packed;
    }
    let Some((size, rest)) = bytes.split_first_chunk::<SIZE_BYTES>() else {
        return Cow::default();
    };
    let size = u32::from_le_bytes([size[0], size[1], size[2], size[3] & !HAS_CHECKSUM]) as usize;
    if size == 0 {
        return rest.into();
    }
    if size / BYTES_PER_BYTE_MAX > rest.len() {
        return Cow::default();
    }
    let mut unpacked = vec![0; size];
    match decompress_into(rest, &mut unpacked) {
        Ok(found) if found == size => unpacked.into(),
        _ => Cow::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like_each_other(count: usize) -> Vec<u8> {
        (0..count)
            .flat_map(|n| format!("{{\"order\":{n},\"state\":\"ready\"}}").into_bytes())
            .collect()
    }

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Packer::default().pack(bytes, &mut out);
        out
    }

    fn like_nothing(count: usize) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(7);
        std::iter::repeat_with(|| random.u8(..)).take(count).collect()
    }

    #[test]
    fn what_is_packed_comes_back() {
        let mut packer = Packer::default();
        for bytes in [
            Vec::new(),
            vec![0; 3],
            like_each_other(10),
            like_each_other(100),
            like_each_other(100_000),
            like_nothing(511),
            like_nothing(70_000),
            like_each_other(50),
        ] {
            let (mut packed, mut left) = (Vec::new(), Vec::new());
            packer.pack(&bytes, &mut packed);
            assert!(packed.len() <= bytes.len() + SIZE_BYTES);
            assert_eq!(unpack(&packed, Hasher::new()), bytes);
            leave(&bytes, &mut left);
            assert_eq!(unpack(&left, Hasher::new()), bytes);
        }
    }

    #[test]
    fn neighbours_that_are_alike_take_a_fraction() {
        let bytes = like_each_other(64);
        assert!(packed(&bytes).len() < bytes.len() / 3);
    }

    #[test]
    fn what_is_damaged_is_nothing_or_of_the_size_that_was_said() {
        let (bytes, mut random) = (like_each_other(64), fastrand::Rng::with_seed(7));
        let packed = packed(&bytes);
        for end in 0..packed.len() {
            assert_eq!(
                unpack(&packed[..end], Hasher::new()),
                b"".as_slice(),
                "cut off after {end}"
            );
        }
        for _ in 0..20_000 {
            let mut damaged = packed.clone();
            for _ in 0..random.usize(1..4) {
                let place = random.usize(..damaged.len());
                damaged[place] = random.u8(..);
            }
            let said = u32::from_le_bytes(damaged[..4].try_into().unwrap()) as usize;
            damaged[SIZE_BYTES - 1] &= !HAS_CHECKSUM;
            let found = unpack(&damaged, Hasher::new()).len();
            assert!(found == 0 || found == said || said == 0);
        }
    }

    #[test]
    fn a_checksum_tells_every_changed_bit_and_what_stands_beside() {
        let beside = |bytes: &[u8]| {
            let mut checksum = Hasher::new();
            checksum.update(bytes);
            checksum
        };
        for bytes in [Vec::new(), like_nothing(60), like_each_other(40)] {
            let mut whole = b"before".to_vec();
            let start = whole.len();
            Packer::default().pack(&bytes, &mut whole);
            seal(beside(b"ids"), &mut whole, start);
            let whole = &whole[start..];
            assert_eq!(unpack(whole, beside(b"ids")), bytes);
            assert_eq!(unpack(whole, beside(b"idt")), b"".as_slice());
            for place in 0..8 * whole.len() {
                let mut damaged = whole.to_vec();
                damaged[place / 8] ^= 1 << (place % 8);
                let found = unpack(&damaged, beside(b"ids"));
                // Where the bit is gone that says that there is a checksum, its bytes are too many, and nothing else is wrong.
                let hides = place == 8 * SIZE_BYTES - 2 && found.starts_with(&bytes);
                assert!(found.is_empty() || hides, "bit {place} of {}", whole.len());
            }
        }
    }
}
