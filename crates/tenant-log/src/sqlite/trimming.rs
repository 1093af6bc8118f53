//! Retention: what each tenant's log lets go of, a few rows at a time.

use std::collections::VecDeque;

use rusqlite::{Connection, OptionalExtension, params};

use super::places::Places;
use super::rows::{self, number};
use super::sweeping::STRETCH_BITS;
use super::tenants;
use crate::Retention;
use crate::retention::Tally;

/// How many rows one step takes at most.
pub(super) const TRIM_ROWS_MAX: u64 = 256;

/// What decides whether an entry goes.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) retention: Retention,
    pub(super) now_ms: u64,
    /// The newest entry's.
    pub(super) last: Tally,
}

/// Takes at most `rows_max` of a tenant's oldest entries, of those that have their places. Returns how many it
/// took.
///
/// They are gone for every reader; their rows are deleted later, with their neighbours.
pub(super) fn trim(
    connection: &Connection,
    no: i64,
    limits: Limits,
    rows_max: u64,
) -> rusqlite::Result<u64> {
    // Entries go oldest first, so those that go are a beginning: what is looked for is its end.
    let (mut gone, mut through, mut stays) = (0, None, rows_max + 1);
    let mut probe = rows_max;
    while gone < probe {
        match goes(connection, no, limits, probe)? {
            Some(offset) => (gone, through) = (probe, Some(offset)),
            None => stays = probe,
        }
        // Most often nothing goes, or little.
        probe = if gone == 0 { stays / 2 } else { gone + (stays - gone) / 2 };
    }
    if let Some(through) = through {
        let_go(connection, no, through)?;
    }
    Ok(gone)
}

/// The offset of the tenant's `count`th oldest entry, if there is one and it goes.
fn goes(
    connection: &Connection,
    no: i64,
    limits: Limits,
    count: u64,
) -> rusqlite::Result<Option<i64>> {
    let mut statement = connection.prepare_cached(
        "SELECT offset, at_ms, tenant_entries, tenant_bytes FROM entries WHERE seq =
         (SELECT seq FROM places WHERE tenant = ? ORDER BY offset LIMIT 1 OFFSET ?)",
    )?;
    let entry = statement
        .query_row(params![no, number(count - 1)], |row| {
            let tally = Tally { entries: rows::unsigned(row, 2)?, bytes: rows::unsigned(row, 3)? };
            Ok((row.get(0)?, rows::unsigned(row, 1)?, tally))
        })
        .optional()?;
    let Limits { retention, now_ms, last } = limits;
    Ok(entry
        .filter(|(_, at_ms, tally)| retention.lets_go(*tally, *at_ms, last, now_ms))
        .map(|(offset, ..)| offset))
}

fn let_go(connection: &Connection, no: i64, through: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO leftovers SELECT seq >> ?, count(*) FROM places
             WHERE tenant = ? AND offset <= ? GROUP BY 1
             ON CONFLICT DO UPDATE SET entries = entries + excluded.entries",
        )?
        .execute(params![STRETCH_BITS, no, through])?;
    connection
        .prepare_cached("UPDATE tenants SET trimmed_through = ? WHERE no = ?")?
        .execute([through, no])?;
    for sql in [
        "DELETE FROM places WHERE tenant = ? AND offset <= ?",
        "DELETE FROM dead_letters WHERE tenant = ? AND offset <= ?",
        "DELETE FROM orders WHERE tenant = ? AND offset <= ?",
    ] {
        connection.prepare_cached(sql)?.execute([no, through])?;
    }
    Ok(())
}

/// Takes expired notes away, at most [`TRIM_ROWS_MAX`]. Returns whether there may be more.
fn trim_notes(connection: &Connection, no: i64, now_ms: u64) -> rusqlite::Result<bool> {
    let taken = connection
        .prepare_cached(
            "DELETE FROM notes WHERE (tenant, kind, key) IN
             (SELECT tenant, kind, key FROM notes WHERE tenant = ? AND expires_at_ms <= ? LIMIT ?)",
        )?
        .execute(params![no, number(now_ms), number(TRIM_ROWS_MAX)])?;
    Ok(taken as u64 == TRIM_ROWS_MAX)
}

/// A round over all tenants, the quiet ones included.
#[derive(Debug, Default)]
pub(super) struct Round {
    left: VecDeque<i64>,
    /// Those that the transaction at hand is done with.
    done: Vec<i64>,
    now_ms: u64,
}

impl Round {
    /// Starts a round, unless one is under way.
    pub(super) fn start(&mut self, connection: &Connection, now_ms: u64) -> rusqlite::Result<()> {
        if self.left.is_empty() {
            let mut tenants = connection.prepare_cached("SELECT no FROM tenants")?;
            self.left =
                tenants.query_map((), |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        }
        self.now_ms = now_ms;
        Ok(())
    }

    pub(super) fn is_over(&self) -> bool {
        self.left.is_empty()
    }

    /// The transaction of the last step is durable.
    pub(super) fn keep(&mut self) {
        self.done.clear();
    }

    /// The transaction of the last step never was.
    pub(super) fn undo(&mut self) {
        self.left.extend(self.done.drain(..));
    }

    /// One step of the round, within the transaction at hand.
    pub(super) fn step(
        &mut self,
        connection: &Connection,
        places: &Places,
        retention: Retention,
    ) -> rusqlite::Result<()> {
        // Looking at a tenant that keeps everything costs a few look-ups.
        for _ in 0..TRIM_ROWS_MAX / 8 {
            let Some(no) = self.left.front().copied() else { return Ok(()) };
            let last = tenants::newest(connection, places.placed_through(), no)?;
            let limits = Limits { retention, now_ms: self.now_ms, last };
            if trim(connection, no, limits, TRIM_ROWS_MAX)? == TRIM_ROWS_MAX
                || trim_notes(connection, no, self.now_ms)?
            {
                return Ok(());
            }
            self.done.extend(self.left.pop_front());
        }
        Ok(())
    }
}
