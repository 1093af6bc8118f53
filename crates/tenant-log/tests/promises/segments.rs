//! Large commits that nobody waits for: their bytes are in files beside the database.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use foodtrack_contract::Offset;
use foodtrack_tenant_log::{
    Durability, LogEntry, OpenError, ReadError, RefusedReason, Retention, SqliteLog, SqliteOptions,
    SqliteReader, backup, check, compact, renew_epochs,
};

use crate::support::{
    KEEPS_ALL, OpenLog, Writer, entry, id, noise, offset, open_sqlite, request, tenant, wait_for,
};

const DIRECTORY: &str = "FOODTRACK_TENANT_LOG_SEGMENTS";

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
    // One by one, the last might come alone where the machine is slow, and be too little for a segment.
    writer.submitter.hand_over();
}

/// Waits until all of it is on disk.
pub(crate) fn settle(writer: &mut Writer<'_>) {
    while writer.sequence.committed_through().next() < writer.sequence.next() {
        assert!(writer.refused.is_empty(), "{:?}", writer.refused);
        writer.hear();
    }
}

pub(crate) fn segments(directory: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(directory).unwrap().map(|it| it.unwrap().path());
    let is_segment = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("segment-"))
    };
    let mut segments: Vec<_> = files.filter(is_segment).collect();
    segments.sort();
    segments
}

/// All of a tenant's entries, read in one page.
pub(crate) fn entries(open: &OpenLog, name: &str) -> Vec<LogEntry> {
    open.page(&tenant(name), 0, 1_000_000).entries
}

/// A directory whose log has 600 entries of one tenant in a segment, and that segment.
fn with_segment() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    {
        let open = open_sqlite(directory.path(), options());
        let mut writer = open.writer("t");
        submit(&mut writer, 1..=600, 1_000);
        settle(&mut writer);
    }
    let segment = segments(directory.path()).remove(0);
    (directory, segment)
}

#[test]
fn what_came_in_a_large_commit_is_in_a_segment_and_is_read_like_the_rest() {
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
    let segment = segments(directory.path()).remove(0);
    assert!(segment.metadata().unwrap().len() > 900_000);
    let database = directory.path().join("log.db").metadata().unwrap().len();
    assert!(database < 300_000, "{database} bytes are in the database");
    let report = check(directory.path()).unwrap();
    assert_eq!((report.findings, report.entries), (Vec::new(), 1_200));
    assert!(report.file_bytes > 900_000, "a segment counts too");
    let open = open_sqlite(directory.path(), options());
    look(&open);
    let head = open.head(&tenant("t"));
    let recent: Vec<_> = (1..=600).map(|n| (id(n), offset(n))).collect();
    assert_eq!(head.recent, recent);
    let orders = head.orders.len();
    assert_eq!(
        orders,
        expected.iter().filter(|it| it.creates_order.is_some() && it.entity.is_some()).count()
    );
    // And it goes on where it was.
    let mut writer = open.writer("t");
    submit(&mut writer, 601..=1_200, 1_000);
    settle(&mut writer);
    assert_eq!(segments(directory.path()).len(), 1);
    assert_eq!(entries(&open, "t").len(), 1_200);
}

#[test]
fn what_somebody_waits_for_has_one_fsync_and_no_segment() {
    let directory = tempfile::tempdir().unwrap();
    let open = open_sqlite(directory.path(), options());
    let mut writer = open.writer("t");
    submit(&mut writer, 1..=600, 1_000);
    writer.append(601);
    for n in 602..=1_000 {
        let entry = large(n, writer.sequence.next(), 1_000);
        writer.submit_entry(&LogEntry { durability: Durability::Durable, ..entry });
    }
    writer.settle();
    // Those before the first durable one may have gone before it.
    let in_segments: u64 =
        segments(directory.path()).iter().map(|it| it.metadata().unwrap().len()).sum();
    assert!(in_segments < 700_000, "{in_segments} bytes");
    assert_eq!(entries(&open, "t").len(), 1_000);
}

/// Not a test, and over at once where it is run as one: the process that is killed. It says what is committed.
#[test]
fn child_that_appends_much_until_it_is_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let open = open_sqlite(Path::new(&directory), options());
    let mut writer = open.writer("t");
    let mut out = std::io::stdout().lock();
    loop {
        let first = writer.sequence.next().get();
        submit(&mut writer, first..=first + 299, 1_000);
        writer.sequence.release();
        writer.hear();
        writeln!(out, "\ncommitted {}", writer.sequence.committed_through()).unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn a_kill_loses_nothing_that_was_committed_and_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    for commits in [2, 9, 30, 17] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "segments::child_that_appends_much_until_it_is_killed",
                "--nocapture",
            ])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut committed, mut seen) = (0, 0);
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            if let Some(n) = line.unwrap().strip_prefix("committed ") {
                committed = n.parse().unwrap();
                seen += 1;
            }
            if seen == commits {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(seen >= commits, "the child ended by itself");
        let open = open_sqlite(directory.path(), options());
        // The child's ids are its offsets.
        let kept = entries(&open, "t");
        assert!(kept.iter().all(|it| *it == large(it.offset.get(), it.offset, 1_000)));
        assert!(kept.last().is_some_and(|last| last.offset.get() >= committed));
        drop(open);
        assert_eq!(check(directory.path()).unwrap().findings, Vec::<String>::new());
    }
}

#[test]
fn what_was_written_for_a_commit_that_never_was_goes_when_the_log_is_opened() {
    let (directory, segment) = with_segment();
    let whole = std::fs::read(&segment).unwrap();
    let mut longer = whole.clone();
    longer.extend(noise(1, 5_000));
    std::fs::write(&segment, longer).unwrap();
    let unknown = directory.path().join("segment-000002");
    std::fs::write(&unknown, b"of a commit that began it").unwrap();
    let open = open_sqlite(directory.path(), options());
    assert!(std::fs::read(&segment).unwrap() == whole && !unknown.exists());
    let mut writer = open.writer("t");
    submit(&mut writer, 601..=900, 1_000);
    settle(&mut writer);
    assert_eq!(entries(&open, "t").len(), 900);
}

#[test]
fn a_segment_that_cannot_be_written_poisons_the_writer() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("segment-000001")).unwrap();
    let open = open_sqlite(directory.path(), options());
    let mut writer = open.writer("t");
    let kept = writer.append(1);
    submit(&mut writer, 2..=600, 1_000);
    while writer.refused.is_empty() {
        writer.hear();
    }
    assert!(writer.refused.iter().all(|(.., reason)| *reason == RefusedReason::Poisoned));
    assert_eq!(open.everything(&writer.tenant), [(1, id(1))]);
    assert_eq!(kept, offset(1));
}

#[test]
fn a_segment_that_rows_name_is_kept_though_nothing_else_knows_it_any_more() {
    let (directory, segment) = with_segment();
    let whole = std::fs::read(&segment).unwrap();
    // As what `.recover` saves may be.
    let connection = rusqlite::Connection::open(directory.path().join("log.db")).unwrap();
    connection.execute_batch("DELETE FROM segments; UPDATE progress SET last_segment = 0").unwrap();
    drop(connection);
    let open = open_sqlite(directory.path(), options());
    assert_eq!(entries(&open, "t").len(), 600);
    let mut writer = open.writer("t");
    submit(&mut writer, 601..=900, 1_000);
    settle(&mut writer);
    let kept = entries(&open, "t");
    assert_eq!(kept.len(), 900);
    assert!(kept.iter().all(|it| *it == large(it.offset.get(), it.offset, 1_000)));
    drop(open);
    assert!(std::fs::read(&segment).unwrap().starts_with(&whole));
    assert_eq!(check(directory.path()).unwrap().findings, Vec::<String>::new());
}

#[test]
fn a_check_leaves_the_segments_as_they_are() {
    let (directory, segment) = with_segment();
    let mut longer = std::fs::read(&segment).unwrap();
    longer.extend(noise(1, 5_000));
    std::fs::write(&segment, &longer).unwrap();
    let unknown = directory.path().join("segment-000002");
    std::fs::write(&unknown, b"of a commit that began it").unwrap();
    assert_eq!(check(directory.path()).unwrap().findings, Vec::<String>::new());
    assert!(std::fs::read(&segment).unwrap() == longer && unknown.exists());
}

#[test]
fn a_segment_that_is_missing_or_cut_off_is_refused_and_left_as_it_is() {
    let (directory, segment) = with_segment();
    let whole = std::fs::read(&segment).unwrap();
    let refusal = || match SqliteLog::open(directory.path(), options(), Box::new(|_| {})) {
        Err(error @ OpenError::Damaged { .. }) => error.to_string(),
        other => panic!("{:?}", other.err()),
    };
    for length in [0, 1, whole.len() - 1] {
        std::fs::write(&segment, &whole[..length]).unwrap();
        let sentence = refusal();
        let expected = format!("it has {length} of {} bytes", whole.len());
        assert!(sentence.contains("segment-000001") && sentence.contains(&expected), "{sentence}");
        assert_eq!(segment.metadata().unwrap().len(), length as u64);
    }
    std::fs::remove_file(&segment).unwrap();
    assert!(refusal().contains("segment-000001"));
    std::fs::write(&segment, &whole).unwrap();
    assert_eq!(entries(&open_sqlite(directory.path(), options()), "t").len(), 600);
}

#[test]
fn a_changed_byte_of_a_segment_is_damage_and_never_another_message() {
    let (directory, segment) = with_segment();
    let mut bytes = std::fs::read(&segment).unwrap();
    // In the middle of the second run's bytes, or a later one's: whose, its reader is told.
    bytes[200_000] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let findings = check(directory.path()).unwrap().findings;
    assert!(matches!(&findings[..], [it] if it.contains("cannot be understood")), "{findings:?}");
    let open = open_sqlite(directory.path(), options());
    let first = open.page(&tenant("t"), 0, 10).entries;
    assert_eq!(first.len(), 10);
    let mut damaged = 0;
    for n in 1..=600 {
        match open.log.read_at(&tenant("t"), &[offset(n)]) {
            Ok(read) => assert_eq!(read, [large(n, offset(n), 1_000)]),
            Err(ReadError::Damaged { offset: at, .. }) if at == offset(n) => damaged += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!((1..=120).contains(&damaged), "{damaged} entries");
    // Whether an id is among the damaged ones nobody knows; that it is not there must not be said.
    let mut unknown = 0;
    for n in 1..=601 {
        match open.log.find(&tenant("t"), id(n)) {
            Ok(found) => assert_eq!(found, Some(offset(n))),
            Err(ReadError::Damaged { .. }) => unknown += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(unknown, damaged + 1);
    let recent = open.head(&tenant("t")).recent;
    assert_eq!(recent.len(), 600 - damaged);
    assert!(recent.iter().all(|(it, at)| *it == id(at.get())), "an id that nobody gave");
}

#[test]
fn a_segment_goes_with_what_retention_takes_and_what_a_quiet_tenant_keeps_moves_in() {
    let directory = tempfile::tempdir().unwrap();
    let retention = Retention { entries_max: 500, ..KEEPS_ALL };
    let open = open_sqlite(directory.path(), SqliteOptions { retention, ..options() });
    let (mut quiet, mut busy) = (open.writer("quiet"), open.writer("busy"));
    submit(&mut quiet, 1..=200, 1_000);
    submit(&mut busy, 1..=5_000, 16_000);
    quiet.settle_by_reading();
    busy.settle_by_reading();
    let first = directory.path().join("segment-000001");
    assert!(first.exists() && segments(directory.path()).len() > 1);
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Whoever reads meanwhile sees what is there or what is gone, and no damage: in this process and in another.
        let beside = SqliteReader::open(directory.path()).unwrap();
        let (log, is_done) = (&open.log, &is_done);
        let reader = scope.spawn(move || {
            let mut reads = 0;
            while !is_done.load(Ordering::SeqCst) {
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
            reads
        });
        let mut now_ms = 0;
        wait_for(|| {
            now_ms += 1;
            open.log.trim(now_ms).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(20));
            !first.exists()
        });
        is_done.store(true, Ordering::SeqCst);
        assert!(reader.join().unwrap() > 0);
    });
    let expected: Vec<_> = (1..=200).map(|n| large(n, offset(n), 1_000)).collect();
    assert_eq!(entries(&open, "quiet"), expected);
    assert_eq!(open.log.find(&tenant("quiet"), id(150)).unwrap(), Some(offset(150)));
    drop((quiet, busy));
    drop(open);
    assert_eq!(check(directory.path()).unwrap().findings, Vec::<String>::new());
    let open = open_sqlite(directory.path(), options());
    assert_eq!(entries(&open, "quiet"), expected);
    assert_eq!(open.head(&tenant("quiet")).recent.len(), 200);
}

#[test]
fn compaction_lets_segments_go_that_nothing_is_left_of() {
    let directory = tempfile::tempdir().unwrap();
    {
        let open = open_sqlite(directory.path(), options());
        let mut writer = open.writer("t");
        submit(&mut writer, 1..=5_000, 16_000);
        settle(&mut writer);
    }
    assert_eq!(segments(directory.path()).len(), 2);
    let connection = rusqlite::Connection::open(directory.path().join("log.db")).unwrap();
    connection
        .execute_batch(
            "UPDATE tenants SET trimmed_through = 4900;
             DELETE FROM places WHERE first + entries - 1 <= 4900;
             INSERT INTO leftovers SELECT seq >> 10, count(*) FROM runs WHERE first + entries - 1 <= 4900 GROUP BY 1",
        )
        .unwrap();
    drop(connection);
    let compacted = compact(directory.path(), &mut |_| {}).unwrap();
    assert_eq!(segments(directory.path()).len(), 1);
    assert!(compacted.bytes_after < compacted.bytes_before - (60 << 20), "{compacted:?}");
    assert_eq!(check(directory.path()).unwrap().findings, Vec::<String>::new());
    assert_eq!(entries(&open_sqlite(directory.path(), options()), "t").len(), 100);
}

#[test]
fn a_backup_is_whole_and_as_of_one_moment_whatever_is_appended_and_let_go_meanwhile() {
    let (directory, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let retention = Retention { entries_max: 2_000, ..KEEPS_ALL };
    let open = open_sqlite(directory.path(), SqliteOptions { retention, ..options() });
    let mut writer = open.writer("t");
    submit(&mut writer, 1..=3_000, 16_000);
    writer.settle_by_reading();
    std::thread::scope(|scope| {
        let (directory, target) = (directory.path(), target.path());
        let copying = scope.spawn(move || {
            for round in 0..5 {
                let to = target.join(round.to_string());
                let mut steps = 0;
                let bytes = backup(directory, &to, &mut |_| steps += 1).unwrap();
                assert!(bytes > 30_000_000 && steps > 1, "{bytes} bytes in {steps} steps");
                assert_eq!(check(&to).unwrap().findings, Vec::<String>::new());
                renew_epochs(&to).unwrap();
                let kept = entries(&open_sqlite(&to, options()), "t");
                assert!(kept.len() >= 2_000 && kept[0].offset.get() + kept.len() as u64 > 3_000);
                assert!(kept.windows(2).all(|it| it[0].offset.next() == it[1].offset));
                let is_right = |it: &LogEntry| *it == large(it.offset.get(), it.offset, 16_000);
                assert!(kept.iter().step_by(50).all(is_right));
                std::fs::remove_dir_all(&to).unwrap();
            }
        });
        let mut n = 3_000;
        while !copying.is_finished() {
            submit(&mut writer, n + 1..=n + 100, 16_000);
            writer.settle_by_reading();
            n += 100;
            open.log.trim(n).unwrap();
        }
        assert!(copying.join().is_ok() && n > 3_000);
    });
}

#[test]
fn a_backup_overwrites_nothing() {
    let (directory, _) = with_segment();
    let target = tempfile::tempdir().unwrap();
    std::fs::write(target.path().join("diary"), b"a long one").unwrap();
    let refused = backup(directory.path(), target.path(), &mut |_| {}).unwrap_err().to_string();
    assert!(refused.contains("not empty"), "{refused}");
    assert_eq!(std::fs::read_dir(target.path()).unwrap().count(), 1);
}
