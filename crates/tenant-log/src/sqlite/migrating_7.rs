//! Brings a log of layout 6 or 7 over. There, nobody noted who an order is assigned to: the entries alone say it. Those that the log
//! still has are looked through, oldest first.
//!
//! It is one transaction: a start that was killed meanwhile begins anew. Of most rows only the heads are read.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Row};

use super::opening::OpenError;
use super::progress::Progress;
use super::rows::{self, ENTRIES, ENTRIES_COLUMNS};
use super::tenants;
use crate::Assignment;

/// How often it is told how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(5);
/// About how many rows are still to be read, behind the one whose seq is given.
const LEFT: &str = "SELECT coalesce(max(seq) - max(?, min(seq) - 1), 0) FROM runs";

/// Brings the database `file` to layout 8. Tells `on_step` every few seconds how far it is.
///
/// # Errors
/// [`OpenError`]: nothing was changed.
pub(super) fn bring_over(
    connection: &Connection,
    file: &Path,
    on_step: &mut dyn FnMut(Progress),
) -> Result<(), OpenError> {
    note_assignments(connection, on_step).map_err(|error| OpenError::store(file, &error))
}

fn note_assignments(
    connection: &Connection,
    on_step: &mut dyn FnMut(Progress),
) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(include_str!("schema/8.sql"))?;
    let left = |seq: i64| transaction.query_row(LEFT, [seq], |row| rows::unsigned(row, 0));
    let (mut told_at, of) = (Instant::now(), left(0)?);
    {
        let sql = format!("SELECT {ENTRIES}, runs.tenant, runs.seq FROM runs ORDER BY seq");
        let mut runs = transaction.prepare(&sql)?;
        let mut runs = runs.query(())?;
        while let Some(row) = runs.next()? {
            tenants::add_assignments(&transaction, row.get(ENTRIES_COLUMNS)?, &assignments(row)?)?;
            if told_at.elapsed() >= TOLD_EVERY {
                told_at = Instant::now();
                on_step(Progress::BringingOver { left: left(row.get(ENTRIES_COLUMNS + 1)?)?, of });
            }
        }
    }
    // Earlier versions must not read what is new, which has checksums as well.
    transaction.execute_batch("PRAGMA user_version = 8")?;
    transaction.commit()
}

/// The orders that a row's entries assign, in their order. A damaged entry assigns none.
fn assignments(row: &Row<'_>) -> rusqlite::Result<Vec<(Box<str>, Assignment)>> {
    let heads = rows::heads(row, 0)?;
    if !heads.iter_heads().any(|(_, head)| head.is_ok_and(|head| head.assigns_order())) {
        return Ok(Vec::new());
    }
    let entries = rows::plain_entries(row, 0)?;
    let assignments = entries.iter().filter_map(|(offset, entry)| {
        let (head, body) = entry.ok().filter(|(head, _)| head.assigns_order())?;
        let entry = head.entry(offset, body).ok()?;
        let entry = entry.by_ref();
        let (order, assignment) = entry.assignment()?;
        Some((order.into(), assignment))
    });
    Ok(assignments.collect())
}
