//! Erasing what a tenant or a person has, between other writes: a few rows in each transaction, so that nobody waits for all of it.
//!
//! A tenant's entries are released for readers first, as retention does, so that what stops on its way leaves a log that is whole. A
//! person's entries are replaced one row after the other, and who the person was is forgotten last: whoever erases once more finds the
//! same orders.

use std::time::{Duration, Instant};

use foodtrack_contract::{Offset, TenantId};
use rusqlite::{Connection, OptionalExtension, params};

use super::{MAINTENANCE_BYTES, Writer};
use crate::packing::Packer;
use crate::row_seals::RowSeals;
use crate::sqlite::commit_gate::CommitError;
use crate::sqlite::erasing::{Stopped, bury_row, concerned, erase_side_rows, forget_person};
use crate::sqlite::erasures::{Erasing, RowsLeft};
use crate::sqlite::garbage_collector::STRETCH_BITS;
use crate::sqlite::rows::{self, ENTRIES, ENTRIES_COLUMNS};
use crate::sqlite::sealing::overwrite_what_goes;
use crate::sqlite::tenants;
use crate::sqlite::trimming::let_go;
use crate::tombstone::Concerned;
use crate::{EraseError, Erased, Erasure};

/// How many seqs are looked through at once, of all tenants; a stretch of the garbage collector's is so many, or many times that.
const STEP_SEQS: i64 = 256;
const _: () = assert!((1 << STRETCH_BITS) % STEP_SEQS == 0);
/// How long a step may take, but for its last row.
const STEP_TIME_MAX: Duration = Duration::from_millis(20);
/// Up to this size the file is written anew at the end: everybody waits for about a quarter of a second.
const REWRITE_BYTES_MAX: u64 = 16 << 20;

/// Whether there is more to erase.
enum Step {
    GoesOn,
    IsDone,
}

impl Writer {
    /// Erases a little of what is to be erased.
    pub(super) fn erase_some(&mut self) {
        let Some(mut erasing) = self.erasures.take() else { return };
        let began = Instant::now();
        let step = self.step_of(&mut erasing);
        self.may_have_pieces |= erasing.has_erased();
        if matches!(step, Ok(Step::IsDone)) {
            erasing.erased.is_rewritten = self.overwrite_erased(erasing.has_erased());
        }
        erasing.erased.took += began.elapsed();
        match step {
            Ok(Step::GoesOn) => return self.erasures.put_back(erasing),
            Ok(Step::IsDone) => {
                let erased = erasing.erased;
                erasing.tell(Ok(erased));
            }
            Err(error) => {
                let tenant = &erasing.tenant;
                tracing::error!(%tenant, %error, "not all is erased that was to be");
                self.stop_overwriting();
                erasing.tell(Err(error));
            }
        }
        let opens = self.erasures.let_open();
        if self.is_poisoned {
            self.sink.refuse_all(opens.into_iter());
        } else if !opens.is_empty() {
            self.transact_all(opens, false);
        }
    }

    fn step_of(&mut self, erasing: &mut Erasing) -> Result<Step, EraseError> {
        let Some(rows) = &erasing.rows else {
            let begun = self.begin_erasing(erasing)?;
            let is_over = begun.is_none();
            erasing.rows = begun;
            return Ok(if is_over { Step::IsDone } else { Step::GoesOn });
        };
        if rows.next <= rows.last {
            let (next, step) = self.alone(|writer| writer.erase_rows(erasing, rows))?;
            erasing.erased.entries += step.entries;
            erasing.erased.damaged += step.damaged;
            if let Some(rows) = &mut erasing.rows {
                rows.next = next;
            }
            return Ok(Step::GoesOn);
        }
        erasing.erased.others += self.alone(|writer| writer.forget_last(erasing, rows.no))?;
        Ok(Step::IsDone)
    }

    /// Finds out what there is to do; `None` where there is nothing. Of a tenant keys, and what is beside its entries, go with it.
    fn begin_erasing(&mut self, erasing: &mut Erasing) -> Result<Option<RowsLeft>, EraseError> {
        if erasing.erasure == Erasure::Tenant
            && let Some(keys) = self.seals.keys()
        {
            keys.destroy(&erasing.tenant).map_err(|error| EraseError::Failed(error.to_string()))?;
        }
        let has_begun = overwrite_what_goes(&self.connection, true);
        has_begun.map_err(|error| EraseError::Failed(error.to_string()))?;
        let (rows, erased) = self.alone(|writer| writer.look_and_release(erasing))?;
        erasing.erased.entries = erased.entries;
        erasing.erased.others = erased.others;
        Ok(rows)
    }

    fn look_and_release(
        &mut self,
        erasing: &Erasing,
    ) -> Result<(Option<RowsLeft>, Erased), Stopped> {
        let connection = &self.connection;
        let mut erased = Erased::default();
        let Some(no) = tenants::number_of(connection, &erasing.tenant)? else {
            return Ok((None, erased));
        };
        self.index.fill(connection)?;
        let concerned = match erasing.erasure.person() {
            Some(person) => Some(concerned(connection, no, person)?),
            None => {
                erased.others = erase_side_rows(connection, no)?;
                erased.entries = release_all(connection, no)?;
                None
            }
        };
        let (next, last) = connection.query_row(
            "SELECT coalesce(min(seq), 1), coalesce(max(seq), 0) FROM runs",
            (),
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        Ok((Some(RowsLeft { no, next, last, concerned }), erased))
    }

    /// Erases in the next rows, as long as a step may take. Returns where to go on, and what that was.
    fn erase_rows(&mut self, erasing: &Erasing, rows: &RowsLeft) -> Result<(i64, Erased), Stopped> {
        let until = Instant::now() + STEP_TIME_MAX;
        let (mut erased, mut next) = (Erased::default(), rows.next);
        while next <= rows.last && Instant::now() < until {
            let seqs = (next, (next / STEP_SEQS + 1) * STEP_SEQS);
            next = match &rows.concerned {
                None => delete_rows(&self.connection, rows.no, seqs, until)?,
                Some(concerned) => {
                    let of = (&self.seals, &erasing.tenant, concerned);
                    bury_rows(&self.connection, (rows.no, of), seqs, until, &mut erased)?
                }
            };
        }
        Ok((next, erased))
    }

    /// Takes away what else there is. Returns how much that was.
    fn forget_last(&mut self, erasing: &Erasing, no: i64) -> Result<u64, Stopped> {
        if let Some(person) = erasing.erasure.person() {
            return forget_person(&self.connection, &self.seals, (no, &erasing.tenant), person);
        }
        // What was noted meanwhile.
        let others = erase_side_rows(&self.connection, no)?;
        self.connection.execute("DELETE FROM tenants WHERE no = ?", [no])?;
        Ok(others)
    }

    /// Does something in a transaction of its own.
    fn alone<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, Stopped>,
    ) -> Result<T, EraseError> {
        let begun = self.begin().map_err(Stopped::from);
        let done = begun.and_then(|()| work(self));
        let failure = match done {
            Ok(done) => match self.commit() {
                Ok(()) => {
                    self.keep();
                    self.write_ahead_bytes += MAINTENANCE_BYTES;
                    return Ok(done);
                }
                Err(error) => error,
            },
            Err(Stopped::Seal(detail)) => {
                if !self.undo() {
                    self.poison();
                }
                return Err(EraseError::Failed(detail));
            }
            Err(Stopped::Store(error)) => CommitError::from(error),
        };
        self.failed(&failure);
        Err(match failure {
            CommitError::DiskFull => EraseError::DiskFull,
            CommitError::Locked => EraseError::Failed(failure.to_string()),
            CommitError::Disk(_) => EraseError::Interrupted,
        })
    }

    /// Has nothing of what went left in the file. Returns whether it was written anew, which a large one is not, and one that has nothing
    /// of what went neither: everybody would wait for it.
    fn overwrite_erased(&mut self, has_erased: bool) -> bool {
        self.may_have_pieces |= self.maintenance.take_collected();
        let size = self
            .number("PRAGMA page_count")
            .and_then(|pages| Ok(pages * self.number("PRAGMA page_size")?));
        let is_small = size.is_ok_and(|size| size <= REWRITE_BYTES_MAX);
        let is_rewritten = is_small
            && self.may_have_pieces
            && self
                .connection
                .execute_batch("VACUUM")
                .inspect_err(|error| {
                    tracing::warn!(%error, "the log cannot be written anew after something was erased: run `log compact --rewrite`");
                })
                .is_ok();
        self.may_have_pieces &= !is_rewritten;
        self.stop_overwriting();
        if !has_erased && !is_rewritten {
            return false;
        }
        // What stands beside the database has what it was.
        self.checkpoint("TRUNCATE");
        self.is_compacting |= !is_rewritten;
        is_rewritten
    }

    fn stop_overwriting(&self) {
        let is_all = self.overwrites || self.resealing.wait().is_some();
        // It is a setting of the connection: what fails with it fails with the next statement too.
        let _ = overwrite_what_goes(&self.connection, is_all);
    }
}

/// Releases all that a tenant has, for readers and for the garbage collector. Returns how many entries that was.
fn release_all(connection: &Connection, no: i64) -> rusqlite::Result<u64> {
    let entries = connection.query_row(
        "SELECT coalesce(sum(entries), 0) FROM places WHERE tenant = ?",
        [no],
        |row| rows::unsigned(row, 0),
    )?;
    let last: Option<Offset> = connection
        .query_row(
            "SELECT first + entries - 1 FROM places WHERE tenant = ? ORDER BY first DESC LIMIT 1",
            [no],
            |row| rows::offset(row, 0),
        )
        .optional()?;
    if let Some(last) = last {
        let_go(connection, no, last)?;
    }
    Ok(entries)
}

/// Puts tombstones in the place of a person's entries, in rows between two seqs. Returns where to go on.
fn bury_rows(
    connection: &Connection,
    (no, of): (i64, (&RowSeals, &TenantId, &Concerned)),
    (from, end): (i64, i64),
    until: Instant,
    erased: &mut Erased,
) -> Result<i64, Stopped> {
    let mut packer = Packer::default();
    let mut some = connection.prepare_cached(&format!(
        "SELECT {ENTRIES}, runs.seq FROM runs
         WHERE seq >= ? AND seq < ? AND tenant = ? ORDER BY seq"
    ))?;
    let mut found = some.query(params![from, end, no])?;
    while let Some(row) = found.next()? {
        bury_row(connection, of, row, &mut packer, erased)?;
        if Instant::now() >= until {
            let seq: i64 = row.get(ENTRIES_COLUMNS)?;
            return Ok(seq + 1);
        }
    }
    Ok(end)
}

/// Deletes a tenant's rows between two seqs of one stretch, all of which are released. Returns where to go on.
fn delete_rows(
    connection: &Connection,
    no: i64,
    (from, end): (i64, i64),
    until: Instant,
) -> Result<i64, Stopped> {
    let mut some = connection.prepare_cached(
        "SELECT seq FROM runs WHERE seq >= ? AND seq < ? AND tenant = ? ORDER BY seq",
    )?;
    let seqs: Vec<i64> =
        some.query_map(params![from, end, no], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let (mut deleted, mut next) = (0_i64, end);
    for seq in seqs {
        connection.prepare_cached("DELETE FROM runs WHERE seq = ?")?.execute([seq])?;
        deleted += 1;
        if Instant::now() >= until {
            next = seq + 1;
            break;
        }
    }
    let stretch = from >> STRETCH_BITS;
    connection
        .prepare_cached("UPDATE leftovers SET runs = runs - ? WHERE stretch = ?")?
        .execute([deleted, stretch])?;
    connection
        .prepare_cached("DELETE FROM leftovers WHERE stretch = ? AND runs <= 0")?
        .execute([stretch])?;
    Ok(next)
}
