//! Readers: connections of their own, each seeing one moment of what is committed.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use foodtrack_contract::{Cursor, Epoch, Offset, TenantId};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};
use uuid::Uuid;

use super::opening::{OpenError, check_version, keep_plans};
use super::rows::{self, COLUMNS, OUTLINE_COLUMNS, decode, decode_outline, number};
use super::tenants;
use crate::memory::ascending;
use crate::{
    DeadLetter, DeadLetterReason, LogEntry, Note, OutlinePage, Page, ReadError, ReadRequest,
    SavedCursor, SubscriberKey, TenantStats,
};

/// How many connections are kept when nobody reads.
const IDLE_READERS_MAX: usize = 8;

pub(super) struct Readers {
    file: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

/// A tenant's row.
struct TenantRow {
    no: i64,
    epoch: Epoch,
    reserved_through: Offset,
    trimmed_through: Offset,
    /// Entries up to this seq have their places; those behind it are looked through.
    placed_through: i64,
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err gives it")]
fn store(error: rusqlite::Error) -> ReadError {
    ReadError::Store(error.to_string())
}

impl Readers {
    pub(super) fn new(file: PathBuf) -> Self {
        Self { file, idle: Mutex::default() }
    }

    /// Lets go of the connections that nobody uses.
    pub(super) fn close(&mut self) {
        self.idle.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.file, flags)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.pragma_update(None, "cache_size", -8_192)?;
        keep_plans(&connection)?;
        Ok(connection)
    }

    /// Reads of one tenant.
    fn look<T>(
        &self,
        tenant: &TenantId,
        read: impl FnOnce(&Connection, TenantRow) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        self.look_around(|connection| match find(connection, tenant).map_err(store)? {
            Some(row) => read(connection, row),
            None => Err(ReadError::UnknownTenant(tenant.clone())),
        })
    }

    /// Reads within one transaction, so that nothing is trimmed between two looks.
    fn look_around<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.connect().map_err(store)?,
        };
        let transaction = connection.unchecked_transaction().map_err(store)?;
        let answer = read(&transaction);
        transaction.finish().map_err(store)?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_READERS_MAX {
            idle.push(connection);
        }
        answer
    }

    pub(super) fn read(&self, request: &ReadRequest) -> Result<Page, ReadError> {
        let tenant = &request.tenant;
        self.look(tenant, |connection, row| {
            let is_foreign = request.epoch.is_some_and(|epoch| epoch != row.epoch);
            if is_foreign || request.after > row.reserved_through {
                return Ok(Page::reset(row.epoch));
            }
            let mut page = Page::starting(row.epoch, request, row.trimmed_through);
            // One more than the page takes tells whether there is more.
            let rows_max = request.entries_max.max(1).saturating_add(1);
            let (after, mut bytes) = (page.next, 0);
            let mut take = |row: &Row<'_>| -> Result<bool, ReadError> {
                let entry = decode(tenant, row)?;
                bytes += entry.bytes();
                if page.is_full(request, bytes) {
                    page.is_last = false;
                    return Ok(false);
                }
                page.next = entry.offset;
                page.entries.push(entry);
                Ok(true)
            };
            scan(connection, COLUMNS, &row, after, request.through, rows_max, &mut take)?;
            Ok(page)
        })
    }

    pub(super) fn outline(
        &self,
        tenant: &TenantId,
        epoch: Option<Epoch>,
        after: Offset,
        through: Offset,
        entries_max: usize,
    ) -> Result<OutlinePage, ReadError> {
        self.look(tenant, |connection, known| {
            if epoch.is_some_and(|epoch| epoch != known.epoch) {
                return Err(ReadError::OtherEpoch { tenant: tenant.clone(), epoch: known.epoch });
            }
            let mut outlines = Vec::new();
            scan(connection, OUTLINE_COLUMNS, &known, after, through, entries_max, &mut |row| {
                outlines.push(decode_outline(tenant, row)?);
                Ok(true)
            })?;
            Ok(OutlinePage::new(known.trimmed_through, outlines, through, entries_max))
        })
    }

    pub(super) fn read_at(
        &self,
        tenant: &TenantId,
        offsets: &[Offset],
    ) -> Result<Vec<LogEntry>, ReadError> {
        self.look(tenant, |connection, row| {
            let mut entries = Vec::new();
            for offset in ascending(offsets).into_iter().filter(|it| *it > Offset::ZERO) {
                let before = Offset::ZERO.plus(offset.get() - 1);
                scan(connection, COLUMNS, &row, before, offset, 1, &mut |row| {
                    entries.push(decode(tenant, row)?);
                    Ok(true)
                })?;
            }
            Ok(entries)
        })
    }

    pub(super) fn entity_history(
        &self,
        tenant: &TenantId,
        entity: &str,
        entries_max: usize,
    ) -> Result<Vec<LogEntry>, ReadError> {
        self.look(tenant, |connection, row| {
            // Of those that have places, and then of those that have none: newest first, and the latter are newer.
            let placed = format!(
                "SELECT {COLUMNS} FROM (SELECT seq AS place FROM places WHERE tenant = ?1 AND ?2 = ?2
                 ORDER BY offset DESC) CROSS JOIN entries ON seq = place
                 WHERE entity = ?3 ORDER BY seq DESC LIMIT ?4"
            );
            let unplaced = format!(
                "SELECT {COLUMNS} FROM entries WHERE seq > ?2 AND tenant = ?1 AND entity = ?3
                 ORDER BY seq DESC LIMIT ?4"
            );
            let mut history = Vec::new();
            for sql in [unplaced, placed] {
                let mut statement = connection.prepare_cached(&sql).map_err(store)?;
                let left = number((entries_max - history.len()) as u64);
                let mut rows = statement
                    .query(params![row.no, row.placed_through, entity, left])
                    .map_err(store)?;
                while let Some(row) = rows.next().map_err(store)? {
                    history.push(decode(tenant, row)?);
                }
            }
            history.reverse();
            Ok(history)
        })
    }

    pub(super) fn find(&self, tenant: &TenantId, id: Uuid) -> Result<Option<Offset>, ReadError> {
        self.look(tenant, |connection, row| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT max(offset) FROM (
                        SELECT offset FROM places WHERE tenant = ?1 AND id = ?3
                        UNION ALL SELECT offset FROM entries WHERE seq > ?2 AND tenant = ?1 AND id = ?3
                     )",
                )
                .map_err(store)?;
            let offset: Option<i64> = statement
                .query_row(params![row.no, row.placed_through, id.as_bytes()], |row| row.get(0))
                .map_err(store)?;
            Ok(offset.and_then(|it| u64::try_from(it).ok()).and_then(Offset::new))
        })
    }

    /// That the database is there and of this version.
    pub(super) fn check_version(&self, file: &Path) -> Result<(), OpenError> {
        let connection = self.connect().map_err(|error| OpenError::store(file, &error))?;
        check_version(&connection, file)
    }

    pub(super) fn notes(&self, tenant: &TenantId, now_ms: u64) -> Result<Vec<Note>, ReadError> {
        self.look(tenant, |connection, row| {
            tenants::notes(connection, row.no, now_ms).map_err(store)
        })
    }

    pub(super) fn tenants(&self) -> Result<Vec<TenantId>, ReadError> {
        self.look_around(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT name FROM tenants ORDER BY name")
                .map_err(store)?;
            let names = statement
                .query_map((), |row| row.get::<_, String>(0))
                .map_err(store)?
                .collect::<rusqlite::Result<Vec<_>>>()
                .map_err(store)?;
            let parse = |name: String| {
                let unreadable = format!("a tenant's name is damaged: {name:?}");
                TenantId::parse(&name).map_err(|_| ReadError::Store(unreadable))
            };
            names.into_iter().map(parse).collect()
        })
    }

    pub(super) fn cursor(
        &self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
    ) -> Result<Option<SavedCursor>, ReadError> {
        self.look(tenant, |connection, row| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT cursor, updated_at_ms FROM subscribers WHERE tenant = ? AND key = ?",
                )
                .map_err(store)?;
            let saved = statement
                .query_row(params![row.no, subscriber.as_str()], |row| {
                    Ok((row.get::<_, String>(0)?, rows::unsigned(row, 1)?))
                })
                .optional()
                .map_err(store)?;
            // A cursor that cannot be read is none: its subscriber starts anew.
            Ok(saved.and_then(|(text, updated_at_ms)| {
                Cursor::parse(&text).map(|cursor| SavedCursor { cursor, updated_at_ms })
            }))
        })
    }

    pub(super) fn dead_letters(
        &self,
        tenant: &TenantId,
        after: Offset,
        letters_max: usize,
    ) -> Result<Vec<DeadLetter>, ReadError> {
        self.look(tenant, |connection, row| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT offset, subscriber, id, reason, attempts, at_ms FROM dead_letters
                     WHERE tenant = ? AND offset > ? ORDER BY offset, subscriber",
                )
                .map_err(store)?;
            let mut rows = statement.query(params![row.no, number(after.get())]).map_err(store)?;
            let mut letters: Vec<DeadLetter> = Vec::new();
            while let Some(row) = rows.next().map_err(store)? {
                let offset = rows::offset(row, 0).map_err(store)?;
                let is_of_last = letters.last().is_some_and(|last| last.offset == offset);
                if letters.len() >= letters_max && !is_of_last {
                    break;
                }
                let damaged =
                    |column| ReadError::Damaged { tenant: tenant.clone(), offset, column };
                let text = |column: usize| row.get::<_, String>(column).map_err(store);
                letters.push(DeadLetter {
                    offset,
                    subscriber: SubscriberKey::new(&text(1)?)
                        .ok_or_else(|| damaged("subscriber"))?,
                    id: Uuid::from_bytes(row.get(2).map_err(store)?),
                    reason: DeadLetterReason::from_text(&text(3)?)
                        .ok_or_else(|| damaged("reason"))?,
                    attempts: row.get(4).map_err(store)?,
                    at_ms: rows::unsigned(row, 5).map_err(store)?,
                });
            }
            Ok(letters)
        })
    }

    pub(super) fn stats(&self, tenant: &TenantId) -> Result<TenantStats, ReadError> {
        self.look(tenant, |connection, row| {
            let newest = tenants::newest(connection, row.placed_through, row.no).map_err(store)?;
            let columns = format!("{COLUMNS}, tenant_entries, tenant_bytes");
            let (mut entries, mut bytes) = (0, 0);
            scan(connection, &columns, &row, row.trimmed_through, Offset::MAX, 1, &mut |oldest| {
                let tally = |column| rows::unsigned(oldest, column).map_err(store);
                // The oldest one itself is in both of its sums.
                entries = newest.entries.saturating_sub(tally(15)?) + 1;
                bytes = newest.bytes.saturating_sub(tally(16)?) + decode(tenant, oldest)?.bytes();
                Ok(true)
            })?;
            let mut statement = connection
                .prepare_cached(
                    "SELECT max(coalesce(
                        (SELECT max(offset) FROM entries WHERE seq > ?2 AND tenant = ?1),
                        (SELECT max(offset) FROM places WHERE tenant = ?1)
                     )), (SELECT count(*) FROM dead_letters WHERE tenant = ?1)",
                )
                .map_err(store)?;
            let (last, dead_letters) = statement
                .query_row(params![row.no, row.placed_through], |it| {
                    Ok((it.get::<_, Option<i64>>(0)?, rows::unsigned(it, 1)?))
                })
                .map_err(store)?;
            let last = last.and_then(|it| u64::try_from(it).ok()).and_then(Offset::new);
            Ok(TenantStats {
                last: Cursor::new(row.epoch, last.unwrap_or(row.trimmed_through)),
                trimmed_through: row.trimmed_through,
                entries,
                bytes,
                dead_letters,
            })
        })
    }
}

/// Gives `take` a tenant's entries after an offset and up to another, ascending, at most `entries_max`, until it wants no
/// more.
fn scan(
    connection: &Connection,
    columns: &str,
    tenant: &TenantRow,
    after: Offset,
    through: Offset,
    entries_max: usize,
    take: &mut dyn FnMut(&Row<'_>) -> Result<bool, ReadError>,
) -> Result<(), ReadError> {
    let placed = format!(
        "SELECT {columns} FROM (SELECT seq AS place FROM places
            WHERE ?5 = ?5 AND tenant = ?1 AND offset > ?2 AND offset <= ?3 ORDER BY offset LIMIT ?4)
         CROSS JOIN entries ON seq = place"
    );
    let unplaced = format!(
        "SELECT {columns} FROM entries
         WHERE seq > ?5 AND tenant = ?1 AND offset > ?2 AND offset <= ?3 ORDER BY seq LIMIT ?4"
    );
    let mut left = entries_max;
    for sql in [placed, unplaced] {
        let mut statement = connection.prepare_cached(&sql).map_err(store)?;
        let (after, through) = (number(after.get()), number(through.get()));
        let mut rows = statement
            .query(params![tenant.no, after, through, number(left as u64), tenant.placed_through])
            .map_err(store)?;
        while let Some(row) = rows.next().map_err(store)? {
            left -= 1;
            if !take(row)? || left == 0 {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn find(connection: &Connection, tenant: &TenantId) -> rusqlite::Result<Option<TenantRow>> {
    let mut statement = connection.prepare_cached(
        "SELECT no, epoch, reserved_through, trimmed_through, placed_through
         FROM tenants, progress WHERE name = ?",
    )?;
    statement
        .query_row([tenant.as_str()], |row| {
            Ok(TenantRow {
                no: row.get(0)?,
                epoch: Epoch::new(rows::unsigned(row, 1)?),
                reserved_through: rows::offset(row, 2)?,
                trimmed_through: rows::offset(row, 3)?,
                placed_through: row.get(4)?,
            })
        })
        .optional()
}
