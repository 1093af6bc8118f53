//! Giving free space back to the file system while no server runs.

use std::path::Path;

use rusqlite::Connection;

use super::check::CheckError;
use super::garbage_collector::{Effort, GarbageCollector};
use super::opening::DataDirectory;
use super::progress::Progress;
use super::rewriting::write_anew;

/// How many seqs a step of deleting looks through.
const COLLECT_SEQS: i64 = 4_096;

/// How many pages one step gives back.
const PAGES: u32 = 4_096;

/// What compaction did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// How much the log took on disk before.
    pub bytes_before: u64,
    /// And after.
    pub bytes_after: u64,
}

/// Deletes what retention took from the log in `directory`, which no server may be using, and gives the free pages back; with
/// `rewrites`, by writing the whole file anew, so that nothing of what went is left in it. Tells `on_step` from time to time how far it is.
///
/// # Errors
/// [`CheckError`]; the log is whole all the same, and what was done stays done.
pub fn compact(
    directory: &Path,
    rewrites: bool,
    on_step: &mut dyn FnMut(Progress),
) -> Result<Compacted, CheckError> {
    let directory = DataDirectory::lock_existing(directory)?;
    let connection = directory.open_database(on_step)?;
    let bytes = || std::fs::metadata(directory.file()).map_or(0, |it| it.len());
    let bytes_before = bytes();
    work(&connection, on_step)
        .map_err(|error| CheckError::Store { path: directory.file(), detail: error.to_string() })?;
    if rewrites {
        write_anew(connection, &directory)?;
    }
    Ok(Compacted { bytes_before, bytes_after: bytes() })
}

fn work(connection: &Connection, on_step: &mut dyn FnMut(Progress)) -> rusqlite::Result<()> {
    let mut garbage = GarbageCollector::default();
    garbage.look_again();
    while garbage.find_out(connection, Effort::Full)? {
        let transaction = connection.unchecked_transaction()?;
        garbage.step(&transaction, Effort::Full, COLLECT_SEQS)?;
        transaction.commit()?;
        garbage.look_again();
    }
    let number = |sql: &str| connection.query_row(sql, (), |row| super::rows::unsigned(row, 0));
    let page_bytes = number("PRAGMA page_size")?;
    loop {
        let free = number("PRAGMA freelist_count")?;
        on_step(Progress::GivingBack { bytes: free * page_bytes });
        if free == 0 {
            break;
        }
        give_back(connection, PAGES)?;
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))?;
    }
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))
}

/// Gives at most so many pages back.
pub(super) fn give_back(connection: &Connection, pages: u32) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut rows = statement.query(())?;
    // A row for each page: who does not ask for the next gives one back.
    while rows.next()?.is_some() {}
    Ok(())
}
