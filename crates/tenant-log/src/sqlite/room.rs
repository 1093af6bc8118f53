//! Room kept free for a full disk: to delete, a database has to write first.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::offset_index::UNINDEXED_MAX;
use super::opening::PAGE_BYTES;
use crate::private_options;

/// About how much may stand beside the database before it is moved into it.
pub(super) const WRITE_AHEAD_BYTES_MAX: u64 = 16 << 20;
/// How many bytes of messages, packed, one transaction takes.
pub(super) const COMMIT_BYTES_MAX: u64 = 6 << 20;
/// Enough for all that stands beside the database to move into it; then there is room beside it to write what deletes.
const RESERVE_BYTES: u64 = 48 << 20;
/// Entries of as many tenants are a row each, and each row's index entry is on a page of its own.
const INDEX_BYTES_MAX: u64 = UNINDEXED_MAX * PAGE_BYTES as u64;
const _: () =
    assert!(RESERVE_BYTES >= WRITE_AHEAD_BYTES_MAX + INDEX_BYTES_MAX + 2 * COMMIT_BYTES_MAX);
/// So many pages below its largest size the database takes no more appends.
pub(super) const SLACK_PAGES: u64 = 256;

/// A file beside the database that holds nothing but its room. While it is not there, the database must not grow, so that
/// what stands beside it can always move in.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    is_kept: bool,
}

impl Reserve {
    /// The reserve of a database, not kept yet.
    pub(super) fn beside(file: &Path) -> Self {
        Self { path: file.with_file_name("log.reserve"), is_kept: false }
    }

    /// Takes the room, where it is not held already and there is some.
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

    /// Gives the room back.
    pub(super) fn give(&mut self) {
        // What cannot be removed is no help, and no harm.
        let _ = std::fs::remove_file(&self.path);
        self.is_kept = false;
    }
}
