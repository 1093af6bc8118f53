//! Submitting entries to a log.

use foodtrack_contract::{Offset, TenantId};

use crate::{EntryRef, SubmitError};

/// One thread's way to submit entries to a log.
///
/// Dropping it flushes what was submitted.
pub trait LogWriter: Send {
    /// Submits the next entry of an open tenant. Does not wait: [`Completion`](crate::Completion)s say what became of it.
    ///
    /// A durable one is flushed at once, and all that was submitted before it; others at the latest when [`LogWriter::flush`]
    /// is called. Entries that come together, of whatever tenants, share one commit.
    ///
    /// # Errors
    /// [`SubmitError`] when it was not taken; its offset may then be used for the next one.
    fn submit(&mut self, tenant: &TenantId, entry: &EntryRef<'_>)
    -> Result<Submitted, SubmitError>;

    /// Passes an event on that is in no log, to the other nodes where its tenant has clients: at most once, and without a word of what
    /// became of it. Where there are no other nodes, nothing happens.
    fn pass_on(&mut self, _tenant: &TenantId, _entry: &EntryRef<'_>) {}

    /// Hands over what was submitted. Until then nobody can read it, in [`LogReader::tail`](crate::LogReader::tail) or
    /// elsewhere, and its time to the disk has not begun: call it before looking, and before going to sleep.
    fn flush(&mut self);
}

/// Where an entry that was submitted will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// Here: the writer counts the offsets, and this is the entry's own.
    At(Offset),
    /// The store counts them, since others write to the log as well: [`Completion::Answered`](crate::Completion::Answered) with
    /// this ticket says what became of it.
    Later(u64),
}
