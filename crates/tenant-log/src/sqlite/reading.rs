//! Readers: connections of their own, each seeing one moment of what is committed.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use foodtrack_contract::{Cursor, Epoch, Offset, TenantId};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use uuid::Uuid;

use super::opening::{OpenError, check_version, keep_plans};
use super::rows::{self, ENTRIES, HEADS, HEADS_COLUMNS, number};
use super::tenant_scan::TenantScan;
use super::tenants;
use crate::encoding::{Damage, Head};
use crate::memory::ascending;
use crate::row_seals::RowSeals;
use crate::{
    Assignment, DeadLetter, DeadLetterReason, LogEntry, Note, NoteKind, OrderOwner, OutlinePage,
    Page, RECENT_IDS_MAX, ReadError, ReadRequest, SavedCursor, SubscriberKey, TenantStats,
};

/// How many connections are kept when nobody reads.
const IDLE_READERS_MAX: usize = 8;

pub(super) struct Readers {
    file: PathBuf,
    seals: RowSeals,
    idle: Mutex<Vec<Connection>>,
}

/// A tenant's row.
struct TenantRow<'t> {
    tenant: &'t TenantId,
    seals: &'t RowSeals,
    scan: TenantScan,
    epoch: Epoch,
    reserved_through: Offset,
    trimmed_through: Offset,
}

impl TenantRow<'_> {
    fn damaged(&self, offset: Offset) -> impl FnOnce(Damage) -> ReadError {
        let tenant = self.tenant.clone();
        move |column| ReadError::Damaged { tenant, offset, column }
    }

    /// Gives `take` what a batch has after an offset and up to another. Returns whether it wants more, and there may be some.
    fn take_some<T>(
        &self,
        batch: impl Iterator<Item = (Offset, Result<T, Damage>)>,
        after: Offset,
        through: Offset,
        mut take: impl FnMut(Offset, T) -> Result<bool, Damage>,
    ) -> Result<bool, ReadError> {
        for (offset, entry) in batch {
            if offset > through {
                return Ok(false);
            }
            let taken = |entry| take(offset, entry);
            if offset > after && !entry.and_then(taken).map_err(self.damaged(offset))? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.to_string())
    }
}

impl Readers {
    pub(super) fn new(file: PathBuf, seals: RowSeals) -> Self {
        Self { file, seals, idle: Mutex::default() }
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
        read: impl Fn(&Connection, &TenantRow<'_>) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        self.look_around(|connection| match find(connection, tenant, &self.seals)? {
            Some(row) => read(connection, &row),
            None => Err(ReadError::UnknownTenant(tenant.clone())),
        })
    }

    /// Reads within one transaction, so that nothing is trimmed between two looks.
    fn look_around<T>(
        &self,
        read: impl Fn(&Connection) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let transaction = connection.unchecked_transaction()?;
        let answer = read(&transaction);
        transaction.finish()?;
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
            let (after, mut bytes) = (page.next, 0);
            scan(connection, row, after, request.through, |offset, head, body| {
                bytes += head.bytes();
                if page.is_full(request, bytes) {
                    page.is_last = false;
                    return Ok(false);
                }
                page.next = offset;
                page.entries.push(head.entry(offset, body)?);
                Ok(true)
            })?;
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
            scan_heads(connection, known, after, through, |offset, head| {
                outlines.push(head.outline(offset)?);
                Ok(outlines.len() < entries_max)
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
                scan(connection, row, before, offset, |offset, head, body| {
                    entries.push(head.entry(offset, body)?);
                    Ok(false)
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
            let mut history = Vec::new();
            row.scan.descend_heads::<ReadError>(connection, |offset, head| {
                if offset <= row.trimmed_through || history.len() == entries_max {
                    return Ok(false);
                }
                let is_about = head.and_then(|head| Ok(head.entity()? == Some(entity)));
                if is_about.map_err(row.damaged(offset))? {
                    history.push(offset);
                }
                Ok(true)
            })?;
            Ok(history)
        })
        .and_then(|history| self.read_at(tenant, &history))
    }

    pub(super) fn find(&self, tenant: &TenantId, id: Uuid) -> Result<Option<Offset>, ReadError> {
        self.look(tenant, |connection, row| {
            let (mut found, mut unknown, mut left) = (None, None, RECENT_IDS_MAX);
            row.scan.descend_ids(connection, |offset, it| {
                left -= 1;
                match it {
                    Ok(it) => found = (it == id).then_some(offset),
                    Err(damage) if offset > row.trimmed_through => {
                        unknown = unknown.or(Some((offset, damage)));
                    }
                    Err(_) => {}
                }
                found.is_none() && left > 0 && offset > row.trimmed_through
            })?;
            match (found.filter(|offset| *offset > row.trimmed_through), unknown) {
                // It may be among those that cannot be read.
                (None, Some((offset, damage))) => Err(row.damaged(offset)(damage)),
                (found, _) => Ok(found),
            }
        })
    }

    /// That the database is there and of this version.
    pub(super) fn check_version(&self, file: &Path) -> Result<(), OpenError> {
        let connection = self.connect().map_err(|error| OpenError::store(file, &error))?;
        check_version(&connection, file)
    }

    /// Those of one kind, by key.
    pub(super) fn notes(
        &self,
        tenant: &TenantId,
        kind: NoteKind,
        now_ms: u64,
    ) -> Result<Vec<Note>, ReadError> {
        self.look(tenant, |connection, row| {
            let of = (row.scan.no, row.tenant);
            Ok(tenants::notes_of(connection, of, kind, now_ms, row.seals)?)
        })
    }

    pub(super) fn tenants(&self) -> Result<Vec<TenantId>, ReadError> {
        self.names("SELECT name FROM tenants ORDER BY name", ())
    }

    pub(super) fn tenants_noted(&self, kind: NoteKind) -> Result<Vec<TenantId>, ReadError> {
        let sql =
            "SELECT DISTINCT tenants.name FROM notes JOIN tenants ON tenants.no = notes.tenant
                   WHERE notes.kind = ? ORDER BY tenants.name";
        self.names(sql, [kind.as_str()])
    }

    fn names(
        &self,
        sql: &str,
        params: impl rusqlite::Params + Copy,
    ) -> Result<Vec<TenantId>, ReadError> {
        self.look_around(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let names = statement
                .query_map(params, |row| row.get::<_, String>(0))?
                .collect::<rusqlite::Result<Vec<_>>>()?;
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
            let mut statement = connection.prepare_cached(
                "SELECT cursor, updated_at_ms FROM subscribers WHERE tenant = ? AND key = ?",
            )?;
            let saved = statement
                .query_row(params![row.scan.no, subscriber.as_str()], |row| {
                    Ok((row.get::<_, String>(0)?, rows::unsigned(row, 1)?))
                })
                .optional()?;
            // A cursor that cannot be read is none: its subscriber starts anew.
            Ok(saved.and_then(|(text, updated_at_ms)| {
                Cursor::parse(&text).map(|cursor| SavedCursor { cursor, updated_at_ms })
            }))
        })
    }

    pub(super) fn cursors(
        &self,
        tenant: &TenantId,
        after: Option<&SubscriberKey>,
        cursors_max: usize,
    ) -> Result<Vec<(SubscriberKey, SavedCursor)>, ReadError> {
        self.look(tenant, |connection, row| {
            let mut statement = connection.prepare_cached(
                "SELECT key, cursor, updated_at_ms FROM subscribers WHERE tenant = ? AND key > ?
                 ORDER BY key LIMIT ?",
            )?;
            let after = after.map_or("", SubscriberKey::as_str);
            let max = number(cursors_max as u64);
            let rows = statement.query_map(params![row.scan.no, after, max], |row| {
                let (key, text) = (row.get::<_, String>(0)?, row.get::<_, String>(1)?);
                Ok((key, text, rows::unsigned(row, 2)?))
            })?;
            let mut cursors = Vec::new();
            for row in rows {
                let (key, text, updated_at_ms) = row?;
                let cursor = Cursor::parse(&text);
                cursors.extend(
                    SubscriberKey::new(&key)
                        .zip(cursor)
                        .map(|(key, cursor)| (key, SavedCursor { cursor, updated_at_ms })),
                );
            }
            Ok(cursors)
        })
    }

    pub(super) fn order_owner(
        &self,
        tenant: &TenantId,
        order: &str,
    ) -> Result<Option<OrderOwner>, ReadError> {
        self.look(tenant, |connection, row| {
            let mut statement = connection
                .prepare_cached("SELECT customer FROM orders WHERE tenant = ? AND order_id = ?")?;
            let owner = statement
                .query_row(params![row.scan.no, order], |row| {
                    Ok(OrderOwner { customer: row.get(0)? })
                })
                .optional()?;
            Ok(owner)
        })
    }

    pub(super) fn assignment(
        &self,
        tenant: &TenantId,
        order: &str,
    ) -> Result<Option<Assignment>, ReadError> {
        self.look(tenant, |connection, row| {
            let mut statement = connection.prepare_cached(
                "SELECT user, id, offset FROM assignments WHERE tenant = ? AND order_id = ?",
            )?;
            let assignment = statement
                .query_row(params![row.scan.no, order], |row| {
                    let (user, id) = (row.get(0)?, Uuid::from_bytes(row.get(1)?));
                    Ok(Assignment { user, id, offset: rows::offset(row, 2)? })
                })
                .optional()?;
            Ok(assignment)
        })
    }

    pub(super) fn dead_letters(
        &self,
        tenant: &TenantId,
        after: Offset,
        letters_max: usize,
    ) -> Result<Vec<DeadLetter>, ReadError> {
        self.look(tenant, |connection, row| {
            let mut statement = connection.prepare_cached(
                "SELECT offset, subscriber, id, reason, attempts, at_ms FROM dead_letters
                     WHERE tenant = ? AND offset > ? ORDER BY offset, subscriber",
            )?;
            let mut rows = statement.query(params![row.scan.no, number(after.get())])?;
            let mut letters: Vec<DeadLetter> = Vec::new();
            while let Some(row) = rows.next()? {
                let offset = rows::offset(row, 0)?;
                let is_of_last = letters.last().is_some_and(|last| last.offset == offset);
                if letters.len() >= letters_max && !is_of_last {
                    break;
                }
                let damaged =
                    |column| ReadError::Damaged { tenant: tenant.clone(), offset, column };
                let text = |column: usize| row.get::<_, String>(column);
                letters.push(DeadLetter {
                    offset,
                    subscriber: SubscriberKey::new(&text(1)?)
                        .ok_or_else(|| damaged("subscriber"))?,
                    id: Uuid::from_bytes(row.get(2)?),
                    reason: DeadLetterReason::from_text(&text(3)?)
                        .ok_or_else(|| damaged("reason"))?,
                    attempts: row.get(4)?,
                    at_ms: rows::unsigned(row, 5)?,
                });
            }
            Ok(letters)
        })
    }

    pub(super) fn stats(&self, tenant: &TenantId) -> Result<TenantStats, ReadError> {
        self.look(tenant, |connection, row| {
            let newest = tenants::newest(connection, row.scan)?;
            let (mut before, mut last) = (newest, None);
            let trimmed_through = row.trimmed_through;
            let columns = format!("{HEADS}, runs.tenant_entries, runs.tenant_bytes");
            row.scan.ascend(connection, &columns, trimmed_through, Offset::MAX, |batch| {
                before = rows::tally(batch, HEADS_COLUMNS)?;
                let heads = rows::heads(batch, 0)?;
                for (offset, head) in heads.iter_heads().filter(|(it, _)| *it > trimmed_through) {
                    let bytes = head.map_err(row.damaged(offset))?.bytes();
                    before.entries = before.entries.saturating_sub(1);
                    before.bytes = before.bytes.saturating_sub(bytes);
                }
                Ok::<_, ReadError>(false)
            })?;
            row.scan.descend::<ReadError>(
                connection,
                "runs.first + runs.entries - 1",
                |batch| {
                    last = Some(rows::offset(batch, 0)?);
                    Ok(false)
                },
            )?;
            let dead_letters = connection
                .prepare_cached("SELECT count(*) FROM dead_letters WHERE tenant = ?")?
                .query_row([row.scan.no], |row| rows::unsigned(row, 0))?;
            let (entries, bytes) = (newest.entries - before.entries, newest.bytes - before.bytes);
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

/// Gives `take` a tenant's entries after an offset and up to another, ascending, until it wants no more.
fn scan(
    connection: &Connection,
    tenant: &TenantRow<'_>,
    after: Offset,
    through: Offset,
    mut take: impl FnMut(Offset, &Head<'_>, &[u8]) -> Result<bool, Damage>,
) -> Result<(), ReadError> {
    let after = after.max(tenant.trimmed_through);
    tenant.scan.ascend(connection, ENTRIES, after, through, |batch| {
        let batch = rows::entries(batch, 0, tenant.seals, tenant.tenant)?;
        tenant.take_some(batch.iter(), after, through, |offset, (head, body)| {
            take(offset, &head, body)
        })
    })
}

/// As [`scan`], without the bodies.
fn scan_heads(
    connection: &Connection,
    tenant: &TenantRow<'_>,
    after: Offset,
    through: Offset,
    mut take: impl FnMut(Offset, &Head<'_>) -> Result<bool, Damage>,
) -> Result<(), ReadError> {
    let after = after.max(tenant.trimmed_through);
    tenant.scan.ascend(connection, HEADS, after, through, |batch| {
        let batch = rows::heads(batch, 0)?;
        tenant.take_some(batch.iter_heads(), after, through, |offset, head| take(offset, &head))
    })
}

fn find<'t>(
    connection: &Connection,
    tenant: &'t TenantId,
    seals: &'t RowSeals,
) -> rusqlite::Result<Option<TenantRow<'t>>> {
    let mut statement = connection.prepare_cached(
        "SELECT no, epoch, reserved_through, trimmed_through, placed_through
         FROM tenants, progress WHERE name = ?",
    )?;
    statement
        .query_row([tenant.as_str()], |row| {
            Ok(TenantRow {
                tenant,
                seals,
                scan: TenantScan { no: row.get(0)?, indexed_through: row.get(4)? },
                epoch: Epoch::new(rows::unsigned(row, 1)?),
                reserved_through: rows::offset(row, 2)?,
                trimmed_through: rows::offset(row, 3)?,
            })
        })
        .optional()
}
