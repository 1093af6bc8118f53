//! What SQLite's columns are to the log.

use std::borrow::Cow;

use foodtrack_contract::Offset;
use rusqlite::{Connection, Row, params};

use super::opening::PAGE_BYTES;
use super::segments::{Place, Segments};
use crate::retention::Tally;
use crate::sealed_run::{SealedRun, UnpackedRun};

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

/// What [`heads`] takes of a run.
pub(super) const HEADS: &str = "runs.first, runs.ids, runs.heads, runs.entries, runs.segment, \
     runs.position, runs.heads_bytes, runs.bodies_bytes, runs.checksum";
/// How many columns that are.
pub(super) const HEADS_COLUMNS: usize = 3 + Place::COLUMNS;
/// What [`entries`] takes.
pub(super) const ENTRIES: &str = "runs.first, runs.ids, runs.heads, runs.entries, runs.segment, \
     runs.position, runs.heads_bytes, runs.bodies_bytes, runs.checksum, runs.bodies";
/// How many columns that are.
pub(super) const ENTRIES_COLUMNS: usize = HEADS_COLUMNS + 1;

/// A run as it was read, without its bodies: the columns of [`HEADS`], from the one at `column` on.
pub(super) fn heads<'r>(
    row: &'r Row<'_>,
    column: usize,
    segments: &Segments,
) -> rusqlite::Result<UnpackedRun<'r>> {
    run(row, column, segments, false)
}

/// A run as it was read: the columns of [`ENTRIES`], from the one at `column` on.
pub(super) fn entries<'r>(
    row: &'r Row<'_>,
    column: usize,
    segments: &Segments,
) -> rusqlite::Result<UnpackedRun<'r>> {
    run(row, column, segments, true)
}

fn run<'r>(
    row: &'r Row<'_>,
    column: usize,
    segments: &Segments,
    with_bodies: bool,
) -> rusqlite::Result<UnpackedRun<'r>> {
    if let Some(run) = in_segment(row, column, segments, with_bodies)? {
        return Ok(run);
    }
    let bodies = with_bodies.then(|| bytes(row, column + HEADS_COLUMNS)).transpose()?;
    let (ids, heads) = (bytes(row, column + 1)?.into(), bytes(row, column + 2)?);
    Ok(UnpackedRun::new(offset(row, column)?, ids, heads, bodies))
}

/// A run's ids: the columns of [`HEADS`], of which the heads themselves are not looked at. `None` where they cannot be had.
pub(super) fn ids<'r>(
    row: &'r Row<'_>,
    column: usize,
    segments: &Segments,
) -> rusqlite::Result<Option<Cow<'r, [u8]>>> {
    let Some(place) = Place::of(row, column + 3)? else {
        return Ok(Some(bytes(row, column + 1)?.into()));
    };
    Ok(segments.read(&place).map(|mut bytes| {
        bytes.truncate(place.ids_bytes);
        bytes.into()
    }))
}

/// A run whose bytes are elsewhere. Where they cannot be had, each of its entries is damaged.
fn in_segment(
    row: &Row<'_>,
    column: usize,
    segments: &Segments,
    with_bodies: bool,
) -> rusqlite::Result<Option<UnpackedRun<'static>>> {
    let Some(place) = Place::of(row, column + 3)? else { return Ok(None) };
    let first = offset(row, column)?;
    let Some(bytes) = segments.read(&place) else {
        let ids = Cow::Owned(vec![0; place.ids_bytes]);
        return Ok(Some(UnpackedRun { first, ids, heads: Cow::default(), bodies: Cow::default() }));
    };
    let (ids, rest) = bytes.split_at(place.ids_bytes);
    let (heads, bodies) = rest.split_at(place.heads_bytes);
    let run = UnpackedRun::new(first, ids.into(), heads, with_bodies.then_some(bodies));
    Ok(Some(run.into_owned()))
}

/// About what a row takes besides the blobs.
const ROW_BYTES: u64 = 48;

/// Appends a run of the tenant `no`, or its `place` where its bytes are elsewhere; `tally` is its last entry's. Returns about
/// how many bytes of pages that takes.
pub(super) fn insert_run(
    connection: &Connection,
    seq: i64,
    no: i64,
    run: &SealedRun,
    tally: Tally,
    place: Option<Place>,
) -> rusqlite::Result<u64> {
    let [ids, heads, bodies] = if place.is_none() { run.columns() } else { [&[] as &[u8]; 3] };
    connection
        .prepare_cached("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?
        .execute(params![
            seq,
            no,
            number(run.first.get()),
            number(run.entries),
            number(run.at_ms),
            number(tally.entries),
            number(tally.bytes),
            ids,
            heads,
            bodies,
            place.map(|it| it.segment),
            place.map(|it| number(it.position)),
            place.map(|it| number(it.heads_bytes as u64)),
            place.map(|it| number(it.bodies_bytes as u64)),
            place.map(|it| it.checksum),
        ])?;
    let bytes = ROW_BYTES + (ids.len() + heads.len() + bodies.len()) as u64;
    // Small ones share a page, and a large one has its own.
    let page = u64::from(PAGE_BYTES);
    Ok(if bytes < page / 2 { bytes } else { bytes.next_multiple_of(page) })
}
