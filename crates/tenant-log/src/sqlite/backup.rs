//! A copy of a log, whole and as of one moment, while a server goes on with it.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rusqlite::{Connection, OpenFlags};

use super::opening::{self, OpenError, check_version};
use super::rows;
use crate::{Copied, CopyRate, Pacing, make_private_directory, private_options};

/// After how many steps of SQLite's machine it is looked at how much is written: a few microseconds, or some rows.
const STEPS: i32 = 100;

/// For whoever finds the mark.
const COPY_MARK_TEXT: &str = "This directory is a copy of a log. Before a server starts with it, run `foodtrack-websocket log renew-epochs` on it, which removes this file.\n";

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The log cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The copy's directory has something in it.
    #[error("{}: not empty; name a directory that is, or that is not there yet", path.display())]
    NotEmpty {
        /// Which.
        path: PathBuf,
    },
    /// A file of the copy cannot be written, or one of the log not be read.
    #[error("{}: {source}; check its owner, permissions and disk, then begin anew", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Copying the database failed.
    #[error("{}: cannot be copied ({detail}); free disk space if it is short, then begin anew", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// What was said.
        detail: String,
    },
}

/// Copies the log in `directory`, whether a server uses it or not, into the directory `to`, which is made or is empty. Writes
/// no faster than `rate`, and tells `tell` how far it is. Returns the copy's bytes, which are on disk.
///
/// What the server commits meanwhile stays in its write-ahead log, which grows until the copy is made: only so the copy is of one moment, and
/// ends though the server never rests. (SQLite's online backup begins anew with each commit of another process.)
///
/// # Errors
/// [`BackupError`]; what is in `to` then is no copy.
pub fn backup(
    directory: &Path,
    to: &Path,
    rate: CopyRate,
    tell: impl FnMut(Copied) + Send + 'static,
) -> Result<u64, BackupError> {
    let file = opening::existing(directory)?;
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| BackupError::Io { path, source }
    };
    make_private_directory(to).map_err(io(to))?;
    if std::fs::read_dir(to).map_err(io(to))?.next().is_some() {
        return Err(BackupError::NotEmpty { path: to.to_owned() });
    }
    // First: nothing of the copy is ever there without its mark.
    let mark = to.join(opening::COPY_MARK);
    let marked = private_options()
        .write(true)
        .create_new(true)
        .open(&mark)
        .and_then(|mut it| it.write_all(COPY_MARK_TEXT.as_bytes()));
    marked.map_err(io(&mark))?;
    let copy = to.join(file.file_name().unwrap_or_default());
    copy_database(&file, &copy, rate, Box::new(tell))?;
    finish(to).map_err(io(to))
}

fn copy_database(
    file: &Path,
    copy: &Path,
    rate: CopyRate,
    tell: Box<dyn FnMut(Copied) + Send>,
) -> Result<(), BackupError> {
    let store = |error: rusqlite::Error| BackupError::Store {
        path: copy.to_owned(),
        detail: error.to_string(),
    };
    let io = |source| BackupError::Io { path: copy.to_owned(), source };
    let mut connection = open(file).map_err(store)?;
    check_version(&connection, file)?;
    // Into an empty file: one that SQLite makes itself others could read.
    let made = private_options().write(true).create_new(true).open(copy);
    let made = made.map_err(io)?;
    let pacing = Pacing::start(rate, used_bytes(&connection).map_err(store)?, tell);
    let failure = Arc::new(OnceLock::new());
    let pace = paced(made, pacing, Arc::clone(&failure));
    connection.progress_handler(STEPS, Some(pace)).map_err(store)?;
    let to = copy.to_string_lossy();
    let copied = connection.execute("VACUUM INTO ?", [&*to]);
    // First, so that nobody else holds what went wrong.
    drop(connection);
    match Arc::into_inner(failure).and_then(OnceLock::into_inner) {
        Some(error) => Err(io(error)),
        None => copied.map(|_| ()).map_err(store),
    }
}

/// Rests between SQLite's steps, as the size of what it writes tells. Ends the copy where what is written cannot be put on disk.
fn paced(
    copy: File,
    mut pacing: Pacing,
    failure: Arc<OnceLock<std::io::Error>>,
) -> impl FnMut() -> bool + Send + 'static {
    move || {
        let paced = copy.metadata().and_then(|it| pacing.wrote(&copy, it.len()));
        paced.is_err_and(|error| failure.set(error).is_ok())
    }
}

/// What the copy will have, about: it leaves out what is free.
fn used_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let number = |sql: &str| connection.query_row(sql, (), |row| rows::unsigned(row, 0));
    let pages = number("PRAGMA page_count")?.saturating_sub(number("PRAGMA freelist_count")?);
    Ok(pages * number("PRAGMA page_size")?)
}

fn open(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(file, flags)
}

/// Puts everything in a directory on disk; returns how many bytes that is.
fn finish(directory: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory)? {
        let file = File::open(entry?.path())?;
        file.sync_all()?;
        bytes += file.metadata()?.len();
    }
    File::open(directory)?.sync_all()?;
    Ok(bytes)
}
