//! Memory of runs that were let go, for the next ones.
//!
//! In a crowd a run is made by one thread and let go by another, a commit later and with hundreds of others: given back, all
//! of it would go to the system at once and come back page by page.

/// So much is kept: about what a commit of a crowd takes.
const BYTES_MAX: usize = 2 << 20;
/// How many pieces one takes of another's.
const SHARE: usize = 4;

/// Pieces of it.
#[derive(Debug, Default)]
pub(crate) struct SpareMemory {
    pieces: Vec<Vec<u8>>,
    /// How much all of them take.
    bytes: usize,
}

impl SpareMemory {
    /// Keeps a piece, unless there is enough.
    pub(crate) fn push(&mut self, mut piece: Vec<u8>) {
        if self.bytes + piece.capacity() <= BYTES_MAX {
            piece.clear();
            self.bytes += piece.capacity();
            self.pieces.push(piece);
        }
    }

    /// An empty piece for so many bytes, and for not many more: it may be kept for long.
    pub(crate) fn pop(&mut self, bytes: usize) -> Vec<u8> {
        let fits = |piece: &Vec<u8>| (bytes..=bytes + bytes / 2).contains(&piece.capacity());
        self.take().filter(fits).unwrap_or_else(|| Vec::with_capacity(bytes))
    }

    /// Takes over some of what another one has.
    pub(crate) fn take_some(&mut self, other: &mut Self) {
        while self.pieces.len() < SHARE
            && let Some(piece) = other.take()
        {
            self.push(piece);
        }
    }

    fn take(&mut self) -> Option<Vec<u8>> {
        let piece = self.pieces.pop()?;
        self.bytes -= piece.capacity();
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_and_is_empty_then() {
        let mut spare = SpareMemory::default();
        spare.push(vec![7; 1_000]);
        let piece = spare.pop(900);
        assert_eq!((piece.len(), piece.capacity()), (0, 1_000));
        assert_eq!((spare.bytes, spare.pop(900).capacity()), (0, 900), "there was one");
    }

    #[test]
    fn no_more_is_kept_than_there_may_be() {
        let mut spare = SpareMemory::default();
        (0..1_000).for_each(|_| spare.push(Vec::with_capacity(10_000)));
        assert_eq!(spare.bytes, spare.pieces.iter().map(Vec::capacity).sum::<usize>());
        assert!(spare.bytes <= BYTES_MAX && spare.bytes > BYTES_MAX - 10_000);
    }

    #[test]
    fn what_may_be_kept_for_long_gets_no_memory_out_of_proportion() {
        let mut spare = SpareMemory::default();
        for (kept, wanted) in [(100_000, 100), (100, 100_000)] {
            spare.push(Vec::with_capacity(kept));
            assert_eq!(spare.pop(wanted).capacity(), wanted);
        }
        assert_eq!((spare.bytes, spare.pieces.len()), (0, 0), "what fits nobody goes");
    }

    #[test]
    fn one_takes_a_few_of_what_the_other_has() {
        let [mut one, mut other] = [SpareMemory::default(), SpareMemory::default()];
        (0..2 * SHARE).for_each(|_| other.push(Vec::with_capacity(100)));
        for _ in 0..2 {
            one.take_some(&mut other);
            assert_eq!([one.bytes, other.bytes], [SHARE * 100; 2]);
        }
    }
}
