//! What is left after a process or a machine went down.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use foodtrack_contract::Offset;
use foodtrack_tenant_log::{Admission, Durability, SqliteOptions, check};

use crate::large_commits;
use crate::support::{Held, Holding, OpenLog, id, offset, open_sqlite, tenant};

const DIRECTORY: &str = "FOODTRACK_TENANT_LOG_DIRECTORY";

/// Not a test, and over at once where it is run as one: the process that is killed. It says what it shows, and what is
/// committed.
#[test]
fn child_that_appends_until_it_is_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let open = open_sqlite(Path::new(&directory), SqliteOptions::default());
    let mut writer = open.writer("t");
    let first = writer.sequence.released().get() + 1;
    let mut out = std::io::stdout().lock();
    for n in first.. {
        let durability = if n % 3 == 0 { Durability::Recoverable } else { Durability::Durable };
        writer.submit(id(n), durability, n);
        let shown = writer.sequence.release();
        writeln!(out, "\nshown {shown}").unwrap();
        if n % 10 == 0 {
            writer.settle();
            writeln!(out, "\ncommitted {}", writer.sequence.committed_through()).unwrap();
        }
        out.flush().unwrap();
    }
}

/// The same with recoverable entries that come by the hundred, and share large commits.
#[test]
fn child_that_appends_much_until_it_is_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let open = open_sqlite(Path::new(&directory), large_commits::options());
    let mut writer = open.writer("t");
    let mut out = std::io::stdout().lock();
    loop {
        let first = writer.sequence.next().get();
        large_commits::submit(&mut writer, first..=first + 299, 1_000);
        writer.sequence.release();
        writer.hear();
        writeln!(out, "\ncommitted {}", writer.sequence.committed_through()).unwrap();
        out.flush().unwrap();
    }
}

/// Runs a child until it has committed `commits` times; returns the last offset it showed, and the last committed.
fn run_and_kill(child: &str, directory: &Path, commits: usize) -> (u64, u64) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("crash::{child}"), "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut shown, mut committed, mut seen) = (0, 0, 0);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in &mut lines {
        let line = line.unwrap();
        if let Some(n) = line.strip_prefix("shown ") {
            shown = n.parse().unwrap();
        } else if let Some(n) = line.strip_prefix("committed ") {
            committed = n.parse().unwrap();
            seen += 1;
        }
        if seen == commits {
            child.kill().unwrap();
            seen += 1;
        }
    }
    child.wait().unwrap();
    assert!(seen >= commits, "the child ended by itself");
    (shown, committed)
}

#[test]
fn a_committed_entry_survives_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let mut committed_ids = BTreeSet::new();
    let mut first = 1;
    for commits in [1, 7, 40] {
        let child = "child_that_appends_until_it_is_killed";
        let (shown, committed) = run_and_kill(child, directory.path(), commits);
        // The child's ids are its offsets.
        committed_ids.extend(first..=committed);
        let open = open_sqlite(directory.path(), SqliteOptions::default());
        let head = open.head(&tenant("t"));
        assert!(head.next.get() > shown, "{} was shown, {} is next", shown, head.next);
        let kept = open.everything(&tenant("t"));
        assert!(kept.iter().all(|(offset, it)| *it == id(*offset)));
        let kept: BTreeSet<u64> = kept.into_iter().map(|(offset, _)| offset).collect();
        assert!(kept.is_superset(&committed_ids));
        // The head that was just given out was not used: a clean end gives it back.
        first = head.next.get();
    }
}

#[test]
fn a_kill_loses_nothing_of_large_commits_and_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    for commits in [2, 9, 17] {
        let child = "child_that_appends_much_until_it_is_killed";
        let (_, committed) = run_and_kill(child, directory.path(), commits);
        {
            let open = open_sqlite(directory.path(), large_commits::options());
            // The child's ids are its offsets.
            let kept = large_commits::entries(&open, "t");
            let as_sent = |n| large_commits::large(n, offset(n), 1_000);
            assert!(kept.iter().all(|it| *it == as_sent(it.offset.get())));
            assert!(kept.last().is_some_and(|last| last.offset.get() >= committed));
        }
        assert_eq!(check(directory.path()).unwrap().findings, Vec::<String>::new());
    }
}

/// A log whose first commit passes, and each other one when it is told to.
fn open_held(directory: &Path) -> (OpenLog, Held) {
    let (gate, held) = Holding::new();
    let open =
        open_sqlite(directory, SqliteOptions { commit_gate: gate, ..SqliteOptions::default() });
    held.let_go();
    (open, held)
}

#[test]
fn an_offset_that_was_shown_before_a_power_loss_is_not_used_again() {
    let directory = tempfile::tempdir().unwrap();
    let (open, held) = open_held(directory.path());
    let mut writer = open.writer("t");
    let mut shown = Offset::ZERO;
    for n in 1..=100 {
        writer.submit(id(n), Durability::Recoverable, n);
        shown = writer.sequence.release();
    }
    assert_eq!(shown, offset(100));
    // The disk as it is now, with none of them.
    let image = tempfile::tempdir().unwrap();
    for name in ["log.db", "log.db-wal"] {
        std::fs::copy(directory.path().join(name), image.path().join(name)).unwrap();
    }
    drop(held);
    let epoch = writer.sequence.epoch();
    let open = open_sqlite(image.path(), SqliteOptions::default());
    assert_eq!(open.everything(&tenant("t")), []);
    let mut writer = open.writer("t");
    assert_eq!(writer.sequence.epoch(), epoch);
    assert!(writer.append(1) > shown);
}

#[test]
fn recoverable_entries_are_shown_at_once_however_many_the_disk_is_behind() {
    let directory = tempfile::tempdir().unwrap();
    let (open, held) = open_held(directory.path());
    let mut writer = open.writer("t");
    held.wait();
    let mut n = 0;
    // The first waits for its commit alone, and what comes meanwhile is then taken all at once.
    for (commit, count) in [1, 65_000, 65_000].into_iter().enumerate() {
        for _ in 0..count {
            n += 1;
            writer.submit(id(n), Durability::Recoverable, 1);
            assert_eq!(writer.sequence.release(), offset(n));
        }
        if commit > 0 {
            held.let_go();
        }
        held.wait();
    }
    drop(held);
}

#[test]
fn a_recoverable_entry_is_not_released_before_the_durable_one_in_front_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let (open, held) = open_held(directory.path());
    let mut writer = open.writer("t");
    writer.submit(id(1), Durability::Recoverable, 1);
    writer.submit(id(2), Durability::Durable, 2);
    let last = writer.submit(id(3), Durability::Recoverable, 3);
    assert_eq!(last, Admission::New(offset(3)));
    assert_eq!(writer.sequence.release(), offset(1));
    drop(held);
    writer.settle();
    assert_eq!(writer.sequence.released(), offset(3));
}
