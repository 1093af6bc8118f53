//! How the writer keeps to the budget of the disk.

use super::Writer;
use crate::sqlite::budget::level;
use crate::sqlite::commit_gate::CommitError;
use crate::sqlite::opening::PAGE_BYTES;
use crate::sqlite::rows;
use crate::sqlite::trimming::sizes;

impl Writer {
    /// Looks at the budget where that is due, and has the largest logs yield where it is nearly used.
    pub(super) fn keep_to_budget(&mut self) {
        if self.budget.is_due()
            && let Err(error) = self.look_at_budget()
        {
            self.failed(&error);
        }
    }

    fn look_at_budget(&mut self) -> Result<(), CommitError> {
        let used = self.used_pages()? * u64::from(PAGE_BYTES);
        let was_low = self.budget.is_low();
        let look = self.budget.look(used, self.gate.disk_room(&self.directory));
        self.sink.watch().set_yielding(self.budget.is_yielding());
        if self.budget.is_low() != was_low {
            self.limit_appends()?;
        }
        if look.gives_back && !self.is_compacting {
            self.is_compacting = self.free_pages()? > 0;
        }
        if look.excess == 0 || self.maintenance.is_yielding() {
            return Ok(());
        }
        self.index_all()?;
        let sizes = sizes(&self.connection, &self.index)?;
        let all: u64 = sizes.iter().sum();
        // Entries are packed on the disk: they give as much of it as their share of all.
        let stay = u128::from(all) * u128::from(used.saturating_sub(look.excess));
        let stay = stay / u128::from(used.max(1));
        if let Some(level) = level(sizes, u64::try_from(stay).unwrap_or(u64::MAX)) {
            self.budget.tell(used, level);
            self.maintenance.start_yielding(&self.connection, level)?;
        }
        Ok(())
    }

    /// Indexes every row: sizes are read from the index, and retention releases only indexed rows. While entries keep coming,
    /// indexing could wait, but not near the budget. Where the index finds no room, logs yield as far as they are indexed:
    /// no entry was refused, and the room that they make lets the next attempt succeed.
    fn index_all(&mut self) -> Result<(), CommitError> {
        let indexed = self
            .begin()
            .and_then(|()| self.index.fill(&self.connection))
            .map_err(CommitError::from)
            .and_then(|()| self.commit());
        match indexed {
            Ok(()) => self.keep(),
            Err(CommitError::DiskFull) if self.undo() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// What the database holds, without what is free in it.
    pub(super) fn used_pages(&self) -> rusqlite::Result<u64> {
        Ok(self.number("PRAGMA page_count")?.saturating_sub(self.free_pages()?))
    }

    pub(super) fn free_pages(&self) -> rusqlite::Result<u64> {
        self.number("PRAGMA freelist_count")
    }

    pub(super) fn number(&self, sql: &str) -> rusqlite::Result<u64> {
        self.connection.query_row(sql, (), |row| rows::unsigned(row, 0))
    }
}
