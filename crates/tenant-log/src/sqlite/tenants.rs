//! The tenants that are open for appending, as the writer knows them.

use ahash::AHashMap;
use foodtrack_contract::{Epoch, Offset, TenantId};
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::rows::{self, COLUMNS, number};
use crate::memory::random_epoch;
use crate::retention::Tally;
use crate::{
    HEAD_ORDERS_MAX, HEAD_TAIL_BYTES_MAX, HEAD_TAIL_ENTRIES_MAX, Head, LogEntry, Note, NoteKind,
    RECENT_IDS_MAX,
};

/// How many offsets are made safe at once. After a crash what is left of them is skipped.
pub(super) const RESERVED_OFFSETS: u64 = 8_192;

/// One open tenant. What a transaction changes of it is undone by [`OpenTenant::undo`] when the transaction fails.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenTenant {
    pub(super) no: i64,
    /// The next offset that may be submitted: never goes back, whatever becomes of what was submitted.
    pub(super) expected: Offset,
    pub(super) now: Changing,
    committed: Changing,
    /// Something was appended since retention was last looked at.
    pub(super) is_grown: bool,
    /// The transaction that opened it is not durable yet.
    is_new: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Changing {
    pub(super) reserved_through: Offset,
    /// The newest entry's.
    pub(super) last: Tally,
}

impl OpenTenant {
    /// The transaction is durable.
    pub(super) fn keep(&mut self) {
        self.committed = self.now;
        self.is_new = false;
    }

    /// The transaction never was. Returns whether the tenant is open all the same.
    pub(super) fn undo(&mut self) -> bool {
        self.now = self.committed;
        !self.is_new
    }

    /// Reserves a block when less than half of the last one is left.
    pub(super) fn reserve(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if self.expected.plus(RESERVED_OFFSETS / 2) <= self.now.reserved_through {
            return Ok(());
        }
        let through = self.expected.plus(RESERVED_OFFSETS);
        set_reserved(connection, self.no, through)?;
        self.now.reserved_through = through;
        Ok(())
    }

    /// Gives back what was reserved and not used.
    pub(super) fn unreserve(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let through = Offset::ZERO.plus(self.expected.get().saturating_sub(1));
        set_reserved(connection, self.no, through)?;
        self.now.reserved_through = through;
        Ok(())
    }
}

fn set_reserved(connection: &Connection, no: i64, through: Offset) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached("UPDATE tenants SET reserved_through = ? WHERE no = ?")?;
    statement.execute(params![number(through.get()), no])?;
    Ok(())
}

pub(super) type OpenTenants = AHashMap<TenantId, OpenTenant>;

/// Opens a tenant within the transaction at hand, or makes one. An open one is only looked at again.
pub(super) fn open(
    connection: &Connection,
    tenants: &mut OpenTenants,
    placed_through: i64,
    tenant: &TenantId,
    now_ms: u64,
) -> rusqlite::Result<Head> {
    let row = find(connection, tenant)?;
    let (no, epoch, reserved_through, trimmed_through) = match row {
        Some(row) => row,
        None => create(connection, tenant)?,
    };
    let open = tenants.entry(tenant.clone()).or_insert_with(|| {
        let now = Changing { reserved_through, last: Tally::default() };
        let expected = reserved_through.next();
        OpenTenant { no, expected, now, committed: now, is_grown: true, is_new: true }
    });
    open.no = no;
    open.now.last = newest(connection, placed_through, no)?;
    open.now.reserved_through = reserved_through;
    open.reserve(connection)?;
    Ok(Head {
        epoch,
        next: open.expected,
        reserved_through: open.now.reserved_through,
        recent: recent(connection, placed_through, no)?,
        trimmed_through,
        orders: orders(connection, no)?,
        notes: notes(connection, no, now_ms)?,
        tail: tail(connection, placed_through, tenant, no)?,
    })
}

fn find(
    connection: &Connection,
    tenant: &TenantId,
) -> rusqlite::Result<Option<(i64, Epoch, Offset, Offset)>> {
    let mut statement = connection.prepare_cached(
        "SELECT no, epoch, reserved_through, trimmed_through FROM tenants WHERE name = ?",
    )?;
    statement
        .query_row([tenant.as_str()], |row| {
            let epoch = Epoch::new(rows::unsigned(row, 1)?);
            Ok((row.get(0)?, epoch, rows::offset(row, 2)?, rows::offset(row, 3)?))
        })
        .optional()
}

fn create(
    connection: &Connection,
    tenant: &TenantId,
) -> rusqlite::Result<(i64, Epoch, Offset, Offset)> {
    let epoch = random_epoch();
    connection.execute(
        "INSERT INTO tenants (name, epoch, reserved_through, trimmed_through) VALUES (?, ?, 0, 0)",
        params![tenant.as_str(), number(epoch.get())],
    )?;
    Ok((connection.last_insert_rowid(), epoch, Offset::ZERO, Offset::ZERO))
}

/// The newest entry's tally. An empty log starts from zero again: only differences count.
pub(super) fn newest(
    connection: &Connection,
    placed_through: i64,
    no: i64,
) -> rusqlite::Result<Tally> {
    let tally =
        newest_first(connection, "tenant_entries, tenant_bytes", (placed_through, no), 1, |row| {
            Ok(Tally { entries: rows::unsigned(row, 0)?, bytes: rows::unsigned(row, 1)? })
        })?;
    Ok(tally.into_iter().next().unwrap_or_default())
}

/// The columns of a tenant's newest entries: first those that have no places yet, then the others.
fn newest_first<T>(
    connection: &Connection,
    columns: &str,
    (placed_through, no): (i64, i64),
    entries_max: usize,
    mut decode: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    let mut entries = Vec::new();
    for sql in [
        format!(
            "SELECT {columns} FROM entries WHERE seq > ? AND tenant = ? ORDER BY seq DESC LIMIT ?"
        ),
        format!(
            "SELECT {columns} FROM (SELECT seq AS place FROM places WHERE ?1 = ?1 AND tenant = ?2
             ORDER BY offset DESC LIMIT ?3) CROSS JOIN entries ON seq = place ORDER BY seq DESC"
        ),
    ] {
        let mut statement = connection.prepare_cached(&sql)?;
        let left = number((entries_max - entries.len()) as u64);
        let mut rows = statement.query(params![placed_through, no, left])?;
        while let Some(row) = rows.next()? {
            entries.push(decode(row)?);
        }
    }
    Ok(entries)
}

fn recent(
    connection: &Connection,
    placed_through: i64,
    no: i64,
) -> rusqlite::Result<Vec<(Uuid, Offset)>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, offset FROM entries WHERE seq > ?1 AND tenant = ?2
         UNION ALL SELECT * FROM (
            SELECT id, offset FROM places WHERE tenant = ?2 ORDER BY offset DESC LIMIT ?3
         )",
    )?;
    let ids_max = number(RECENT_IDS_MAX as u64);
    let rows = statement.query_map(params![placed_through, no, ids_max], |row| {
        Ok((Uuid::from_bytes(row.get(0)?), rows::offset(row, 1)?))
    })?;
    let mut recent = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    recent.sort_unstable_by_key(|(_, offset)| *offset);
    recent.drain(..recent.len().saturating_sub(RECENT_IDS_MAX));
    Ok(recent)
}

type OrderAndCustomer = (Box<str>, Option<Box<str>>);

fn orders(connection: &Connection, no: i64) -> rusqlite::Result<Vec<OrderAndCustomer>> {
    let mut statement = connection.prepare_cached(
        "SELECT order_id, customer FROM orders WHERE tenant = ? ORDER BY offset DESC LIMIT ?",
    )?;
    let rows = statement.query_map(params![no, number(HEAD_ORDERS_MAX as u64)], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    let mut orders = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    orders.reverse();
    Ok(orders)
}

/// Those that have not expired. One of a kind that this version does not know is left where it is.
pub(super) fn notes(connection: &Connection, no: i64, now_ms: u64) -> rusqlite::Result<Vec<Note>> {
    let mut statement = connection.prepare_cached(
        "SELECT kind, key, value, expires_at_ms FROM notes
         WHERE tenant = ?1 AND (expires_at_ms IS NULL OR expires_at_ms > ?2)",
    )?;
    let rows = statement.query_map(params![no, number(now_ms)], |row| {
        let Some(kind) = NoteKind::from_text(row.get_ref(0)?.as_str()?) else { return Ok(None) };
        let expires_at_ms =
            row.get::<_, Option<i64>>(3)?.and_then(|at_ms| u64::try_from(at_ms).ok());
        Ok(Some(Note { kind, key: row.get(1)?, value: Some(row.get(2)?), expires_at_ms }))
    })?;
    rows.filter_map(Result::transpose).collect()
}

fn tail(
    connection: &Connection,
    placed_through: i64,
    tenant: &TenantId,
    no: i64,
) -> rusqlite::Result<Vec<LogEntry>> {
    let entries =
        newest_first(connection, COLUMNS, (placed_through, no), HEAD_TAIL_ENTRIES_MAX, |row| {
            // Who reads a damaged entry is told so. It must not keep its tenant from being opened.
            Ok(rows::decode(tenant, row).ok())
        })?;
    let mut bytes = 0;
    let fits = entries.into_iter().map_while(|entry| entry).take_while(|entry| {
        bytes += entry.bytes();
        bytes <= HEAD_TAIL_BYTES_MAX
    });
    let mut tail: Vec<_> = fits.collect();
    tail.reverse();
    Ok(tail)
}
