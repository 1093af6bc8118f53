//! The tenants that are open for appending, as the writer knows them.

use ahash::AHashMap;
use foodtrack_contract::{Epoch, Offset, TenantId};
use rusqlite::{Connection, OptionalExtension, params};
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
    /// How many were appended since retention was last looked at.
    pub(super) untrimmed: usize,
    /// The transaction that opened it is not durable yet.
    is_new: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Changing {
    pub(super) reserved_through: Offset,
    /// The newest entry's.
    pub(super) last: Tally,
    /// The oldest entry's tally and time; `None` where it must be looked up.
    pub(super) oldest: Option<(Tally, u64)>,
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
        self.now.oldest = None;
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
    tenant: &TenantId,
    now_ms: u64,
) -> rusqlite::Result<Head> {
    let row = find(connection, tenant)?;
    let (no, epoch, reserved_through, trimmed_through) = match row {
        Some(row) => row,
        None => create(connection, tenant)?,
    };
    let open = tenants.entry(tenant.clone()).or_insert_with(|| {
        let now = Changing { reserved_through, last: Tally::default(), oldest: None };
        let expected = reserved_through.next();
        OpenTenant { no, expected, now, committed: now, untrimmed: 0, is_new: true }
    });
    open.no = no;
    open.now.last = newest(connection, no)?;
    open.now.reserved_through = reserved_through;
    open.reserve(connection)?;
    Ok(Head {
        epoch,
        next: open.expected,
        reserved_through: open.now.reserved_through,
        recent: recent(connection, no)?,
        trimmed_through,
        orders: orders(connection, no)?,
        notes: notes(connection, no, now_ms)?,
        tail: tail(connection, tenant, no)?,
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
pub(super) fn newest(connection: &Connection, no: i64) -> rusqlite::Result<Tally> {
    let mut statement = connection.prepare_cached(
        "SELECT tenant_entries, tenant_bytes FROM entries WHERE tenant = ? ORDER BY offset DESC LIMIT 1",
    )?;
    let tally = statement
        .query_row([no], |row| {
            Ok(Tally { entries: rows::unsigned(row, 0)?, bytes: rows::unsigned(row, 1)? })
        })
        .optional()?;
    Ok(tally.unwrap_or_default())
}

fn recent(connection: &Connection, no: i64) -> rusqlite::Result<Vec<(Uuid, Offset)>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, offset FROM entries WHERE tenant = ? ORDER BY offset DESC LIMIT ?",
    )?;
    let rows = statement.query_map(params![no, number(RECENT_IDS_MAX as u64)], |row| {
        Ok((Uuid::from_bytes(row.get(0)?), rows::offset(row, 1)?))
    })?;
    let mut recent = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    recent.reverse();
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

fn tail(connection: &Connection, tenant: &TenantId, no: i64) -> rusqlite::Result<Vec<LogEntry>> {
    let sql =
        format!("SELECT {COLUMNS} FROM entries WHERE tenant = ? ORDER BY offset DESC LIMIT ?");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![no, number(HEAD_TAIL_ENTRIES_MAX as u64)])?;
    let (mut tail, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        // Who reads a damaged entry is told so. It must not keep its tenant from being opened.
        let Ok(entry) = rows::decode(tenant, row) else { break };
        bytes += entry.bytes();
        if bytes > HEAD_TAIL_BYTES_MAX {
            break;
        }
        tail.push(entry);
    }
    tail.reverse();
    Ok(tail)
}
