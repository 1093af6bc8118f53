//! A copy of a log, whole and as of one moment, while a server goes on with it.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::opening::{self, OpenError, check_version};
use super::segments::Segments;
use crate::{make_private_directory, private_options};

/// How often it is begun again because retention took a segment meanwhile.
const TRIES_MAX: usize = 5;

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
    /// Retention took what was being copied, again and again.
    #[error(
        "retention took segments faster than they were copied; begin anew at a quieter time, or copy to a faster disk"
    )]
    Overtaken,
}

/// Copies the log in `directory`, whether a server uses it or not, into the directory `to`, which is made or is empty. Tells
/// `on_step` each file that it goes on to. Returns the copy's bytes, which are on disk.
///
/// # Errors
/// [`BackupError`]; what is in `to` then is no copy.
pub fn backup(
    directory: &Path,
    to: &Path,
    on_step: &mut dyn FnMut(&Path),
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
    let (from, into) = (Segments::beside(&file), Segments::beside(&copy));
    for _ in 0..TRIES_MAX {
        // Segments first, since one that the database names may go while that is copied; then what came to them meanwhile.
        for no in from.found().map_err(io(directory))? {
            on_step(&from.path(no));
            copy_segment(&from, &into, no)?;
        }
        on_step(&file);
        copy_database(&file, &copy)?;
        if complete(&from, &into, &copy, on_step)? {
            return seal(to).map_err(io(to));
        }
        std::fs::remove_file(&copy).map_err(io(&copy))?;
    }
    Err(BackupError::Overtaken)
}

/// Returns whether it is there to be copied.
fn copy_segment(from: &Segments, into: &Segments, no: i64) -> Result<bool, BackupError> {
    let mut segment = match File::open(from.path(no)) {
        Ok(segment) => segment,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(BackupError::Io { path: from.path(no), source }),
    };
    let mut options = private_options();
    let copied = options
        .write(true)
        .create(true)
        .truncate(true)
        .open(into.path(no))
        .and_then(|mut copy| std::io::copy(&mut segment, &mut copy));
    copied.map(|_| true).map_err(|source| BackupError::Io { path: into.path(no), source })
}

fn copy_database(file: &Path, copy: &Path) -> Result<(), BackupError> {
    let store = |error: rusqlite::Error| BackupError::Store {
        path: copy.to_owned(),
        detail: error.to_string(),
    };
    let connection = open(file).map_err(store)?;
    check_version(&connection, file)?;
    // Into an empty file: one that SQLite makes itself others could read.
    let made = private_options().write(true).create_new(true).open(copy);
    made.map_err(|source| BackupError::Io { path: copy.to_owned(), source })?;
    let to = copy.to_string_lossy();
    connection.execute("VACUUM INTO ?", [&*to]).map_err(store)?;
    Ok(())
}

/// Makes the copy's segments as long as its database says. Returns whether all of them are there.
fn complete(
    from: &Segments,
    into: &Segments,
    copy: &Path,
    on_step: &mut dyn FnMut(&Path),
) -> Result<bool, BackupError> {
    let store = |error: rusqlite::Error| BackupError::Store {
        path: copy.to_owned(),
        detail: error.to_string(),
    };
    let known = open(copy).and_then(|connection| super::segments::known(&connection));
    let known = known.map_err(store)?;
    for (no, bytes) in &known {
        let has = |segments: &Segments| {
            std::fs::metadata(segments.path(*no)).is_ok_and(|it| it.len() >= *bytes)
        };
        if !has(into) {
            on_step(&from.path(*no));
            if !copy_segment(from, into, *no)? || !has(into) {
                return Ok(false);
            }
        }
        let cut = || File::options().write(true).open(into.path(*no))?.set_len(*bytes);
        cut().map_err(|source| BackupError::Io { path: into.path(*no), source })?;
    }
    into.remove_unknown(&known)
        .map_err(|source| BackupError::Io { path: copy.to_owned(), source })?;
    Ok(true)
}

fn open(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(file, flags)
}

/// Puts everything in a directory on disk; returns how many bytes that is.
fn seal(directory: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory)? {
        let file = File::open(entry?.path())?;
        file.sync_all()?;
        bytes += file.metadata()?.len();
    }
    File::open(directory)?.sync_all()?;
    Ok(bytes)
}
