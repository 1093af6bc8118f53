//! How a log's disk is doing, for who watches over the server.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use foodtrack_measures::{Histogram, HistogramReading};

use crate::RefusedReason;

/// So long after the last refusal a disk counts as full, or else one that takes the small and not the large would change
/// its state with every event.
const FULL_HOLDS: Duration = Duration::from_secs(2);

/// Whether the disk takes entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StorageState {
    /// It does.
    #[default]
    Well,
    /// There is no room: entries are refused until there is.
    Full,
    /// A write or an fsync failed: entries are refused until the log is opened anew.
    Failed,
    /// It cannot be reached, or another program has locked its file: entries are refused until it can, or has let go.
    Away,
    /// It takes them, and fewer replicas have them than must: nobody is told that a durable one is kept.
    Unreplicated,
}

/// How a log's disk is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageStatus {
    /// Whether it takes entries.
    pub state: StorageState,
    /// The budget of the disk is nearly used: the largest tenants' logs yield, oldest first.
    pub is_yielding: bool,
    /// How many entries were not kept because the disk was full, since the log was opened.
    pub refused_full: u64,
    /// How many were not kept because it failed.
    pub refused_failed: u64,
    /// How many bytes are free on the log's file system; `None` in memory, or where the system does not tell.
    pub disk_free_bytes: Option<u64>,
    /// How many bytes the log takes on disk; `None` in memory.
    pub file_bytes: Option<u64>,
    /// What waits on this node's disk for a log elsewhere; `None` where nothing is kept there.
    pub spooled: Option<SpooledEvents>,
}

/// What waits on a node's disk for a log elsewhere that is away, of all tenants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpooledEvents {
    /// How many.
    pub events: u64,
    /// About how much they take.
    pub bytes: u64,
}

/// What a log's writer has to do, and how long it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogWork {
    /// Entries and other requests that wait for the writer now.
    pub waiting: usize,
    /// Their bytes.
    pub waiting_bytes: u64,
    /// From when the writer took what waited until all of it was kept: on the disk, or answered by Redis.
    pub commit: HistogramReading,
    /// For how long the transaction at hand has waited for the disk; zero where none does.
    pub writing_for: Duration,
    /// The part of that which waited for the disk: the write and its fsync. Nothing where there is no disk.
    pub fsync: HistogramReading,
}

/// How much room a file system has, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct DiskRoom {
    /// For who is not root.
    pub free_bytes: u64,
    /// Free or not.
    pub all_bytes: u64,
}

/// How much room a directory's file system has.
pub(crate) fn disk_room(directory: &Path) -> Option<DiskRoom> {
    let it = rustix::fs::statvfs(directory).ok()?;
    Some(DiskRoom {
        free_bytes: it.f_bavail.saturating_mul(it.f_frsize),
        all_bytes: it.f_blocks.saturating_mul(it.f_frsize),
    })
}

/// What the writer notes, and others read.
#[derive(Debug, Default)]
pub(crate) struct StorageWatch {
    is_full: AtomicBool,
    is_failed: AtomicBool,
    is_locked: AtomicBool,
    is_yielding: AtomicBool,
    refused_full: AtomicU64,
    refused_failed: AtomicU64,
    full_at: Mutex<Option<Instant>>,
    /// Written by the writer alone.
    pub(crate) commits: Histogram,
    fsyncs: Histogram,
    /// Since when the writer waits for the disk.
    writing_since: Mutex<Option<Instant>>,
}

impl StorageWatch {
    pub(crate) fn set_full(&self, is_full: bool) {
        if is_full {
            *self.full_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        self.is_full.store(is_full, Ordering::Relaxed);
    }

    /// Notes how long `write` waits for the disk, also while it does.
    pub(crate) fn writing<T>(&self, write: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let written = self.waiting(write);
        self.fsyncs.observe(began.elapsed());
        written
    }

    /// Notes that the writer waits, for the disk or for whom else has the file, while it does.
    pub(crate) fn waiting<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.set_writing(Some(Instant::now()));
        let waited = wait();
        self.set_writing(None);
        waited
    }

    fn set_writing(&self, since: Option<Instant>) {
        *self.writing_since.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    pub(crate) fn set_failed(&self) {
        self.is_failed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn set_locked(&self, is_locked: bool) {
        self.is_locked.store(is_locked, Ordering::Relaxed);
    }

    pub(crate) fn set_yielding(&self, is_yielding: bool) {
        self.is_yielding.store(is_yielding, Ordering::Relaxed);
    }

    pub(crate) fn note_refused(&self, entries: u64, reason: RefusedReason) {
        let counter = match reason {
            RefusedReason::DiskFull => &self.refused_full,
            RefusedReason::Poisoned | RefusedReason::Unknown => &self.refused_failed,
            RefusedReason::OutOfSequence
            | RefusedReason::Away
            | RefusedReason::Fenced
            | RefusedReason::OthersOrder => return,
        };
        counter.fetch_add(entries, Ordering::Relaxed);
    }

    fn state(&self) -> StorageState {
        let full_at = *self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_failed.load(Ordering::Relaxed) {
            StorageState::Failed
        } else if self.is_locked.load(Ordering::Relaxed) {
            StorageState::Away
        } else if self.is_full.load(Ordering::Relaxed)
            || full_at.is_some_and(|at| at.elapsed() < FULL_HOLDS)
        {
            StorageState::Full
        } else {
            StorageState::Well
        }
    }

    pub(crate) fn work(&self) -> LogWork {
        let (commit, fsync) = (self.commits.read(), self.fsyncs.read());
        let since = *self.writing_since.lock().unwrap_or_else(PoisonError::into_inner);
        let writing_for = since.map_or(Duration::ZERO, |since| since.elapsed());
        LogWork { commit, fsync, writing_for, ..LogWork::default() }
    }

    pub(crate) fn status(&self) -> StorageStatus {
        StorageStatus {
            state: self.state(),
            is_yielding: self.is_yielding.load(Ordering::Relaxed),
            refused_full: self.refused_full.load(Ordering::Relaxed),
            refused_failed: self.refused_failed.load(Ordering::Relaxed),
            ..StorageStatus::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_takes_its_time_is_seen_while_it_does_and_counted_once_it_has_answered() {
        let watch = StorageWatch::default();
        assert_eq!(watch.work(), LogWork::default());
        let meanwhile = watch.writing(|| {
            while watch.work().writing_for.is_zero() {
                std::thread::yield_now();
            }
            watch.work()
        });
        assert_eq!(meanwhile.fsync.count(), 0);
        assert_eq!((watch.work().writing_for, watch.work().fsync.count()), (Duration::ZERO, 1));
    }
}
