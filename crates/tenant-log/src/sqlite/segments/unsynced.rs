//! Runs that earlier versions committed without waiting for the disk: after a power failure the database may name bytes that
//! never got there.

use rusqlite::Connection;

use super::{Place, Segments};
use crate::sqlite::opening::OpenError;
use crate::sqlite::rows::number;

/// All is on the disk, and so will be the commit that this is part of.
fn end(connection: &Connection) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE progress SET unsynced_from = NULL")?.execute(())?;
    Ok(())
}

/// The first seq that may be, if any.
fn first(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    connection.query_row("SELECT unsynced_from FROM progress", (), |row| row.get(0))
}

impl Segments {
    /// Takes out what the last run of the server committed without waiting for the disk and the disk did not get: from the
    /// first such run on, since nothing that somebody waited for comes after one. What is there is put on the disk.
    pub(in crate::sqlite) fn sync_or_take_out(
        &self,
        connection: &Connection,
    ) -> Result<(), OpenError> {
        let store = |error: rusqlite::Error| self.store(&error);
        let Some(first) = first(connection).map_err(store)? else { return Ok(()) };
        let (mut last, mut lost) = (None, None);
        for (seq, place) in places(connection, first).map_err(store)? {
            let bytes = self.try_read(&place).map_err(self.io(place.segment))?;
            if bytes.is_none() {
                lost = Some((seq, place));
                break;
            }
            if last != Some(place.segment) {
                let sync = || self.file(place.segment)?.sync_data();
                sync().map_err(self.io(place.segment))?;
                last = Some(place.segment);
            }
        }
        let settle = || {
            let transaction = connection.unchecked_transaction()?;
            if let Some((seq, place)) = &lost {
                take_out(&transaction, *seq, place)?;
            }
            end(&transaction)?;
            transaction.commit()
        };
        settle().map_err(store)
    }

    fn io(&self, no: i64) -> impl FnOnce(std::io::Error) -> OpenError {
        let path = self.path(no);
        |source| OpenError::Io { path, source }
    }
}

/// Where the runs from `first` on are that are in segments, in the order of their commits.
fn places(connection: &Connection, first: i64) -> rusqlite::Result<Vec<(i64, Place)>> {
    let mut places = Vec::new();
    let mut runs = connection.prepare(
        "SELECT entries, segment, position, heads_bytes, bodies_bytes, checksum, seq FROM runs
         WHERE seq >= ? ORDER BY seq",
    )?;
    let mut runs = runs.query([first])?;
    while let Some(row) = runs.next()? {
        if let Some(place) = Place::of(row, 0)? {
            places.push((row.get(6)?, place));
        }
    }
    Ok(places)
}

/// Takes out the runs from `seq` on, whose bytes begin at `place`. None of them has a place in the index yet: who gives places
/// waits for the disk.
fn take_out(connection: &Connection, seq: i64, place: &Place) -> rusqlite::Result<()> {
    let lost = "SELECT tenant, min(first) FROM runs WHERE seq >= ? GROUP BY tenant";
    let mut lost = connection.prepare(lost)?;
    let tenants = lost.query_map([seq], |row| Ok((row.get(0)?, row.get(1)?)))?;
    for (tenant, first) in tenants.collect::<rusqlite::Result<Vec<(i64, i64)>>>()? {
        connection
            .execute("DELETE FROM orders WHERE tenant = ? AND offset >= ?", [tenant, first])?;
    }
    connection.execute("DELETE FROM segments WHERE first_seq >= ?", [seq])?;
    let live = "SELECT coalesce(sum(entries * 16 + heads_bytes + bodies_bytes), 0) FROM runs
         WHERE seq >= ? AND segment = ?";
    let live: i64 = connection.query_row(live, [seq, place.segment], |row| row.get(0))?;
    connection.execute(
        "UPDATE segments SET bytes = ?, live = live - ?, last_seq = ? WHERE no = ?",
        [number(place.position), live, seq - 1, place.segment],
    )?;
    connection.execute("DELETE FROM runs WHERE seq >= ?", [seq])?;
    Ok(())
}
