//! Neighbouring entries of one tenant, being gathered.

use std::sync::Arc;

use foodtrack_contract::Offset;

use crate::encoding::Encoded;
use crate::front_coding::FrontCoded;
use crate::packing::{Packer, leave};
use crate::sealed_run::SealedRun;
use crate::spare_memory::SpareMemory;
use crate::{Durability, EntryRef};

/// How many entries a run takes: who wants one of them reads the others too. With more, their ids would be too many for a row
/// of `places`: each row would have another page for the rest of them, to be written and to be read.
pub(crate) const RUN_ENTRIES_MAX: u64 = 60;
/// How many it takes of which nobody waits for the disk. So many within one commit are most often for a segment, where what
/// costs is the number of runs; their ids are not in `places`.
const PATIENT_RUN_ENTRIES_MAX: u64 = 240;
/// How many bytes of entries a run takes, where they are not one entry's.
const RUN_BYTES_MAX: u64 = 64 << 10;
const PATIENT_RUN_BYTES_MAX: u64 = 128 << 10;
/// Heads or bodies are packed where so many bytes an entry are left of them.
const PACKED_ENTRY_BYTES_MIN: usize = 24;

/// So many entries are encoded before they are coded as what differs: few enough to be in the processor's nearest cache
/// still, and enough that the code is, too.
const PLAIN_ENTRIES_MAX: usize = 32;

/// Entries whose offsets follow each other, encoded.
///
/// An entry by itself is half a dozen pieces of memory, which by the time it is let go are in none of the processor's
/// caches: this has a few for all of its entries, and they are used again.
#[derive(Debug, Default)]
pub(crate) struct Run {
    first: Offset,
    entries: u64,
    bytes: u64,
    at_ms: u64,
    creates_orders: bool,
    has_durable: bool,
    /// All ids. Heads and bodies of those that are not coded yet, and of the one before them.
    encoded: Encoded,
    coded: FrontCoded,
}

/// What sealing takes besides the entries: memory that is used again.
#[derive(Debug, Default)]
pub(crate) struct Packing {
    packers: [Packer; 2],
    room: Vec<u8>,
    spare: SpareMemory,
}

impl Packing {
    /// Takes the memory of a run that was let go, if nobody reads it any more.
    pub(crate) fn take_back(&mut self, run: Arc<SealedRun>) {
        if let Some(run) = Arc::into_inner(run) {
            self.spare.push(run.encoded);
        }
    }

    /// Takes some of what another one has to spare.
    pub(crate) fn take_spare(&mut self, other: &mut Self) {
        self.spare.take_some(&mut other.spare);
    }
}

impl Run {
    /// Whether an entry can be pushed. The first always can.
    pub(crate) fn takes(&self, entry: &EntryRef<'_>) -> bool {
        self.is_empty()
            || self.has_room(1, entry.bytes(), entry.durability == Durability::Durable)
                && entry.offset == self.next()
    }

    /// Whether a run can be appended: nothing of it must be coded by itself.
    pub(crate) fn takes_run(&self, run: &Self) -> bool {
        self.is_empty()
            || self.has_room(run.entries, run.bytes, run.has_durable)
                && run.first == self.next()
                && run.coded.is_empty()
    }

    fn has_room(&self, entries: u64, bytes: u64, are_durable: bool) -> bool {
        let (entries_max, bytes_max) = match self.has_durable || are_durable {
            true => (RUN_ENTRIES_MAX, RUN_BYTES_MAX),
            false => (PATIENT_RUN_ENTRIES_MAX, PATIENT_RUN_BYTES_MAX),
        };
        self.entries + entries <= entries_max && self.bytes + bytes <= bytes_max
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
        self.code_when_many();
    }

    /// Appends a run that it [takes](Run::takes_run). That one is empty then, and has memory to be used again, if either had.
    pub(crate) fn append(&mut self, run: &mut Self) {
        if self.is_empty() {
            return std::mem::swap(self, run);
        }
        self.entries += run.entries;
        self.bytes += run.bytes;
        self.at_ms = run.at_ms;
        self.creates_orders |= run.creates_orders;
        self.has_durable |= run.has_durable;
        self.encoded.append(&run.encoded);
        self.code_when_many();
        run.clear();
    }

    fn code_when_many(&mut self) {
        if self.encoded.len() > PLAIN_ENTRIES_MAX {
            self.code();
        }
    }

    /// Codes what is not coded yet.
    fn code(&mut self) {
        let mut all = self.encoded.parts();
        let before = if self.coded.is_empty() { None } else { all.next() };
        let mut last = before.unwrap_or_default();
        for parts in all {
            self.coded.push(&parts, &last);
            last = parts;
        }
        self.encoded.keep_last();
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

    /// Whether there is memory to be used again.
    pub(crate) fn has_memory(&self) -> bool {
        self.encoded.ids.capacity() > 0
    }

    /// Its entries, packed. It is empty then, as by [`Run::clear`].
    pub(crate) fn seal(&mut self, packing: &mut Packing) -> SealedRun {
        self.code();
        let Packing { packers: [heads, bodies], room, spare } = packing;
        // Where little is left of each entry it is told by itself: packing would search it in vain.
        let entries = usize::try_from(self.entries).unwrap_or(usize::MAX);
        let bytes_min = entries.saturating_mul(PACKED_ENTRY_BYTES_MIN);
        room.clear();
        room.extend_from_slice(&self.encoded.ids);
        heads.pack(&self.coded.heads, bytes_min, room);
        let heads_end = room.len();
        bodies.pack(&self.coded.bodies, bytes_min, room);
        let mut encoded = spare.pop(room.len());
        encoded.extend_from_slice(room);
        let sealed = self.sealed(heads_end, encoded);
        self.clear();
        sealed
    }

    /// Its entries as they are now, for who reads them at once.
    pub(crate) fn snapshot(&mut self) -> SealedRun {
        self.code();
        let mut room = self.encoded.ids.clone();
        leave(&self.coded.heads, &mut room);
        let heads_end = room.len();
        leave(&self.coded.bodies, &mut room);
        self.sealed(heads_end, room)
    }

    fn sealed(&self, heads_end: usize, encoded: Vec<u8>) -> SealedRun {
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

    /// Lets all entries go, and keeps the memory for others, unless it is out of proportion.
    pub(crate) fn clear(&mut self) {
        if self.bytes > 2 * PATIENT_RUN_BYTES_MAX {
            *self = Self::default();
            return;
        }
        (self.entries, self.bytes) = (0, 0);
        (self.creates_orders, self.has_durable) = (false, false);
        self.encoded.clear();
        self.coded.clear();
    }
}

#[cfg(test)]
mod tests {
    use foodtrack_contract::{EventType, Priority};
    use uuid::Uuid;

    use super::*;
    use crate::LoggedAudience;

    fn run_of(message_bytes: usize) -> Run {
        let (audience, message) = (LoggedAudience::default(), vec![0; message_bytes]);
        let mut run = Run::default();
        run.push(&EntryRef {
            offset: Offset::ZERO.next(),
            id: Uuid::nil(),
            event: &EventType::OrderUpdated.into(),
            durability: Durability::Recoverable,
            priority: Priority::Low,
            at_ms: 0,
            expires_at_ms: None,
            audience: &audience,
            entity: None,
            compacts: false,
            creates_order: None,
            fingerprint: None,
            message: &message,
            is_message_as_made: false,
            attachments: &[],
        });
        run
    }

    #[test]
    fn one_large_entry_leaves_no_large_memory_behind() {
        let room = |run: &Run| run.encoded.bodies.capacity() + run.coded.bodies.capacity();
        let (mut large, mut small) = (run_of(1 << 20), run_of(300));
        large.clear();
        assert_eq!(room(&large), 0);
        small.clear();
        assert!(room(&small) > 0, "it is used again");
    }
}
