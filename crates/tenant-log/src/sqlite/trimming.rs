//! Retention: releases the oldest entries of each tenant's log, a few batches at a time.

use std::cell::Cell;
use std::collections::VecDeque;

use foodtrack_contract::Offset;
use rusqlite::{Connection, OptionalExtension, params};

use super::garbage_collector::STRETCH_BITS;
use super::offset_index::OffsetIndex;
use super::rows::{self, HEADS, HEADS_COLUMNS, number};
use super::tenant_scan::TenantScan;
use super::tenants;
use crate::Retention;
use crate::retention::Tally;

/// How many batches one step takes at most.
pub(super) const TRIM_BATCHES_MAX: u64 = 256;

/// What decides whether an entry goes.
#[derive(Clone, Copy)]
pub(super) struct Limits<'s> {
    pub(super) retention: Retention,
    pub(super) now_ms: u64,
    /// The newest entry's.
    pub(super) last: Tally,
    /// Set where bytes took what the floor would have kept.
    pub(super) floor_yielded: &'s Cell<bool>,
}

impl Limits<'_> {
    fn let_go(self, tally: Tally, at_ms: u64) -> bool {
        let goes = self.retention.lets_go(tally, at_ms, self.last, self.now_ms);
        if goes && self.retention.floor_yields(tally, self.last) {
            self.floor_yielded.set(true);
        }
        goes
    }
}

/// Releases at most `batches_max` of a tenant's oldest indexed batches, and of the next one what goes.
/// Returns how many whole batches it took.
///
/// Released entries are gone for every reader; the garbage collector deletes their rows later.
pub(super) fn trim(
    connection: &Connection,
    no: i64,
    limits: Limits<'_>,
    batches_max: u64,
) -> rusqlite::Result<u64> {
    // Entries go oldest first, so those that go are a beginning: what is looked for is its end.
    let (mut gone, mut through, mut stays) = (0, None, batches_max + 1);
    let mut probe = batches_max;
    while gone < probe {
        match goes(connection, no, limits, probe)? {
            Some(offset) => (gone, through) = (probe, Some(offset)),
            None => stays = probe,
        }
        // Most often nothing goes, or little.
        probe = if gone == 0 { stays / 2 } else { gone + (stays - gone) / 2 };
    }
    if gone < batches_max {
        through = goes_of(connection, no, limits, gone + 1)?.or(through);
    }
    if let Some(through) = through {
        let_go(connection, no, through)?;
    }
    Ok(gone)
}

/// The last offset of the tenant's `count`th oldest batch, if there is one and all of it goes.
fn goes(
    connection: &Connection,
    no: i64,
    limits: Limits<'_>,
    count: u64,
) -> rusqlite::Result<Option<Offset>> {
    let mut statement = connection.prepare_cached(
        "SELECT first + entries - 1, at_ms, tenant_entries, tenant_bytes FROM runs WHERE seq =
         (SELECT seq FROM places WHERE tenant = ? ORDER BY first LIMIT 1 OFFSET ?)",
    )?;
    let batch = statement
        .query_row(params![no, number(count - 1)], |row| {
            Ok((rows::offset(row, 0)?, rows::unsigned(row, 1)?, rows::tally(row, 2)?))
        })
        .optional()?;
    Ok(batch.filter(|(_, at_ms, tally)| limits.let_go(*tally, *at_ms)).map(|(last, ..)| last))
}

/// The last offset that goes of the `count`th oldest batch, if any does.
fn goes_of(
    connection: &Connection,
    no: i64,
    limits: Limits<'_>,
    count: u64,
) -> rusqlite::Result<Option<Offset>> {
    // The index entry of a single entry says all there is to know.
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {HEADS}, tenant_entries, tenant_bytes, trimmed_through
         FROM runs JOIN tenants ON no = tenant WHERE entries > 1 AND seq =
         (SELECT seq FROM places WHERE tenant = ? ORDER BY first LIMIT 1 OFFSET ?)",
    ))?;
    let mut rows = statement.query(params![no, number(count - 1)])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let last = rows::tally(row, HEADS_COLUMNS)?;
    let trimmed_through = rows::offset(row, HEADS_COLUMNS + 2)?;
    let mut entries: Vec<(Offset, u64, u64)> = Vec::new();
    for (offset, head) in rows::heads(row, 0)?.iter_heads() {
        // What is damaged goes with the one before it.
        let before = entries.last().map_or(0, |(_, at_ms, _)| *at_ms);
        let (at_ms, bytes) = head.map_or((before, 0), |head| (head.at_ms(), head.bytes()));
        entries.push((offset, at_ms, bytes));
    }
    let all_bytes: u64 = entries.iter().map(|(.., bytes)| bytes).sum();
    let mut tally = Tally {
        entries: last.entries.saturating_sub(entries.len() as u64),
        bytes: last.bytes.saturating_sub(all_bytes),
    };
    let going = entries.into_iter().take_while(|(_, at_ms, bytes)| {
        tally = tally.plus(1, *bytes);
        limits.let_go(tally, *at_ms)
    });
    Ok(going.last().map(|(offset, ..)| offset).filter(|offset| *offset > trimmed_through))
}

/// Releases a tenant's entries up to an offset, all of which are indexed.
pub(super) fn let_go(connection: &Connection, no: i64, through: Offset) -> rusqlite::Result<()> {
    let through = number(through.get());
    connection
        .prepare_cached(
            "INSERT INTO leftovers SELECT seq >> ?, count(*) FROM places
             WHERE tenant = ? AND first <= ?3 AND first + entries - 1 <= ?3 GROUP BY 1
             ON CONFLICT DO UPDATE SET runs = runs + excluded.runs",
        )?
        .execute(params![STRETCH_BITS, no, through])?;
    connection
        .prepare_cached("UPDATE tenants SET trimmed_through = ? WHERE no = ?")?
        .execute([through, no])?;
    for sql in [
        "DELETE FROM places WHERE tenant = ?1 AND first <= ?2 AND first + entries - 1 <= ?2",
        "DELETE FROM dead_letters WHERE tenant = ? AND offset <= ?",
    ] {
        connection.prepare_cached(sql)?.execute([no, through])?;
    }
    Ok(())
}

/// Takes expired notes away, at most [`TRIM_BATCHES_MAX`]. Returns whether there may be more.
fn trim_notes(connection: &Connection, no: i64, now_ms: u64) -> rusqlite::Result<bool> {
    let taken = connection
        .prepare_cached(
            "DELETE FROM notes WHERE (tenant, kind, key) IN
             (SELECT tenant, kind, key FROM notes WHERE tenant = ? AND expires_at_ms <= ? LIMIT ?)",
        )?
        .execute(params![no, number(now_ms), number(TRIM_BATCHES_MAX)])?;
    Ok(taken as u64 == TRIM_BATCHES_MAX)
}

/// About how many bytes each tenant's log has: what is behind its oldest batch. Costs a few look-ups a tenant.
pub(super) fn sizes(connection: &Connection, index: &OffsetIndex) -> rusqlite::Result<Vec<u64>> {
    let mut tenants = connection.prepare_cached("SELECT no FROM tenants")?;
    let tenants: Vec<i64> =
        tenants.query_map((), |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let mut oldest = connection.prepare_cached(
        "SELECT tenant_entries, tenant_bytes FROM runs WHERE seq =
         (SELECT seq FROM places WHERE tenant = ? ORDER BY first LIMIT 1)",
    )?;
    let mut size = |no| {
        let scan = TenantScan { no, indexed_through: index.indexed_through() };
        let last = tenants::newest(connection, scan)?;
        let first = oldest.query_row([no], |row| rows::tally(row, 0)).optional()?;
        Ok(first.map_or(0, |first| last.bytes.saturating_sub(first.bytes)))
    };
    tenants.into_iter().map(&mut size).collect()
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
        index: &OffsetIndex,
        retention: Retention,
        floor_yielded: &Cell<bool>,
    ) -> rusqlite::Result<()> {
        // Looking at a tenant that keeps everything costs a few look-ups.
        for _ in 0..TRIM_BATCHES_MAX / 8 {
            let Some(no) = self.left.front().copied() else { return Ok(()) };
            let scan = TenantScan { no, indexed_through: index.indexed_through() };
            let last = tenants::newest(connection, scan)?;
            let limits = Limits { retention, now_ms: self.now_ms, last, floor_yielded };
            if trim(connection, no, limits, TRIM_BATCHES_MAX)? >= TRIM_BATCHES_MAX
                || trim_notes(connection, no, self.now_ms)?
            {
                return Ok(());
            }
            self.done.extend(self.left.pop_front());
        }
        Ok(())
    }
}
