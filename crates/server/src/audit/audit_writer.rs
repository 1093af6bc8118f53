//! Appends records to the files of the audit log, begins new files, and takes old ones away.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::audit_folder::{AuditFolder, Head};
use super::record::{AuditEntry, AuditRecord, NO_RECORD, hash_of};
use crate::hex;

/// A file that is larger is followed by another one.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// So many files there are at the least before the oldest goes for its size.
const FILES_MIN: u64 = 4;

/// How acts of the command line begin.
pub(super) const COMMAND: &str = "command ";

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retention {
    pub(super) bytes_max: u64,
    pub(super) age_max: Duration,
}

impl Retention {
    fn file_bytes_max(self) -> u64 {
        FILE_BYTES_MAX.min(self.bytes_max / FILES_MIN)
    }
}

/// The end of the log. One process has it: the one that has the data directory.
pub(super) struct AuditWriter {
    folder: AuditFolder,
    retention: Retention,
    last: Head,
    current: Option<Current>,
    /// Whether what says how far the log goes could not be kept.
    is_head_old: bool,
}

/// The file that is appended to.
struct Current {
    file: File,
    /// What is known to be in it.
    length: u64,
    /// Whether its last line has no end.
    is_torn: bool,
}

/// What the end of a file says.
#[derive(Default)]
struct Tail {
    last: Option<(Head, AuditRecord)>,
    /// Bytes behind the last whole line.
    torn: usize,
}

impl Tail {
    fn of(bytes: &[u8]) -> Self {
        let mut tail = Self::default();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let Some(whole) = line.strip_suffix(b"\n") else {
                tail.torn = line.len();
                break;
            };
            if let Some(record) = AuditRecord::read(whole) {
                tail.last = Some((Head { n: record.n, hash: hash_of(whole) }, record));
            }
        }
        tail
    }
}

impl AuditWriter {
    /// Opens the log of a data directory. What is to be said first of all: what is wrong with its end, and that the last run was killed.
    ///
    /// # Errors
    /// What the system said.
    pub(super) fn open(
        data_dir: &Path,
        retention: Retention,
    ) -> io::Result<(Self, Vec<AuditEntry>)> {
        let folder = AuditFolder::open(data_dir)?;
        let mut findings = Vec::new();
        let (mut tail, mut current) = (Tail::default(), None);
        for first in folder.files()?.into_iter().rev() {
            let bytes = folder.read(first)?;
            let of_file = Tail::of(&bytes);
            if current.is_none() {
                if of_file.torn > 0 {
                    let torn = AuditEntry::new("audit.torn")
                        .counting(of_file.torn as u64)
                        .because("so many bytes of a record that was not written whole");
                    findings.push(torn);
                }
                current = Some(Current::open(&folder, first, of_file.torn > 0)?);
            }
            if of_file.last.is_some() {
                tail = of_file;
                break;
            }
        }
        let head = folder.head().unwrap_or_else(|error| {
            findings.push(AuditEntry::new("audit.head_lost").because(error.to_string()));
            None
        });
        let found = tail.last.as_ref().map(|(head, _)| *head);
        let last = end_of(found, head, &mut findings);
        if tail.last.is_some_and(|(_, record)| !ends_a_run(&record.entry.act)) {
            let killed = AuditEntry::new("server.killed");
            findings
                .push(killed.because(
                    "the last run did not end by itself: its last moments may be missing",
                ));
        }
        Ok((Self { folder, retention, last, current, is_head_old: false }, findings))
    }

    /// Appends what happened, in this order. Blocks for two fsyncs.
    ///
    /// # Errors
    /// What the system said; nothing was appended.
    pub(super) fn append(&mut self, entries: &[AuditEntry]) -> io::Result<()> {
        let mut last = self.last;
        let mut lines = Vec::new();
        for entry in entries {
            let previous = hex::encode(&last.hash);
            let record = AuditRecord { n: last.n + 1, entry: entry.clone(), previous };
            let line = record.line();
            last = Head { n: record.n, hash: hash_of(&line) };
            lines.extend_from_slice(&line);
            lines.push(b'\n');
        }
        let current = self.current()?;
        let written = current.append(&lines);
        // What was not written whole must not stay: the next attempt begins where this one did.
        if let Err(error) = written {
            current.cut_off()?;
            return Err(error);
        }
        self.last = last;
        let put = self.folder.put_head(last);
        if let Err(error) = &put
            && !self.is_head_old
        {
            tracing::error!(%error, "how far the audit log goes is not kept");
        }
        self.is_head_old = put.is_err();
        Ok(())
    }

    /// Whether an end that is cut off would go unnoticed.
    pub(super) fn is_head_old(&self) -> bool {
        self.is_head_old
    }

    /// Takes away what is too old or too much, oldest first. What goes is a record before it goes.
    ///
    /// # Errors
    /// What the system said.
    pub(super) fn tidy(&mut self, now: SystemTime) -> io::Result<()> {
        let files = self.folder.files()?;
        let mut total = 0;
        let mut sizes = Vec::with_capacity(files.len());
        for first in &files {
            let metadata = self.folder.path(*first).metadata()?;
            total += metadata.len();
            let age = now.duration_since(metadata.modified()?).unwrap_or_default();
            sizes.push((metadata.len(), age));
        }
        // The last one is written to.
        for (pair, (size, age)) in files.windows(2).zip(sizes) {
            let &[first, next] = pair else { break };
            if total <= self.retention.bytes_max && age <= self.retention.age_max {
                break;
            }
            self.remove(first, next)?;
            total -= size;
        }
        Ok(())
    }

    fn remove(&mut self, first: u64, next: u64) -> io::Result<()> {
        let (through, hash) = match Tail::of(&self.folder.read(first)?).last {
            Some((head, _)) => (head.n, head.hash),
            None => (next.saturating_sub(1), NO_RECORD),
        };
        let removed = AuditEntry {
            subject: Some(removed_text(Head { n: through, hash })),
            ..AuditEntry::new("audit.removed").counting((through + 1).saturating_sub(first))
        };
        self.append(&[removed.because("they were older, or more, than is kept")])?;
        self.folder.remove(first)
    }

    /// The file to append to; begins another one where it is large.
    fn current(&mut self) -> io::Result<&mut Current> {
        let is_over = |it: &Current| it.length >= self.retention.file_bytes_max() || it.is_gone();
        if self.current.as_ref().is_none_or(is_over) {
            self.current = Some(Current::open(&self.folder, self.last.n + 1, false)?);
        }
        self.current.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Current {
    fn open(folder: &AuditFolder, first: u64, is_torn: bool) -> io::Result<Self> {
        let file = folder.append_to(first)?;
        Ok(Self { length: file.metadata()?.len(), file, is_torn })
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.cut_off()?;
        let end = if self.is_torn { &b"\n"[..] } else { b"" };
        self.file.write_all(end)?;
        self.file.write_all(lines)?;
        self.file.sync_data()?;
        self.length += (end.len() + lines.len()) as u64;
        self.is_torn = false;
        Ok(())
    }

    /// Whether somebody took the file away.
    fn is_gone(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
    }

    /// Takes off what is behind what is known to be in it.
    fn cut_off(&mut self) -> io::Result<()> {
        if self.file.metadata()?.len() == self.length {
            return Ok(());
        }
        self.file.set_len(self.length)
    }
}

/// Whether a run of a server is over with this act, or none was begun.
fn ends_a_run(act: &str) -> bool {
    act == "server.stopped" || act.starts_with(COMMAND)
}

/// What is removed up to, as `audit.removed` says it.
fn removed_text(through: Head) -> String {
    format!("{} {}", through.n, hex::encode(&through.hash))
}

/// As [`removed_text`] wrote it.
pub(super) fn removed_through(text: &str) -> Option<Head> {
    let (n, hash) = text.split_once(' ')?;
    Some(Head { n: n.parse().ok()?, hash: hex::decode(hash)? })
}

/// Where the log goes on: behind what is there, and behind what was there.
fn end_of(found: Option<Head>, kept: Option<Head>, findings: &mut Vec<AuditEntry>) -> Head {
    let start = Head { n: 0, hash: NO_RECORD };
    let Some(kept) = kept else { return found.unwrap_or(start) };
    let end = found.unwrap_or(Head { n: 0, hash: kept.hash });
    if end.n < kept.n {
        let lost = AuditEntry::new("audit.lost").counting(kept.n - end.n);
        findings.push(lost.because("the newest records were cut off while no server ran"));
    } else if end.n == kept.n && end.hash != kept.hash {
        let changed = AuditEntry::new("audit.changed");
        findings.push(changed.because("the newest record was changed while no server ran"));
    }
    Head { n: end.n.max(kept.n), hash: end.hash }
}
