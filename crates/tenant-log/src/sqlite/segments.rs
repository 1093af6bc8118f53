//! Segments: files beside the database with the bytes of runs that came in large commits. In the database itself each page
//! of them would be written twice, and what nobody waits for comes in such numbers that it is felt.
//!
//! What exists is for the database alone to say: a row names its bytes' place, and is committed after they were written. A
//! segment is only ever appended to, and its number is never given out again.

mod appender;
mod moving;
pub(super) mod unsynced;

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ahash::AHashMap;
use rusqlite::{Connection, Row};

use super::opening::OpenError;
use super::rows;
use crate::encoding::ID_BYTES;

pub(super) use appender::Appender;
pub(super) use moving::Moving;

/// How many segments are kept open at most.
const FILES_MAX: usize = 64;
/// What a segment's name begins with; its number follows.
const NAME: &str = "segment-";

/// The segments of a database, for all that read or write them.
#[derive(Debug)]
pub(super) struct Segments {
    directory: PathBuf,
    files: Mutex<AHashMap<i64, Arc<File>>>,
}

/// Where a run's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) segment: i64,
    pub(super) position: u64,
    pub(super) ids_bytes: usize,
    pub(super) heads_bytes: usize,
    pub(super) bodies_bytes: usize,
    /// CRC-32 over all of them.
    pub(super) checksum: u32,
}

impl Place {
    /// What [`Place::of`] takes of a run.
    pub(super) const COLUMNS: usize = 6;

    /// `entries`, `segment`, `position`, `heads_bytes`, `bodies_bytes`, `checksum`, from the column at `column` on; `None`
    /// where the bytes are in the row.
    pub(super) fn of(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Self>> {
        let Some(segment) = row.get(column + 1)? else { return Ok(None) };
        let number = |at: usize| rows::unsigned(row, column + at);
        let size = |at: usize| number(at).map(|it| usize::try_from(it).unwrap_or(usize::MAX));
        Ok(Some(Self {
            segment,
            position: number(2)?,
            ids_bytes: size(0)?.saturating_mul(ID_BYTES),
            heads_bytes: size(3)?,
            bodies_bytes: size(4)?,
            checksum: u32::try_from(number(5)?).unwrap_or(0),
        }))
    }

    /// How many bytes there are.
    pub(super) fn bytes(&self) -> usize {
        self.ids_bytes.saturating_add(self.heads_bytes).saturating_add(self.bodies_bytes)
    }
}

impl Segments {
    /// Those beside a database.
    pub(super) fn beside(file: &Path) -> Self {
        let directory = file.parent().unwrap_or(Path::new("")).to_owned();
        Self { directory, files: Mutex::default() }
    }

    pub(super) fn path(&self, no: i64) -> PathBuf {
        self.directory.join(format!("{NAME}{no:06}"))
    }

    /// A segment to read from, and to append to where that is allowed.
    fn file(&self, no: i64) -> std::io::Result<Arc<File>> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = files.get(&no) {
            return Ok(Arc::clone(file));
        }
        let path = self.path(no);
        let writable = File::options().read(true).write(true).open(&path);
        // Somebody who only reads may not be allowed more.
        let file = Arc::new(match writable {
            Err(error) if error.kind() != ErrorKind::NotFound => File::open(&path)?,
            opened => opened?,
        });
        if files.len() >= FILES_MAX {
            files.clear();
        }
        files.insert(no, Arc::clone(&file));
        Ok(file)
    }

    /// A run's bytes: `None` where they are damaged, or gone since the row was read.
    pub(super) fn read(&self, place: &Place) -> Option<Vec<u8>> {
        self.try_read(place).ok().flatten()
    }

    /// The same, or why the disk does not say.
    fn try_read(&self, place: &Place) -> std::io::Result<Option<Vec<u8>>> {
        let file = match self.file(place.segment) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        // A damaged row must not make anybody ask for all the memory there is.
        let end = place.position.checked_add(place.bytes() as u64);
        let length = file.metadata()?.len();
        if end.is_none_or(|end| end > length) {
            return Ok(None);
        }
        let mut bytes = vec![0; place.bytes()];
        file.read_exact_at(&mut bytes, place.position)?;
        Ok((crc32fast::hash(&bytes) == place.checksum).then_some(bytes))
    }

    /// Lets a segment go that no row names any more.
    fn remove(&self, no: i64) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).remove(&no);
        // One that stays is found when the log is opened next.
        let _ = std::fs::remove_file(self.path(no));
    }

    /// How many bytes all of them take on disk.
    pub(super) fn bytes_on_disk(&self) -> u64 {
        let found = self.found().unwrap_or_default();
        found
            .iter()
            .filter_map(|no| std::fs::metadata(self.path(*no)).ok())
            .map(|it| it.len())
            .sum()
    }

    /// Looks that all which the database knows are there and as long as they should be. Changes nothing.
    pub(super) fn check_whole(&self, connection: &Connection) -> Result<(), OpenError> {
        for (no, bytes) in known(connection).map_err(|error| self.store(&error))? {
            let path = self.path(no);
            let length = match std::fs::metadata(&path) {
                Ok(metadata) => metadata.len(),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    let detail = String::from("it is not there, and the log names it");
                    return Err(OpenError::Damaged { path, detail });
                }
                Err(source) => return Err(OpenError::Io { path, source }),
            };
            if length < bytes {
                let detail = format!("it has {length} of {bytes} bytes");
                return Err(OpenError::Damaged { path, detail });
            }
        }
        Ok(())
    }

    /// Puts in order what a crash left: what was appended for a commit that never was. All must be known to be whole.
    pub(super) fn put_in_order(&self, connection: &Connection) -> Result<(), OpenError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Io { path, source }
        };
        let known_before = known(connection).map_err(|error| self.store(&error))?;
        for (no, bytes) in &known_before {
            let cut = || {
                let file = self.file(*no)?;
                if file.metadata()?.len() > *bytes { file.set_len(*bytes) } else { Ok(()) }
            };
            cut().map_err(io(&self.path(*no)))?;
        }
        for no in self.found().map_err(io(&self.directory))? {
            if known_before.iter().all(|(it, _)| *it != no) {
                let path = self.path(no);
                let length = std::fs::metadata(&path).map_err(io(&path))?.len();
                adopt(connection, no, length).map_err(|error| self.store(&error))?;
            }
        }
        let known = known(connection).map_err(|error| self.store(&error))?;
        self.remove_unknown(&known).map_err(io(&self.directory))
    }

    fn store(&self, error: &rusqlite::Error) -> OpenError {
        OpenError::store(&self.directory.join("log.db"), error)
    }

    /// Removes those that are not among `known`.
    pub(super) fn remove_unknown(&self, known: &[(i64, u64)]) -> std::io::Result<()> {
        for no in self.found()? {
            if known.iter().all(|(it, _)| *it != no) {
                self.remove(no);
            }
        }
        Ok(())
    }

    /// The numbers of those that are there.
    pub(super) fn found(&self) -> std::io::Result<Vec<i64>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(NAME));
            found.extend(number.and_then(|number| number.parse::<i64>().ok()));
        }
        Ok(found)
    }

    /// Deletes the segments that were found [`dead`] in a transaction which is durable by now.
    pub(super) fn bury(&self, dead: Vec<i64>) {
        dead.into_iter().for_each(|no| self.remove(no));
    }
}

/// The segments that the database names, and how long they are.
pub(super) fn known(connection: &Connection) -> rusqlite::Result<Vec<(i64, u64)>> {
    let mut segments = connection.prepare("SELECT no, bytes FROM segments")?;
    segments.query_map((), |row| Ok((row.get(0)?, rows::unsigned(row, 1)?)))?.collect()
}

/// How many bytes all of them have.
pub(super) fn bytes(connection: &Connection) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT coalesce(sum(bytes), 0) FROM segments")?
        .query_row((), |row| rows::unsigned(row, 0))
}

/// Notes a segment anew that nothing but rows knows, as in a database that was saved from a damaged one. All of its `length`
/// counts: whatever stands in it is not written over.
fn adopt(connection: &Connection, no: i64, length: u64) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute(
        "INSERT INTO segments SELECT segment, ?2, sum(entries * 16 + heads_bytes + bodies_bytes), min(seq), max(seq)
         FROM runs WHERE segment = ?1 GROUP BY segment",
        [no, rows::number(length)],
    )?;
    transaction.execute(
        "UPDATE progress SET last_segment = max(last_segment, (SELECT coalesce(max(no), 0) FROM segments))",
        (),
    )?;
    transaction.commit()
}

/// Runs of these seqs are about to be deleted, as far as their tenants have trimmed them: their segments have so much less.
pub(super) fn let_go(connection: &Connection, from: i64, to: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE segments SET live = live - gone.bytes FROM (
                SELECT segment, sum(entries * 16 + heads_bytes + bodies_bytes) AS bytes FROM runs
                WHERE seq >= ? AND seq < ? AND segment IS NOT NULL
                    AND first + entries - 1 <= (SELECT trimmed_through FROM tenants WHERE no = tenant)
                GROUP BY segment
             ) AS gone WHERE no = gone.segment",
        )?
        .execute([from, to])?;
    Ok(())
}

/// Takes the segments of which nothing is left out of the database, but for the one that is appended to.
pub(super) fn dead(connection: &Connection) -> rusqlite::Result<Vec<i64>> {
    connection
        .prepare_cached(
            "DELETE FROM segments WHERE live <= 0 AND no < (SELECT last_segment FROM progress)
                AND NOT EXISTS (SELECT 1 FROM runs WHERE seq >= first_seq AND seq <= last_seq AND segment = no)
             RETURNING no",
        )?
        .query_map((), |row| row.get(0))?
        .collect()
}
