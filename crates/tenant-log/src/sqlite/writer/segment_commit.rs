//! Commits whose bytes are in a segment.

use super::Writer;
use crate::sqlite::commit_gate::CommitError;
use crate::sqlite::opening::PAGE_BYTES;
use crate::sqlite::queue::Request;
use crate::sqlite::rows;

/// From so many packed bytes on, a commit that nobody waits for has them in a segment.
const SEGMENT_COMMIT_BYTES_MIN: usize = 64 << 10;

impl Writer {
    /// Sees to it that a transaction with so much for a segment has one to append to. Returns whether it has.
    pub(super) fn begin_segment(&mut self, bytes: u64) -> Result<bool, CommitError> {
        if !self.has_room_for(bytes)? {
            return Ok(false);
        }
        self.appender.begin(&self.connection, self.places.last_seq() + 1)?;
        Ok(true)
    }

    /// How much a transaction has for a segment; `None` unless it is large, and nobody waits for it: one fsync more is no loss
    /// then.
    pub(super) fn bytes_for_segment(&self, writes: &[Request]) -> Option<u64> {
        let packed = |write: &Request| match write {
            Request::Append(_, run) if !run.has_durable => Some(run.encoded.len()),
            _ => None,
        };
        // A full disk has room for the database alone.
        let is_allowed = !self.is_full && self.may_grow() && !self.notes.have_tickets();
        let bytes: usize = writes.iter().map(packed).sum::<Option<_>>()?;
        (is_allowed && bytes >= SEGMENT_COMMIT_BYTES_MIN).then_some(bytes as u64)
    }

    /// Whether a segment may become so much longer: the database could have had that room.
    fn has_room_for(&self, bytes: u64) -> rusqlite::Result<bool> {
        let pages = self
            .connection
            .prepare_cached("PRAGMA page_count")?
            .query_row((), |row| rows::unsigned(row, 0))?;
        Ok(pages + bytes.div_ceil(u64::from(PAGE_BYTES)) <= self.append_pages_max()?)
    }
}
