//! Appending to segments: what a commit has for them is written in one go, and is on disk before the commit is.

use std::fs::File;
use std::io::{ErrorKind, IoSlice, Seek, SeekFrom, Write};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::moving::LEFT_IN;
use super::{Place, Segments};
use crate::private_options;
use crate::sealed_run::SealedRun;
use crate::sqlite::commit_gate::CommitError;
use crate::sqlite::rows::{self, number};

/// How many pieces one call writes.
const SLICES_MAX: usize = 512;
/// About how long a segment becomes.
const SEGMENT_BYTES: u64 = 64 << 20;

/// The end of the segments. What a transaction changes is undone by [`Appender::undo`] when it fails.
#[derive(Debug)]
pub(in crate::sqlite) struct Appender {
    segments: Arc<Segments>,
    now: Option<End>,
    committed: Option<End>,
    /// What the transaction at hand adds, and how many bytes that is.
    gathered: Vec<Arc<SealedRun>>,
    gathered_bytes: u64,
}

/// Where the segment that is appended to ends, as far as it is committed.
#[derive(Clone, Copy, Debug)]
struct End {
    no: i64,
    bytes: u64,
}

impl Appender {
    /// Goes on where the last run of the server ended.
    pub(in crate::sqlite) fn new(
        connection: &Connection,
        segments: Arc<Segments>,
    ) -> rusqlite::Result<Self> {
        let last = connection
            .query_row(
                "SELECT no, bytes FROM segments JOIN progress ON no = last_segment",
                (),
                |row| Ok(End { no: row.get(0)?, bytes: rows::unsigned(row, 1)? }),
            )
            .optional()?;
        Ok(Self { segments, now: last, committed: last, gathered: Vec::new(), gathered_bytes: 0 })
    }

    /// Before a transaction's first run, whose seq is `first_seq`: begins the next segment where this one is long enough.
    pub(in crate::sqlite) fn begin(
        &mut self,
        connection: &Connection,
        first_seq: i64,
    ) -> Result<(), CommitError> {
        if self.now.is_some_and(|end| end.bytes < SEGMENT_BYTES) {
            return Ok(());
        }
        let no = connection.query_row(
            "UPDATE progress SET last_segment = last_segment + 1 RETURNING last_segment",
            (),
            |row| row.get(0),
        )?;
        connection.execute("INSERT INTO segments VALUES (?, 0, 0, ?, 0)", [no, first_seq])?;
        // What a transaction that failed may have left is of no use.
        let made = private_options()
            .write(true)
            .create(true)
            .truncate(true)
            .open(self.segments.path(no))
            .and_then(|file| {
                file.sync_all()?;
                File::open(&self.segments.directory)?.sync_all()
            });
        made?;
        self.now = Some(End { no, bytes: 0 });
        Ok(())
    }

    /// Lets the segment that is appended to go like the others, where little is left of it: the next one begins with the next
    /// large commit. Returns whether it did.
    pub(in crate::sqlite) fn retire(&mut self, connection: &Connection) -> rusqlite::Result<bool> {
        let Some(End { no, .. }) = self.now else { return Ok(false) };
        let retired = connection
            .prepare_cached(
                "UPDATE progress SET last_segment = last_segment + 1 WHERE last_segment = ?1 AND EXISTS
                    (SELECT 1 FROM segments WHERE no = ?1 AND live <= bytes / ?2)",
            )?
            .execute([no, LEFT_IN])?;
        if retired > 0 {
            self.now = None;
        }
        Ok(retired > 0)
    }

    /// Adds a run; `None` before [`Appender::begin`].
    pub(in crate::sqlite) fn add(&mut self, run: &Arc<SealedRun>) -> Option<Place> {
        let End { no, bytes } = self.now?;
        let [ids, heads, bodies] = run.columns().map(<[u8]>::len);
        let place = Place {
            segment: no,
            position: bytes + self.gathered_bytes,
            ids_bytes: ids,
            heads_bytes: heads,
            bodies_bytes: bodies,
            checksum: crc32fast::hash(&run.encoded),
        };
        self.gathered.push(Arc::clone(run));
        self.gathered_bytes += run.encoded.len() as u64;
        Some(place)
    }

    /// Notes what was added in the transaction at hand, whose runs go up to `last_seq`.
    pub(in crate::sqlite) fn note(
        &self,
        connection: &Connection,
        last_seq: i64,
    ) -> rusqlite::Result<()> {
        let Some(End { no, bytes }) = self.now.filter(|_| !self.is_empty()) else {
            return Ok(());
        };
        let added = self.gathered_bytes;
        connection
            .prepare_cached(
                "UPDATE segments SET bytes = ?, live = live + ?, last_seq = ? WHERE no = ?",
            )?
            .execute(params![number(bytes + added), number(added), last_seq, no])?;
        Ok(())
    }

    /// Whether the transaction at hand has nothing for a segment.
    pub(in crate::sqlite) fn is_empty(&self) -> bool {
        self.gathered.is_empty()
    }

    /// Writes what was added. The transaction must not be committed before.
    pub(in crate::sqlite) fn write(&mut self) -> Result<(), CommitError> {
        let Some(End { no, bytes }) = self.now else { return Ok(()) };
        let file = self.segments.file(no)?;
        // Nobody else uses its position.
        (&*file).seek(SeekFrom::Start(bytes))?;
        for runs in self.gathered.chunks(SLICES_MAX) {
            let slices: Vec<_> = runs.iter().map(|run| IoSlice::new(&run.encoded)).collect();
            write_all(&file, slices)?;
        }
        Ok(())
    }

    /// Puts what was written on the disk.
    pub(in crate::sqlite) fn sync(&self) -> Result<(), CommitError> {
        if let Some(End { no, .. }) = self.now {
            self.segments.file(no)?.sync_data()?;
        }
        Ok(())
    }

    /// Gives the room back that [`Appender::write`] took in vain: the commit behind it was not tried, so no row that might come
    /// back after a crash names what goes.
    pub(in crate::sqlite) fn cut_off(&self) {
        if let Some(End { no, bytes }) = self.now {
            // What stays is written over.
            let _ = self.segments.file(no).and_then(|file| file.set_len(bytes));
        }
    }

    /// The transaction is durable.
    pub(in crate::sqlite) fn keep(&mut self) {
        if let Some(end) = &mut self.now {
            end.bytes += self.gathered_bytes;
        }
        self.committed = self.now;
        self.let_go();
    }

    /// The transaction never was. What it may have written is written over.
    pub(in crate::sqlite) fn undo(&mut self) {
        self.now = self.committed;
        self.let_go();
    }

    fn let_go(&mut self) {
        self.gathered.clear();
        self.gathered_bytes = 0;
    }
}

/// Writes all of it where the file stands.
fn write_all(mut file: &File, mut slices: Vec<IoSlice<'_>>) -> std::io::Result<()> {
    let mut left = slices.as_mut_slice();
    while !left.is_empty() {
        match file.write_vectored(left) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut left, written),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
