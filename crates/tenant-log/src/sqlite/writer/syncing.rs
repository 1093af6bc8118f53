//! Which transactions wait for the disk, and when what did not is put there.

use std::time::{Duration, Instant};

use super::Writer;
use crate::sqlite::commit_gate::{CommitError, commit};
use crate::sqlite::queue::Request;
use crate::sqlite::segments::unsynced;

/// How long what nobody waits for may be with the operating system alone.
const SYNC_DELAY: Duration = Duration::from_secs(1);

/// What is not on disk yet.
#[derive(Debug, Default)]
pub(super) struct Syncing {
    /// When the first commit was that did not wait for the disk, of those since the last one that did.
    since: Option<Instant>,
    /// The transaction at hand, and those after it where that is not changed, do not wait for it.
    is_lazy: bool,
}

impl Syncing {
    /// Whether the transaction at hand does not wait for the disk.
    pub(super) fn is_lazy(&self) -> bool {
        self.is_lazy
    }

    /// How long the disk may wait for it; `None` where it has all.
    pub(super) fn wait(&self) -> Option<Duration> {
        self.since.map(|since| (since + SYNC_DELAY).saturating_duration_since(Instant::now()))
    }
}

impl Writer {
    /// Whether there were commits that did not wait for the disk, since the last one that did.
    pub(super) fn has_unsynced(&self) -> bool {
        self.syncing.since.is_some()
    }

    pub(super) fn is_sync_due(&self) -> bool {
        self.syncing.wait().is_some_and(|wait| wait.is_zero())
    }

    /// Whether a transaction that is for a segment, so that nobody waits for it, need not wait for the disk: it has nothing
    /// with it that must not come back after a power failure, as an offset that was not reserved or a file that was deleted.
    pub(super) fn may_be_lazy(&self, writes: &[Request]) -> bool {
        let reserves = |write: &Request| match write {
            Request::Append(tenant, run) => {
                self.tenants.get(tenant).is_some_and(|open| open.must_reserve(run.next()))
            }
            _ => false,
        };
        !self.upkeep.is_under_way(&self.places)
            && !self.is_sync_due()
            && !writes.iter().any(reserves)
    }

    /// Begins a transaction, and notes in it what a start after a power failure must know of it.
    pub(super) fn begin(&mut self, is_lazy: bool) -> rusqlite::Result<()> {
        if self.syncing.is_lazy != is_lazy {
            let how = if is_lazy { "NORMAL" } else { "FULL" };
            self.connection.pragma_update(None, "synchronous", how)?;
            self.syncing.is_lazy = is_lazy;
        }
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute(())?;
        match (is_lazy, self.syncing.since) {
            (true, None) => unsynced::begin(&self.connection, self.places.last_seq() + 1),
            (false, Some(_)) => unsynced::end(&self.connection),
            (true, Some(_)) | (false, None) => Ok(()),
        }
    }

    /// Commits the transaction at hand. Unless it is lazy, it is on the disk then, with all that was written before.
    pub(super) fn commit(&mut self) -> Result<(), CommitError> {
        self.write_segment()?;
        let connection = &self.connection;
        self.gate.pass(&mut || commit(connection))?;
        let since = self.syncing.since.unwrap_or_else(Instant::now);
        self.syncing.since = self.syncing.is_lazy.then_some(since);
        Ok(())
    }

    /// Writes what the transaction at hand has for a segment.
    fn write_segment(&mut self) -> Result<(), CommitError> {
        let (is_lazy, had_unsynced) = (self.syncing.is_lazy, self.has_unsynced());
        let Self { appender, gate, .. } = self;
        let mut result = Ok(());
        if !appender.is_empty() {
            result = gate.pass_segment(&mut || appender.write());
        }
        if result.is_ok() && !is_lazy && !appender.is_synced() {
            result = gate.pass_sync(&mut || appender.sync());
            if had_unsynced && result == Err(CommitError::DiskFull) {
                // What it concerns is committed, and the kernel forgets a failed fsync: the next one would prove nothing.
                return Err(CommitError::Disk(String::from(
                    "there was no room for what was written before",
                )));
            }
        }
        if result == Err(CommitError::DiskFull) {
            appender.cut_off();
        }
        result
    }
}
