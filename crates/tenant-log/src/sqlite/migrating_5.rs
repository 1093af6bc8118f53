//! Brings a log of layout 5 over. There, the bytes of large commits were in segments: files beside the database, which a row
//! named. And what neighbours share was left out of heads and bodies (`front_coded.rs`).
//!
//! Runs move into a table of the new layout, some at a time and each whole within one transaction, so that a start that was
//! killed goes on where it was. A segment is deleted once the transaction that took its last run is on the disk.

mod front_coded;

use std::borrow::Cow;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crc32fast::Hasher;
use rusqlite::{Connection, Row, params};

use super::disk_reserve::DiskReserve;
use super::opening::OpenError;
use super::progress::Progress;
use super::rows;
use crate::encoding::ID_BYTES;
use crate::packing::{Packer, unpack};

/// From the old table to the new one, and what only the old layout had. The old runs keep their table until all have moved.
const BEGIN: &str = concat!(
    "ALTER TABLE runs RENAME TO runs_5;",
    include_str!("schema/6_runs.sql"),
    "ALTER TABLE progress DROP COLUMN unsynced_from;
     ALTER TABLE progress DROP COLUMN last_segment;
     PRAGMA user_version = 7;",
);
const END: &str = "DROP TABLE runs_5; DROP TABLE segments;";

/// How many runs one transaction moves at most, and about how many bytes of them.
const STEP_RUNS_MAX: i64 = 256;
const STEP_BYTES_MAX: usize = 4 << 20;
/// What a segment's name begins with; its number follows.
const SEGMENT_NAME: &str = "segment-";
/// In the size in front of what was packed: it was front-coded before.
const IS_FRONT_CODED: u8 = 0x80;
/// How often it is told how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(5);

/// Whether a database of the new layout still has runs of the old one.
pub(super) fn is_under_way(connection: &Connection) -> rusqlite::Result<bool> {
    connection
        .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'runs_5'", (), |row| row.get(0))
}

/// Begins where the database `file` is of layout 5, and goes on until it is of the newest. Tells `on_step` how far it is, at the
/// beginning and every few seconds.
///
/// # Errors
/// [`OpenError`]: where something is missing or damaged before it begins, nothing was changed. Otherwise the next start goes on.
pub(super) fn bring_over(
    connection: &Connection,
    file: &Path,
    on_step: &mut dyn FnMut(Progress),
) -> Result<(), OpenError> {
    move_all(Moving::new(connection, file), on_step).map_err(|failure| match failure {
        Failure::Store(error) => OpenError::store(file, &error),
        Failure::Open(error) => error,
    })
}

fn move_all(mut moving: Moving<'_>, on_step: &mut dyn FnMut(Progress)) -> Result<(), Failure> {
    if !is_under_way(moving.connection)? {
        moving.begin()?;
    }
    // A full disk may need its room.
    DiskReserve::beside(&moving.file).give();
    let (mut told_at, of) = (Instant::now(), moving.count()?);
    on_step(Progress::BringingOver { left: of, of });
    while moving.step(STEP_RUNS_MAX)? {
        if told_at.elapsed() >= TOLD_EVERY {
            told_at = Instant::now();
            on_step(Progress::BringingOver { left: moving.count()?, of });
        }
    }
    moving.end()
}

/// Why it did not come to its end.
#[derive(Debug)]
enum Failure {
    Store(rusqlite::Error),
    Open(OpenError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error)
    }
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
    let path = path.to_owned();
    |source| Failure::Open(OpenError::Io { path, source })
}

struct Moving<'c> {
    connection: &'c Connection,
    file: PathBuf,
    /// The segment that was read last.
    segment: Option<(i64, File)>,
    packer: Packer,
}

/// A run's ids, heads and bodies.
type Columns<'r> = [Cow<'r, [u8]>; 3];

/// Where a run's bytes were.
struct Place {
    segment: i64,
    position: u64,
    ids_bytes: usize,
    heads_bytes: usize,
    bodies_bytes: usize,
    /// CRC-32 over all of them.
    checksum: u32,
}

/// What [`Place::of`] takes of a run, behind `seq`.
const PLACE: &str = "seq, entries, segment, position, heads_bytes, bodies_bytes, checksum";

impl Place {
    /// `None` where the bytes are in the row.
    fn of(row: &Row<'_>) -> rusqlite::Result<Option<Self>> {
        let Some(segment) = row.get(2)? else { return Ok(None) };
        let size = |at| rows::unsigned(row, at).map(|it| usize::try_from(it).unwrap_or(usize::MAX));
        Ok(Some(Self {
            segment,
            position: rows::unsigned(row, 3)?,
            ids_bytes: size(1)?.saturating_mul(ID_BYTES),
            heads_bytes: size(4)?,
            bodies_bytes: size(5)?,
            checksum: row.get(6)?,
        }))
    }
}

impl<'c> Moving<'c> {
    fn new(connection: &'c Connection, file: &Path) -> Self {
        Self { connection, file: file.to_owned(), segment: None, packer: Packer::default() }
    }

    fn path(&self, no: i64) -> PathBuf {
        self.file.with_file_name(format!("{SEGMENT_NAME}{no:06}"))
    }

    /// About how many runs are still to be moved.
    fn count(&self) -> rusqlite::Result<u64> {
        let sql =
            "SELECT coalesce((SELECT max(seq) FROM runs_5) + 1 - (SELECT min(seq) FROM runs_5), 0)";
        self.connection.query_row(sql, (), |row| rows::unsigned(row, 0))
    }

    fn begin(&mut self) -> Result<(), Failure> {
        let lost = self.lost_from()?;
        self.check_segments(lost.unwrap_or(i64::MAX))?;
        let transaction = self.connection.unchecked_transaction()?;
        if let Some(seq) = lost {
            take_out(&transaction, seq)?;
        }
        transaction.execute_batch(BEGIN)?;
        Ok(transaction.commit()?)
    }

    /// From which seq on the log lost what it had committed without waiting for the disk, which a power failure takes: nothing
    /// that somebody waited for comes behind it.
    fn lost_from(&mut self) -> Result<Option<i64>, Failure> {
        let unsynced = "SELECT unsynced_from FROM progress";
        let from: Option<i64> = self.connection.query_row(unsynced, (), |row| row.get(0))?;
        let Some(from) = from else { return Ok(None) };
        let sql = format!("SELECT {PLACE} FROM runs WHERE seq >= ? ORDER BY seq");
        let mut runs = self.connection.prepare(&sql)?;
        let mut runs = runs.query([from])?;
        while let Some(row) = runs.next()? {
            if let Some(place) = Place::of(row)?
                && self.read(&place)?.is_none()
            {
                return Ok(Some(row.get(0)?));
            }
        }
        Ok(None)
    }

    /// Refuses what misses bytes of runs before `end`.
    fn check_segments(&self, end: i64) -> Result<(), Failure> {
        let sql =
            "SELECT segment, max(position + entries * 16 + heads_bytes + bodies_bytes) FROM runs
             WHERE segment IS NOT NULL AND seq < ? GROUP BY segment";
        let mut segments = self.connection.prepare(sql)?;
        let mut segments = segments.query([end])?;
        while let Some(row) = segments.next()? {
            let (path, bytes) = (self.path(row.get(0)?), rows::unsigned(row, 1)?);
            let length = match std::fs::metadata(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => 0,
                found => found.map_err(io(&path))?.len(),
            };
            if length < bytes {
                let detail = format!("it has {length} of {bytes} bytes");
                return Err(Failure::Open(OpenError::Damaged { path, detail }));
            }
        }
        Ok(())
    }

    /// A run's ids, heads and bodies, from a segment; `None` where they are not there, or its checksum denies them.
    fn read(&mut self, place: &Place) -> Result<Option<Columns<'static>>, Failure> {
        let path = self.path(place.segment);
        if self.segment.as_ref().is_none_or(|(no, _)| *no != place.segment) {
            match File::open(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                file => self.segment = Some((place.segment, file.map_err(io(&path))?)),
            }
        }
        let Some((_, file)) = &self.segment else { return Ok(None) };
        let heads_end = place.ids_bytes.saturating_add(place.heads_bytes);
        let bytes = heads_end.saturating_add(place.bodies_bytes);
        // A damaged row must not make anybody ask for all the memory there is.
        let end = place.position.saturating_add(bytes as u64);
        if end > file.metadata().map_err(io(&path))?.len() {
            return Ok(None);
        }
        let mut ids = vec![0; bytes];
        file.read_exact_at(&mut ids, place.position).map_err(io(&path))?;
        if crc32fast::hash(&ids) != place.checksum {
            return Ok(None);
        }
        let bodies = ids.split_off(heads_end);
        let heads = ids.split_off(place.ids_bytes);
        Ok(Some([ids, heads, bodies].map(Cow::Owned)))
    }

    /// Moves a few runs. Returns whether there may be more.
    fn step(&mut self, runs_max: i64) -> Result<bool, Failure> {
        let connection = self.connection;
        let transaction = connection.unchecked_transaction()?;
        let sql = format!("SELECT {PLACE}, ids, heads, bodies FROM runs_5 ORDER BY seq LIMIT ?");
        let mut runs = connection.prepare_cached(&sql)?;
        let mut runs = runs.query([runs_max])?;
        let (mut last, mut moved_bytes) = (None, 0);
        while moved_bytes < STEP_BYTES_MAX
            && let Some(row) = runs.next()?
        {
            let (seq, columns) = (row.get(0)?, self.columns(row)?);
            moved_bytes += columns.iter().map(|it| it.len()).sum::<usize>();
            insert(connection, seq, &columns)?;
            last = Some(seq);
        }
        let Some(last) = last else { return Ok(false) };
        drop(runs);
        let emptied = delete_through(connection, last)?;
        transaction.commit()?;
        emptied.into_iter().try_for_each(|no| self.remove(no))?;
        // What stands beside the database goes into it: the next one begins at the front.
        connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |_| Ok(()))?;
        Ok(true)
    }

    /// A run's ids, heads and bodies as layout 6 had them: without checksums of their own.
    fn columns<'r>(&mut self, row: &'r Row<'_>) -> Result<Columns<'r>, Failure> {
        let [ids, heads, bodies] = match Place::of(row)? {
            None => {
                [rows::bytes(row, 7)?, rows::bytes(row, 8)?, rows::bytes(row, 9)?].map(Cow::from)
            }
            Some(place) => match self.read(&place)? {
                Some(columns) => columns,
                None => {
                    tracing::warn!(segment = place.segment, "a run of the log is damaged");
                    // Ids that nobody gave, and no heads: its readers are told that each of its entries is damaged.
                    [vec![0; place.ids_bytes], vec![0; 4], vec![0; 4]].map(Cow::Owned)
                }
            },
        };
        if heads.get(3).is_none_or(|size| size & IS_FRONT_CODED == 0) {
            return Ok([ids, heads, bodies]);
        }
        let [heads, bodies] = [heads, bodies].map(|it| {
            let mut it = it.into_owned();
            it.iter_mut().skip(3).take(1).for_each(|size| *size &= !IS_FRONT_CODED);
            it
        });
        let plain = |packed| unpack(packed, Hasher::new());
        let entries = ids.len() / ID_BYTES;
        let whole = front_coded::restore(entries, &plain(&heads), &plain(&bodies));
        let [heads, bodies] = whole.map(|it| {
            let mut packed = Vec::new();
            self.packer.pack(&it, &mut packed);
            Cow::Owned(packed)
        });
        Ok([ids, heads, bodies])
    }

    fn remove(&mut self, no: i64) -> Result<(), Failure> {
        self.segment = None;
        let path = self.path(no);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(io(&path)),
        }
    }

    /// All have moved: the old table goes, and before it the segments that a killed start left, or that no run named.
    fn end(&mut self) -> Result<(), Failure> {
        let directory = self.file.parent().unwrap_or(Path::new(".")).to_owned();
        for entry in std::fs::read_dir(&directory).map_err(io(&directory))? {
            let name = entry.map_err(io(&directory))?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(SEGMENT_NAME));
            if let Some(no) = number.and_then(|number| number.parse().ok()) {
                self.remove(no)?;
            }
        }
        let transaction = self.connection.unchecked_transaction()?;
        transaction.execute_batch(END)?;
        Ok(transaction.commit()?)
    }
}

/// Takes out the runs from `seq` on, and what was noted with them. None of them has a place in the index.
fn take_out(connection: &Connection, seq: i64) -> rusqlite::Result<()> {
    connection.execute(
        "DELETE FROM orders WHERE offset >=
            (SELECT min(first) FROM runs WHERE seq >= ? AND runs.tenant = orders.tenant)",
        [seq],
    )?;
    connection.execute("DELETE FROM runs WHERE seq >= ?", [seq])?;
    connection.execute("UPDATE segments SET last_seq = ?1 - 1 WHERE last_seq >= ?1", [seq])?;
    Ok(())
}

fn insert(connection: &Connection, seq: i64, columns: &Columns<'_>) -> rusqlite::Result<()> {
    let [ids, heads, bodies] = columns;
    connection
        .prepare_cached(
            "INSERT INTO runs SELECT seq, tenant, first, entries, at_ms, tenant_entries, tenant_bytes, ?2, ?3, ?4
             FROM runs_5 WHERE seq = ?1",
        )?
        .execute(params![seq, ids, heads, bodies])?;
    // The index had no ids of what was in a segment.
    connection
        .prepare_cached(
            "UPDATE places SET ids = ?2 WHERE length(ids) = 0
                AND (tenant, first) = (SELECT tenant, first FROM runs_5 WHERE seq = ?1)",
        )?
        .execute(params![seq, ids])?;
    Ok(())
}

/// Takes the runs that have moved out of the old table. Returns the segments of which none is left.
fn delete_through(connection: &Connection, seq: i64) -> rusqlite::Result<Vec<i64>> {
    connection.prepare_cached("DELETE FROM runs_5 WHERE seq <= ?")?.execute([seq])?;
    let mut emptied = connection.prepare_cached(
        "DELETE FROM segments WHERE last_seq <= ?1
            AND NOT EXISTS (SELECT 1 FROM runs_5 WHERE seq <= last_seq AND segment = no) RETURNING no",
    )?;
    emptied.query_map([seq], |row| row.get(0))?.collect()
}

#[cfg(test)]
#[path = "../../tests/fixtures/old_layouts.rs"]
mod fixture;

#[cfg(test)]
mod tests {
    use rusqlite::types::Value;

    use super::*;
    use crate::sqlite::opening::DataDirectory;

    /// Every row of the log in a directory, which is brought over first.
    fn rows_of(directory: &Path) -> Vec<Vec<Value>> {
        let connection =
            DataDirectory::lock(directory).unwrap().open_database(&mut |_| {}).unwrap();
        assert!(!is_under_way(&connection).unwrap());
        let names = std::fs::read_dir(directory).unwrap().map(|it| it.unwrap().file_name());
        assert!(!names.into_iter().any(|it| it.to_str().unwrap().starts_with(SEGMENT_NAME)));
        let mut all = Vec::new();
        for table in ["tenants", "runs", "places", "leftovers", "orders", "notes", "dead_letters"] {
            let mut rows = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
            let columns = rows.column_count();
            let row = |row: &Row<'_>| (0..columns).map(|it| row.get(it)).collect();
            all.extend(rows.query_map((), row).unwrap().map(Result::unwrap));
        }
        all
    }

    #[test]
    fn a_start_that_was_killed_half_way_goes_on_where_it_was() {
        let whole = tempfile::tempdir().unwrap();
        fixture::unpack_layout_5(whole.path());
        let expected = rows_of(whole.path());
        for steps in [0, 1, 9, 20, 40] {
            let [directory, image] = [0; 2].map(|_| tempfile::tempdir().unwrap());
            fixture::unpack_layout_5(directory.path());
            let file = directory.path().join("log.db");
            let connection = Connection::open(&file).unwrap();
            let mut moving = Moving::new(&connection, &file);
            moving.begin().unwrap();
            if steps == 9 {
                // An earlier version began.
                connection.pragma_update(None, "user_version", 6).unwrap();
            }
            let moved = (0..steps).take_while(|_| moving.step(1).unwrap()).count();
            assert_eq!(moved, steps.min(32));
            for entry in std::fs::read_dir(directory.path()).unwrap() {
                let entry = entry.unwrap();
                std::fs::copy(entry.path(), image.path().join(entry.file_name())).unwrap();
            }
            let segment = image.path().join("segment-000001");
            assert_eq!(segment.exists(), steps < 32);
            if steps >= 32 {
                // It was killed before it could delete the file.
                std::fs::write(segment, b"of which no run is left").unwrap();
            }
            assert!(rows_of(image.path()) == expected, "killed after {steps}");
        }
    }

    #[test]
    fn a_segment_that_is_missing_or_cut_off_is_refused_and_the_log_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        fixture::unpack_layout_5(directory.path());
        let segment = directory.path().join("segment-000001");
        let whole = std::fs::read(&segment).unwrap();
        for length in [0, 1, 50_000] {
            std::fs::write(&segment, &whole[..length]).unwrap();
            let opened = DataDirectory::lock(directory.path()).unwrap().open_database(&mut |_| {});
            let sentence = opened.unwrap_err().to_string();
            assert!(sentence.contains(&format!("it has {length} of 73088 bytes")), "{sentence}");
        }
        std::fs::write(&segment, &whole).unwrap();
        assert!(!rows_of(directory.path()).is_empty());
    }

    #[test]
    fn a_changed_byte_of_a_segment_is_damage_and_never_another_message() {
        let directory = tempfile::tempdir().unwrap();
        fixture::unpack_layout_5(directory.path());
        let segment = directory.path().join("segment-000001");
        let mut bytes = std::fs::read(&segment).unwrap();
        bytes[20_000] ^= 1;
        std::fs::write(&segment, bytes).unwrap();
        drop(DataDirectory::lock(directory.path()).unwrap().open_database(&mut |_| {}).unwrap());
        let report = crate::check(directory.path()).unwrap();
        let [finding] = &report.findings[..] else { panic!("{:?}", report.findings) };
        assert!(finding.contains("tenant two: the entry at 13 cannot be understood"), "{finding}");
        let reader = crate::SqliteReader::open(directory.path(), None).unwrap();
        let two = foodtrack_contract::TenantId::parse("two").unwrap();
        let read = |n| reader.read_at(&two, &[foodtrack_contract::Offset::new(n).unwrap()]);
        assert!((13..=29).all(|n| matches!(read(n), Err(crate::ReadError::Damaged { .. }))));
        assert!([12, 30, 53].into_iter().all(|n| read(n).unwrap().len() == 1));
    }
}
