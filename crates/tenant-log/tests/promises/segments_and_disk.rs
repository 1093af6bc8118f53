//! Segments on a disk that is full or fails, and what of them counts towards the largest size.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use foodtrack_tenant_log::{
    Commit, CommitError, CommitGate, LogEntry, Note, NoteKind, RefusedReason, Retention,
    SqliteOptions, SubmitError, check,
};

use crate::disk::SmallDisk;
use crate::segments::{entries, large, options, segments, settle, submit};
use crate::support::{KEEPS_ALL, Writer, id, noise, offset, open_sqlite, wait_for};

fn bytes_in_segments(directory: &Path) -> u64 {
    segments(directory).iter().map(|it| it.metadata().unwrap().len()).sum()
}

/// Submits some hundred more than the first `n`, all of one age, and waits until they are on disk or refused.
fn add(writer: &mut Writer<'_>, n: &mut u64, at_ms: u64) {
    for _ in 0..300 {
        *n += 1;
        let entry = large(*n, writer.sequence.next(), 1_000);
        writer.submit_entry(&LogEntry { at_ms, ..entry });
    }
    let last = offset(writer.sequence.next().get() - 1);
    while writer.refused.is_empty() && writer.sequence.committed_through() < last {
        writer.hear();
    }
}

#[test]
fn segments_count_towards_the_largest_size_and_what_retention_frees_of_them_is_used_again() {
    const BYTES_MAX: u64 = 12 << 20;
    let directory = tempfile::tempdir().unwrap();
    let retention = Retention { age_ms_max: 1_000, entries_min: 10, ..KEEPS_ALL };
    let options = SqliteOptions { retention, file_bytes_max: BYTES_MAX, ..options() };
    let open = open_sqlite(directory.path(), options);
    let mut writer = open.writer("t");
    let bytes = || {
        let database = directory.path().join("log.db").metadata().unwrap().len();
        database + bytes_in_segments(directory.path())
    };
    // All of the same age: nothing goes yet.
    let mut n = 0;
    while writer.refused.is_empty() {
        add(&mut writer, &mut n, 1);
        assert!(bytes() <= BYTES_MAX, "{} bytes", bytes());
    }
    assert!(writer.refused.iter().all(|(.., reason)| *reason == RefusedReason::DiskFull));
    assert!(bytes() > BYTES_MAX / 3 * 2, "only {} bytes", bytes());
    let in_segments = || bytes_in_segments(directory.path());
    let full = in_segments();
    assert!(full > BYTES_MAX / 2);
    open.log.trim(10_000).unwrap();
    // The last one too is let go of when the disk is full, and the next one begins.
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        writer.refused.clear();
        add(&mut writer, &mut n, 10_000);
        if writer.refused.is_empty() && !directory.path().join("segment-000001").exists() {
            break;
        }
        assert!(Instant::now() < deadline, "no room was made");
        std::thread::sleep(Duration::from_millis(20));
    }
    for _ in 0..10 {
        add(&mut writer, &mut n, 10_000);
        assert!(writer.refused.is_empty() && bytes() <= BYTES_MAX);
    }
    assert!(in_segments() > 2 << 20, "what was freed is used for segments again");
    drop(open);
    assert_eq!(check(directory.path()).unwrap().findings, Vec::<String>::new());
}

/// Lets the second write to a segment fail after it arrived, or the first fsync, and holds commits back while it is told to.
struct FailingSegment {
    writes: u32,
    write_error: Option<CommitError>,
    sync_error: Option<CommitError>,
    held: Arc<Mutex<()>>,
}

impl CommitGate for FailingSegment {
    fn pass(&mut self, commit: &mut Commit<'_>) -> Result<(), CommitError> {
        drop(self.held.lock().unwrap());
        commit()
    }

    fn pass_segment(&mut self, write: &mut Commit<'_>) -> Result<(), CommitError> {
        write()?;
        self.writes += 1;
        match &self.write_error {
            Some(error) if self.writes == 2 => Err(error.clone()),
            _ => Ok(()),
        }
    }

    fn pass_sync(&mut self, sync: &mut Commit<'_>) -> Result<(), CommitError> {
        sync()?;
        self.sync_error.take().map_or(Ok(()), Err)
    }
}

fn failing(
    write_error: Option<CommitError>,
    sync_error: Option<CommitError>,
) -> (SqliteOptions, Arc<Mutex<()>>) {
    let held = Arc::default();
    let gate = FailingSegment { writes: 0, write_error, sync_error, held: Arc::clone(&held) };
    (SqliteOptions { commit_gate: Box::new(gate), ..options() }, held)
}

/// How many of the entries have these numbers.
fn numbered(entries: &[LogEntry], numbers: std::ops::RangeInclusive<u64>) -> usize {
    entries.iter().filter(|it| numbers.contains(&(it.id.as_u128() as u64))).count()
}

/// Submits so many that they are one commit, perhaps with a small one before them.
fn submit_at_once(
    writer: &mut Writer<'_>,
    held: &Mutex<()>,
    numbers: std::ops::RangeInclusive<u64>,
) {
    // A commit that waits, so that the rest gathers.
    let _guard = held.lock().unwrap();
    let first = large(numbers.end() + 1, writer.sequence.next(), 10);
    writer.submit_entry(&first);
    std::thread::sleep(Duration::from_millis(100));
    submit(writer, numbers, 1_000);
}

#[test]
fn a_failed_write_to_a_segment_poisons_the_writer_and_nothing_of_it_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let length = || segments(directory.path()).remove(0).metadata().unwrap().len();
    let (kept, written);
    {
        let (options, held) = failing(Some(CommitError::Disk(String::from("write"))), None);
        let open = open_sqlite(directory.path(), options);
        let mut writer = open.writer("t");
        submit_at_once(&mut writer, &held, 1..=300);
        settle(&mut writer);
        written = length();
        submit_at_once(&mut writer, &held, 1_001..=1_300);
        while writer.refused.is_empty() {
            writer.hear();
        }
        assert!(writer.refused.iter().all(|(.., reason)| *reason == RefusedReason::Poisoned));
        assert!(length() > written, "what the disk has of it is for the next start to find out");
        kept = entries(&open, "t");
        let next = large(7, writer.sequence.next(), 10);
        let refused = writer.try_submit(&next);
        assert_eq!(refused, Err(SubmitError::Poisoned));
    }
    let open = open_sqlite(directory.path(), options());
    assert!(entries(&open, "t") == kept, "more or less than what could be read before");
    assert_eq!(length(), written);
    assert_eq!(numbered(&kept, 1..=300), 300);
    assert_eq!(numbered(&kept, 1_001..=1_300), 0);
}

#[test]
fn a_failed_fsync_of_a_segment_poisons_the_writer_and_nothing_of_its_commit_is_there() {
    let directory = tempfile::tempdir().unwrap();
    {
        let (options, held) = failing(None, Some(CommitError::Disk(String::from("fsync"))));
        let open = open_sqlite(directory.path(), options);
        let mut writer = open.writer("t");
        submit_at_once(&mut writer, &held, 1..=300);
        while writer.refused.is_empty() {
            writer.hear();
        }
        assert!(writer.refused.iter().all(|(.., reason)| *reason == RefusedReason::Poisoned));
    }
    let open = open_sqlite(directory.path(), options());
    assert_eq!(numbered(&entries(&open, "t"), 1..=300), 0);
}

#[test]
fn a_segment_without_room_refuses_its_commit_gives_the_room_back_and_the_next_is_tried() {
    let directory = tempfile::tempdir().unwrap();
    let length = || segments(directory.path()).remove(0).metadata().unwrap().len();
    let (options, held) = failing(Some(CommitError::DiskFull), None);
    let open = open_sqlite(directory.path(), options);
    let mut writer = open.writer("t");
    submit_at_once(&mut writer, &held, 1..=300);
    settle(&mut writer);
    let written = length();
    submit_at_once(&mut writer, &held, 1_001..=1_300);
    while writer.refused.is_empty() {
        writer.hear();
    }
    let reasons: Vec<_> = writer.refused.drain(..).map(|(.., reason)| reason).collect();
    assert_eq!((reasons, length()), (vec![RefusedReason::DiskFull], written));
    for numbers in [2_001..=2_300, 3_001..=3_300] {
        submit_at_once(&mut writer, &held, numbers);
        settle(&mut writer);
    }
    assert!(length() > written, "segments are appended to again");
    let kept = entries(&open, "t");
    for (numbers, count) in
        [(1..=300, 300), (1_001..=1_300, 0), (2_001..=2_300, 300), (3_001..=3_300, 300)]
    {
        assert_eq!(numbered(&kept, numbers.clone()), count, "{numbers:?}");
    }
    let is_whole = |it: &LogEntry| {
        let n = it.id.as_u128() as u64;
        it.message == noise(n, if n % 1_000 == 301 { 10 } else { 1_000 })
    };
    assert!(kept.iter().all(is_whole));
    drop(open);
    assert_eq!(check(directory.path()).unwrap().findings, Vec::<String>::new());
}

#[test]
fn a_note_that_somebody_waits_for_does_not_wait_for_a_segment() {
    let directory = tempfile::tempdir().unwrap();
    let (options, held) = failing(None, None);
    let open = open_sqlite(directory.path(), options);
    let mut writer = open.writer("t");
    {
        let _guard = held.lock().unwrap();
        submit(&mut writer, 1..=1, 10);
        std::thread::sleep(Duration::from_millis(100));
        submit(&mut writer, 2..=300, 1_000);
        let note = Note {
            kind: NoteKind::Session,
            key: "k".into(),
            value: Some("v".into()),
            expires_at_ms: None,
        };
        open.log.save_note(&writer.tenant, note, Some(1)).unwrap();
    }
    settle(&mut writer);
    assert!(segments(directory.path()).is_empty());
    assert_eq!(entries(&open, "t").len(), 300);
}

#[test]
fn a_full_disk_refuses_a_large_commit_as_a_whole_and_takes_the_next_when_there_is_room() {
    let Some(disk) = SmallDisk::mount(80 << 20) else {
        return test_support::skipped("this user may not mount a tmpfs");
    };
    let (data, others) = (disk.0.path().join("data"), disk.0.path().join("others"));
    let open = open_sqlite(&data, options());
    let mut writer = open.writer("t");
    std::fs::write(&others, vec![1; 16 << 20]).unwrap();
    let mut n = 0;
    while writer.refused.is_empty() {
        submit(&mut writer, n + 1..=n + 300, 1_000);
        n += 300;
        writer.hear();
    }
    assert!(n > 3_000 && !segments(&data).is_empty());
    let is_full = |writer: &Writer<'_>| {
        writer.refused.iter().all(|(.., reason)| *reason == RefusedReason::DiskFull)
    };
    assert!(is_full(&writer), "{:?}", writer.refused);
    std::fs::remove_file(&others).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        writer.refused.clear();
        submit(&mut writer, n + 1..=n + 300, 1_000);
        n += 300;
        let last = offset(writer.sequence.next().get() - 1);
        while writer.refused.is_empty() && writer.sequence.committed_through() < last {
            writer.hear();
        }
        if writer.refused.is_empty() {
            break;
        }
        assert!(is_full(&writer) && Instant::now() < deadline, "no room was found");
        std::thread::sleep(Duration::from_millis(20));
    }
    let kept = entries(&open, "t");
    assert!(kept.iter().all(|it| it.message == noise(it.id.as_u128() as u64, 1_000)));
    assert_eq!(kept.last().map(|it| it.id), Some(id(n)));
    drop(open);
    assert_eq!(check(&data).unwrap().findings, Vec::<String>::new());
}

#[test]
fn a_disk_that_segments_fill_is_put_in_order_by_retention_alone() {
    // The reserve takes most of it; what is left, one segment fills, and it is the one that is appended to.
    let Some(disk) = SmallDisk::mount(76 << 20) else {
        return test_support::skipped("this user may not mount a tmpfs");
    };
    let data = disk.0.path().join("data");
    let retention = Retention { age_ms_max: 1_000, entries_min: 10, ..KEEPS_ALL };
    let open = open_sqlite(&data, SqliteOptions { retention, ..options() });
    let mut writer = open.writer("t");
    let mut n = 0;
    while writer.refused.is_empty() {
        add(&mut writer, &mut n, 1);
    }
    let in_segments = || bytes_in_segments(&data);
    let full = in_segments();
    assert!(full > 10 << 20, "{full}");
    let [first] = &segments(&data)[..] else { panic!("{:?}", segments(&data)) };
    wait_for(|| {
        // Nobody appends meanwhile: what is written for that would close the segment, too.
        open.log.trim(10_000).unwrap();
        !first.exists()
    });
    // Its room is there at once, and the reserve has its own again.
    wait_for(|| data.join("log.reserve").metadata().is_ok_and(|it| it.len() == 48 << 20));
    writer.refused.clear();
    add(&mut writer, &mut n, 10_000);
    assert_eq!(writer.refused, []);
    // The next large commit begins a segment.
    add(&mut writer, &mut n, 10_000);
    assert_eq!((&writer.refused[..], segments(&data).len()), (&[][..], 1));
    assert!(in_segments() < full / 2, "{} of {full}", in_segments());
    drop(open);
    assert_eq!(check(&data).unwrap().findings, Vec::<String>::new());
}
