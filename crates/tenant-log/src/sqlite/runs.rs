//! Entries on their way into the table: those of a tenant that come together share a row.

use ahash::AHashMap;
use foodtrack_contract::Offset;
use rusqlite::{Connection, params};

use super::encoding::Encoded;
use super::places::Places;
use super::rows::number;
use crate::LogEntry;
use crate::retention::Tally;

/// How many entries a row takes: who wants one of them reads the others too.
const RUN_ENTRIES_MAX: u64 = 64;
/// How many bytes a row takes, where they are not one entry's.
const RUN_BYTES_MAX: u64 = 64 << 10;
/// How many rows' memory is kept for the next ones.
const SPARE_MAX: usize = 256;

/// What a transaction appends and has not written yet, by the tenant's number.
#[derive(Debug, Default)]
pub(super) struct Runs {
    open: AHashMap<i64, Run>,
    spare: Vec<Run>,
}

#[derive(Debug, Default)]
struct Run {
    first: Offset,
    entries: u64,
    bytes: u64,
    /// The last entry's.
    at_ms: u64,
    last: Tally,
    encoded: Encoded,
}

impl Runs {
    /// Takes in a tenant's next entry.
    pub(super) fn push(
        &mut self,
        connection: &Connection,
        places: &mut Places,
        no: i64,
        entry: &LogEntry,
        tally: Tally,
    ) -> rusqlite::Result<()> {
        let run = self.open.entry(no).or_insert_with(|| self.spare.pop().unwrap_or_default());
        let bytes = entry.bytes();
        if run.entries > 0 && !run.takes(entry.offset, bytes) {
            run.write(connection, places, no)?;
            run.clear();
        }
        if run.entries == 0 {
            run.first = entry.offset;
        }
        run.entries += 1;
        run.bytes += bytes;
        (run.at_ms, run.last) = (entry.at_ms, tally);
        run.encoded.push(entry);
        Ok(())
    }

    /// Writes all of it.
    pub(super) fn write(
        &mut self,
        connection: &Connection,
        places: &mut Places,
    ) -> rusqlite::Result<()> {
        let written = self.open.iter().try_for_each(|(no, run)| run.write(connection, places, *no));
        self.clear();
        written
    }

    /// Forgets what is not written.
    pub(super) fn clear(&mut self) {
        for (_, mut run) in self.open.drain() {
            if self.spare.len() < SPARE_MAX && run.bytes <= 2 * RUN_BYTES_MAX {
                run.clear();
                self.spare.push(run);
            }
        }
    }
}

impl Run {
    /// Whether one more entry shares the row, which is not empty.
    fn takes(&self, offset: Offset, bytes: u64) -> bool {
        self.entries < RUN_ENTRIES_MAX
            && self.bytes + bytes <= RUN_BYTES_MAX
            && offset == self.first.plus(self.entries)
    }

    fn write(&self, connection: &Connection, places: &mut Places, no: i64) -> rusqlite::Result<()> {
        let Encoded { ids, heads, bodies } = &self.encoded;
        connection
            .prepare_cached("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?
            .execute(params![
                places.next(self.entries),
                no,
                number(self.first.get()),
                number(self.entries),
                number(self.at_ms),
                number(self.last.entries),
                number(self.last.bytes),
                ids,
                heads,
                bodies
            ])?;
        Ok(())
    }

    fn clear(&mut self) {
        (self.entries, self.bytes) = (0, 0);
        let Encoded { ids, heads, bodies } = &mut self.encoded;
        [ids, heads, bodies].into_iter().for_each(Vec::clear);
    }
}
