//! Retention, a few rows at a time, in the transactions that append.

use std::collections::VecDeque;

use rusqlite::{Connection, params};

use super::rows::{self, number};
use super::tenants::{self, OpenTenant};
use crate::Retention;
use crate::retention::Tally;

/// How many rows one step takes at most: about a millisecond's work.
const TRIM_ROWS_MAX: usize = 256;
/// Retention is looked at after so many appends, so that what goes goes together.
const APPENDS_BETWEEN_TRIMS: usize = 64;

/// Trims an open tenant that has just been appended to, now and then; twice as many rows as were added.
pub(super) fn trim_open(
    connection: &Connection,
    tenant: &mut OpenTenant,
    retention: Retention,
    now_ms: u64,
) -> rusqlite::Result<()> {
    if tenant.untrimmed < APPENDS_BETWEEN_TRIMS {
        return Ok(());
    }
    let rows_max = (2 * tenant.untrimmed).min(TRIM_ROWS_MAX);
    tenant.untrimmed = 0;
    let last = tenant.now.last;
    if let Some((oldest, at_ms)) = tenant.now.oldest
        && !retention.lets_go(oldest, at_ms, last, now_ms)
    {
        return Ok(());
    }
    let step = trim(connection, tenant.no, last, retention, now_ms, rows_max)?;
    tenant.now.oldest = step.oldest;
    Ok(())
}

/// What a step did.
pub(super) struct Step {
    /// Whether it stopped because of its size.
    pub(super) is_partial: bool,
    /// The oldest row that stayed; `None` where it was not seen.
    oldest: Option<(Tally, u64)>,
}

/// Takes at most `rows_max` of a tenant's oldest rows that `retention` lets go.
pub(super) fn trim(
    connection: &Connection,
    no: i64,
    last: Tally,
    retention: Retention,
    now_ms: u64,
    rows_max: usize,
) -> rusqlite::Result<Step> {
    let mut oldest_first = connection.prepare_cached(
        "SELECT offset, at_ms, tenant_entries, tenant_bytes FROM entries WHERE tenant = ? ORDER BY offset LIMIT ?",
    )?;
    let mut rows = oldest_first.query(params![no, number(rows_max as u64 + 1)])?;
    let (mut through, mut taken, mut oldest) = (None, 0, None);
    while let Some(row) = rows.next()? {
        let (offset, at_ms) = (rows::offset(row, 0)?, rows::unsigned(row, 1)?);
        let tally = Tally { entries: rows::unsigned(row, 2)?, bytes: rows::unsigned(row, 3)? };
        if taken == rows_max || !retention.lets_go(tally, at_ms, last, now_ms) {
            oldest = Some((tally, at_ms));
            break;
        }
        through = Some(offset);
        taken += 1;
    }
    drop(rows);
    if let Some(through) = through {
        let through = number(through.get());
        connection
            .prepare_cached("DELETE FROM entries WHERE tenant = ? AND offset <= ?")?
            .execute(params![no, through])?;
        connection
            .prepare_cached("UPDATE tenants SET trimmed_through = ? WHERE no = ?")?
            .execute(params![through, no])?;
        for sql in [
            "DELETE FROM dead_letters WHERE tenant = ? AND offset <= ?",
            "DELETE FROM orders WHERE tenant = ? AND offset <= ?",
        ] {
            connection.prepare_cached(sql)?.execute(params![no, through])?;
        }
    }
    Ok(Step { is_partial: taken == rows_max, oldest })
}

/// Takes expired notes away, at most [`TRIM_ROWS_MAX`]; returns how many.
fn trim_notes(connection: &Connection, no: i64, now_ms: u64) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "DELETE FROM notes WHERE (tenant, kind, key) IN
             (SELECT tenant, kind, key FROM notes WHERE tenant = ? AND expires_at_ms <= ? LIMIT ?)",
        )?
        .execute(params![no, number(now_ms), number(TRIM_ROWS_MAX as u64)])
}

/// A round over all tenants, the quiet ones included.
#[derive(Debug, Default)]
pub(super) struct Round {
    left: VecDeque<i64>,
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

    /// One step of the round, within the transaction at hand. A step that is undone is made up for by the next round.
    pub(super) fn step(
        &mut self,
        connection: &Connection,
        retention: Retention,
    ) -> rusqlite::Result<()> {
        // Looking at a tenant that keeps everything costs two look-ups.
        for _ in 0..TRIM_ROWS_MAX / 8 {
            let Some(no) = self.left.front().copied() else { return Ok(()) };
            let last = tenants::newest(connection, no)?;
            let step = trim(connection, no, last, retention, self.now_ms, TRIM_ROWS_MAX)?;
            if step.is_partial || trim_notes(connection, no, self.now_ms)? == TRIM_ROWS_MAX {
                return Ok(());
            }
            self.left.pop_front();
        }
        Ok(())
    }
}
