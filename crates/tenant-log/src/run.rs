//! Neighbouring entries of one tenant in one piece of memory: as they wait for the disk, and as they stand in a row.

use foodtrack_contract::Offset;

use crate::encoding::{Encoded, Entries, Heads};
use crate::{Durability, EntryRef, LogEntry, Outline};

/// How many entries a run takes: who wants one of them reads the others too.
const RUN_ENTRIES_MAX: u64 = 64;
/// How many bytes a run takes, where they are not one entry's.
const RUN_BYTES_MAX: usize = 64 << 10;

/// Entries whose offsets follow each other, encoded.
///
/// An entry by itself is half a dozen pieces of memory, which by the time it is let go are in none of the processor's
/// caches: this has three for all of its entries, and they can be used again.
#[derive(Debug, Default)]
pub struct Run {
    first: Offset,
    entries: u64,
    bytes: u64,
    at_ms: u64,
    creates_orders: bool,
    has_durable: bool,
    pub(crate) encoded: Encoded,
}

impl Run {
    /// An empty one with the memory that this one has, unless one entry alone made it large.
    pub fn with_the_same_room(&self) -> Self {
        let room = |it: &Vec<u8>| Vec::with_capacity(it.capacity().min(RUN_BYTES_MAX));
        let Encoded { ids, heads, bodies } = &self.encoded;
        let encoded = Encoded { ids: room(ids), heads: room(heads), bodies: room(bodies) };
        Self { encoded, ..Self::default() }
    }

    /// Whether an entry can be pushed. The first always can.
    pub fn takes(&self, entry: &EntryRef<'_>) -> bool {
        self.entries == 0
            || self.entries < RUN_ENTRIES_MAX
                && self.bytes + entry.bytes() <= RUN_BYTES_MAX as u64
                && entry.offset == self.first.plus(self.entries)
    }

    /// Appends an entry that [`Run::takes`].
    pub fn push(&mut self, entry: &EntryRef<'_>) {
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

    /// The first entry's offset.
    pub fn first(&self) -> Offset {
        self.first
    }

    /// The last entry's offset.
    pub fn last(&self) -> Offset {
        Offset::ZERO.plus(self.next().get().saturating_sub(1))
    }

    /// The offset behind the last entry's.
    pub fn next(&self) -> Offset {
        self.first.plus(self.entries)
    }

    /// How many entries there are.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Their bytes, by [`LogEntry::bytes`].
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// As in [`LogEntry::at_ms`], of the last entry.
    pub(crate) fn at_ms(&self) -> u64 {
        self.at_ms
    }

    /// Whether one of the entries makes an order.
    pub(crate) fn creates_orders(&self) -> bool {
        self.creates_orders
    }

    /// Whether one of the entries is shown to nobody before it is on disk.
    pub(crate) fn has_durable(&self) -> bool {
        self.has_durable
    }

    pub(crate) fn heads(&self) -> Heads<'_> {
        Heads::new(self.first, &self.encoded.ids, &self.encoded.heads)
    }

    /// The entries after `after`, ascending.
    pub fn since(&self, after: Offset) -> impl Iterator<Item = LogEntry> {
        // What was encoded here is whole.
        Entries::new(self.heads(), &self.encoded.bodies)
            .filter(move |(offset, _)| *offset > after)
            .filter_map(|(offset, entry)| {
                let (head, body) = entry.ok()?;
                head.entry(offset, body).ok()
            })
    }

    /// What the entries after `after` are about, ascending.
    pub fn outline(&self, after: Offset) -> impl Iterator<Item = Outline> {
        self.heads()
            .filter(move |(offset, _)| *offset > after)
            .filter_map(|(offset, head)| head.ok()?.outline(offset).ok())
    }

    /// Lets all entries go, and keeps the memory for others, unless it is out of proportion.
    pub fn clear(&mut self) {
        if self.bytes > 2 * RUN_BYTES_MAX as u64 {
            *self = Self::default();
            return;
        }
        (self.entries, self.bytes) = (0, 0);
        (self.creates_orders, self.has_durable) = (false, false);
        let Encoded { ids, heads, bodies } = &mut self.encoded;
        [ids, heads, bodies].into_iter().for_each(Vec::clear);
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
            attachments: &[],
        });
        run
    }

    #[test]
    fn one_large_entry_does_not_make_the_runs_after_it_large() {
        let room = |run: &Run| run.encoded.bodies.capacity();
        let mut large = run_of(1 << 20);
        assert!(room(&large.with_the_same_room()) <= RUN_BYTES_MAX);
        large.clear();
        assert_eq!(room(&large), 0);
        let mut small = run_of(300);
        assert_eq!(room(&small.with_the_same_room()), room(&small));
        small.clear();
        assert!(room(&small) > 0, "it is used again");
    }
}
