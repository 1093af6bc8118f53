//! Where runs are: each gets the next `seq` when it is written, and its place in the index later, with many others.

use rusqlite::Connection;

use super::rows;

/// So many entries wait for their places while appends keep coming; a reader of the newest looks through as many.
pub(super) const UNPLACED_MAX: u64 = 4_096;
/// With fewer it is not worth a commit of its own, nor a look before a tenant is opened.
const UNPLACED_FEW: u64 = 256;
/// For each so many bytes, one more counts: retention takes only what has a place, and its limit on bytes is to hold of a few
/// large entries too.
const LARGE_ENTRY_BYTES: u64 = 4 << 10;

/// How far runs and their index go. What a transaction changes is undone by [`Places::undo`] when it fails.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    now: Marks,
    committed: Marks,
}

#[derive(Clone, Copy, Debug)]
struct Marks {
    last_seq: i64,
    placed_through: i64,
    /// Entries without a place, counted as for [`UNPLACED_MAX`].
    unplaced: u64,
}

impl Places {
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let placed_through =
            connection.query_row("SELECT placed_through FROM progress", (), |row| row.get(0))?;
        let last_seq: Option<i64> =
            connection.query_row("SELECT max(seq) FROM runs", (), |row| row.get(0))?;
        // What had a place may be deleted: a seq is not given out twice while something may still name it.
        let last_seq = last_seq.unwrap_or(0).max(placed_through);
        let unplaced = connection.query_row(
            "SELECT coalesce(sum(entries), 0) FROM runs WHERE seq > ?",
            [placed_through],
            |row| rows::unsigned(row, 0),
        )?;
        let marks = Marks { last_seq, placed_through, unplaced };
        Ok(Self { now: marks, committed: marks })
    }

    /// The seq of the next run, which has so many entries and bytes.
    pub(super) fn next(&mut self, entries: u64, bytes: u64) -> i64 {
        self.now.last_seq += 1;
        self.now.unplaced += entries + bytes / LARGE_ENTRY_BYTES;
        self.now.last_seq
    }

    pub(super) fn placed_through(&self) -> i64 {
        self.now.placed_through
    }

    /// Whether so many wait that it must be done now.
    pub(super) fn is_due(&self) -> bool {
        self.now.unplaced >= UNPLACED_MAX
    }

    /// Whether it is worth doing where nothing else is to be done.
    pub(super) fn is_worth_it(&self) -> bool {
        self.now.unplaced >= UNPLACED_FEW
    }

    /// Gives every run its place, within the transaction at hand.
    pub(super) fn place(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if self.now.placed_through == self.now.last_seq {
            return Ok(());
        }
        connection
            .prepare_cached(
                "INSERT INTO places SELECT tenant, first, entries, seq, ids FROM runs
                 WHERE seq > ? ORDER BY tenant, first",
            )?
            .execute([self.now.placed_through])?;
        connection
            .prepare_cached("UPDATE progress SET placed_through = ?")?
            .execute([self.now.last_seq])?;
        self.now.placed_through = self.now.last_seq;
        self.now.unplaced = 0;
        Ok(())
    }

    /// The transaction is durable.
    pub(super) fn keep(&mut self) {
        self.committed = self.now;
    }

    /// The transaction never was.
    pub(super) fn undo(&mut self) {
        self.now = self.committed;
    }
}
