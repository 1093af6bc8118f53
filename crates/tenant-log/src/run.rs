//! Neighbouring entries of one tenant, being gathered.

use foodtrack_contract::Offset;

use crate::encoding::Encoded;
use crate::packing::{Packer, leave};
use crate::sealed_run::SealedRun;
use crate::{Durability, EntryRef};

/// How many entries a run takes: who wants one of them reads the others too. With more, their ids would be too many for a row
/// of `places`: each row would have another page for the rest of them, to be written and to be read.
const RUN_ENTRIES_MAX: u64 = 60;
/// How many bytes of entries a run takes, where they are not one entry's.
const RUN_BYTES_MAX: u64 = 64 << 10;

/// Entries whose offsets follow each other, encoded.
///
/// An entry by itself is half a dozen pieces of memory, which by the time it is let go are in none of the processor's
/// caches: this has a few for all of its entries.
#[derive(Debug, Default)]
pub(crate) struct Run {
    first: Offset,
    entries: u64,
    bytes: u64,
    at_ms: u64,
    creates_orders: bool,
    has_durable: bool,
    encoded: Encoded,
}

impl Run {
    /// Whether an entry can be pushed. The first always can.
    pub(crate) fn takes(&self, entry: &EntryRef<'_>) -> bool {
        self.is_empty() || self.has_room(1, entry.bytes()) && entry.offset == self.next()
    }

    /// Whether a run can be appended.
    pub(crate) fn takes_run(&self, run: &Self) -> bool {
        self.is_empty() || self.has_room(run.entries, run.bytes) && run.first == self.next()
    }

    fn has_room(&self, entries: u64, bytes: u64) -> bool {
        self.entries + entries <= RUN_ENTRIES_MAX && self.bytes + bytes <= RUN_BYTES_MAX
    }

    /// The offset behind the last entry's.
    fn next(&self) -> Offset {
        self.first.plus(self.entries)
    }

    /// Appends an entry that [`Run::takes`].
    pub(crate) fn push(&mut self, entry: &EntryRef<'_>) {
        if self.entries == 0 {
            self.first = entry.offset;
        }
        self.entries += 1;
        self.bytes += entry.bytes();
        self.at_ms = entry.at_ms;
        self.creates_orders |= entry.creates_order.is_some();
        self.has_durable |= entry.durability == Durability::Durable;
        self.encoded.push(entry);
    }

    /// Appends a run that it [takes](Run::takes_run).
    pub(crate) fn append(&mut self, run: Self) {
        if self.is_empty() {
            *self = run;
            return;
        }
        self.entries += run.entries;
        self.bytes += run.bytes;
        self.at_ms = run.at_ms;
        self.creates_orders |= run.creates_orders;
        self.has_durable |= run.has_durable;
        self.encoded.append(&run.encoded);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// The first entry's offset, if there is one.
    pub(crate) fn first(&self) -> Offset {
        self.first
    }

    /// How many entries it has.
    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    /// Their bytes, by [`crate::LogEntry::bytes`].
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether one of them is shown to nobody before it is on disk.
    pub(crate) fn has_durable(&self) -> bool {
        self.has_durable
    }

    /// Its entries, packed.
    pub(crate) fn seal(self, packer: &mut Packer) -> SealedRun {
        self.sealed(|bytes, out| packer.pack(bytes, out))
    }

    /// Its entries as they are now, for who reads them at once.
    pub(crate) fn snapshot(&self) -> SealedRun {
        self.sealed(leave)
    }

    fn sealed(&self, mut pack: impl FnMut(&[u8], &mut Vec<u8>)) -> SealedRun {
        let mut encoded = self.encoded.ids.clone();
        pack(&self.encoded.heads, &mut encoded);
        let heads_end = encoded.len();
        pack(&self.encoded.bodies, &mut encoded);
        // It may be kept for long.
        encoded.shrink_to_fit();
        SealedRun {
            first: self.first,
            entries: self.entries,
            bytes: self.bytes,
            at_ms: self.at_ms,
            creates_orders: self.creates_orders,
            has_durable: self.has_durable,
            heads_end,
            encoded,
        }
    }
}
