//! The one thread that writes: everything that waits becomes one transaction, and then its owners are told.

use std::sync::Arc;
use std::time::Duration;

use ahash::AHashMap;
use foodtrack_contract::{Offset, TenantId};
use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::SqliteOptions;
use super::commit_gate::{CommitError, CommitGate, commit};
use super::queue::{Queue, Request};
use super::rows::{self, number};
use super::side_notes::{SideNotes, Ticketed};
use super::tenants::{self, OpenTenants};
use super::trimming::{Round, trim_open};
use crate::{Completion, Head, LogEntry, OnCompletion, RefusedReason, Retention};

/// How long a commit waits for as many as the last one had: those who were just told are about to send their next.
const GATHER_MAX: Duration = Duration::from_micros(100);
/// About how much may stand beside the database before it is moved into it.
const WRITE_AHEAD_BYTES_MAX: u64 = 16 << 20;
/// About what a commit writes besides the messages: a page of the table, one of the index.
const COMMIT_BYTES: u64 = 8_192;
/// How many pages one step of compaction gives back.
const COMPACT_STEP: &str = "PRAGMA incremental_vacuum(128)";

pub(super) struct Writer {
    connection: Connection,
    gate: Box<dyn CommitGate>,
    retention: Retention,
    queue: Arc<Queue>,
    on_completion: OnCompletion,
    tenants: OpenTenants,
    notes: SideNotes,
    round: Round,
    is_compacting: bool,
    /// About how much stands beside the database.
    write_ahead_bytes: u64,
    is_poisoned: bool,
}

/// What a transaction will have to tell.
#[derive(Default)]
struct Outcome {
    appended: AHashMap<TenantId, (Offset, Offset)>,
    opened: Vec<(TenantId, Option<Head>)>,
    out_of_sequence: Vec<(TenantId, Offset)>,
    ticketed: Ticketed,
    bytes: u64,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        options: SqliteOptions,
        queue: Arc<Queue>,
        on_completion: OnCompletion,
    ) -> rusqlite::Result<Self> {
        let page_bytes: u64 =
            connection.query_row("PRAGMA page_size", (), |row| rows::unsigned(row, 0))?;
        // SQLite counts pages in 32 bits, and takes a larger limit for its largest.
        let pages_max = (options.file_bytes_max / page_bytes.max(1)).min(u64::from(u32::MAX) - 1);
        connection.query_row(
            &format!("PRAGMA max_page_count = {}", number(pages_max)),
            (),
            |_| Ok(()),
        )?;
        Ok(Self {
            connection,
            gate: options.commit_gate,
            retention: options.retention,
            queue,
            on_completion,
            tenants: OpenTenants::default(),
            notes: SideNotes::default(),
            round: Round::default(),
            is_compacting: false,
            write_ahead_bytes: 0,
            is_poisoned: false,
        })
    }

    /// Works until the queue is stopped and empty.
    pub(super) fn run(mut self) {
        let (mut batch, mut expected) = (Vec::new(), 0);
        loop {
            let is_busy = !self.round.is_over() || self.is_compacting;
            let wait = if is_busy { Some(Duration::ZERO) } else { self.notes.wait() };
            let goes_on = self.queue.take(&mut batch, wait, expected, GATHER_MAX);
            expected = batch.len();
            if self.is_poisoned {
                self.refuse_all(batch.drain(..));
            } else {
                self.turn(&mut batch);
            }
            if !goes_on && batch.is_empty() && expected == 0 {
                break;
            }
        }
        self.finish();
    }

    fn turn(&mut self, batch: &mut Vec<Request>) {
        let mut writes = Vec::with_capacity(batch.len());
        let mut has_tickets = false;
        for request in batch.drain(..) {
            match request {
                Request::SaveCursor(tenant, key, saved) => {
                    self.notes.save_cursor(tenant, key, *saved);
                }
                Request::SaveNote(tenant, note, ticket) => {
                    has_tickets |= ticket.is_some();
                    self.notes.note(tenant, *note, ticket);
                }
                Request::Bury(tenant, letter) => {
                    let (offset, subscriber) = (letter.offset, letter.subscriber.clone());
                    self.notes.letter(tenant, offset, subscriber, Some(*letter));
                }
                Request::Unbury(tenant, offset, subscriber) => {
                    self.notes.letter(tenant, offset, subscriber, None);
                }
                Request::Compact => self.is_compacting = true,
                Request::Trim { now_ms } => {
                    if let Err(error) = self.round.start(&self.connection, now_ms) {
                        self.failed(&error.into());
                    }
                }
                request => writes.push(request),
            }
        }
        let notes_are_due = self.notes.wait().is_some_and(|wait| wait.is_zero());
        if !writes.is_empty() || has_tickets || notes_are_due || !self.round.is_over() {
            self.transact(writes);
        }
        if self.is_compacting && !self.is_poisoned {
            self.compact_step();
        }
        if self.write_ahead_bytes > WRITE_AHEAD_BYTES_MAX && !self.is_poisoned {
            self.checkpoint("PASSIVE");
        }
    }

    /// One transaction, and what became of it.
    fn transact(&mut self, writes: Vec<Request>) {
        let mut outcome = Outcome::default();
        let result = match self.write(writes, &mut outcome) {
            Ok(()) => {
                let connection = &self.connection;
                self.gate.pass(&mut || commit(connection))
            }
            Err(error) => Err(CommitError::from(error)),
        };
        match result {
            Ok(()) => {
                self.notes.clear();
                self.write_ahead_bytes += COMMIT_BYTES + outcome.bytes;
                self.tenants.values_mut().for_each(tenants::OpenTenant::keep);
                self.tell_committed(outcome);
            }
            Err(error) => {
                let tickets = self.notes.take_ticketed();
                self.failed(&error);
                let reason = match error {
                    CommitError::DiskFull => RefusedReason::DiskFull,
                    CommitError::Disk(_) => RefusedReason::Poisoned,
                };
                self.tell_refused(outcome, reason);
                self.tell_not_noted(tickets, reason);
            }
        }
    }

    /// Undoes the open transaction, and decides whether there can be another.
    fn failed(&mut self, error: &CommitError) {
        self.tenants.retain(|_, tenant| tenant.undo());
        self.notes.postpone();
        // Or else a full disk would keep it trying without a pause.
        self.round = Round::default();
        // SQLite may have undone it by itself.
        let undone =
            self.connection.is_autocommit() || self.connection.execute_batch("ROLLBACK").is_ok();
        if *error == CommitError::DiskFull && undone {
            // What stands beside the database may make room by going into it.
            self.checkpoint("PASSIVE");
        } else {
            self.poison();
        }
    }

    fn poison(&mut self) {
        self.is_poisoned = true;
        self.is_compacting = false;
        let tickets = self.notes.take_ticketed();
        self.notes.clear();
        self.queue.poison();
        self.tell_not_noted(tickets, RefusedReason::Poisoned);
    }

    /// Does everything asked for within one transaction, short of its commit. Fills `outcome` in any case.
    fn write(&mut self, writes: Vec<Request>, outcome: &mut Outcome) -> rusqlite::Result<()> {
        // After the first failure the rest is only noted, so that everybody is told.
        let mut result = self.connection.execute_batch("BEGIN IMMEDIATE");
        for request in writes {
            let step = match request {
                Request::Append(tenant, entry) => {
                    self.append(tenant, &entry, outcome, result.is_ok())
                }
                Request::Open(tenant, now_ms) if result.is_ok() => {
                    tenants::open(&self.connection, &mut self.tenants, &tenant, now_ms)
                        .map(|head| outcome.opened.push((tenant.clone(), Some(head))))
                        .inspect_err(|_| outcome.opened.push((tenant, None)))
                }
                Request::Open(tenant, _) => {
                    outcome.opened.push((tenant, None));
                    Ok(())
                }
                Request::Close(tenant) => match self.tenants.remove(&tenant) {
                    Some(mut open) if result.is_ok() => open.unreserve(&self.connection),
                    _ => Ok(()),
                },
                _ => Ok(()),
            };
            result = result.and(step);
        }
        result?;
        if !self.notes.is_empty() {
            outcome.ticketed = self.notes.write(&self.connection)?;
        }
        if !self.round.is_over() {
            self.round.step(&self.connection, self.retention)?;
        }
        Ok(())
    }

    fn append(
        &mut self,
        tenant: TenantId,
        entry: &LogEntry,
        outcome: &mut Outcome,
        is_written: bool,
    ) -> rusqlite::Result<()> {
        let open = self.tenants.get_mut(&tenant).filter(|open| open.expected == entry.offset);
        let Some(open) = open else {
            outcome.out_of_sequence.push((tenant, entry.offset));
            return Ok(());
        };
        open.expected = entry.offset.next();
        let (offset, bytes) = (entry.offset, entry.bytes());
        outcome.bytes += bytes;
        outcome
            .appended
            .entry(tenant)
            .and_modify(|(_, through)| *through = offset)
            .or_insert((offset, offset));
        if !is_written {
            return Ok(());
        }
        open.now.last = open.now.last.plus(bytes);
        open.untrimmed += 1;
        rows::insert(&self.connection, open.no, entry, open.now.last)?;
        open.reserve(&self.connection)?;
        trim_open(&self.connection, open, self.retention, entry.at_ms)
    }

    fn tell_committed(&self, outcome: Outcome) {
        for (tenant, (_, through)) in outcome.appended {
            // A tenant that was closed since reserves nothing.
            let open = self.tenants.get(&tenant);
            let reserved_through = open.map_or(through, |open| open.now.reserved_through);
            (self.on_completion)(Completion::Committed { tenant, through, reserved_through });
        }
        self.tell_opened(outcome.opened, RefusedReason::Poisoned);
        self.tell_out_of_sequence(outcome.out_of_sequence);
        for (tenant, ticket) in outcome.ticketed.noted {
            (self.on_completion)(Completion::Noted { tenant, ticket });
        }
        self.tell_not_noted(outcome.ticketed.refused, RefusedReason::OutOfSequence);
    }

    fn tell_refused(&self, outcome: Outcome, reason: RefusedReason) {
        for (tenant, (from, through)) in outcome.appended {
            (self.on_completion)(Completion::Refused { tenant, from, through, reason });
        }
        let failed = outcome.opened.into_iter().map(|(tenant, _)| (tenant, None)).collect();
        self.tell_opened(failed, reason);
        self.tell_out_of_sequence(outcome.out_of_sequence);
    }

    fn tell_opened(&self, opened: Vec<(TenantId, Option<Head>)>, reason: RefusedReason) {
        for (tenant, head) in opened {
            (self.on_completion)(match head {
                Some(head) => Completion::Opened { tenant, head },
                None => Completion::OpenFailed { tenant, reason },
            });
        }
    }

    fn tell_out_of_sequence(&self, entries: Vec<(TenantId, Offset)>) {
        let reason = RefusedReason::OutOfSequence;
        for (tenant, offset) in entries {
            let (from, through) = (offset, offset);
            (self.on_completion)(Completion::Refused { tenant, from, through, reason });
        }
    }

    fn tell_not_noted(&self, tickets: Vec<(TenantId, u64)>, reason: RefusedReason) {
        for (tenant, ticket) in tickets {
            (self.on_completion)(Completion::NoteRefused { tenant, ticket, reason });
        }
    }

    /// What came before everyone knew that the disk had failed.
    fn refuse_all(&self, batch: impl Iterator<Item = Request>) {
        let reason = RefusedReason::Poisoned;
        for request in batch {
            match request {
                Request::Append(tenant, entry) => {
                    let (from, through) = (entry.offset, entry.offset);
                    (self.on_completion)(Completion::Refused { tenant, from, through, reason });
                }
                Request::Open(tenant, _) => {
                    (self.on_completion)(Completion::OpenFailed { tenant, reason });
                }
                Request::SaveNote(tenant, _, Some(ticket)) => {
                    (self.on_completion)(Completion::NoteRefused { tenant, ticket, reason });
                }
                _ => {}
            }
        }
    }

    fn compact_step(&mut self) {
        let connection = &self.connection;
        let step = || -> rusqlite::Result<bool> {
            connection.execute_batch("BEGIN IMMEDIATE")?;
            connection.execute_batch(COMPACT_STEP)?;
            connection
                .query_row("PRAGMA freelist_count", (), |row| row.get::<_, i64>(0))
                .map(|it| it > 0)
        };
        let result = step()
            .map_err(CommitError::from)
            .and_then(|goes_on| self.gate.pass(&mut || commit(connection)).map(|()| goes_on));
        match result {
            Ok(goes_on) => {
                self.is_compacting = goes_on;
                self.write_ahead_bytes += 64 * COMMIT_BYTES;
                if !goes_on {
                    // The file shrinks when its pages are moved into it.
                    self.checkpoint("TRUNCATE");
                }
            }
            Err(error) => {
                self.is_compacting = false;
                self.failed(&error);
            }
        }
    }

    /// Moves what stands beside the database into it. Readers may hold up a part; it is made up for the next time.
    fn checkpoint(&mut self, mode: &str) {
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        let result = self.connection.query_row(&sql, (), |_| Ok(()));
        match result.map_err(CommitError::from) {
            // A full disk leaves everything where it is, which is safe.
            Ok(()) | Err(CommitError::DiskFull) => self.write_ahead_bytes = 0,
            Err(CommitError::Disk(_)) => self.poison(),
        }
    }

    /// Leaves everything in the database itself, and no offset reserved that was not used.
    fn finish(mut self) {
        if self.is_poisoned {
            // What the disk has is for the next opening to find out: closing must not move it about.
            let _ = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
            return;
        }
        let mut close = || -> Result<(), CommitError> {
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
            for tenant in self.tenants.values_mut() {
                tenant.unreserve(&self.connection)?;
            }
            self.notes.write(&self.connection)?;
            self.gate.pass(&mut || commit(&self.connection))
        };
        // If it fails, the next start finds what a crash would have left.
        match close() {
            Ok(()) => self.checkpoint("TRUNCATE"),
            Err(error) => self.failed(&error),
        }
    }
}
