//! Heads and bodies as they stand in a row: neighbours repeat each other, so that less is written, moved and read.
//!
//! Four bytes, little-endian, then the rest. They are the unpacked size, and the rest is an LZ4 block; or they are zero, and
//! the rest is what it is.

use std::borrow::Cow;

use lz4_flex::block::{
    CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size,
};

/// Less is not worth it.
const PACKED_BYTES_MIN: usize = 512;
const SIZE_BYTES: usize = 4;
/// LZ4 gets no more out of a byte.
const BYTES_PER_BYTE_MAX: usize = 255;

/// Memory to pack in, used again and again.
#[derive(Default)]
pub(super) struct Packer {
    table: CompressTable,
    out: Vec<u8>,
}

impl Packer {
    /// Packs, where that makes it smaller.
    pub(super) fn pack(&mut self, bytes: &[u8]) -> &[u8] {
        let room = SIZE_BYTES + get_maximum_output_size(bytes.len());
        if self.out.len() < room {
            self.out.resize(room, 0);
        }
        let (size, rest) = self.out.split_at_mut(SIZE_BYTES);
        let packed = (bytes.len() >= PACKED_BYTES_MIN)
            .then(|| compress_into_with_table(bytes, rest, &mut self.table).ok())
            .flatten()
            .filter(|packed| *packed < bytes.len());
        let (unpacked, length) = match (packed, u32::try_from(bytes.len())) {
            (Some(packed), Ok(unpacked)) => (unpacked, packed),
            _ => {
                rest[..bytes.len()].copy_from_slice(bytes);
                (0, bytes.len())
            }
        };
        size.copy_from_slice(&unpacked.to_le_bytes());
        &self.out[..SIZE_BYTES + length]
    }
}

/// What was packed. Nothing at all where it is damaged: entries are then missing, which is found out by whoever takes them
/// apart.
pub(super) fn unpack(bytes: &[u8]) -> Cow<'_, [u8]> {
    let Some((size, rest)) = bytes.split_first_chunk::<SIZE_BYTES>() else {
        return Cow::default();
    };
    let size = u32::from_le_bytes(*size) as usize;
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
            let packed = packer.pack(&bytes).to_vec();
            assert!(packed.len() <= bytes.len() + SIZE_BYTES);
            assert_eq!(unpack(&packed), bytes);
        }
    }

    #[test]
    fn neighbours_that_are_alike_take_a_fraction() {
        let bytes = like_each_other(64);
        assert!(Packer::default().pack(&bytes).len() < bytes.len() / 3);
    }

    #[test]
    fn what_is_damaged_is_nothing_or_of_the_size_that_was_said() {
        let (bytes, mut random) = (like_each_other(64), fastrand::Rng::with_seed(7));
        let packed = Packer::default().pack(&bytes).to_vec();
        for end in 0..packed.len() {
            assert_eq!(unpack(&packed[..end]), b"".as_slice(), "cut off after {end}");
        }
        for _ in 0..20_000 {
            let mut damaged = packed.clone();
            for _ in 0..random.usize(1..4) {
                let place = random.usize(..damaged.len());
                damaged[place] = random.u8(..);
            }
            let said = u32::from_le_bytes(damaged[..4].try_into().unwrap()) as usize;
            let found = unpack(&damaged).len();
            assert!(found == 0 || found == said || said == 0);
        }
    }
}
