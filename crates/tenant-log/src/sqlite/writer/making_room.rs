//! How the writer makes room on a full disk.

use std::time::{Duration, Instant};

use super::{COMMIT_BYTES, ROOM_DELAY, ROOM_PROBE, Writer};
use crate::sqlite::checkpointer::checkpoint;
use crate::sqlite::commit_gate::CommitError;
use crate::sqlite::disk_reserve::SLACK_PAGES;
use crate::sqlite::opening::PAGE_BYTES;
use crate::sqlite::rows::number;

/// How long making room may hold up those who append.
const ROOM_TIME_MAX: Duration = Duration::from_millis(100);
/// About what the smallest commit takes.
const SMALL_COMMIT_PAGES: u64 = COMMIT_BYTES.div_ceil(PAGE_BYTES as u64);

impl Writer {
    /// Leaves what making room needs.
    pub(super) fn limit_appends(&self) -> rusqlite::Result<()> {
        self.limit(if self.may_grow() { self.append_pages_max() } else { 1 })
    }

    /// Whether appends may make the database larger.
    fn may_grow(&self) -> bool {
        self.reserve.is_kept() && !self.budget.is_low()
    }

    /// How large appends may make the database.
    fn append_pages_max(&self) -> u64 {
        self.pages_max - SLACK_PAGES.min(self.pages_max / 8)
    }

    /// Lets the database grow to so many pages; it never shrinks by it.
    fn limit(&self, pages_max: u64) -> rusqlite::Result<()> {
        // For SQLite, none at all is no limit.
        let sql = format!("PRAGMA max_page_count = {}", number(pages_max.max(1)));
        self.connection.query_row(&sql, (), |_| Ok(()))
    }

    /// Lets retention free what it can, in transactions of its own: what is deleted together with an append that finds no
    /// room would be undone with it.
    /// Returns whether nothing stood in the way.
    pub(super) fn make_room(&mut self) -> bool {
        let start = Instant::now();
        if self.room_tried_at.is_some_and(|at| start - at < ROOM_DELAY) {
            return false;
        }
        self.reserve.give();
        let result = self.limit(self.pages_max).map_err(CommitError::from).and_then(|()| {
            // What stands beside the database makes room by going into it.
            self.move_in()?;
            self.maintenance.start_full_round(&self.connection)?;
            loop {
                let is_done = self.make_room_step()?;
                if is_done || start.elapsed() > ROOM_TIME_MAX {
                    return self.move_in();
                }
            }
        });
        self.reserve.keep();
        let result = result.and(self.limit_appends().map_err(CommitError::from));
        self.room_tried_at = Some(Instant::now());
        match result {
            Ok(()) => return true,
            Err(CommitError::DiskFull) if self.undo() => {}
            Err(CommitError::DiskFull) => self.poison(),
            Err(error) => self.failed(&error),
        }
        false
    }

    /// Where nobody appends: finds out whether a disk that was full has room again, and says so.
    pub(super) fn look_for_room(&mut self) {
        if self.room_tried_at.is_some_and(|at| at.elapsed() < ROOM_PROBE) {
            return;
        }
        if self.make_room() && self.reserve.is_kept() && self.has_free_pages().unwrap_or(false) {
            self.is_full = false;
            self.sink.watch().set_full(false);
        }
    }

    /// Whether a small commit finds room within the largest size, counting what was let go of.
    fn has_free_pages(&self) -> rusqlite::Result<bool> {
        if !self.may_grow() {
            return Ok(self.free_pages()? >= SMALL_COMMIT_PAGES);
        }
        Ok(self.used_pages()? + SMALL_COMMIT_PAGES <= self.append_pages_max())
    }

    /// A little of it. Returns whether that was all.
    fn make_room_step(&mut self) -> Result<bool, CommitError> {
        self.begin()?;
        let is_done = self.maintenance.step_when_full(&self.connection, &mut self.index)?;
        self.commit()?;
        self.keep();
        Ok(is_done)
    }

    /// Where it is not kept already.
    pub(super) fn keep_reserve(&mut self) {
        if !self.reserve.is_kept() {
            self.reserve.keep();
            if let Err(error) = self.limit_appends() {
                self.failed(&error.into());
            }
        }
    }

    /// Moves what stands beside the database into it, without a new reserve.
    fn move_in(&mut self) -> Result<(), CommitError> {
        let result =
            self.checkpointer.wait().and_then(|()| checkpoint(&self.connection, "PASSIVE"));
        self.write_ahead_bytes = 0;
        match result {
            // It stays where it is, which is safe.
            Err(CommitError::DiskFull | CommitError::Locked) => Ok(()),
            result => result,
        }
    }
}
