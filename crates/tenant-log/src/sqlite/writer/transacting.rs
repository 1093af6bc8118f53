//! One transaction, and what becomes of it: it is kept and told, or undone and told, or the end of all writing.

use std::time::{Duration, Instant};

use super::{COMMIT_BYTES, MAINTENANCE_BYTES, Writer};
use crate::RefusedReason;
use crate::sqlite::commit_gate::{CommitError, commit};
use crate::sqlite::completion_sink::Outcome;
use crate::sqlite::disk_reserve::COMMIT_BYTES_MAX;
use crate::sqlite::queue::Request;
use crate::sqlite::sealing::overwrite_what_goes;
use crate::sqlite::tenants;

/// How many batches and other requests one transaction takes.
const COMMIT_WRITES_MAX: usize = 16_384;

impl Writer {
    /// Begins a transaction.
    pub(super) fn begin(&self) -> rusqlite::Result<()> {
        let begin = || self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute(());
        self.sink.watch().waiting(begin).map(|_| ())
    }

    /// Commits the transaction at hand: it is on the disk then.
    pub(super) fn commit(&mut self) -> Result<(), CommitError> {
        let (connection, gate) = (&self.connection, &mut self.gate);
        self.sink.watch().writing(|| gate.pass(&mut || commit(connection)))
    }

    /// Makes as many transactions as these take, at least one.
    pub(super) fn transact_all(&mut self, writes: Vec<Request>, is_quiet: bool) {
        let mut writes = writes.into_iter().peekable();
        loop {
            let some = take_some(&mut writes);
            self.transact(some, is_quiet);
            self.move_in_when_due();
            if writes.peek().is_none() {
                break;
            }
            if self.is_poisoned {
                return self.sink.refuse_all(writes);
            }
        }
    }

    /// One transaction, and what became of it.
    fn transact(&mut self, writes: Vec<Request>, is_quiet: bool) {
        let opens = writes.iter().filter_map(|write| match write {
            Request::Open(tenant, now_ms) => Some(Request::Open(tenant.clone(), *now_ms)),
            _ => None,
        });
        let opens: Vec<_> = opens.collect();
        if !self.try_transact(writes, is_quiet, !opens.is_empty()) {
            // A tenant that is not open has no log at all until it is asked for again: worth another try.
            let _ = self.make_room();
            if self.is_poisoned {
                return self.sink.refuse_all(opens.into_iter());
            }
            self.try_transact(opens, is_quiet, false);
        }
    }

    /// The same. Returns whether everybody was told: those who wait for a tenant to be opened are not, if there was no room
    /// for it and it `opens_again`.
    fn try_transact(&mut self, writes: Vec<Request>, is_quiet: bool, opens_again: bool) -> bool {
        let (mut outcome, began) = (Outcome::default(), Instant::now());
        let written = self.write(writes, is_quiet, &mut outcome);
        // What was not committed is not there. Of a commit that failed nobody knows: the disk may have it all the same.
        let is_in_doubt = written.is_ok();
        match written.and_then(|()| self.commit()) {
            Ok(()) => {
                self.sink.watch().commits.observe(began.elapsed());
                self.notes.clear();
                let was_full = std::mem::take(&mut self.is_full);
                self.note_unlocked();
                self.write_ahead_bytes += COMMIT_BYTES + outcome.bytes;
                self.budget.note_written(COMMIT_BYTES + outcome.bytes);
                if outcome.maintained {
                    self.write_ahead_bytes += MAINTENANCE_BYTES;
                }
                self.keep();
                self.sink.committed(outcome, &self.tenants);
                if was_full {
                    self.sink.watch().set_full(false);
                    // This one may have fitted in between; with the reserve there is room for the next one too.
                    self.keep_reserve();
                }
                true
            }
            Err(error) => {
                let tickets = self.notes.take_ticketed();
                self.failed(&error);
                let reason = match error {
                    CommitError::DiskFull => RefusedReason::DiskFull,
                    CommitError::Locked => RefusedReason::Away,
                    CommitError::Disk(_) if is_in_doubt => RefusedReason::Unknown,
                    CommitError::Disk(_) => RefusedReason::Poisoned,
                };
                let is_full = error == CommitError::DiskFull && !self.is_poisoned;
                let opens_again = opens_again && is_full;
                if opens_again {
                    outcome.opened.clear();
                }
                self.sink.refused(outcome, reason);
                self.sink.not_noted(tickets, reason);
                !opens_again
            }
        }
    }

    /// The transaction is committed.
    pub(super) fn keep(&mut self) {
        self.index.keep();
        self.maintenance.keep();
        let was_resealing = self.resealing.wait().is_some();
        self.rewrites |= self.resealing.keep();
        if was_resealing && self.resealing.wait().is_none() {
            // It is a setting of the connection: what fails with it fails with the next statement too.
            let _ = overwrite_what_goes(&self.connection, self.overwrites);
        }
        self.tenants.values_mut().for_each(tenants::OpenTenant::keep);
    }

    /// Undoes the open transaction, and decides whether there can be another.
    pub(super) fn failed(&mut self, error: &CommitError) {
        self.notes.postpone();
        match error {
            CommitError::DiskFull if self.undo() => {
                self.is_full = true;
                self.sink.watch().set_full(true);
            }
            CommitError::Locked if self.undo() => self.note_locked(),
            _ => self.poison(),
        }
    }

    /// Another program has locked the file for longer than is waited: from now on nobody waits for it, and it is tried again and again.
    fn note_locked(&mut self) {
        if !std::mem::replace(&mut self.is_locked, true) {
            tracing::error!(
                "another program has locked log.db: what is to be kept is refused until it lets go; end what else has the file open"
            );
            self.sink.watch().set_locked(true);
            self.wait_for_locks(Duration::ZERO);
        }
    }

    fn note_unlocked(&mut self) {
        if std::mem::take(&mut self.is_locked) {
            tracing::info!("no other program has locked log.db any more");
            self.sink.watch().set_locked(false);
            self.wait_for_locks(self.lock_wait);
        }
    }

    fn wait_for_locks(&self, wait: Duration) {
        // It is a setting of the connection, and cannot fail.
        let _ = self.connection.busy_timeout(wait);
    }

    /// Where nobody appends: finds out whether the other program has let go.
    pub(super) fn look_for_lock(&mut self) {
        match self.begin().map_err(CommitError::from).and_then(|()| self.commit()) {
            Ok(()) => self.note_unlocked(),
            Err(error) => self.failed(&error),
        }
    }

    /// Undoes the open transaction. Returns whether that succeeded.
    pub(super) fn undo(&mut self) -> bool {
        self.tenants.retain(|_, tenant| tenant.undo());
        self.index.undo();
        self.maintenance.undo();
        self.resealing.undo();
        // SQLite may have undone it by itself.
        self.connection.is_autocommit() || self.connection.execute_batch("ROLLBACK").is_ok()
    }

    pub(super) fn poison(&mut self) {
        self.is_poisoned = true;
        self.sink.watch().set_failed();
        self.is_compacting = false;
        let opens = self.erasures.give_up();
        let tickets = self.notes.take_ticketed();
        self.notes.clear();
        self.queue.poison();
        self.sink.refuse_all(opens.into_iter());
        self.sink.not_noted(tickets, RefusedReason::Poisoned);
    }
}

/// As much as one transaction takes.
fn take_some(writes: &mut std::iter::Peekable<impl Iterator<Item = Request>>) -> Vec<Request> {
    let (mut some, mut bytes) = (Vec::with_capacity(writes.size_hint().0), 0);
    while some.len() < COMMIT_WRITES_MAX
        && let Some(request) =
            writes.next_if(|it| bytes == 0 || bytes + it.written_bytes() <= COMMIT_BYTES_MAX)
    {
        bytes += request.written_bytes();
        some.push(request);
    }
    some
}
