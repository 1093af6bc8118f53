//! A disk that is full, and one that fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foodtrack_contract::Offset;
use foodtrack_tenant_log::{
    Commit, CommitError, CommitGate, Durability, RefusedReason, Retention, SqliteOptions,
    SubmitError,
};

use crate::support::{KEEPS_ALL, Writer, id, offset, open_sqlite, tenant};

/// Appends until something is refused; returns the first number that was, and why.
fn fill(writer: &mut Writer<'_>, numbers: std::ops::Range<u64>) -> (u64, RefusedReason) {
    for n in numbers {
        writer.submit(id(n), Durability::Durable, n);
        writer.settle();
        if let Some((_, _, reason)) = writer.refused.pop() {
            return (n, reason);
        }
    }
    panic!("nothing was refused");
}

#[test]
fn a_full_disk_refuses_and_what_retention_frees_is_used_again() {
    let directory = tempfile::tempdir().unwrap();
    let retention = Retention { age_ms_max: 1_000, entries_min: 10, ..KEEPS_ALL };
    let options =
        SqliteOptions { retention, file_bytes_max: 400 << 10, ..SqliteOptions::default() };
    let open = open_sqlite(directory.path(), options);
    let mut writer = open.writer("t");
    // All of the same age: nothing goes yet.
    let mut n = 0;
    while writer.refused.is_empty() {
        n += 1;
        writer.submit(id(n), Durability::Durable, 1);
        writer.settle();
    }
    let (from, through, reason) = writer.refused.remove(0);
    assert_eq!((from, through, reason), (offset(n), offset(n), RefusedReason::DiskFull));
    assert!(n > 100, "only {n} found room");
    let kept = open.everything(&writer.tenant);
    assert!(kept.iter().map(|(offset, _)| *offset).eq(1..n), "what was committed stays");

    open.log.trim(10_000).unwrap();
    // The one that was refused may come again, and gets an offset that nobody ever saw.
    let mut tries = 0;
    let again = loop {
        let taken = writer.append(n);
        if writer.refused.pop().is_none() {
            break taken;
        }
        tries += 1;
        assert!(tries < 200, "no room was made");
        std::thread::sleep(std::time::Duration::from_millis(5));
    };
    assert!(again > offset(n));
    let page = open.page(&writer.tenant, again.get() - 1, 1);
    assert_eq!((page.entries[0].offset, page.entries[0].id), (again, id(n)));
}

/// Fails one commit.
struct Failing {
    /// How many commits are left before it.
    left: Arc<AtomicU64>,
    /// Whether the failing one reaches the disk all the same.
    arrives: bool,
    error: CommitError,
}

impl CommitGate for Failing {
    fn pass(&mut self, commit: &mut Commit<'_>) -> Result<(), CommitError> {
        if self.left.fetch_sub(1, Ordering::SeqCst) != 0 {
            return commit();
        }
        if self.arrives {
            commit()?;
        }
        Err(self.error.clone())
    }
}

fn failing(commits: u64, arrives: bool, error: CommitError) -> SqliteOptions {
    let gate = Failing { left: Arc::new(AtomicU64::new(commits)), arrives, error };
    SqliteOptions { commit_gate: Box::new(gate), ..SqliteOptions::default() }
}

#[track_caller]
fn check_poisoned(arrives: bool) {
    let directory = tempfile::tempdir().unwrap();
    let acknowledged = {
        let error = CommitError::Disk(String::from("fsync"));
        let open = open_sqlite(directory.path(), failing(4, arrives, error));
        let mut writer = open.writer("t");
        assert_eq!(fill(&mut writer, 1..100), (4, RefusedReason::Poisoned));
        let entry = crate::support::entry(offset(5), id(5));
        assert_eq!(open.log.submit(&writer.tenant, entry), Err(SubmitError::Poisoned));
        assert_eq!(open.log.open(&tenant("u"), 0), Err(SubmitError::Poisoned));
        assert_eq!(writer.sequence.released(), offset(3));
        // What is there can still be read.
        open.everything(&writer.tenant)
    };
    let open = open_sqlite(directory.path(), SqliteOptions::default());
    let kept = open.everything(&tenant("t"));
    assert_eq!(kept, acknowledged);
    assert_eq!(kept.len(), if arrives { 4 } else { 3 });
    let mut writer = open.writer("t");
    assert!(writer.append(9) > offset(4), "an offset that may be on disk is not used again");
}

#[test]
fn a_failed_fsync_poisons_the_writer_until_it_is_opened_anew() {
    check_poisoned(false);
}

#[test]
fn a_commit_that_arrived_though_it_seemed_to_fail_was_never_acknowledged() {
    check_poisoned(true);
}

#[test]
fn a_commit_without_room_is_refused_and_the_next_is_tried() {
    let directory = tempfile::tempdir().unwrap();
    let open = open_sqlite(directory.path(), failing(2, false, CommitError::DiskFull));
    let mut writer = open.writer("t");
    assert_eq!(fill(&mut writer, 1..100), (2, RefusedReason::DiskFull));
    assert_eq!(writer.append(3), offset(3));
    assert_eq!(writer.append(2), offset(4));
    assert_eq!(open.everything(&writer.tenant), [(1, id(1)), (3, id(3)), (4, id(2))]);
    assert_eq!(writer.sequence.released(), offset(4));
}

#[test]
fn a_tenant_whose_opening_failed_can_be_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let open = open_sqlite(directory.path(), failing(0, false, CommitError::DiskFull));
    open.log.open(&tenant("t"), 0).unwrap();
    let answer = open.next_completion();
    assert!(matches!(
        answer,
        foodtrack_tenant_log::Completion::OpenFailed { reason: RefusedReason::DiskFull, .. }
    ));
    assert_eq!(open.writer("t").append(1), Offset::ZERO.next());
}
