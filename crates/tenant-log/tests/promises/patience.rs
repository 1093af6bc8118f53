//! What is in no hurry: it shares commits, and wakes nobody in vain.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use foodtrack_contract::Cursor;
use foodtrack_tenant_log::{
    Commit, CommitError, CommitGate, Durability, Retention, SavedCursor, SqliteOptions,
    SubscriberKey,
};

use crate::support::{Holding, KEEPS_ALL, OpenLog, id, offset, open_sqlite};

const FEW: Retention = Retention { entries_max: 100, ..KEEPS_ALL };

/// Counts commits.
struct Counting(Arc<AtomicU64>);

impl CommitGate for Counting {
    fn pass(&mut self, commit: &mut Commit<'_>) -> Result<(), CommitError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        commit()
    }
}

/// A log, and how many commits it made.
fn counting(directory: &std::path::Path) -> (OpenLog, Arc<AtomicU64>) {
    counting_with(directory, Retention::default())
}

fn counting_with(directory: &std::path::Path, retention: Retention) -> (OpenLog, Arc<AtomicU64>) {
    let commits = Arc::new(AtomicU64::new(0));
    let gate = Box::new(Counting(Arc::clone(&commits)));
    let options = SqliteOptions { commit_gate: gate, retention, ..SqliteOptions::default() };
    (open_sqlite(directory, options), commits)
}

/// How often the writer has gone to sleep so far.
fn sleeps_of_writer() -> u64 {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let is_writer = |path: &std::path::Path| {
        std::fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim() == "tenant-log")
    };
    let writers: Vec<_> = threads.map(|it| it.path()).filter(|path| is_writer(path)).collect();
    let [writer] = &writers[..] else { panic!("{} writers", writers.len()) };
    let status = std::fs::read_to_string(writer.join("status")).unwrap();
    let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    count.unwrap().trim().parse().unwrap()
}

#[test]
fn recoverable_entries_share_a_commit() {
    let directory = tempfile::tempdir().unwrap();
    let (open, commits) = counting(directory.path());
    let mut writer = open.writer("t");
    let (before, start) = (commits.load(Ordering::SeqCst), Instant::now());
    for n in 1..=20 {
        writer.submit(id(n), Durability::Recoverable, n);
        // May be shown at once.
        assert_eq!(writer.sequence.release(), offset(n));
        std::thread::sleep(Duration::from_millis(1));
    }
    let submitted = start.elapsed();
    while writer.sequence.committed_through() < offset(20) {
        writer.hear();
    }
    // One each 50 ms at most, and a machine may be slow.
    let commits_max = 2 + u64::try_from(submitted.as_millis()).unwrap() / 50;
    let made = commits.load(Ordering::SeqCst) - before;
    assert!(made <= commits_max, "{made} commits in {submitted:?}");
}

#[test]
fn a_durable_entry_takes_what_waits_along_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let (open, commits) = counting(directory.path());
    let mut writer = open.writer("t");
    let cursor = Cursor::new(writer.sequence.epoch(), offset(1));
    let (before, key) = (commits.load(Ordering::SeqCst), SubscriberKey::new("u").unwrap());
    let saved = SavedCursor { cursor, updated_at_ms: 1 };
    open.log.save_cursor(&writer.tenant, &key, saved.clone()).unwrap();
    for n in 1..=20 {
        writer.submit(id(n), Durability::Recoverable, n);
    }
    writer.append(21);
    assert!(commits.load(Ordering::SeqCst) <= before + 2, "more than one for what was before it");
    assert_eq!(open.everything(&writer.tenant).len(), 21);
    assert_eq!(open.log.cursor(&writer.tenant, &key).unwrap(), Some(saved));
}

#[test]
fn many_recoverable_entries_do_not_wait_for_the_delay() {
    let directory = tempfile::tempdir().unwrap();
    let (open, commits) = counting(directory.path());
    let mut writer = open.writer("t");
    let before = commits.load(Ordering::SeqCst);
    for n in 1..=4_000 {
        writer.submit(id(n), Durability::Recoverable, n);
    }
    while writer.sequence.committed_through() < offset(4_000) {
        writer.hear();
    }
    let made = commits.load(Ordering::SeqCst) - before;
    assert!(made <= 40, "{made} commits");
}

#[test]
fn recoverable_entries_do_not_wake_the_writer_each() {
    let directory = tempfile::tempdir().unwrap();
    let (open, _) = counting(directory.path());
    let mut writer = open.writer("t");
    let (before, start) = (sleeps_of_writer(), Instant::now());
    for n in 1..=500 {
        writer.submit(id(n), Durability::Recoverable, n);
        std::thread::sleep(Duration::from_micros(100));
    }
    while writer.sequence.committed_through() < offset(500) {
        writer.hear();
    }
    let periods = 1 + u64::try_from(start.elapsed().as_millis()).unwrap() / 50;
    // A commit sleeps a few times for the disk.
    let sleeps = sleeps_of_writer() - before;
    assert!(sleeps <= 20 * periods, "{sleeps} in {periods} periods");
}

#[test]
fn upkeep_has_no_commits_of_its_own_while_entries_wait_for_theirs() {
    for at_once in [6_000, 600] {
        let directory = tempfile::tempdir().unwrap();
        let (open, commits) = counting_with(directory.path(), FEW);
        let mut writer = open.writer("t");
        let (before, start) = (commits.load(Ordering::SeqCst), Instant::now());
        for n in 1..=8 * at_once {
            writer.submit(id(n), Durability::Recoverable, n);
            // The next as soon as the last are on disk.
            while n.is_multiple_of(at_once) && writer.sequence.committed_through() < offset(n) {
                writer.hear();
            }
        }
        let made = commits.load(Ordering::SeqCst) - before;
        let periods = 1 + u64::try_from(start.elapsed().as_millis()).unwrap() / 50;
        assert!(made <= periods, "{made} commits in {periods} periods, {at_once} at once");
    }
}

/// How many entries a log keeps that is to keep few, once it has as many as `commits` of `entries` each, one right behind the
/// other.
fn kept_of(commits: u64, entries: u64, durability: Durability) -> u64 {
    let directory = tempfile::tempdir().unwrap();
    let (gate, held) = Holding::new();
    let options = SqliteOptions { commit_gate: gate, retention: FEW, ..SqliteOptions::default() };
    let open = open_sqlite(directory.path(), options);
    held.let_go();
    let mut writer = open.writer("t");
    held.wait();
    for commit in 0..commits {
        for n in 1..=entries {
            writer.submit(id(entries * commit + n), durability, n);
        }
        // The one before it has nothing to wait for but this.
        if commit > 0 {
            held.let_go();
        }
        held.wait();
    }
    let stats = open.log.stats(&writer.tenant).unwrap();
    drop(held);
    stats.entries
}

#[test]
fn retention_keeps_up_where_every_commit_is_large() {
    let kept = kept_of(8, 6_000, Durability::Durable);
    assert!(kept <= 12_000, "{kept} of 42 000 are kept");
}

#[test]
fn a_log_that_nobody_uses_sleeps() {
    let directory = tempfile::tempdir().unwrap();
    let (open, commits) = counting(directory.path());
    let mut writer = open.writer("t");
    // Enough for some maintenance.
    writer.append_all(1..=1_000);
    std::thread::sleep(Duration::from_millis(500));
    let before = (sleeps_of_writer(), commits.load(Ordering::SeqCst));
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!((sleeps_of_writer(), commits.load(Ordering::SeqCst)), before);
}
