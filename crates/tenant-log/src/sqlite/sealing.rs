//! Whether a database is sealed, and with whose keys; and sealing what is from before there were keys.
//!
//! What is from before is sealed a few rows at a time, oldest first, while nobody appends or between appends. Each step is a
//! transaction that also says how far it is: whatever ends the process, the next start goes on from there.

use std::path::Path;
use std::time::{Duration, Instant};

use foodtrack_contract::TenantId;
use rusqlite::{Connection, OptionalExtension, params};

use super::opening::OpenError;
use super::rows::{self, ENTRIES, ENTRIES_COLUMNS};
use super::tenant_scan::TenantScan;
use crate::NoteKind;
use crate::row_seals::{RowSeals, SealError, is_sealed};

/// How many rows a step looks at, at most.
const STEP_ROWS_MAX: u32 = 256;
/// How many bytes of bodies a step seals, but for the last row of it.
const STEP_BYTES_MAX: usize = 1 << 20;
/// How long there is between two steps at least: 20 MiB a second at most.
const STEP_EVERY: Duration = Duration::from_millis(50);
/// How long after a failed step the next one is tried.
const RETRY: Duration = Duration::from_secs(10);
/// How often it is told how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// Notes whose keys these are, and refuses others.
///
/// # Errors
/// [`OpenError::NoKey`], [`OpenError::OtherKeys`]: nothing was changed.
pub(super) fn begin(
    connection: &Connection,
    seals: &RowSeals,
    file: &Path,
) -> Result<(), OpenError> {
    let store = |error: rusqlite::Error| OpenError::store(file, &error);
    let found = keyring(connection).map_err(store)?;
    let path = file.to_owned();
    match (found, seals.keys()) {
        (None, None) => Ok(()),
        (Some(_), None) => Err(OpenError::NoKey { path }),
        (Some(found), Some(keys)) if found == keys.id() => Ok(()),
        (Some(_), Some(_)) => Err(OpenError::OtherKeys { path }),
        (None, Some(keys)) => {
            let sql = "INSERT INTO sealing
                 SELECT ?, coalesce(min(seq) - 1, 0), coalesce(max(seq), 0) FROM runs";
            connection.execute(sql, [keys.id()]).map(|_| ()).map_err(store)
        }
    }
}

/// Whose keys seal the database; `None` where it is not sealed.
pub(super) fn keyring(connection: &Connection) -> rusqlite::Result<Option<String>> {
    connection.query_row("SELECT keyring FROM sealing", (), |row| row.get(0)).optional()
}

/// Whether the newest row of a tenant is sealed.
pub(super) fn is_newest_sealed(
    connection: &Connection,
    scan: TenantScan,
) -> rusqlite::Result<bool> {
    let mut newest = false;
    scan.descend::<rusqlite::Error>(connection, "runs.bodies", |row| {
        newest = is_sealed(rows::bytes(row, 0)?);
        Ok(false)
    })?;
    Ok(newest)
}

/// Seals what is from before.
#[derive(Debug)]
pub(super) struct Resealing {
    /// The last row that was there when keys were first given; `None` where all is sealed, or nothing is to be.
    until: Option<i64>,
    through: i64,
    are_notes_done: bool,
    /// Whether there was something to seal.
    has_sealed: bool,
    /// What the transaction at hand did.
    step: Option<Step>,
    next_at: Instant,
    told_at: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    through: i64,
    are_notes_done: bool,
    has_sealed: bool,
    is_last: bool,
}

impl Resealing {
    /// What there is to do in a database that these keys seal.
    pub(super) fn load(connection: &Connection, seals: &RowSeals) -> rusqlite::Result<Self> {
        let now = Instant::now();
        let mut resealing = Self {
            until: None,
            through: 0,
            are_notes_done: false,
            has_sealed: false,
            step: None,
            next_at: now,
            told_at: now,
        };
        if seals.keys().is_none() {
            return Ok(resealing);
        }
        let sql = "SELECT resealed_through, reseal_until FROM sealing";
        (resealing.through, resealing.until) =
            connection.query_row(sql, (), |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(resealing)
    }

    /// How long until the next step; `None` where there is nothing to do.
    pub(super) fn wait(&self) -> Option<Duration> {
        let left = self.next_at.saturating_duration_since(Instant::now());
        self.until.map(|_| left)
    }

    /// Whether a step is due.
    pub(super) fn is_due(&self) -> bool {
        self.wait().is_some_and(|wait| wait.is_zero())
    }

    /// A step, within the transaction at hand. Returns about how many bytes it wrote. What cannot be sealed now is tried
    /// again later.
    pub(super) fn step(
        &mut self,
        connection: &Connection,
        seals: &RowSeals,
    ) -> rusqlite::Result<u64> {
        let Some(until) = self.until.filter(|_| self.is_due()) else { return Ok(0) };
        self.next_at = Instant::now() + STEP_EVERY;
        match self.seal_some(connection, seals, until) {
            Ok((bytes, step)) => {
                self.step = Some(step);
                Ok(bytes)
            }
            Err(Stopped::Store(error)) => Err(error),
            Err(Stopped::Seal(tenant, error)) => {
                self.next_at = Instant::now() + RETRY;
                tracing::error!(%tenant, %error, "what is in the log from before cannot be sealed; it is tried again");
                Ok(0)
            }
        }
    }

    fn seal_some(
        &self,
        connection: &Connection,
        seals: &RowSeals,
        until: i64,
    ) -> Result<(u64, Step), Stopped> {
        let (bytes, through) = seal_rows(connection, seals, (self.through, until))?;
        let notes = if self.are_notes_done { Some(0) } else { seal_notes(connection, seals)? };
        let are_notes_done = notes == Some(0);
        let is_last = through >= until && are_notes_done;
        connection
            .prepare_cached("UPDATE sealing SET resealed_through = ?, reseal_until = ?")?
            .execute(params![through, (!is_last).then_some(until)])?;
        Ok((
            bytes,
            Step { through, are_notes_done, has_sealed: bytes > 0 || !are_notes_done, is_last },
        ))
    }

    /// The transaction of the last step is durable. Returns whether that was the last one, and there was something to seal.
    pub(super) fn keep(&mut self) -> bool {
        let Some(step) = self.step.take() else { return false };
        (self.through, self.are_notes_done) = (step.through, step.are_notes_done);
        self.has_sealed |= step.has_sealed;
        let left = self.until.map_or(0, |until| until - self.through);
        if step.is_last {
            self.until = None;
            if self.has_sealed {
                tracing::info!("all that is in the log from before is sealed");
            }
        } else if self.told_at.elapsed() >= TOLD_EVERY {
            self.told_at = Instant::now();
            tracing::info!(left, "rows of the log from before are still to be sealed");
        }
        step.is_last && self.has_sealed
    }

    /// The transaction of the last step never was.
    pub(super) fn undo(&mut self) {
        self.step = None;
    }
}

/// Why a step ended early.
enum Stopped {
    Store(rusqlite::Error),
    Seal(TenantId, SealError),
}

impl From<rusqlite::Error> for Stopped {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error)
    }
}

/// Seals rows after one seq and up to another. Returns how many bytes that were, and the last seq that was looked at.
fn seal_rows(
    connection: &Connection,
    seals: &RowSeals,
    (after, until): (i64, i64),
) -> Result<(u64, i64), Stopped> {
    let mut some = connection.prepare_cached(&format!(
        "SELECT {ENTRIES}, runs.seq, tenants.name FROM runs JOIN tenants ON tenants.no = runs.tenant
         WHERE runs.seq > ? AND runs.seq <= ? ORDER BY runs.seq LIMIT ?"
    ))?;
    let mut update = connection.prepare_cached("UPDATE runs SET bodies = ? WHERE seq = ?")?;
    let mut rows = some.query(params![after, until, STEP_ROWS_MAX])?;
    let (mut bytes, mut through, mut count) = (0, after, 0);
    while let Some(row) = rows.next()? {
        let (seq, name): (i64, String) = (row.get(ENTRIES_COLUMNS)?, row.get(ENTRIES_COLUMNS + 1)?);
        (through, count) = (seq, count + 1);
        // A name that is none has no keys; whoever checks the log is told of it.
        let Ok(tenant) = TenantId::parse(&name) else { continue };
        let (place, bodies) = rows::place(row, 0, &tenant)?;
        if is_sealed(bodies) {
            continue;
        }
        let sealed = seals
            .seal_bodies(place, bodies)
            .map_err(|error| Stopped::Seal(tenant.clone(), error))?;
        update.execute(params![sealed, seq])?;
        bytes += sealed.len();
        if bytes >= STEP_BYTES_MAX {
            return Ok((bytes as u64, through));
        }
    }
    let is_end = count < STEP_ROWS_MAX;
    Ok((bytes as u64, if is_end { until } else { through }))
}

/// Whether whatever is deleted or replaced is overwritten with zeros. Where not, that is done on pages that are written anyway.
pub(super) fn overwrite_what_goes(connection: &Connection, is_all: bool) -> rusqlite::Result<()> {
    let which = if is_all { "ON" } else { "FAST" };
    connection.query_row(&format!("PRAGMA secure_delete = {which}"), (), |_| Ok(()))
}

/// Seals some notes that are not. Returns how many that were; `None` where there may be more.
fn seal_notes(connection: &Connection, seals: &RowSeals) -> Result<Option<u32>, Stopped> {
    let mut some = connection.prepare_cached(
        "SELECT notes.tenant, notes.kind, notes.key, notes.value, tenants.name
         FROM notes JOIN tenants ON tenants.no = notes.tenant
         WHERE substr(notes.value, 1, 8) <> '~sealed:' LIMIT ?",
    )?;
    let mut update = connection
        .prepare_cached("UPDATE notes SET value = ? WHERE tenant = ? AND kind = ? AND key = ?")?;
    let found: Vec<(i64, String, String, String, String)> = some
        .query_map([STEP_ROWS_MAX], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut sealed_count = 0_u32;
    for (no, kind, key, value, name) in &found {
        // One of a kind that this version does not know is left where it is.
        let (Some(known), Ok(tenant)) = (NoteKind::from_text(kind), TenantId::parse(name)) else {
            continue;
        };
        let sealed = seals
            .seal_note(&tenant, (known, key), value)
            .map_err(|error| Stopped::Seal(tenant.clone(), error))?;
        update.execute(params![sealed, no, kind, key])?;
        sealed_count += 1;
    }
    // The next step finds none.
    Ok((sealed_count == 0).then_some(0))
}
