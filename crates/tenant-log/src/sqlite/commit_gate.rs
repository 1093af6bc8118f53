//! Where a transaction becomes durable, as a seam: a test puts a failing disk here.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, ffi};

use crate::DiskRoom;
use crate::storage_status::disk_room;

/// Commits the open transaction; it is durable then.
pub type Commit<'a> = dyn FnMut() -> Result<(), CommitError> + 'a;

/// What every commit passes through.
pub trait CommitGate: Send {
    /// Calls `commit`, once at most, and returns its answer, or another.
    ///
    /// # Errors
    /// [`CommitError`]; the writer reacts as if the disk had said so.
    fn pass(&mut self, commit: &mut Commit<'_>) -> Result<(), CommitError>;

    /// How much room the log's file system has; `None` where the system does not tell.
    fn disk_room(&self, directory: &Path) -> Option<DiskRoom> {
        disk_room(directory)
    }
}

/// Stands in nobody's way.
pub(super) struct Open;

impl CommitGate for Open {
    fn pass(&mut self, commit: &mut Commit<'_>) -> Result<(), CommitError> {
        commit()
    }
}

/// Why a transaction is not durable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// There was no room: nothing of the transaction is there, and the next may be tried.
    #[error("the disk is full")]
    DiskFull,
    /// Another program has locked the file: nothing of the transaction is there, and the next may be tried.
    #[error("another program has locked the log's file")]
    Locked,
    /// Writing or its fsync failed. What the disk holds is unknown, and to ask it again proves nothing: the kernel
    /// forgets a failed fsync (Rebello et al., "Can Applications Recover from fsync Failures?", ATC 2020).
    #[error("the disk failed: {0}")]
    Disk(String),
}

impl From<rusqlite::Error> for CommitError {
    fn from(error: rusqlite::Error) -> Self {
        // The index of the write-ahead log is a file of its own, and says in its own way that it cannot grow.
        let is_full = error.sqlite_error().is_some_and(|it| {
            it.code == ErrorCode::DiskFull || it.extended_code == ffi::SQLITE_IOERR_SHMSIZE
        });
        let is_locked = error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy);
        match (is_full, is_locked) {
            (true, _) => Self::DiskFull,
            (false, true) => Self::Locked,
            (false, false) => Self::Disk(error.to_string()),
        }
    }
}

pub(super) fn commit(connection: &Connection) -> Result<(), CommitError> {
    // Prepared once: to read even so short a statement takes a while.
    connection.prepare_cached("COMMIT").and_then(|mut it| it.execute(()))?;
    Ok(())
}
