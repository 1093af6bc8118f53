//! Reading on from a place, a page at a time.

use foodtrack_contract::{Epoch, Offset, TenantId};

use crate::LogEntry;

/// What to read.
#[derive(Clone, Debug)]
pub struct ReadRequest {
    /// Whose log.
    pub tenant: TenantId,
    /// The incarnation that `after` is of; `None` takes the log as it is.
    pub epoch: Option<Epoch>,
    /// Read what comes after it.
    pub after: Offset,
    /// Read nothing beyond it.
    pub through: Offset,
    /// At most so many entries; at least one.
    pub entries_max: usize,
    /// At most so many bytes by [`LogEntry::bytes`]; the first entry comes whatever its size.
    pub bytes_max: u64,
}

/// A stretch of a log.
#[derive(Clone, Debug)]
pub struct Page {
    /// The log's incarnation.
    pub epoch: Epoch,
    /// Whether the page follows on what the reader has.
    pub start: PageStart,
    /// Ascending by offset.
    pub entries: Vec<LogEntry>,
    /// Where to read on: everything up to here is in this page, in those before it, or gone.
    pub next: Offset,
    /// Whether there was nothing more when the page was read.
    pub is_last: bool,
}

/// Whether a page follows on the place it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageStart {
    /// It does: nothing is missing between.
    Whole,
    /// What came after the place, up to `through`, was there and is gone: retention took it. The page starts behind it. A log in Redis
    /// says the same of entries that cannot be read: other versions may write to it.
    Gap {
        /// The last that is gone.
        through: Offset,
    },
    /// The place is of another incarnation, or of none that this log ever gave out. The page is empty: start anew.
    Reset,
}

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The tenant has no log: nothing was ever written.
    #[error("tenant {0} has no log")]
    UnknownTenant(TenantId),
    /// The place is of another incarnation of the log.
    #[error("tenant {tenant}'s log is of epoch {epoch} now")]
    OtherEpoch {
        /// The tenant.
        tenant: TenantId,
        /// The log's incarnation.
        epoch: Epoch,
    },
    /// The store cannot be read.
    #[error("the log cannot be read: {0}")]
    Store(String),
    /// A row is none that this version could have written.
    #[error("tenant {tenant}'s entry at {offset} cannot be understood: its {column} is damaged")]
    Damaged {
        /// The tenant.
        tenant: TenantId,
        /// Where.
        offset: Offset,
        /// What of it.
        column: &'static str,
    },
}

impl Page {
    /// The answer to a place that is none of this log.
    pub(crate) fn reset(epoch: Epoch) -> Self {
        Self {
            epoch,
            start: PageStart::Reset,
            entries: Vec::new(),
            next: Offset::ZERO,
            is_last: true,
        }
    }

    /// An empty page that starts at the place asked for, or behind what is gone.
    pub(crate) fn starting(epoch: Epoch, request: &ReadRequest, trimmed_through: Offset) -> Self {
        let start = if request.after < trimmed_through {
            PageStart::Gap { through: trimmed_through }
        } else {
            PageStart::Whole
        };
        let next = request.after.max(trimmed_through);
        Self { epoch, start, entries: Vec::new(), next, is_last: true }
    }

    /// Takes entries that follow on the page, as far as the request goes and there is room.
    pub(crate) fn fill<'e>(
        &mut self,
        request: &ReadRequest,
        entries: impl Iterator<Item = &'e LogEntry>,
    ) {
        let mut bytes = 0;
        for entry in entries.take_while(|entry| entry.offset <= request.through) {
            bytes += entry.bytes();
            if self.is_full(request, bytes) {
                self.is_last = false;
                break;
            }
            self.next = entry.offset;
            self.entries.push(LogEntry::clone(entry));
        }
    }

    /// Whether one more entry, which would make the page `bytes`, is too much.
    pub(crate) fn is_full(&self, request: &ReadRequest, bytes: u64) -> bool {
        !self.entries.is_empty()
            && (self.entries.len() >= request.entries_max || bytes > request.bytes_max)
    }
}
