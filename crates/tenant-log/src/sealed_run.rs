//! Neighbouring entries of one tenant in one piece of memory: as they wait for the disk, as they are read before they are
//! there, and as they stand in a row.

use std::borrow::Cow;

use foodtrack_contract::Offset;

use crate::encoding::{Entries, Heads, ID_BYTES};
use crate::packing::unpack;
use crate::{LogEntry, Outline};

/// Entries whose offsets follow each other, packed. Nothing of it changes any more.
#[derive(Debug)]
pub(crate) struct SealedRun {
    pub(crate) first: Offset,
    pub(crate) entries: u64,
    /// By [`LogEntry::bytes`].
    pub(crate) bytes: u64,
    /// As in [`LogEntry::at_ms`], of the last entry.
    pub(crate) at_ms: u64,
    /// Whether one of the entries makes an order.
    pub(crate) creates_orders: bool,
    /// Whether one of the entries is shown to nobody before it is on disk.
    pub(crate) has_durable: bool,
    pub(crate) heads_end: usize,
    /// Ids, heads and bodies as they stand in a row, each behind the other.
    pub(crate) encoded: Vec<u8>,
}

impl SealedRun {
    /// The last entry's offset.
    pub(crate) fn last(&self) -> Offset {
        Offset::ZERO.plus(self.next().get().saturating_sub(1))
    }

    /// The offset behind the last entry's.
    pub(crate) fn next(&self) -> Offset {
        self.first.plus(self.entries)
    }

    /// Ids, heads and bodies as they stand in a row.
    pub(crate) fn columns(&self) -> [&[u8]; 3] {
        let ids_end = usize::try_from(self.entries).unwrap_or(0) * ID_BYTES;
        let (head, bodies) = self.encoded.split_at(self.heads_end);
        let (ids, heads) = head.split_at(ids_end);
        [ids, heads, bodies]
    }

    /// The same to be read, without its bodies.
    pub(crate) fn unpack_heads(&self) -> UnpackedRun<'_> {
        let [ids, heads, _] = self.columns();
        UnpackedRun::new(self.first, ids, heads, None)
    }

    /// The same to be read.
    pub(crate) fn unpack(&self) -> UnpackedRun<'_> {
        let [ids, heads, bodies] = self.columns();
        UnpackedRun::new(self.first, ids, heads, Some(bodies))
    }
}

/// Entries that can be read.
pub(crate) struct UnpackedRun<'r> {
    pub(crate) first: Offset,
    ids: &'r [u8],
    heads: Cow<'r, [u8]>,
    bodies: Cow<'r, [u8]>,
}

impl<'r> UnpackedRun<'r> {
    /// Of heads and, where they are wanted, bodies as they stand in a row.
    pub(crate) fn new(
        first: Offset,
        ids: &'r [u8],
        heads: &'r [u8],
        bodies: Option<&'r [u8]>,
    ) -> Self {
        let bodies = bodies.map(unpack).unwrap_or_default();
        Self { first, ids, heads: unpack(heads), bodies }
    }

    pub(crate) fn iter_heads(&self) -> Heads<'_> {
        Heads::new(self.first, self.ids, &self.heads)
    }

    pub(crate) fn iter(&self) -> Entries<'_> {
        Entries::new(self.iter_heads(), &self.bodies)
    }

    /// The entry at an offset. One that is damaged is not there.
    pub(crate) fn get(&self, wanted: Offset) -> Option<LogEntry> {
        let (offset, entry) = self.iter().find(|(offset, _)| *offset == wanted)?;
        let (head, body) = entry.ok()?;
        head.entry(offset, body).ok()
    }

    /// What the entries after `after` and up to `through` are about, ascending.
    pub(crate) fn outline(&self, after: Offset, through: Offset) -> impl Iterator<Item = Outline> {
        self.iter_heads()
            .filter(move |(offset, _)| after < *offset && *offset <= through)
            .filter_map(|(offset, head)| head.ok()?.outline(offset).ok())
    }
}
