//! Writing a whole database anew: in the pages of one that grew are pieces of rows that were moved or deleted long ago, whatever
//! `secure_delete` says of those that go now.

use std::fs::File;
use std::io::ErrorKind;

use rusqlite::Connection;

use super::check::CheckError;
use super::opening::DataDirectory;
use crate::private_options;

/// Up to this size a database is written anew while a server runs: it takes about a second, and as much memory.
pub(super) const REWRITE_BYTES_MAX: u64 = 64 << 20;

/// Writes the database of a directory that no server uses into a new file, which takes its place. Needs as much free disk as it has.
///
/// # Errors
/// [`CheckError`]: the old file is in its place.
pub(super) fn write_anew(
    connection: Connection,
    directory: &DataDirectory,
) -> Result<(), CheckError> {
    let file = directory.file();
    let store = |error: rusqlite::Error| CheckError::Store {
        path: file.clone(),
        detail: error.to_string(),
    };
    let new = file.with_extension("db.new");
    let io = |source: std::io::Error| CheckError::Store {
        path: new.clone(),
        detail: source.to_string(),
    };
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    // Into an empty file: one that SQLite makes itself others could read.
    private_options().write(true).create_new(true).open(&new).map_err(io)?;
    connection.execute("VACUUM INTO ?", [&*new.to_string_lossy()]).map_err(store)?;
    // What is beside the old file must not be taken for the new one's.
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))
        .and_then(|()| connection.close().map_err(|(_, error)| error))
        .map_err(store)?;
    File::open(&new).and_then(|it| it.sync_all()).map_err(io)?;
    std::fs::rename(&new, &file).map_err(io)?;
    let parent = file.parent().map_or_else(|| File::open("."), File::open);
    parent.and_then(|it| it.sync_all()).map_err(io)
}
