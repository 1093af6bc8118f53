//! The tenants that are open for appending, as the writer knows them.

use ahash::AHashMap;
use foodtrack_contract::{Epoch, Offset, TenantId};
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::rows::{self, number};
use crate::memory::random_epoch;
use crate::retention::Tally;
use crate::{Head, RECENT_IDS_MAX};

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
) -> rusqlite::Result<Head> {
    let row = find(connection, tenant)?;
    let (no, epoch, reserved_through) = match row {
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
    })
}

fn find(
    connection: &Connection,
    tenant: &TenantId,
) -> rusqlite::Result<Option<(i64, Epoch, Offset)>> {
    let mut statement = connection
        .prepare_cached("SELECT no, epoch, reserved_through FROM tenants WHERE name = ?")?;
    statement
        .query_row([tenant.as_str()], |row| {
            Ok((row.get(0)?, Epoch::new(rows::unsigned(row, 1)?), rows::offset(row, 2)?))
        })
        .optional()
}

fn create(connection: &Connection, tenant: &TenantId) -> rusqlite::Result<(i64, Epoch, Offset)> {
    let epoch = random_epoch();
    connection.execute(
        "INSERT INTO tenants (name, epoch, reserved_through, trimmed_through) VALUES (?, ?, 0, 0)",
        params![tenant.as_str(), number(epoch.get())],
    )?;
    Ok((connection.last_insert_rowid(), epoch, Offset::ZERO))
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
