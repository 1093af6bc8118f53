//! What SQLite's columns are to the log.

use foodtrack_contract::Offset;
use rusqlite::{Connection, Row, params};

use crate::Run;
use crate::encoding::{Encoded, Heads};
use crate::retention::Tally;

/// A number as SQLite keeps it. The log's own numbers fit: offsets by their type, sizes and times by what they are.
pub(super) fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub(super) fn offset(row: &Row<'_>, column: usize) -> rusqlite::Result<Offset> {
    let n = unsigned(row, column)?;
    Ok(Offset::new(n).unwrap_or(Offset::MAX))
}

pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let n: i64 = row.get(column)?;
    u64::try_from(n).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, n))
}

/// The columns `tenant_entries` and `tenant_bytes`.
pub(super) fn tally(row: &Row<'_>, column: usize) -> rusqlite::Result<Tally> {
    Ok(Tally { entries: unsigned(row, column)?, bytes: unsigned(row, column + 1)? })
}

/// A blob, and whatever else stands in its place, as bytes.
pub(super) fn bytes<'r>(row: &'r Row<'_>, column: usize) -> rusqlite::Result<&'r [u8]> {
    Ok(row.get_ref(column)?.as_bytes()?)
}

/// What [`heads`] reads of a run.
pub(super) const HEADS: &str = "runs.first, runs.ids, runs.heads";
/// The same, and behind it the bodies.
pub(super) const ENTRIES: &str = "runs.first, runs.ids, runs.heads, runs.bodies";

/// The columns `first`, `ids` and `heads`, from the first on.
pub(super) fn heads<'r>(run: &'r Row<'_>) -> rusqlite::Result<Heads<'r>> {
    Ok(Heads::new(offset(run, 0)?, bytes(run, 1)?, bytes(run, 2)?))
}

/// Appends a run of the tenant `no`; `tally` is its last entry's.
pub(super) fn insert_run(
    connection: &Connection,
    seq: i64,
    no: i64,
    run: &Run,
    tally: Tally,
) -> rusqlite::Result<()> {
    let Encoded { ids, heads, bodies } = &run.encoded;
    connection.prepare_cached("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?.execute(
        params![
            seq,
            no,
            number(run.first().get()),
            number(run.entries()),
            number(run.at_ms()),
            number(tally.entries),
            number(tally.bytes),
            ids,
            heads,
            bodies
        ],
    )?;
    Ok(())
}
