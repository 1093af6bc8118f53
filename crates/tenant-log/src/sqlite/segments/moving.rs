//! Moving what is left of a segment into the database: a few entries that a tenant keeps must not keep a file of others'.

use std::sync::Arc;

use ahash::AHashSet;
use rusqlite::{Connection, params};

use super::{Place, Segments};
use crate::sqlite::rows::number;

/// How many runs a step looks at.
const RUNS_MAX: i64 = 64;
/// About how many bytes it moves.
const STEP_BYTES_MAX: u64 = 256 << 10;
/// A segment is worth it of which no more than one in so many bytes is left.
pub(super) const LEFT_IN: i64 = 4;

/// Empties segments of which little is left.
#[derive(Debug)]
pub(in crate::sqlite) struct Moving {
    segments: Arc<Segments>,
    /// Those with something that cannot be read or found: they stay, for people to look at.
    damaged: AHashSet<i64>,
}

impl Moving {
    pub(in crate::sqlite) fn new(segments: Arc<Segments>) -> Self {
        Self { segments, damaged: AHashSet::new() }
    }

    /// Whether there is something to move.
    pub(in crate::sqlite) fn is_due(&self, connection: &Connection) -> rusqlite::Result<bool> {
        Ok(self.find(connection)?.is_some())
    }

    /// Moves a few runs, within the transaction at hand. Returns whether there may be more.
    pub(in crate::sqlite) fn step(&mut self, connection: &Connection) -> rusqlite::Result<bool> {
        let Some((no, first_seq, last_seq)) = self.find(connection)? else { return Ok(false) };
        let mut statement = connection.prepare_cached(
            "SELECT entries, segment, position, heads_bytes, bodies_bytes, checksum, seq FROM runs
             WHERE seq >= ? AND seq <= ? AND segment = ? ORDER BY seq LIMIT ?",
        )?;
        let found = statement
            .query_map(params![first_seq, last_seq, no, RUNS_MAX], |row| {
                Ok((Place::of(row, 0)?, row.get::<_, i64>(6)?))
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let mut moved = 0;
        for (place, seq) in &found {
            let Some(place) = place else { continue };
            let Some(bytes) = self.segments.read(place) else {
                self.damaged.insert(no);
                break;
            };
            let (ids, rest) = bytes.split_at(place.ids_bytes);
            let (heads, bodies) = rest.split_at(place.heads_bytes);
            connection
                .prepare_cached(
                    "UPDATE runs SET ids = ?, heads = ?, bodies = ?, segment = NULL, position = NULL,
                        heads_bytes = NULL, bodies_bytes = NULL, checksum = NULL WHERE seq = ?",
                )?
                .execute(params![ids, heads, bodies, seq])?;
            moved += bytes.len() as u64;
            if moved >= STEP_BYTES_MAX {
                break;
            }
        }
        if found.is_empty() {
            // What was noted as live is not there to be moved: it stays, for people to look at.
            self.damaged.insert(no);
        }
        connection
            .prepare_cached("UPDATE segments SET live = live - ? WHERE no = ?")?
            .execute(params![number(moved), no])?;
        Ok(true)
    }

    fn find(&self, connection: &Connection) -> rusqlite::Result<Option<(i64, i64, i64)>> {
        let mut statement = connection.prepare_cached(
            "SELECT no, first_seq, last_seq FROM segments
             WHERE live > 0 AND live <= bytes / ? AND no < (SELECT last_segment FROM progress)
             ORDER BY no",
        )?;
        let mut sparse = statement.query([LEFT_IN])?;
        while let Some(row) = sparse.next()? {
            let no = row.get(0)?;
            if !self.damaged.contains(&no) {
                return Ok(Some((no, row.get(1)?, row.get(2)?)));
            }
        }
        Ok(None)
    }
}
