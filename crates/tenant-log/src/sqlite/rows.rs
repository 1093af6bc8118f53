//! What SQLite's columns are to the log.

use foodtrack_contract::{Offset, TenantId};
use rusqlite::{Connection, Row, params};

use super::opening::PAGE_BYTES;
use crate::record_batch::{RecordBatch, UnpackedBatch};
use crate::retention::Tally;
use crate::row_seals::{BatchPlace, RowSeals};

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

/// What [`heads`] takes of a batch.
pub(super) const HEADS: &str = "runs.first, runs.ids, runs.heads";
/// How many columns that are.
pub(super) const HEADS_COLUMNS: usize = 3;
/// What [`entries`] takes.
pub(super) const ENTRIES: &str = "runs.first, runs.ids, runs.heads, runs.bodies";
/// How many columns that are.
pub(super) const ENTRIES_COLUMNS: usize = HEADS_COLUMNS + 1;

/// A batch as it was read, without its bodies: the columns of [`HEADS`], from the one at `column` on.
pub(super) fn heads<'r>(row: &'r Row<'_>, column: usize) -> rusqlite::Result<UnpackedBatch<'r>> {
    let (ids, heads) = (bytes(row, column + 1)?, bytes(row, column + 2)?);
    Ok(UnpackedBatch::new(offset(row, column)?, ids, heads, None))
}

/// A batch of `tenant` as it was read: the columns of [`ENTRIES`], from the one at `column` on.
pub(super) fn entries<'r>(
    row: &'r Row<'_>,
    column: usize,
    seals: &RowSeals,
    tenant: &TenantId,
) -> rusqlite::Result<UnpackedBatch<'r>> {
    let (ids, heads) = (bytes(row, column + 1)?, bytes(row, column + 2)?);
    let bodies = bytes(row, column + HEADS_COLUMNS)?;
    let place = BatchPlace { tenant, first: offset(row, column)?, ids, heads };
    let opened = seals.open_bodies(place, bodies);
    Ok(UnpackedBatch::new(place.first, ids, heads, None).with_bodies(opened))
}

/// A batch's place and its bodies as they stand there: the columns of [`ENTRIES`], from the one at `column` on.
pub(super) fn place<'r>(
    row: &'r Row<'_>,
    column: usize,
    tenant: &'r TenantId,
) -> rusqlite::Result<(BatchPlace<'r>, &'r [u8])> {
    let (ids, heads) = (bytes(row, column + 1)?, bytes(row, column + 2)?);
    let place = BatchPlace { tenant, first: offset(row, column)?, ids, heads };
    Ok((place, bytes(row, column + HEADS_COLUMNS)?))
}

/// A batch of layouts before 9, in which nothing is sealed: the columns of [`ENTRIES`], from the one at `column` on.
pub(super) fn plain_entries<'r>(
    row: &'r Row<'_>,
    column: usize,
) -> rusqlite::Result<UnpackedBatch<'r>> {
    let (ids, heads) = (bytes(row, column + 1)?, bytes(row, column + 2)?);
    let bodies = bytes(row, column + HEADS_COLUMNS)?;
    Ok(UnpackedBatch::new(offset(row, column)?, ids, heads, Some(bodies)))
}

/// About what a row takes besides the blobs.
const ROW_BYTES: u64 = 48;

/// Appends a batch of the tenant `no`, with these bodies; `tally` is its last entry's. Returns about how many bytes of pages that
/// takes.
pub(super) fn insert_batch(
    connection: &Connection,
    (seq, no): (i64, i64),
    batch: &RecordBatch,
    bodies: &[u8],
    tally: Tally,
) -> rusqlite::Result<u64> {
    let [ids, heads, _] = batch.columns();
    connection.prepare_cached("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?.execute(
        params![
            seq,
            no,
            number(batch.first.get()),
            number(batch.entries),
            number(batch.at_ms),
            number(tally.entries),
            number(tally.bytes),
            ids,
            heads,
            bodies,
        ],
    )?;
    let bytes = ROW_BYTES + (ids.len() + heads.len() + bodies.len()) as u64;
    // Small ones share a page, and a large one has its own.
    let page = u64::from(PAGE_BYTES);
    Ok(if bytes < page / 2 { bytes } else { bytes.next_multiple_of(page) })
}
