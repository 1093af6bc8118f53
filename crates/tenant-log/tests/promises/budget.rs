//! The budget of the disk: the largest logs yield, oldest first, and only then is anybody refused.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use foodtrack_tenant_log::{
    Commit, CommitError, CommitGate, DiskBudget, DiskRoom, LogEntry, RefusedReason, SqliteOptions,
    StorageState,
};

use crate::support::{KEEPS_ALL, Writer, id, noise, open_sqlite, wait_for};

const MIB: u64 = 1 << 20;

/// Appends an entry of `bytes`, and waits for what becomes of it.
fn append(writer: &mut Writer<'_>, n: u64, bytes: usize) {
    let entry = crate::support::entry(writer.sequence.next(), id(n));
    writer.submit_entry(&LogEntry { message: noise(n, bytes).into(), ..entry });
    writer.settle();
}

#[test]
fn near_the_budget_the_largest_log_yields_its_oldest_and_nobody_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let budget = DiskBudget { bytes_max: Some(16 * MIB), free_bytes_min: 0 };
    let options = SqliteOptions { retention: KEEPS_ALL, budget, ..SqliteOptions::default() };
    let open = open_sqlite(directory.path(), options);
    let mut small = open.writer("small");
    for n in 1..=20 {
        append(&mut small, n, 20_000);
    }
    let all_of_small = open.everything(&small.tenant);
    assert_eq!((all_of_small.len(), open.log.storage().is_yielding), (20, false));

    let mut large = open.writer("large");
    let mut has_yielded = false;
    for n in 1..=100 {
        append(&mut large, n, 500_000);
        assert_eq!(large.refused.pop(), None, "entry {n}");
        has_yielded |= open.log.storage().is_yielding;
    }
    assert!(has_yielded);
    // 50 MB came, and the newest of it is there.
    let kept = open.everything(&large.tenant);
    let newest = kept.last().unwrap().0;
    assert!(kept.len() > 10 && kept.len() < 40, "{} are there", kept.len());
    assert!(kept.iter().map(|(offset, _)| *offset).eq(newest + 1 - kept.len() as u64..=newest));
    assert_eq!(open.everything(&small.tenant), all_of_small, "a small log keeps what it has");
    let taken = std::fs::metadata(directory.path().join("log.db")).unwrap().len();
    assert!(taken <= 16 * MIB, "{taken} bytes");
    // It is over once nothing more comes.
    wait_for(|| !open.log.storage().is_yielding);
    assert_eq!(open.log.storage().state, StorageState::Well);
}

#[test]
fn what_cannot_yield_is_refused_at_the_budget() {
    let directory = tempfile::tempdir().unwrap();
    let budget = DiskBudget { bytes_max: Some(MIB), free_bytes_min: 0 };
    let options = SqliteOptions { retention: KEEPS_ALL, budget, ..SqliteOptions::default() };
    let open = open_sqlite(directory.path(), options);
    // A log that is one entry cannot yield, and another of its size has no room beside it.
    let mut writer = open.writer("t");
    append(&mut writer, 1, 700_000);
    assert_eq!(writer.refused.pop(), None);
    append(&mut writer, 2, 700_000);
    let (.., reason) = writer.refused.pop().unwrap();
    assert_eq!(reason, RefusedReason::DiskFull);
    assert_eq!(open.log.storage().state, StorageState::Full);
}

/// A file system that has as much free as the test says; counts how often it was looked at.
struct Told {
    free: Arc<AtomicU64>,
    looks: Arc<AtomicU64>,
}

impl CommitGate for Told {
    fn pass(&mut self, commit: &mut Commit<'_>) -> Result<(), CommitError> {
        commit()
    }

    fn disk_room(&self, _: &Path) -> Option<DiskRoom> {
        let free_bytes = self.free.load(Ordering::Relaxed);
        self.looks.fetch_add(1, Ordering::Relaxed);
        Some(DiskRoom { free_bytes, all_bytes: 1_000 * MIB })
    }
}

#[test]
fn below_the_floor_of_free_bytes_logs_yield_then_durable_events_are_refused_until_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let (free, looks) = (Arc::new(AtomicU64::new(500 * MIB)), Arc::new(AtomicU64::new(0)));
    let gate = Told { free: Arc::clone(&free), looks: Arc::clone(&looks) };
    let options = SqliteOptions {
        retention: KEEPS_ALL,
        budget: DiskBudget { bytes_max: None, free_bytes_min: 50 * MIB },
        commit_gate: Box::new(gate),
        ..SqliteOptions::default()
    };
    let open = open_sqlite(directory.path(), options);
    let mut writer = open.writer("t");
    for n in 1..=40 {
        append(&mut writer, n, 500_000);
        assert_eq!(writer.refused.pop(), None, "entry {n}");
    }
    assert_eq!(open.everything(&writer.tenant).len(), 40);
    // Somebody else takes the room: 7 MiB more than the floor's half above it should be free.
    let leave_free = |bytes| {
        free.store(bytes, Ordering::Relaxed);
        let before = looks.load(Ordering::Relaxed);
        wait_for(|| {
            // Whatever the writer is asked for has it look, once that is due.
            open.log.trim(1).unwrap();
            looks.load(Ordering::Relaxed) > before
        });
    };
    leave_free(68 * MIB);
    append(&mut writer, 41, 100);
    assert!(!open.log.storage().is_yielding);
    leave_free(61 * MIB);
    append(&mut writer, 42, 100);
    wait_for(|| open.everything(&writer.tenant).len() < 40);
    assert!(open.log.storage().is_yielding);
    let left = open.everything(&writer.tenant).len();
    assert!(left > 2, "no more goes than must");

    // Nothing helps: what is free stays below the floor, and what was let go of is used up.
    leave_free(10 * MIB);
    // However quickly logs yield, this is more than all of them.
    let entry = crate::support::entry(writer.sequence.next(), id(100));
    writer.submit_entry(&LogEntry { message: noise(100, 100_000).repeat(300).into(), ..entry });
    writer.settle();
    assert_eq!(writer.refused.pop().unwrap().2, RefusedReason::DiskFull);
    wait_for(|| open.log.storage().state == StorageState::Full);

    // There is room again: nobody has to do anything.
    free.store(500 * MIB, Ordering::Relaxed);
    wait_for(|| open.log.storage().state == StorageState::Well);
    append(&mut writer, 300, 500_000);
    assert_eq!(writer.refused.pop(), None);
    wait_for(|| !open.log.storage().is_yielding);
}

/// As [`Told`], and once the disk has too little free, the first commit after a look at it finds no room.
struct FullAfterLook {
    free: Arc<AtomicU64>,
    has_looked: AtomicBool,
    has_refused: Arc<AtomicBool>,
}

impl CommitGate for FullAfterLook {
    fn pass(&mut self, commit: &mut Commit<'_>) -> Result<(), CommitError> {
        let is_next = self.has_looked.swap(false, Ordering::Relaxed);
        if is_next && !self.has_refused.swap(true, Ordering::Relaxed) {
            return Err(CommitError::DiskFull);
        }
        commit()
    }

    fn disk_room(&self, _: &Path) -> Option<DiskRoom> {
        let free_bytes = self.free.load(Ordering::Relaxed);
        self.has_looked.store(free_bytes < 100 * MIB, Ordering::Relaxed);
        Some(DiskRoom { free_bytes, all_bytes: 1_000 * MIB })
    }
}

#[test]
fn an_index_that_finds_no_room_near_the_budget_does_not_make_the_disk_full() {
    let directory = tempfile::tempdir().unwrap();
    let (free, has_refused) = (Arc::new(AtomicU64::new(500 * MIB)), Arc::default());
    let gate = FullAfterLook {
        free: Arc::clone(&free),
        has_looked: AtomicBool::new(false),
        has_refused: Arc::clone(&has_refused),
    };
    let options = SqliteOptions {
        retention: KEEPS_ALL,
        budget: DiskBudget { bytes_max: None, free_bytes_min: 50 * MIB },
        commit_gate: Box::new(gate),
        ..SqliteOptions::default()
    };
    let open = open_sqlite(directory.path(), options);
    let mut writer = open.writer("t");
    for n in 1..=20 {
        append(&mut writer, n, 2_000_000);
    }
    // Less than the floor and a quarter: logs yield, and nobody is refused. What is written between two entries is a reason
    // to look at it.
    free.store(55 * MIB, Ordering::Relaxed);
    for n in 21..=40 {
        append(&mut writer, n, 2_000_000);
        assert_eq!(writer.refused.pop(), None, "entry {n}");
        assert_eq!(open.log.storage().state, StorageState::Well, "entry {n}");
    }
    assert!(has_refused.load(Ordering::Relaxed), "indexing was never refused");
    let kept = open.everything(&writer.tenant);
    assert_eq!(kept.last().unwrap().0, 40);
    assert!(kept.len() < 40, "logs yield all the same");
}
