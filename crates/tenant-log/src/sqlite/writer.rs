//! The writer thread: everything in the queue becomes one transaction with one fsync; then completions are reported.

mod budgeting;
mod erasing_steps;
mod giving_back;
mod making_room;
mod transacting;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use foodtrack_contract::TenantId;
use foodtrack_keyring::KeyId;
use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::SqliteOptions;
use super::budget::Budget;
use super::checkpointer::{Checkpointer, checkpoint};
use super::commit_gate::{CommitError, CommitGate};
use super::completion_sink::{Appended, CompletionSink, Outcome};
use super::disk_reserve::{DiskReserve, WRITE_AHEAD_BYTES_MAX};
use super::erasures::Erasures;
use super::maintenance::Maintenance;
use super::offset_index::OffsetIndex;
use super::queue::{Nap, Queue, Request};
use super::rows;
use super::sealing::{Resealing, is_newest_sealed, overwrite_what_goes};
use super::side_notes::SideNotes;
use super::tenant_scan::TenantScan;
use super::tenants::{self, OpenTenants};
use crate::Head;
use crate::record_batch::RecordBatch;
use crate::row_seals::{BatchPlace, RowSeals};

/// How long a commit waits for as many requests as the last one had: clients that were just answered are about to send their
/// next.
const GATHER_MAX: Duration = Duration::from_micros(100);
/// About how many bytes a commit writes besides the messages: pages that are not full yet.
const COMMIT_BYTES: u64 = 12 << 10;
/// About how many bytes one step of maintenance writes.
const MAINTENANCE_BYTES: u64 = 256 << 10;
/// How long after a failed attempt the next one is made to free space on a full disk.
const ROOM_DELAY: Duration = Duration::from_millis(100);
/// How often a full disk is probed while nobody appends.
const ROOM_PROBE: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    connection: Connection,
    gate: Box<dyn CommitGate>,
    queue: Arc<Queue>,
    sink: CompletionSink,
    tenants: OpenTenants,
    index: OffsetIndex,
    maintenance: Maintenance,
    seals: RowSeals,
    resealing: Resealing,
    /// Whether what goes is overwritten.
    overwrites: bool,
    /// Whether pieces of what was not sealed may be anywhere in the file.
    rewrites: bool,
    notes: SideNotes,
    erasures: Erasures,
    /// Whether pieces of what somebody has erased, or retention deleted, may be anywhere in the file.
    may_have_pieces: bool,
    is_compacting: bool,
    /// The largest size of the database.
    pages_max: u64,
    reserve: DiskReserve,
    budget: Budget,
    directory: PathBuf,
    /// The last transaction found the disk full.
    is_full: bool,
    /// Another program has locked the file.
    is_locked: bool,
    /// How long such a lock is waited for.
    lock_wait: Duration,
    /// When the last attempt was made to free space.
    room_tried_at: Option<Instant>,
    checkpointer: Checkpointer,
    /// About how many bytes the write-ahead log has.
    write_ahead_bytes: u64,
    is_poisoned: bool,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        file: &Path,
        options: SqliteOptions,
        queue: Arc<Queue>,
        sink: CompletionSink,
    ) -> rusqlite::Result<Self> {
        let page_bytes: u64 =
            connection.query_row("PRAGMA page_size", (), |row| rows::unsigned(row, 0))?;
        // SQLite counts pages in 32 bits, and takes a larger limit for its largest.
        let bytes_max = options.file_bytes_max.min(options.budget.bytes_max.unwrap_or(u64::MAX));
        let pages_max = (bytes_max / page_bytes.max(1)).min(u64::from(u32::MAX) - 1);
        connection.busy_timeout(options.lock_wait)?;
        let index = OffsetIndex::load(&connection)?;
        let seals = RowSeals::new(options.keys);
        let resealing = Resealing::load(&connection, &seals)?;
        overwrite_what_goes(&connection, options.overwrites || resealing.wait().is_some())?;
        let mut writer = Self {
            connection,
            gate: options.commit_gate,
            queue,
            sink,
            tenants: OpenTenants::default(),
            index,
            maintenance: Maintenance::new(options.retention, options.overwrites),
            seals,
            resealing,
            overwrites: options.overwrites,
            rewrites: false,
            notes: SideNotes::default(),
            erasures: Erasures::default(),
            // An erasure may have been stopped on its way with the process before.
            may_have_pieces: true,
            is_compacting: false,
            pages_max,
            reserve: DiskReserve::beside(file),
            budget: Budget::new(options.budget),
            directory: file.parent().unwrap_or(Path::new(".")).to_owned(),
            is_full: false,
            is_locked: false,
            lock_wait: options.lock_wait,
            room_tried_at: None,
            checkpointer: Checkpointer::start(file)?,
            write_ahead_bytes: 0,
            is_poisoned: false,
        };
        writer.reserve.keep();
        writer.limit_appends()?;
        Ok(writer)
    }

    /// Works until the queue is stopped and empty.
    pub(super) fn run(mut self) {
        let (mut requests, mut expected) = (Vec::new(), 0);
        loop {
            let taken = self.queue.take(&mut requests, self.nap(), expected, GATHER_MAX);
            expected = taken.count;
            if self.is_poisoned {
                self.sink.refuse_all(requests.drain(..));
            } else {
                self.turn(&mut requests);
            }
            if !taken.may_be_more && expected == 0 {
                break;
            }
        }
        self.finish();
    }

    /// How long it may sleep while the queue is empty.
    fn nap(&self) -> Nap {
        if self.is_poisoned {
            return Nap::default();
        }
        // On a full disk it takes room first, and in a locked file nothing can be done.
        let is_held_up = self.is_full || self.is_locked;
        let room = if is_held_up { ROOM_DELAY } else { Duration::ZERO };
        let round = self.maintenance.is_in_round().then_some(room);
        let at_once = self.is_compacting || !self.erasures.is_empty();
        let at_once = at_once.then_some(Duration::ZERO);
        let probe = self.is_full.then_some(ROOM_PROBE);
        let unlock = self.is_locked.then_some(ROOM_DELAY);
        let resealing = self.resealing.wait().filter(|_| !is_held_up);
        let maintenance = self.maintenance.quiet(&self.index).filter(|_| !is_held_up);
        Nap {
            at_most: [
                round,
                at_once,
                probe,
                unlock,
                resealing,
                self.notes.wait(),
                self.budget.wait(),
            ]
            .into_iter()
            .flatten()
            .min(),
            // While others come, it goes along with them.
            in_quiet: maintenance,
        }
    }

    /// Does what was asked for, and maintenance where that is due.
    fn turn(&mut self, requests: &mut Vec<Request>) {
        let is_quiet = requests.is_empty();
        if self.is_locked && is_quiet {
            self.look_for_lock();
        }
        let (writes, has_tickets) = self.note_requests(requests);
        if !self.is_poisoned {
            self.keep_to_budget();
        }
        let notes_are_due = self.notes.wait().is_some_and(|wait| wait.is_zero())
            || self.erasures.is_beginning() && !self.notes.is_empty();
        let has_writes = !writes.is_empty() || has_tickets || notes_are_due;
        let needs_room = has_writes || self.maintenance.is_in_round();
        if self.is_full && needs_room && !self.is_poisoned {
            let _ = self.make_room();
        } else if self.is_full && is_quiet && !self.is_poisoned {
            self.look_for_room();
        }
        let is_held_up = self.is_full || self.is_locked;
        let is_maintenance_due = self.maintenance.is_in_round()
            || self.resealing.is_due() && !is_held_up
            || is_quiet && !is_held_up && self.is_maintenance_due();
        if self.is_poisoned {
            return self.sink.refuse_all(writes.into_iter());
        }
        if has_writes || is_maintenance_due && !is_held_up {
            self.transact_all(writes, is_quiet);
        }
        if !self.is_poisoned {
            self.erase_some();
        }
        // What is to be overwritten is on pages that are free now, and beside the database.
        self.is_compacting |= self.maintenance.take_erased();
        if std::mem::take(&mut self.rewrites) && !self.is_poisoned {
            self.rewrite();
        }
        if self.is_compacting && !self.is_poisoned {
            self.compact_step();
        }
        self.move_in_when_due();
    }

    /// Notes requests that wait for the next transaction, whatever it is. Returns those that need one, and whether somebody
    /// waits for what was noted.
    fn note_requests(&mut self, requests: &mut Vec<Request>) -> (Vec<Request>, bool) {
        let (mut writes, mut has_tickets) = (Vec::with_capacity(requests.len()), false);
        for request in requests.drain(..) {
            match request {
                Request::SaveCursor(tenant, key, saved) => {
                    self.notes.save_cursor(tenant, key, *saved);
                }
                Request::BeginCursor(tenant, key, first) => {
                    self.notes.begin_cursor(tenant, key, *first);
                }
                Request::SaveNote(tenant, note, ticket) => {
                    has_tickets |= ticket.is_some();
                    self.notes.note(tenant, *note, ticket);
                }
                Request::PutDeadLetter(tenant, letter) => {
                    let (offset, subscriber) = (letter.offset, letter.subscriber.clone());
                    self.notes.letter(tenant, offset, subscriber, Some(*letter));
                }
                Request::RemoveDeadLetter(tenant, offset, subscriber) => {
                    self.notes.letter(tenant, offset, subscriber, None);
                }
                Request::Compact => self.is_compacting = true,
                Request::Erase(tenant, erasure, on_erased) => {
                    self.erasures.add(tenant, erasure, on_erased);
                }
                Request::Trim { now_ms } => {
                    self.room_tried_at = None;
                    if let Some(keys) = self.seals.keys() {
                        keys.refresh();
                    }
                    if let Err(error) = self.maintenance.start_round(&self.connection, now_ms) {
                        self.failed(&error.into());
                    }
                }
                request => writes.extend(self.erasures.hold(request)),
            }
        }
        (writes, has_tickets)
    }

    pub(super) fn move_in_when_due(&mut self) {
        if self.is_poisoned {
            return;
        }
        let has_ended = match self.checkpointer.ended() {
            Some(Err(CommitError::Disk(_))) => return self.poison(),
            ended => ended.is_some(),
        };
        // Only when all has moved can the next commit begin at the front: what came meanwhile is moved here.
        if has_ended || self.write_ahead_bytes > WRITE_AHEAD_BYTES_MAX {
            self.checkpoint("PASSIVE");
        } else if self.write_ahead_bytes > WRITE_AHEAD_BYTES_MAX / 2 {
            self.checkpointer.begin();
        }
    }

    fn is_maintenance_due(&mut self) -> bool {
        match self.maintenance.is_due(&self.connection, &self.index) {
            Ok(is_due) => is_due,
            Err(error) => {
                self.failed(&error.into());
                false
            }
        }
    }

    /// Does everything asked for within one transaction, short of its commit. Fills `outcome` in any case.
    fn write(
        &mut self,
        writes: Vec<Request>,
        is_quiet: bool,
        outcome: &mut Outcome,
    ) -> Result<(), CommitError> {
        // After the first failure the rest is only noted, so that everybody is told.
        let mut result = self.begin().map_err(CommitError::from);
        let has_open = writes.iter().any(|it| matches!(it, Request::Open(..)));
        if has_open && result.is_ok() && !self.notes.is_empty() {
            // What was noted before a tenant is opened is part of what it opens with.
            let written = self.notes.write(&self.connection, &self.seals);
            result = written.map(|_| ()).map_err(CommitError::from);
        }
        for request in writes {
            let step = match request {
                Request::Append(tenant, batch) => {
                    self.append(tenant, &batch, outcome, result.is_ok())
                }
                Request::Open(tenant, now_ms) if result.is_ok() => self
                    .open(&tenant, now_ms)
                    .map(|head| outcome.opened.push((tenant.clone(), head)))
                    .inspect_err(|_| outcome.opened.push((tenant, None))),
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
            result = result.and(step.map_err(CommitError::from));
        }
        result?;
        if !self.notes.is_empty() {
            outcome.ticketed = self.notes.write(&self.connection, &self.seals)?;
        }
        // A full disk has its own way of it, or else an append without room would undo it again and again.
        if !self.is_full {
            outcome.bytes += self.resealing.step(&self.connection, &self.seals)?;
            outcome.maintained = self.maintenance.step(
                &self.connection,
                &mut self.index,
                &mut self.tenants,
                is_quiet,
            )?;
        }
        Ok(())
    }

    /// Opens a tenant; `None` where its keys cannot be had, which is told.
    fn open(&mut self, tenant: &TenantId, now_ms: u64) -> rusqlite::Result<Option<Head>> {
        if !self.has_keys(tenant)? {
            return Ok(None);
        }
        if self.index.is_worth_it() {
            // Otherwise each opening after a restart would search all rows that are not indexed.
            self.index.fill(&self.connection)?;
        }
        let indexed_through = self.index.indexed_through();
        let (connection, tenants) = (&self.connection, &mut self.tenants);
        let head =
            tenants::open(connection, tenants, indexed_through, &self.seals, (tenant, now_ms))?;
        Ok(Some(head))
    }

    /// Whether what a tenant appends can be sealed, where it is to be.
    fn has_keys(&self, tenant: &TenantId) -> rusqlite::Result<bool> {
        let Some(keys) = self.seals.keys() else { return Ok(true) };
        // A new key in the place of one that is lost would hide that it is lost.
        let has_none = matches!(keys.to_open(tenant, KeyId::FIRST), Ok(None));
        if has_none && self.is_sealed(tenant)? {
            tracing::error!(%tenant, "a tenant cannot be opened: its log is sealed, and its keys are not there; put its file back among the keys, or erase the tenant");
            return Ok(false);
        }
        let problem = keys.to_seal(tenant).err();
        if let Some(error) = &problem {
            tracing::error!(%tenant, %error, "a tenant cannot be opened: its keys cannot be had");
        }
        Ok(problem.is_none())
    }

    fn is_sealed(&self, tenant: &TenantId) -> rusqlite::Result<bool> {
        let Some(no) = tenants::number_of(&self.connection, tenant)? else { return Ok(false) };
        let scan = TenantScan { no, indexed_through: self.index.indexed_through() };
        is_newest_sealed(&self.connection, scan)
    }

    fn append(
        &mut self,
        tenant: TenantId,
        batch: &Arc<RecordBatch>,
        outcome: &mut Outcome,
        is_written: bool,
    ) -> rusqlite::Result<()> {
        let (first, last) = (batch.first, batch.last());
        let open = self.tenants.get_mut(&tenant).filter(|open| open.expected == first);
        let Some(open) = open else {
            outcome.out_of_sequence.push((tenant, first, last));
            return Ok(());
        };
        let [ids, heads, bodies] = batch.columns();
        let place = BatchPlace { tenant: &tenant, first, ids, heads };
        let bodies = match self.seals.seal_bodies(place, bodies) {
            Ok(bodies) => bodies,
            Err(error) => {
                tracing::error!(%tenant, %error, "entries cannot be sealed, and are refused");
                outcome.out_of_sequence.push((tenant, first, last));
                return Ok(());
            }
        };
        open.expected = batch.next();
        let no = open.no;
        let appended = outcome.appended.entry(tenant).or_insert(Appended {
            from: first,
            through: last,
            is_awaited: false,
        });
        appended.through = last;
        appended.is_awaited |= batch.has_durable;
        if !is_written {
            return Ok(());
        }
        open.now.last = open.now.last.plus(batch.entries, batch.bytes);
        open.note_grown();
        self.maintenance.note_appended(batch.entries, batch.bytes, batch.at_ms);
        let connection = &self.connection;
        tenants::add_orders(connection, open.no, batch)?;
        tenants::add_assignments(connection, open.no, &batch.assignments)?;
        let seq = self.index.next(batch.entries, batch.bytes);
        outcome.bytes += rows::insert_batch(connection, (seq, no), batch, &bodies, open.now.last)?;
        appended.is_awaited |= open.reserve(connection)?;
        Ok(())
    }

    /// Checkpoints the write-ahead log into the database.
    fn checkpoint(&mut self, mode: &str) {
        let result = self.checkpointer.wait().and_then(|()| checkpoint(&self.connection, mode));
        self.write_ahead_bytes = 0;
        match result {
            Ok(()) => self.keep_reserve(),
            // A full disk leaves everything where it is, which is safe.
            Err(CommitError::DiskFull | CommitError::Locked) => {}
            Err(CommitError::Disk(_)) => self.poison(),
        }
    }

    /// Leaves everything in the database itself, and no offset reserved that was not used.
    fn finish(mut self) {
        self.checkpointer.stop();
        if self.is_poisoned {
            // What the disk has is for the next opening to find out: closing must not move it about.
            let _ = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
            return;
        }
        let mut close = || -> Result<(), CommitError> {
            self.begin()?;
            for tenant in self.tenants.values_mut() {
                tenant.unreserve(&self.connection)?;
            }
            self.notes.write(&self.connection, &self.seals)?;
            self.index.fill(&self.connection)?;
            self.commit()
        };
        // If it fails, the next start finds what a crash would have left.
        match close() {
            Ok(()) => self.checkpoint("TRUNCATE"),
            Err(error) => self.failed(&error),
        }
        self.reserve.give();
    }
}
