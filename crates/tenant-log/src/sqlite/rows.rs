//! What SQLite's columns are to the log.

use std::borrow::Cow;

use foodtrack_contract::Offset;
use rusqlite::{Connection, Row, params};

use super::opening::PAGE_BYTES;
use crate::encoding::{Entries, Heads};
use crate::packing::unpack;
use crate::retention::Tally;
use crate::sealed_run::SealedRun;

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

/// What [`RunRow::heads`] takes of a run.
pub(super) const HEADS: &str = "runs.first, runs.ids, runs.heads";
/// What [`RunRow::entries`] takes.
pub(super) const ENTRIES: &str = "runs.first, runs.ids, runs.heads, runs.bodies";

/// A run as it was read.
pub(super) struct RunRow<'r> {
    first: Offset,
    ids: &'r [u8],
    heads: Cow<'r, [u8]>,
    bodies: Cow<'r, [u8]>,
}

impl<'r> RunRow<'r> {
    /// The columns of [`HEADS`], from the one at `column` on.
    pub(super) fn heads(row: &'r Row<'_>, column: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            first: offset(row, column)?,
            ids: bytes(row, column + 1)?,
            heads: unpack(bytes(row, column + 2)?),
            bodies: Cow::default(),
        })
    }

    /// The columns of [`ENTRIES`], from the one at `column` on.
    pub(super) fn entries(row: &'r Row<'_>, column: usize) -> rusqlite::Result<Self> {
        let bodies = unpack(bytes(row, column + 3)?);
        Ok(Self { bodies, ..Self::heads(row, column)? })
    }
}

impl RunRow<'_> {
    /// The first entry's offset.
    pub(super) fn first(&self) -> Offset {
        self.first
    }

    pub(super) fn iter_heads(&self) -> Heads<'_> {
        Heads::new(self.first, self.ids, &self.heads)
    }

    pub(super) fn iter(&self) -> Entries<'_> {
        Entries::new(self.iter_heads(), &self.bodies)
    }
}

/// Appends a run of the tenant `no`; `tally` is its last entry's. Returns about how many bytes of pages that takes.
pub(super) fn insert_run(
    connection: &Connection,
    seq: i64,
    no: i64,
    run: &SealedRun,
    tally: Tally,
) -> rusqlite::Result<u64> {
    let [ids, heads, bodies] = run.columns();
    connection.prepare_cached("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?.execute(
        params![
            seq,
            no,
            number(run.first.get()),
            number(run.entries),
            number(run.at_ms),
            number(tally.entries),
            number(tally.bytes),
            ids,
            heads,
            bodies
        ],
    )?;
    let bytes = (ids.len() + heads.len() + bodies.len()) as u64;
    // Small ones share a page, and a large one has its own.
    let page = u64::from(PAGE_BYTES);
    Ok(if bytes < page / 2 { bytes } else { bytes.next_multiple_of(page) })
}
