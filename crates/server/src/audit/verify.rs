//! Looks whether the audit log is what was written.

use std::fmt;
use std::io;
use std::path::Path;

use super::audit_folder::{AuditFolder, Head};
use super::audit_writer::removed_through;
use super::record::{AuditRecord, NO_RECORD, hash_of};
use crate::hex;

/// What a look at the log gave.
pub(crate) struct Verified {
    /// Records that are there.
    pub(crate) records: u64,
    /// How many others the log says were lost on their way.
    pub(crate) lost: u64,
    /// The newest one; keep it elsewhere, and ask for it later.
    pub(crate) head: Option<Head>,
    /// What is wrong, in the log's order.
    pub(crate) findings: Vec<Finding>,
}

/// Something that is not as it was written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The file, by its first record.
    pub(crate) file: u64,
    /// The line, from 1 on.
    pub(crate) line: u64,
    pub(crate) what: What,
}

/// What is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// No record, and no one says that it was not written whole.
    NoRecord,
    /// The record before this one is not the one that it was written behind.
    Broken { n: u64 },
    /// Records up to before this one are not there.
    Missing { from: u64, before: u64 },
    /// The newest records are not there, up to the one that the log went to.
    CutOff { from: u64, through: u64 },
    /// A record is not the one that was kept in mind.
    Changed { n: u64 },
    /// What says how far the log goes cannot be read.
    NoHead,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, what } = self;
        write!(f, "{file:020}.jsonl, line {line}: ")?;
        match what {
            What::NoRecord => write!(f, "no record; it was written over or torn"),
            What::Broken { n } => {
                write!(
                    f,
                    "record {n} was not written behind the record before it, or that was changed"
                )
            }
            What::Missing { from, before } => {
                write!(f, "records {from} to {} are missing", before - 1)
            }
            What::CutOff { from, through } => {
                write!(
                    f,
                    "the log went up to record {through}; records from {from} on were cut off"
                )
            }
            What::Changed { n } => write!(f, "record {n} is not the one that was kept in mind"),
            What::NoHead => write!(f, "head.json, which says how far the log goes, is no use"),
        }
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.n, hex::encode(&self.hash))
    }
}

impl Head {
    /// As its `Display` wrote it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (n, hash) = text.split_once(':')?;
        Some(Self { n: n.parse().ok()?, hash: hex::decode(hash)? })
    }
}

/// Looks through all records of a data directory's log, and whether `expected` is among them, which somebody kept elsewhere.
///
/// # Errors
/// What the system said.
pub(crate) fn verify(data_dir: &Path, expected: Option<Head>) -> io::Result<Option<Verified>> {
    let Some(folder) = AuditFolder::existing(data_dir)? else { return Ok(None) };
    // Before the files: a server that runs appends to them first.
    let head = folder.head();
    let mut walk = Walk { expected: expected.into_iter().collect(), ..Walk::default() };
    match head {
        Ok(head) => walk.expected.extend(head),
        Err(_) => walk.find(What::NoHead),
    }
    for first in folder.files()? {
        walk.file(first, &folder.read(first)?);
    }
    Ok(Some(walk.end()))
}

#[derive(Default)]
struct Walk {
    file: u64,
    line: u64,
    records: u64,
    lost: u64,
    last: Option<Head>,
    /// The first record of all, and what it was written behind.
    begin: Option<(u64, [u8; 32])>,
    /// What the log says that it has taken away.
    removed: Vec<Head>,
    /// What must be there.
    expected: Vec<Head>,
    /// The line before is no record.
    torn: bool,
    findings: Vec<Finding>,
}

impl Walk {
    fn find(&mut self, what: What) {
        self.findings.push(Finding { file: self.file, line: self.line, what });
    }

    fn file(&mut self, first: u64, bytes: &[u8]) {
        (self.file, self.line) = (first, 0);
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line += 1;
            // A server that runs may be writing it.
            let Some(whole) = line.strip_suffix(b"\n") else { break };
            match AuditRecord::read(whole) {
                Some(record) => self.record(&record, whole),
                None => {
                    self.check_torn(false);
                    self.torn = true;
                }
            }
        }
    }

    /// Whether the line before, where it was no record, was one that was not written whole.
    fn check_torn(&mut self, is_told: bool) {
        if std::mem::take(&mut self.torn) && !is_told {
            self.line -= 1;
            self.find(What::NoRecord);
            self.line += 1;
        }
    }

    fn record(&mut self, record: &AuditRecord, line: &[u8]) {
        self.check_torn(record.entry.act == "audit.torn");
        match self.last {
            None => self.begin = hex::decode(&record.previous).map(|hash| (record.n, hash)),
            Some(last) => {
                if record.n > last.n + 1 {
                    self.find(What::Missing { from: last.n + 1, before: record.n });
                } else if record.n != last.n + 1 || !record.follows(&last.hash) {
                    self.find(What::Broken { n: record.n });
                }
            }
        }
        let head = Head { n: record.n, hash: hash_of(line) };
        if self.expected.iter().any(|it| it.n == head.n && it.hash != head.hash) {
            self.find(What::Changed { n: head.n });
        }
        if record.entry.act == "audit.removed" {
            self.removed.extend(record.entry.subject.as_deref().and_then(removed_through));
        }
        if record.entry.act == "audit.lost" {
            self.lost += record.entry.count.unwrap_or(0);
        }
        self.last = Some(head);
        self.records += 1;
    }

    fn end(mut self) -> Verified {
        self.check_torn(false);
        let from = self.last.map_or(1, |last| last.n + 1);
        if let Some(through) = self.expected.iter().map(|it| it.n).max()
            && through >= from
        {
            self.find(What::CutOff { from, through });
        }
        if let Some((n, hash)) = self.begin {
            let is_first = n == 1 && hash == NO_RECORD;
            let is_behind = |it: &Head| it.n + 1 == n && it.hash == hash;
            if !is_first && !self.removed.iter().any(is_behind) {
                let missing = What::Missing { from: 1, before: n };
                self.findings.insert(0, Finding { file: n, line: 1, what: missing });
            }
        }
        let Self { records, lost, last: head, findings, .. } = self;
        Verified { records, lost, head, findings }
    }
}
