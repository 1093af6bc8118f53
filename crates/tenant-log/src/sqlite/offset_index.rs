//! The index from a tenant's offsets to rows (table `places`). A row gets the next `seq` when it is written, and is indexed
//! later, together with many others.

use rusqlite::Connection;

use super::rows;

/// How many entries may be without an index entry while appends keep coming; a reader of the newest searches as many.
pub(super) const UNINDEXED_MAX: u64 = 4_096;
/// Fewer are worth neither a commit of their own nor indexing before a tenant is opened.
const UNINDEXED_FEW: u64 = 256;
/// For each so many bytes one more entry counts: retention releases only indexed rows, and its limit on bytes must hold for a
/// few large entries too.
const LARGE_ENTRY_BYTES: u64 = 4 << 10;

/// How far rows and their index go. [`OffsetIndex::undo`] restores the state before a transaction that failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct OffsetIndex {
    now: Marks,
    committed: Marks,
}

#[derive(Clone, Copy, Debug)]
struct Marks {
    last_seq: i64,
    indexed_through: i64,
    /// Entries that are not indexed, counted as for [`UNINDEXED_MAX`].
    unindexed: u64,
}

impl OffsetIndex {
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let indexed_through =
            connection.query_row("SELECT placed_through FROM progress", (), |row| row.get(0))?;
        let last_seq: Option<i64> =
            connection.query_row("SELECT max(seq) FROM runs", (), |row| row.get(0))?;
        // Indexed rows may be deleted: a seq is not given out twice while something may still name it.
        let last_seq = last_seq.unwrap_or(0).max(indexed_through);
        let unindexed = connection.query_row(
            "SELECT coalesce(sum(entries), 0) FROM runs WHERE seq > ?",
            [indexed_through],
            |row| rows::unsigned(row, 0),
        )?;
        let marks = Marks { last_seq, indexed_through, unindexed };
        Ok(Self { now: marks, committed: marks })
    }

    /// The seq of the next batch, which has so many entries and bytes.
    pub(super) fn next(&mut self, entries: u64, bytes: u64) -> i64 {
        self.now.last_seq += 1;
        self.now.unindexed += entries + bytes / LARGE_ENTRY_BYTES;
        self.now.last_seq
    }

    pub(super) fn indexed_through(&self) -> i64 {
        self.now.indexed_through
    }

    /// Whether so many rows are not indexed that it must be done now.
    pub(super) fn is_due(&self) -> bool {
        self.now.unindexed >= UNINDEXED_MAX
    }

    /// Whether indexing is worth a transaction of its own.
    pub(super) fn is_worth_it(&self) -> bool {
        self.now.unindexed >= UNINDEXED_FEW
    }

    /// Indexes every row, inside the open transaction.
    pub(super) fn fill(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if self.now.indexed_through == self.now.last_seq {
            return Ok(());
        }
        connection
            .prepare_cached(
                "INSERT INTO places SELECT tenant, first, entries, seq, ids FROM runs
                 WHERE seq > ? ORDER BY tenant, first",
            )?
            .execute([self.now.indexed_through])?;
        connection
            .prepare_cached("UPDATE progress SET placed_through = ?")?
            .execute([self.now.last_seq])?;
        self.now.indexed_through = self.now.last_seq;
        self.now.unindexed = 0;
        Ok(())
    }

    /// The transaction was committed.
    pub(super) fn keep(&mut self) {
        self.committed = self.now;
    }

    /// The transaction was rolled back.
    pub(super) fn undo(&mut self) {
        self.now = self.committed;
    }
}
