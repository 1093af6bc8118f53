//! Recoverable entries that come by the hundred, and share large commits.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use foodtrack_contract::Offset;
use foodtrack_tenant_log::{
    CopyRate, Durability, LogEntry, RefusedReason, Retention, SqliteOptions, SqliteReader, backup,
    check, renew_epochs,
};

use crate::disk::SmallDisk;
use crate::support::{
    KEEPS_ALL, OpenLog, Writer, entry, id, noise, offset, open_sqlite, request, tenant, wait_for,
};

pub(crate) fn options() -> SqliteOptions {
    SqliteOptions { retention: KEEPS_ALL, ..SqliteOptions::default() }
}

pub(crate) fn large(n: u64, at: Offset, message_bytes: usize) -> LogEntry {
    let durability = Durability::Recoverable;
    LogEntry { durability, message: noise(n, message_bytes).into(), ..entry(at, id(n)) }
}

/// Submits recoverable entries that no packing makes small, all at once, and does not wait.
pub(crate) fn submit(
    writer: &mut Writer<'_>,
    numbers: std::ops::RangeInclusive<u64>,
    message_bytes: usize,
) {
    for n in numbers {
        let entry = large(n, writer.sequence.next(), message_bytes);
        writer.gather_entry(&entry);
    }
    writer.submitter.flush();
}

/// Waits until all of it is on disk, or something was refused.
fn settle(writer: &mut Writer<'_>) {
    while writer.refused.is_empty()
        && writer.sequence.committed_through().next() < writer.sequence.next()
    {
        writer.hear();
    }
}

/// All of a tenant's entries, read in one page.
pub(crate) fn entries(open: &OpenLog, name: &str) -> Vec<LogEntry> {
    open.page(&tenant(name), 0, 1_000_000).entries
}

#[test]
fn what_came_in_a_large_commit_is_read_like_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    let expected: Vec<LogEntry> = (1..=600).map(|n| large(n, offset(n), 1_000)).collect();
    let others: Vec<LogEntry> = (1..=600).map(|n| large(7_000 + n, offset(n), 500)).collect();
    let look = |open: &OpenLog| {
        assert_eq!(entries(open, "t"), expected);
        assert_eq!(entries(open, "u"), others, "each tenant has its own, and nothing else");
        assert_eq!(open.log.find(&tenant("t"), id(321)).unwrap(), Some(offset(321)));
        assert_eq!(open.log.find(&tenant("t"), id(7_321)).unwrap(), None);
        let some = [offset(600), offset(2), offset(64)];
        let read = open.log.read_at(&tenant("t"), &some).unwrap();
        assert!(read.iter().eq([&expected[1], &expected[63], &expected[599]]));
        let history = open.log.entity_history(&tenant("t"), "77", 10).unwrap();
        assert!(history.iter().eq([&expected[76]]));
        let outline =
            open.log.outline(&tenant("t"), None, offset(63), offset(66), 100).unwrap().entries;
        assert!(outline.iter().map(|it| it.id).eq([id(64), id(65), id(66)]));
        assert_eq!(open.log.stats(&tenant("t")).unwrap().entries, 600);
    };
    {
        let open = open_sqlite(directory.path(), options());
        let (mut one, mut other) = (open.writer("t"), open.writer("u"));
        for n in [1, 201, 401] {
            submit(&mut one, n..=n + 199, 1_000);
            submit(&mut other, 7_000 + n..=7_000 + n + 199, 500);
        }
        one.settle_by_reading();
        other.settle_by_reading();
        look(&open);
    }
    let report = check(directory.path()).unwrap();
    assert_eq!((report.findings, report.entries), (Vec::new(), 1_200));
    let open = open_sqlite(directory.path(), options());
    look(&open);
    let head = open.head(&tenant("t"));
    let recent: Vec<_> = (1..=600).map(|n| (id(n), offset(n))).collect();
    assert_eq!(head.recent, recent);
    let makes_order = |it: &&LogEntry| it.creates_order.is_some() && it.entity.is_some();
    assert_eq!(head.orders.len(), expected.iter().filter(makes_order).count());
}

#[test]
fn who_reads_while_retention_takes_sees_what_is_there_and_no_damage() {
    let directory = tempfile::tempdir().unwrap();
    let retention = Retention { entries_max: 500, ..KEEPS_ALL };
    let open = open_sqlite(directory.path(), SqliteOptions { retention, ..options() });
    let (mut quiet, mut busy) = (open.writer("quiet"), open.writer("busy"));
    submit(&mut quiet, 1..=200, 1_000);
    submit(&mut busy, 1..=2_000, 4_000);
    quiet.settle_by_reading();
    busy.settle_by_reading();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // In this process and in another.
        let beside = SqliteReader::open(directory.path(), None).unwrap();
        let (log, is_done) = (&open.log, &is_done);
        let reader = scope.spawn(move || {
            let mut reads = 0;
            while !is_done.load(Ordering::SeqCst) || reads == 0 {
                for name in ["quiet", "busy"] {
                    let request = request(&tenant(name), 0, 1_000);
                    for page in [log.read(&request).unwrap(), beside.read(&request).unwrap()] {
                        let is_dense =
                            page.entries.windows(2).all(|it| it[0].offset.next() == it[1].offset);
                        assert!(is_dense && !page.entries.is_empty());
                        reads += 1;
                    }
                }
            }
        });
        let mut now_ms = 0;
        wait_for(|| {
            now_ms += 1;
            log.trim(now_ms).unwrap();
            log.stats(&busy.tenant).unwrap().entries <= 500
        });
        is_done.store(true, Ordering::SeqCst);
        reader.join().unwrap();
    });
    let expected: Vec<_> = (1..=200).map(|n| large(n, offset(n), 1_000)).collect();
    assert_eq!(entries(&open, "quiet"), expected);
    drop((quiet, busy));
    drop(open);
    assert_eq!(check(directory.path()).unwrap().findings, Vec::<String>::new());
}

#[test]
fn a_backup_is_whole_and_as_of_one_moment_whatever_is_appended_and_let_go_meanwhile() {
    let (directory, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let retention = Retention { entries_max: 1_000, ..KEEPS_ALL };
    let open = open_sqlite(directory.path(), SqliteOptions { retention, ..options() });
    let mut writer = open.writer("t");
    submit(&mut writer, 1..=1_500, 4_000);
    writer.settle_by_reading();
    std::thread::scope(|scope| {
        let (directory, target) = (directory.path(), target.path());
        let copying = scope.spawn(move || {
            for round in 0..3 {
                let to = target.join(round.to_string());
                let rate = CopyRate::per_second(NonZeroU64::new(32 << 20).unwrap());
                let bytes = backup(directory, &to, rate, |_| {}).unwrap();
                assert!(bytes > 4_000_000, "{bytes} bytes");
                assert_eq!(check(&to).unwrap().findings, Vec::<String>::new());
                renew_epochs(&to).unwrap();
                let kept = entries(&open_sqlite(&to, options()), "t");
                assert!(kept.len() >= 1_000 && kept[0].offset.get() + kept.len() as u64 > 1_500);
                assert!(kept.windows(2).all(|it| it[0].offset.next() == it[1].offset));
                let is_right = |it: &LogEntry| *it == large(it.offset.get(), it.offset, 4_000);
                assert!(kept.iter().step_by(50).all(is_right));
            }
        });
        let mut n = 1_500;
        while !copying.is_finished() {
            submit(&mut writer, n + 1..=n + 100, 4_000);
            writer.settle_by_reading();
            n += 100;
            open.log.trim(n).unwrap();
        }
        assert!(copying.join().is_ok() && n > 1_500);
    });
}

#[test]
fn a_backup_overwrites_nothing() {
    let (directory, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    open_sqlite(directory.path(), options()).writer("t").append(1);
    std::fs::write(target.path().join("diary"), b"a long one").unwrap();
    let refused = backup(directory.path(), target.path(), CopyRate::UNLIMITED, |_| {})
        .unwrap_err()
        .to_string();
    assert!(refused.contains("not empty"), "{refused}");
    assert_eq!(std::fs::read_dir(target.path()).unwrap().count(), 1);
}

#[test]
fn a_full_disk_refuses_a_large_commit_as_a_whole_and_retention_makes_room_though_nobody_appends() {
    let Some(disk) = SmallDisk::mount(76 << 20) else {
        return test_support::skipped("this user may not mount a tmpfs");
    };
    let data = disk.0.path().join("data");
    let retention = Retention { age_ms_max: 1_000, entries_min: 10, ..KEEPS_ALL };
    let open = open_sqlite(&data, SqliteOptions { retention, ..options() });
    let mut writer = open.writer("t");
    let is_full = |writer: &Writer<'_>| {
        writer.refused.iter().all(|(.., reason)| *reason == RefusedReason::DiskFull)
    };
    let mut n = 0;
    while writer.refused.is_empty() {
        submit(&mut writer, n + 1..=n + 300, 1_000);
        n += 300;
        settle(&mut writer);
    }
    assert!(n > 3_000 && is_full(&writer), "{:?} at {n}", writer.refused);
    let kept = entries(&open, "t");
    let is_whole = |it: &LogEntry| it.message == noise(it.id.as_u128() as u64, 1_000);
    assert!(kept.iter().all(is_whole));
    wait_for(|| {
        // Each has a full disk tried at once: not so often that nothing else is done.
        open.log.trim(100_000).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        open.log.stats(&writer.tenant).unwrap().entries < kept.len() as u64 / 2
    });
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        writer.refused.clear();
        submit(&mut writer, n + 1..=n + 300, 1_000);
        n += 300;
        settle(&mut writer);
        if writer.refused.is_empty() {
            break;
        }
        assert!(is_full(&writer) && Instant::now() < deadline, "no room was found");
    }
    assert_eq!(entries(&open, "t").last().map(|it| it.id), Some(id(n)));
    drop(open);
    assert_eq!(check(&data).unwrap().findings, Vec::<String>::new());
}
