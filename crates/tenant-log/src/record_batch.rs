//! Consecutive entries of one tenant in one allocation, in the same form as they wait for the disk, are read from memory, and
//! stand in a row of the table `runs`.

use std::borrow::Cow;

use crc32fast::Hasher;
use foodtrack_contract::Offset;

use crate::encoding::{Damage, Entries, Heads, ID_BYTES};
use crate::packing::unpack;
use crate::{Assignment, LogEntry, Outline};

/// Entries with consecutive offsets, compressed and immutable.
#[derive(Debug)]
pub(crate) struct RecordBatch {
    pub(crate) first: Offset,
    pub(crate) entries: u64,
    /// By [`LogEntry::bytes`].
    pub(crate) bytes: u64,
    /// As in [`LogEntry::at_ms`], of the last entry.
    pub(crate) at_ms: u64,
    /// Whether one of the entries makes an order.
    pub(crate) creates_orders: bool,
    /// The orders that its entries assign, in their order. They stand in no column.
    pub(crate) assignments: Vec<(Box<str>, Assignment)>,
    /// Whether one of the entries is durable.
    pub(crate) has_durable: bool,
    pub(crate) heads_end: usize,
    /// Ids, heads and bodies as they stand in a row, each behind the other.
    pub(crate) encoded: Vec<u8>,
}

impl RecordBatch {
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

    /// The batch to read from, without its bodies.
    pub(crate) fn unpack_heads(&self) -> UnpackedBatch<'_> {
        let [ids, heads, _] = self.columns();
        UnpackedBatch::new(self.first, ids, heads, None)
    }

    /// The batch to read from.
    pub(crate) fn unpack(&self) -> UnpackedBatch<'_> {
        let [ids, heads, bodies] = self.columns();
        UnpackedBatch::new(self.first, ids, heads, Some(bodies))
    }
}

/// Begins a checksum of a column: with what else it covers. That of the heads covers the ids.
pub(crate) fn checksum_beside(first: Offset, ids: &[u8]) -> Hasher {
    let mut checksum = Hasher::new();
    checksum.update(&first.get().to_le_bytes());
    checksum.update(ids);
    checksum
}

/// A batch that can be read: its columns, decompressed. What a checksum denies is empty: each of its entries is damaged.
pub(crate) struct UnpackedBatch<'r> {
    pub(crate) first: Offset,
    ids: &'r [u8],
    heads: Cow<'r, [u8]>,
    bodies: Cow<'r, [u8]>,
    /// What is wrong with the bodies, where they are not there.
    missing: Damage,
}

impl<'r> UnpackedBatch<'r> {
    /// Of heads and, where they are wanted, bodies as they stand in a row.
    pub(crate) fn new(
        first: Offset,
        ids: &'r [u8],
        heads: &'r [u8],
        bodies: Option<&'r [u8]>,
    ) -> Self {
        let heads = unpack(heads, checksum_beside(first, ids));
        let bodies = bodies.map(|it| unpack(it, checksum_beside(first, &[]))).unwrap_or_default();
        Self { first, ids, heads, bodies, missing: "body" }
    }

    /// The same with bodies that were sealed, as opening them left them.
    pub(crate) fn with_bodies(self, opened: Result<Cow<'r, [u8]>, Damage>) -> Self {
        let checksum = checksum_beside(self.first, &[]);
        match opened {
            Ok(Cow::Borrowed(bodies)) => Self { bodies: unpack(bodies, checksum), ..self },
            Ok(Cow::Owned(bodies)) => {
                Self { bodies: unpack(&bodies, checksum).into_owned().into(), ..self }
            }
            Err(missing) => Self { missing, ..self },
        }
    }

    pub(crate) fn iter_heads(&self) -> Heads<'_> {
        Heads::new(self.first, self.ids, &self.heads)
    }

    pub(crate) fn iter(&self) -> Entries<'_> {
        Entries::new(self.iter_heads(), &self.bodies, self.missing)
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
