//! Builds record batches: consecutive entries of one tenant, encoded as they arrive.

use foodtrack_contract::Offset;

use crate::encoding::Encoded;
use crate::packing::{Packer, leave, seal};
use crate::record_batch::{RecordBatch, checksum_beside};
use crate::{Assignment, Durability, EntryRef};

/// How many entries a batch takes: a reader of one of them reads them all. With more, their ids would not fit into a row of
/// the index, and each of its rows would need an overflow page.
const BATCH_ENTRIES_MAX: u64 = 60;
/// How many bytes of entries a batch takes, where they are not one entry's.
const BATCH_BYTES_MAX: u64 = 64 << 10;

/// A record batch that still grows: entries with consecutive offsets, encoded.
///
/// A single entry is half a dozen allocations, which are in none of the processor's caches by the time they are freed. A
/// builder has a few for all of its entries.
#[derive(Debug, Default)]
pub(crate) struct BatchBuilder {
    first: Offset,
    entries: u64,
    bytes: u64,
    at_ms: u64,
    creates_orders: bool,
    assignments: Vec<(Box<str>, Assignment)>,
    has_durable: bool,
    encoded: Encoded,
}

impl BatchBuilder {
    /// Whether an entry can be pushed. The first always can.
    pub(crate) fn takes(&self, entry: &EntryRef<'_>) -> bool {
        self.is_empty() || self.has_room(1, entry.bytes()) && entry.offset == self.next()
    }

    /// Whether the entries of another builder can be appended.
    pub(crate) fn takes_builder(&self, batch: &Self) -> bool {
        self.is_empty() || self.has_room(batch.entries, batch.bytes) && batch.first == self.next()
    }

    fn has_room(&self, entries: u64, bytes: u64) -> bool {
        self.entries + entries <= BATCH_ENTRIES_MAX && self.bytes + bytes <= BATCH_BYTES_MAX
    }

    /// The offset behind the last entry's.
    fn next(&self) -> Offset {
        self.first.plus(self.entries)
    }

    /// Appends an entry that [`BatchBuilder::takes`].
    pub(crate) fn push(&mut self, entry: &EntryRef<'_>) {
        if self.entries == 0 {
            self.first = entry.offset;
        }
        self.entries += 1;
        self.bytes += entry.bytes();
        self.at_ms = entry.at_ms;
        self.creates_orders |= entry.creates_order.is_some();
        self.assignments.extend(entry.assignment().map(|(order, it)| (order.into(), it)));
        self.has_durable |= entry.durability == Durability::Durable;
        self.encoded.push(entry);
    }

    /// Appends the entries of a builder that it [takes](BatchBuilder::takes_builder).
    pub(crate) fn append(&mut self, batch: Self) {
        if self.is_empty() {
            *self = batch;
            return;
        }
        self.entries += batch.entries;
        self.bytes += batch.bytes;
        self.at_ms = batch.at_ms;
        self.creates_orders |= batch.creates_orders;
        self.assignments.extend(batch.assignments);
        self.has_durable |= batch.has_durable;
        self.encoded.append(&batch.encoded);
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

    /// Whether one of them is durable.
    pub(crate) fn has_durable(&self) -> bool {
        self.has_durable
    }

    /// The finished batch: its entries, compressed, each column with a checksum.
    pub(crate) fn finish(self, packer: &mut Packer) -> RecordBatch {
        self.encoded_with(|bytes, ids, out| {
            let start = out.len();
            packer.pack(bytes, out);
            seal(checksum_beside(self.first, ids), out, start);
        })
    }

    /// The entries so far, not compressed, for somebody who reads them at once.
    pub(crate) fn snapshot(&self) -> RecordBatch {
        self.encoded_with(|bytes, _, out| leave(bytes, out))
    }

    /// `pack` appends heads, and then bodies, to what it is given last. With heads it is given the ids, which have no column
    /// of their own to be checked by.
    fn encoded_with(&self, mut pack: impl FnMut(&[u8], &[u8], &mut Vec<u8>)) -> RecordBatch {
        let Encoded { ids, heads, bodies } = &self.encoded;
        let mut encoded = ids.clone();
        pack(heads, ids, &mut encoded);
        let heads_end = encoded.len();
        pack(bodies, &[], &mut encoded);
        // It may be kept for long.
        encoded.shrink_to_fit();
        RecordBatch {
            first: self.first,
            entries: self.entries,
            bytes: self.bytes,
            at_ms: self.at_ms,
            creates_orders: self.creates_orders,
            assignments: self.assignments.clone(),
            has_durable: self.has_durable,
            heads_end,
            encoded,
        }
    }
}
