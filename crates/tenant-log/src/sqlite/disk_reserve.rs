//! Disk space kept in reserve for a full disk: a database must write before it can delete.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::offset_index::UNINDEXED_MAX;
use super::opening::PAGE_BYTES;
use crate::private_options;

/// About how large the write-ahead log may grow before it is checkpointed.
pub(super) const WRITE_AHEAD_BYTES_MAX: u64 = 16 << 20;
/// How many bytes of messages, packed, one transaction takes.
pub(super) const COMMIT_BYTES_MAX: u64 = 6 << 20;
/// Enough to checkpoint the whole write-ahead log; then the log has room for the transactions that delete.
const RESERVE_BYTES: u64 = 48 << 20;
/// Entries of as many tenants are a row each, and each row's index entry is on a page of its own.
const INDEX_BYTES_MAX: u64 = UNINDEXED_MAX * PAGE_BYTES as u64;
const _: () =
    assert!(RESERVE_BYTES >= WRITE_AHEAD_BYTES_MAX + INDEX_BYTES_MAX + 2 * COMMIT_BYTES_MAX);
/// How many pages below the largest size of the database appends are refused.
pub(super) const SLACK_PAGES: u64 = 256;

/// A file beside the database that only occupies space. While it is missing the database must not grow, so that the
/// write-ahead log can always be checkpointed.
#[derive(Debug)]
pub(super) struct DiskReserve {
    path: PathBuf,
    is_kept: bool,
}

impl DiskReserve {
    /// The reserve of a database, not kept yet.
    pub(super) fn beside(file: &Path) -> Self {
        Self { path: file.with_file_name("log.reserve"), is_kept: false }
    }

    /// Occupies the space, unless it is occupied already or there is not enough.
    pub(super) fn keep(&mut self) {
        if self.is_kept {
            return;
        }
        let fill = || -> std::io::Result<()> {
            let mut options = private_options();
            let mut file = options.write(true).create(true).truncate(true).open(&self.path)?;
            let block = [0_u8; 64 << 10];
            (0..RESERVE_BYTES / block.len() as u64).try_for_each(|_| file.write_all(&block))
        };
        self.is_kept = fill().is_ok();
        if !self.is_kept {
            self.give();
        }
    }

    pub(super) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Gives the space back.
    pub(super) fn give(&mut self) {
        // What cannot be removed is no help, and no harm.
        let _ = std::fs::remove_file(&self.path);
        self.is_kept = false;
    }
}
