//! A disk that is full, and one that fails.

use std::process::{Command, Stdio};

use foodtrack_contract::Offset;
use foodtrack_tenant_log::{
    Commit, CommitError, CommitGate, Durability, LogEntry, RefusedReason, Retention, SqliteOptions,
    StorageState, SubmitError,
};

use crate::support::{KEEPS_ALL, Writer, id, noise, offset, open_sqlite, tenant, wait_for};

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
    let mut again = Offset::ZERO;
    wait_for(|| {
        again = writer.append(n);
        writer.refused.pop().is_none()
    });
    assert!(again > offset(n));
    let page = open.page(&writer.tenant, again.get() - 1, 1);
    assert_eq!((page.entries[0].offset, page.entries[0].id), (again, id(n)));
}

/// Fails one commit, or some in a row.
struct Failing {
    /// How many commits are left before it.
    left: i64,
    /// How many fail.
    count: i64,
    /// Whether a failing one reaches the disk all the same.
    arrives: bool,
    error: CommitError,
}

impl CommitGate for Failing {
    fn pass(&mut self, commit: &mut Commit<'_>) -> Result<(), CommitError> {
        self.left -= 1;
        if self.left >= 0 || self.left < -self.count {
            return commit();
        }
        if self.arrives {
            commit()?;
        }
        Err(self.error.clone())
    }
}

fn failing(commits: i64, arrives: bool, error: CommitError) -> SqliteOptions {
    let gate = Failing { left: commits, count: 1, arrives, error };
    SqliteOptions { commit_gate: Box::new(gate), ..SqliteOptions::default() }
}

#[track_caller]
fn check_poisoned(arrives: bool) {
    let directory = tempfile::tempdir().unwrap();
    let acknowledged = {
        let error = CommitError::Disk(String::from("fsync"));
        let open = open_sqlite(directory.path(), failing(4, arrives, error));
        let mut writer = open.writer("t");
        assert_eq!(fill(&mut writer, 1..100), (4, RefusedReason::Unknown));
        let entry = crate::support::entry(offset(5), id(5));
        assert_eq!(writer.try_submit(&entry), Err(SubmitError::Poisoned));
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
fn a_full_disk_is_known_until_there_is_room_again_also_where_nobody_appends() {
    let directory = tempfile::tempdir().unwrap();
    let open = open_sqlite(directory.path(), failing(3, false, CommitError::DiskFull));
    let mut writer = open.writer("t");
    assert_eq!(open.log.storage().state, StorageState::Well);
    let (_, reason) = fill(&mut writer, 1..100);
    assert_eq!(reason, RefusedReason::DiskFull);
    let storage = open.log.storage();
    assert_eq!((storage.state, storage.refused_full), (StorageState::Full, 1));
    assert!(storage.disk_free_bytes.unwrap() > 0 && storage.file_bytes.unwrap() > 0);
    // Only this one commit failed, and nothing more is submitted.
    wait_for(|| open.log.storage().state == StorageState::Well);
}

#[test]
fn large_events_stay_within_the_bytes_whatever_the_floor_says() {
    const BYTES_MAX: u64 = 16 << 20;
    let directory = tempfile::tempdir().unwrap();
    let retention = Retention { bytes_max: BYTES_MAX, ..Retention::default() };
    let open =
        open_sqlite(directory.path(), SqliteOptions { retention, ..SqliteOptions::default() });
    let mut writer = open.writer("t");
    // Also while they keep coming, and not only when somebody asks for a round.
    for n in 1..=120 {
        let message = noise(n, 1_000_000).into();
        let entry = crate::support::entry(writer.sequence.next(), id(n));
        writer.submit_entry(&LogEntry { message, ..entry });
        writer.settle();
    }
    let bytes = || open.log.stats(&writer.tenant).unwrap().bytes;
    wait_for(|| bytes() <= BYTES_MAX + (5 << 20));
    assert!(bytes() > BYTES_MAX / 2, "{} bytes", bytes());
    let on_disk = open.log.storage().file_bytes.unwrap();
    assert!(on_disk < 4 * BYTES_MAX, "{on_disk} bytes on disk");
}

#[test]
fn a_disk_that_failed_is_known_to_have_failed() {
    let directory = tempfile::tempdir().unwrap();
    let error = CommitError::Disk(String::from("fsync"));
    let open = open_sqlite(directory.path(), failing(3, false, error));
    fill(&mut open.writer("t"), 1..100);
    let storage = open.log.storage();
    assert_eq!((storage.state, storage.refused_failed), (StorageState::Failed, 1));
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
fn a_tenant_is_opened_on_a_full_disk_where_room_can_be_made() {
    let directory = tempfile::tempdir().unwrap();
    let open = open_sqlite(directory.path(), failing(0, false, CommitError::DiskFull));
    open.log.open(&tenant("t"), 0).unwrap();
    let answer = open.next_completion();
    assert!(matches!(answer, foodtrack_tenant_log::Completion::Opened { .. }), "{answer:?}");
}

#[test]
fn a_tenant_whose_opening_failed_can_be_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    // The opening, making room, and the opening again.
    let gate = Failing { left: 0, count: 3, arrives: false, error: CommitError::DiskFull };
    let options = SqliteOptions { commit_gate: Box::new(gate), ..SqliteOptions::default() };
    let open = open_sqlite(directory.path(), options);
    open.log.open(&tenant("t"), 0).unwrap();
    let answer = open.next_completion();
    assert!(matches!(
        answer,
        foodtrack_tenant_log::Completion::OpenFailed { reason: RefusedReason::DiskFull, .. }
    ));
    assert_eq!(open.writer("t").append(1), Offset::ZERO.next());
}

/// A small file system of its own, gone when dropped.
pub(crate) struct SmallDisk(pub(crate) tempfile::TempDir);

impl SmallDisk {
    /// `None` where this user may not mount.
    pub(crate) fn mount(bytes: u64) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let is_mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"])
            .arg(directory.path())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        is_mounted.then(|| Self(directory))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: what a failing test still has open must not keep it.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// Appends messages of a kilobyte, all of one age, until one is refused; returns its number.
fn fill_disk(writer: &mut Writer<'_>, first: u64, at_ms: u64) -> u64 {
    fill_disk_with(1_000, writer, first, at_ms)
}

fn fill_disk_with(message_bytes: usize, writer: &mut Writer<'_>, first: u64, at_ms: u64) -> u64 {
    for n in first..first + 100_000 {
        let message = noise(n, message_bytes).into();
        let next = writer.sequence.next();
        writer.submit_entry(&LogEntry { at_ms, message, ..crate::support::entry(next, id(n)) });
        if n % 10 == 0 {
            writer.settle();
        }
        if let Some((.., reason)) = writer.refused.pop() {
            writer.settle();
            writer.refused.clear();
            assert_eq!(reason, RefusedReason::DiskFull);
            return n;
        }
    }
    panic!("the disk does not fill");
}

/// Tries until there is room, without letting time pass for retention.
fn append_when_there_is_room(writer: &mut Writer<'_>, n: u64) {
    wait_for(|| {
        writer.refused.clear();
        writer.submit(id(n), Durability::Durable, 1);
        writer.settle();
        writer.refused.is_empty()
    });
}

#[test]
fn a_log_outlives_a_full_file_system() {
    let Some(disk) = SmallDisk::mount(80 << 20) else {
        return test_support::skipped("this user may not mount a tmpfs");
    };
    let path = disk.0.path();
    {
        let retention = Retention { age_ms_max: 1_000, entries_min: 10, ..KEEPS_ALL };
        let options = SqliteOptions { retention, ..SqliteOptions::default() };
        let open = open_sqlite(&path.join("data"), options);
        let mut writer = open.writer("t");
        // Others fill the disk, and make room again.
        let others = path.join("others");
        std::fs::write(&others, vec![1; 16 << 20]).unwrap();
        let first_refused = fill_disk(&mut writer, 1, 1);
        let kept = open.everything(&writer.tenant).len();
        assert!(kept > 100, "what is there is read: {kept} of {first_refused}");
        std::fs::remove_file(&others).unwrap();
        append_when_there_is_room(&mut writer, first_refused + 1);
        assert_eq!(open.everything(&writer.tenant).len(), kept + 1);
        // The log itself fills it, and retention makes room.
        let refused = fill_disk(&mut writer, first_refused + 2, 1);
        let full = open.log.stats(&writer.tenant).unwrap();
        open.log.trim(10_000).unwrap();
        append_when_there_is_room(&mut writer, refused + 1);
        wait_for(|| open.log.stats(&writer.tenant).unwrap().entries < full.entries / 2);
        // And that room is used again.
        let more = fill_disk(&mut writer, refused + 2, 10_000) - refused;
        assert!(more > full.entries / 2, "only {more} of {} found room again", full.entries);
    }
    let report = foodtrack_tenant_log::check(&path.join("data")).unwrap();
    assert_eq!(report.findings, Vec::<String>::new());
}

#[test]
fn a_log_that_found_room_for_one_entry_has_it_for_the_next() {
    let Some(disk) = SmallDisk::mount(80 << 20) else {
        return test_support::skipped("this user may not mount a tmpfs");
    };
    let path = disk.0.path();
    let options = SqliteOptions { retention: KEEPS_ALL, ..SqliteOptions::default() };
    let open = open_sqlite(&path.join("data"), options);
    let mut writer = open.writer("t");
    let others = path.join("others");
    std::fs::write(&others, vec![1; 16 << 20]).unwrap();
    // Large enough that each leaves room for a small one behind it on its page.
    let refused = fill_disk_with(3_000, &mut writer, 1, 1);
    // Now it looks for room in vain, and will look again after a while.
    let refused = fill_disk_with(3_000, &mut writer, refused + 1, 1);
    std::fs::remove_file(&others).unwrap();
    append_when_there_is_room(&mut writer, refused + 1);
    for n in refused + 2..refused + 202 {
        writer.append(n);
        assert!(writer.refused.is_empty(), "{n} of {refused}: {:?}", writer.refused);
    }
}
