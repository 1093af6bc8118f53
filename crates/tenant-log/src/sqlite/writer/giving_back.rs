//! Making the file smaller, and free of what is not to be in it.

use super::{COMMIT_BYTES, Writer};
use crate::sqlite::commit_gate::CommitError;
use crate::sqlite::compacting::give_back;
use crate::sqlite::rewriting::REWRITE_BYTES_MAX;
use crate::sqlite::rows;

/// How many pages one step of compaction gives back.
const COMPACT_PAGES: u32 = 128;

impl Writer {
    /// Writes the database anew, unless it is so large that everybody would wait for it.
    pub(super) fn rewrite(&mut self) {
        self.is_compacting = true;
        let number = |sql: &str| self.connection.query_row(sql, (), |row| rows::unsigned(row, 0));
        let size = number("PRAGMA page_count")
            .and_then(|pages| Ok(pages * number("PRAGMA page_size")?))
            .unwrap_or(u64::MAX);
        if size > REWRITE_BYTES_MAX {
            tracing::warn!(
                "all is sealed, but in the file's pages may be pieces of what was not: stop the server when you can, and run `log compact --rewrite`"
            );
        } else if let Err(error) = self.connection.execute_batch("VACUUM") {
            tracing::warn!(%error, "the log cannot be written anew, in whose pages may be pieces of what was not sealed; it is as it was");
        }
    }

    pub(super) fn compact_step(&mut self) {
        let mut step = || -> Result<bool, CommitError> {
            self.begin()?;
            give_back(&self.connection, COMPACT_PAGES)?;
            let left: i64 =
                self.connection.query_row("PRAGMA freelist_count", (), |row| row.get(0))?;
            self.commit()?;
            Ok(left > 0)
        };
        match step() {
            Ok(goes_on) => {
                self.is_compacting = goes_on;
                self.write_ahead_bytes += 64 * COMMIT_BYTES;
                if !goes_on {
                    // The file shrinks when its pages are moved into it.
                    self.checkpoint("TRUNCATE");
                }
            }
            Err(error) => {
                self.is_compacting = false;
                self.failed(&error);
            }
        }
    }
}
