//! What nobody waits for is with the operating system first and on the disk soon after: what a power failure in between takes.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use foodtrack_tenant_log::{
    Commit, CommitError, CommitGate, LogEntry, RefusedReason, SqliteOptions, check,
};

use crate::segments::{entries, large, options, segments, settle, submit};
use crate::support::{offset, open_sqlite, wait_for};

/// What passes a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Commit,
    /// For a segment.
    Write,
    /// What was written there is put on the disk.
    Sync,
}

/// Notes what passes; the disk is full for what is written after `fill`, once.
#[derive(Clone, Default)]
struct Recording {
    steps: Arc<Mutex<Vec<Step>>>,
    is_full: Arc<AtomicBool>,
}

impl Recording {
    fn note(&self, step: Step) {
        self.steps.lock().unwrap().push(step);
    }

    fn count(&self, step: Step) -> usize {
        self.steps.lock().unwrap().iter().filter(|it| **it == step).count()
    }

    fn fill(&self) {
        self.is_full.store(true, Ordering::SeqCst);
    }
}

impl CommitGate for Recording {
    fn pass(&mut self, commit: &mut Commit<'_>) -> Result<(), CommitError> {
        self.note(Step::Commit);
        commit()
    }

    fn pass_segment(&mut self, write: &mut Commit<'_>) -> Result<(), CommitError> {
        self.note(Step::Write);
        if self.is_full.swap(false, Ordering::SeqCst) {
            Err(CommitError::DiskFull)
        } else {
            write()
        }
    }

    fn pass_sync(&mut self, sync: &mut Commit<'_>) -> Result<(), CommitError> {
        self.note(Step::Sync);
        sync()
    }
}

fn recording() -> (SqliteOptions, Recording) {
    let gate = Recording::default();
    (SqliteOptions { commit_gate: Box::new(gate.clone()), ..options() }, gate)
}

fn unsynced_from(directory: &Path) -> Option<i64> {
    let connection = rusqlite::Connection::open(directory.join("log.db")).unwrap();
    connection.query_row("SELECT unsynced_from FROM progress", (), |row| row.get(0)).unwrap()
}

#[test]
fn a_crowds_commits_do_not_wait_for_the_disk_and_are_there_within_about_a_second() {
    let directory = tempfile::tempdir().unwrap();
    let (options, gate) = recording();
    let open = open_sqlite(directory.path(), options);
    let mut writer = open.writer("t");
    let start = Instant::now();
    let mut n = 0;
    while start.elapsed() < Duration::from_millis(2_500) {
        submit(&mut writer, n + 1..=n + 100, 1_000);
        n += 100;
        settle(&mut writer);
    }
    let [writes, syncs] = [Step::Write, Step::Sync].map(|it| gate.count(it));
    assert!(writes > 20 && (1..=4).contains(&syncs), "{syncs} syncs of {writes} writes");
    // Nobody comes any more: what is left is put on the disk all the same, and the log says so.
    let last_write = Instant::now();
    wait_for(|| unsynced_from(directory.path()).is_none());
    assert!(last_write.elapsed() < Duration::from_secs(3));
    assert!(gate.count(Step::Sync) <= syncs + 1);
    // And then it is quiet; on a busy machine some upkeep comes first.
    wait_for(|| {
        let commits = gate.count(Step::Commit);
        std::thread::sleep(Duration::from_millis(1_200));
        gate.count(Step::Commit) == commits
    });
}

/// What a power failure may leave of a segment: how many bytes of it, and of what is left how many that are zeros.
struct Left {
    length: u64,
    zeros: u64,
}

/// The log as a power failure may leave it: all that was committed is in the database, and a part of it in the segment.
fn image(directory: &Path, left: &Left) -> tempfile::TempDir {
    let image = copy(directory);
    let segment = image.path().join("segment-000001");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes.truncate(left.length as usize);
    let whole = bytes.len() - left.zeros as usize;
    bytes[whole..].fill(0);
    std::fs::write(segment, bytes).unwrap();
    image
}

fn copy(directory: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in ["log.db", "log.db-wal", "segment-000001"] {
        std::fs::copy(directory.join(name), copy.path().join(name)).unwrap();
    }
    copy
}

#[test]
fn a_power_failure_takes_no_more_than_the_end_of_what_nobody_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let (options, gate) = recording();
    let open = open_sqlite(directory.path(), options);
    let mut writer = open.writer("t");
    let length = || segments(directory.path()).remove(0).metadata().unwrap().len();
    submit(&mut writer, 1..=300, 1_000);
    settle(&mut writer);
    // Somebody waits for this one: with it, all before it is on the disk.
    writer.append(301);
    let (safe, syncs) = (length(), gate.count(Step::Sync));
    for first in [302, 602, 902] {
        submit(&mut writer, first..=first + 299, 1_000);
        settle(&mut writer);
    }
    let (whole, failed) = (length(), copy(directory.path()));
    assert_eq!(gate.count(Step::Sync), syncs, "the machine is too slow for this test");
    let cuts = [0, 1, 5_000, 299_000, 310_000, 700_000].map(|beyond| safe + beyond);
    let cut_off = cuts.map(|length| Left { length, zeros: 0 });
    let empty = cuts.map(|length| Left { length: whole, zeros: whole - length });
    let all = Left { length: whole, zeros: 0 };
    let mut kept = Vec::new();
    for left in cut_off.iter().chain(&empty).chain([&all]) {
        let image = image(failed.path(), left);
        {
            let open = open_sqlite(image.path(), self::options());
            let found = entries(&open, "t");
            assert!(found.iter().zip(1..).all(|(it, n)| it.offset == offset(n)), "a gap");
            let is_as_sent = |it: &&LogEntry| it.offset == offset(301) || is_sent(it);
            assert_eq!(found.iter().filter(is_as_sent).count(), found.len());
            assert!(found.len() >= 301, "{}", found.len());
            kept.push(found.len());
            let mut writer = open.writer("t");
            assert!(writer.sequence.next() > offset(1_201), "an offset that was shown comes again");
            submit(&mut writer, 2_000..=2_299, 1_000);
            settle(&mut writer);
            assert_eq!(entries(&open, "t").len(), found.len() + 300);
            assert!(unsynced_from(image.path()).is_some(), "again");
        }
        assert_eq!(check(image.path()).unwrap().findings, Vec::<String>::new());
        let open = open_sqlite(image.path(), self::options());
        assert_eq!(entries(&open, "t").len(), kept.last().unwrap() + 300);
    }
    let [cut_off, empty] = [&kept[..cuts.len()], &kept[cuts.len()..2 * cuts.len()]];
    assert_eq!(cut_off, empty, "zeros are nothing");
    assert!(cut_off.is_sorted() && cut_off[0] == 301 && cut_off[5] > 800, "{cut_off:?}");
    assert_eq!(kept.last(), Some(&1_201));
}

/// Whether an entry is one of those that [`submit`] makes.
fn is_sent(entry: &LogEntry) -> bool {
    let n = entry.id.as_u128() as u64;
    *entry == large(n, entry.offset, 1_000)
}

#[test]
fn a_disk_that_does_not_answer_takes_nothing_from_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let open = open_sqlite(directory.path(), options());
    let mut writer = open.writer("t");
    submit(&mut writer, 1..=300, 1_000);
    settle(&mut writer);
    let image = copy(directory.path());
    assert!(unsynced_from(image.path()).is_some());
    let segment = image.path().join("segment-000001");
    let whole = std::fs::read(&segment).unwrap();
    // What is there and cannot be read.
    std::fs::remove_file(&segment).unwrap();
    std::os::unix::fs::symlink(&segment, &segment).unwrap();
    assert!(check(image.path()).is_err());
    std::fs::remove_file(&segment).unwrap();
    std::fs::write(&segment, whole).unwrap();
    let open = open_sqlite(image.path(), options());
    assert_eq!(entries(&open, "t").len(), 300);
}

#[test]
fn a_full_disk_gets_what_did_not_wait_for_it_before_room_is_made_and_though_nobody_comes() {
    let directory = tempfile::tempdir().unwrap();
    let (options, gate) = recording();
    let open = open_sqlite(directory.path(), options);
    let mut writer = open.writer("t");
    submit(&mut writer, 1..=300, 1_000);
    settle(&mut writer);
    assert!(unsynced_from(directory.path()).is_some());
    gate.fill();
    submit(&mut writer, 301..=600, 1_000);
    while writer.refused.is_empty() {
        writer.hear();
    }
    assert!(writer.refused.iter().all(|(.., reason)| *reason == RefusedReason::DiskFull));
    wait_for(|| unsynced_from(directory.path()).is_none());
    let steps = gate.steps.lock().unwrap().clone();
    // Room is made by commits that a power failure must not find alone.
    let last_write = steps.iter().rposition(|it| *it == Step::Write).unwrap();
    assert_eq!(steps[last_write + 1..][..2], [Step::Sync, Step::Commit], "{steps:?}");
    writer.append(601);
}
