//! Where a tenant's log stands, as Redis has it.

use foodtrack_contract::{Epoch, Offset};
use redis::Value;

use super::log_reader::READ_TOGETHER_MAX;
use super::values::{array, number, offset, text};

/// The fields of a head that readers want, in the order of [`HEAD_FIELDS`].
#[derive(Clone, Copy, Debug)]
pub(super) struct StoredHead {
    pub(super) epoch: Epoch,
    pub(super) last: Offset,
    pub(super) trimmed_through: Offset,
    pub(super) entries: u64,
    pub(super) bytes: u64,
    /// How many entries assigned an order.
    pub(super) assigned: u64,
}

pub(super) const HEAD_FIELDS: [&str; 7] =
    ["epoch", "last", "trimmed", "entries", "bytes", "assigned", "layout"];

/// How a log, and all that stands beside it, is kept. The scripts know it as well: what is kept otherwise they leave alone.
const LAYOUT: &str = "1";

impl StoredHead {
    /// Reads what `HMGET` of [`HEAD_FIELDS`] answers; `None` where there is no log, or it is none of this version's.
    pub(super) fn read(value: &Value) -> Option<Self> {
        let [epoch, last, trimmed, entries, bytes, assigned, layout] = array(value)? else {
            return None;
        };
        (text(layout)? == LAYOUT).then_some(())?;
        Some(Self {
            epoch: Epoch::parse(text(epoch)?)?,
            last: offset(last)?,
            trimmed_through: offset(trimmed)?,
            entries: number(entries)?,
            bytes: number(bytes)?,
            assigned: number(assigned).unwrap_or(0),
        })
    }

    /// About how many entries have so many bytes: at least one, and not too many for one answer.
    pub(super) fn entries_of(&self, bytes: u64) -> usize {
        let each = (self.bytes / self.entries.max(1)).max(1);
        let count = usize::try_from(bytes / each).unwrap_or(usize::MAX);
        count.clamp(1, READ_TOGETHER_MAX)
    }
}
