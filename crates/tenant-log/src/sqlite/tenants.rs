//! The tenants that are open for appending, as the writer knows them.

use ahash::{AHashMap, AHashSet};
use foodtrack_contract::{Epoch, Offset, TenantId};
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::queue::QUEUE_REQUESTS_MAX;
use super::rows::{self, ENTRIES, number};
use super::tenant_scan::TenantScan;
use crate::memory::random_epoch;
use crate::record_batch::RecordBatch;
use crate::retention::Tally;
use crate::row_seals::RowSeals;
use crate::{
    Assignment, HEAD_EMISSIONS_AGE_MS_MAX, HEAD_EMISSIONS_MAX, HEAD_ORDERS_MAX,
    HEAD_TAIL_BYTES_MAX, HEAD_TAIL_ENTRIES_MAX, Head, LastEmission, LogEntry, Note, NoteKind,
    RECENT_IDS_MAX,
};

/// How many offsets are made safe at once. After a crash what is left of them is skipped.
///
/// Half of them bear what the writer has at hand and as much again that waits for it: nobody who need not wait for the disk
/// waits for it because it is slow.
pub(super) const RESERVED_OFFSETS: u64 = 4 * QUEUE_REQUESTS_MAX as u64;

/// One open tenant. What a transaction changes of it is undone by [`OpenTenant::undo`] when the transaction fails.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenTenant {
    pub(super) no: i64,
    /// The next offset that may be submitted: never goes back, whatever becomes of what was submitted.
    pub(super) expected: Offset,
    pub(super) now: Changing,
    committed: Changing,
    /// Something was appended since retention was last looked at.
    is_grown: bool,
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
    /// Something was appended: retention is to look at it.
    pub(super) fn note_grown(&mut self) {
        self.is_grown = true;
    }

    /// Whether something was appended since this was asked last.
    pub(super) fn take_grown(&mut self) -> bool {
        std::mem::take(&mut self.is_grown)
    }

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

    /// Reserves a block when less than half of the last one is left. Returns whether it did.
    pub(super) fn reserve(&mut self, connection: &Connection) -> rusqlite::Result<bool> {
        if self.expected.plus(RESERVED_OFFSETS / 2) <= self.now.reserved_through {
            return Ok(false);
        }
        let through = self.expected.plus(RESERVED_OFFSETS);
        set_reserved(connection, self.no, through)?;
        self.now.reserved_through = through;
        Ok(true)
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
    indexed_through: i64,
    seals: &RowSeals,
    (tenant, now_ms): (&TenantId, u64),
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
    let scan = TenantScan { no, indexed_through };
    open.now.last = newest(connection, scan)?;
    open.now.reserved_through = reserved_through;
    open.reserve(connection)?;
    Ok(Head {
        epoch,
        next: open.expected,
        reserved_through: open.now.reserved_through,
        recent: recent(connection, scan, trimmed_through)?,
        trimmed_through,
        orders: orders(connection, no)?,
        has_assignments: has_assignments(connection, no)?,
        emissions: emissions(connection, scan, trimmed_through, now_ms)?,
        notes: notes(connection, (no, tenant), now_ms, seals)?,
        tail: tail(connection, (scan, tenant), trimmed_through, seals)?,
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

/// The number of a tenant's rows; `None` where it has no log.
pub(super) fn number_of(
    connection: &Connection,
    tenant: &TenantId,
) -> rusqlite::Result<Option<i64>> {
    Ok(find(connection, tenant)?.map(|(no, ..)| no))
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
pub(super) fn newest(connection: &Connection, scan: TenantScan) -> rusqlite::Result<Tally> {
    let mut newest = Tally::default();
    scan.descend::<rusqlite::Error>(connection, "runs.tenant_entries, runs.tenant_bytes", |row| {
        newest = rows::tally(row, 0)?;
        Ok(false)
    })?;
    Ok(newest)
}

fn recent(
    connection: &Connection,
    scan: TenantScan,
    trimmed_through: Offset,
) -> rusqlite::Result<Vec<(Uuid, Offset)>> {
    let mut recent = Vec::new();
    scan.descend_ids(connection, |offset, id| {
        let is_wanted = offset > trimmed_through && recent.len() < RECENT_IDS_MAX;
        // What is damaged must not keep its tenant from being opened.
        if let (true, Ok(id)) = (is_wanted, id) {
            recent.push((id, offset));
        }
        is_wanted
    })?;
    recent.reverse();
    Ok(recent)
}

/// The last one about each order, as long as nothing damaged or trimmed stands before it.
fn emissions(
    connection: &Connection,
    scan: TenantScan,
    trimmed_through: Offset,
    now_ms: u64,
) -> rusqlite::Result<Vec<LastEmission>> {
    let since_ms = now_ms.saturating_sub(HEAD_EMISSIONS_AGE_MS_MAX);
    let (mut emissions, mut seen) = (Vec::new(), AHashSet::<Box<str>>::new());
    let mut left = RECENT_IDS_MAX;
    scan.descend_heads::<rusqlite::Error>(connection, |offset, head| {
        let Ok(head) = head else { return Ok(false) };
        if offset <= trimmed_through
            || head.at_ms() < since_ms
            || emissions.len() == HEAD_EMISSIONS_MAX
            || left == 0
        {
            return Ok(false);
        }
        left -= 1;
        if let (Some(fingerprint), Ok(Some(order))) = (head.fingerprint(), head.entity())
            && !seen.contains(order)
        {
            seen.insert(order.into());
            let (order, id) = (order.into(), head.id());
            emissions.push(LastEmission { order, fingerprint, id, offset });
        }
        Ok(true)
    })?;
    emissions.reverse();
    Ok(emissions)
}

/// Notes whose the orders are that a batch makes, unless they are known.
pub(super) fn add_orders(
    connection: &Connection,
    no: i64,
    batch: &RecordBatch,
) -> rusqlite::Result<()> {
    if !batch.creates_orders {
        return Ok(());
    }
    let mut add = connection.prepare_cached("INSERT OR IGNORE INTO orders VALUES (?, ?, ?, ?)")?;
    let batch = batch.unpack_heads();
    for (offset, head) in batch.iter_heads() {
        // What was encoded a moment ago is whole.
        let Ok(head) = head else { continue };
        if let (Ok(Some(order)), Ok(Some(owner))) = (head.entity(), head.creates_order()) {
            add.execute(params![no, order, owner.customer, number(offset.get())])?;
        }
    }
    Ok(())
}

/// Notes the orders that the tenant's entries assign, in the place of what was known of them.
pub(super) fn add_assignments(
    connection: &Connection,
    no: i64,
    assignments: &[(Box<str>, Assignment)],
) -> rusqlite::Result<()> {
    for (order, Assignment { user, id, offset }) in assignments {
        let mut add = connection
            .prepare_cached("INSERT OR REPLACE INTO assignments VALUES (?, ?, ?, ?, ?)")?;
        add.execute(params![no, order, user, id.as_bytes(), number(offset.get())])?;
    }
    Ok(())
}

fn has_assignments(connection: &Connection, no: i64) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM assignments WHERE tenant = ?)")?
        .query_row([no], |row| row.get(0))
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
pub(super) fn notes(
    connection: &Connection,
    (no, tenant): (i64, &TenantId),
    now_ms: u64,
    seals: &RowSeals,
) -> rusqlite::Result<Vec<Note>> {
    let mut statement = connection.prepare_cached(
        "SELECT kind, key, value, expires_at_ms FROM notes
         WHERE tenant = ?1 AND (expires_at_ms IS NULL OR expires_at_ms > ?2)",
    )?;
    let rows = statement.query_map(params![no, number(now_ms)], |row| note(row, tenant, seals))?;
    rows.filter_map(Result::transpose).collect()
}

/// Those of one kind that have not expired, by key.
pub(super) fn notes_of(
    connection: &Connection,
    (no, tenant): (i64, &TenantId),
    kind: NoteKind,
    now_ms: u64,
    seals: &RowSeals,
) -> rusqlite::Result<Vec<Note>> {
    let mut statement = connection.prepare_cached(
        "SELECT kind, key, value, expires_at_ms FROM notes
         WHERE tenant = ?1 AND kind = ?2 AND (expires_at_ms IS NULL OR expires_at_ms > ?3)
         ORDER BY key",
    )?;
    let params = params![no, kind.as_str(), number(now_ms)];
    let rows = statement.query_map(params, |row| note(row, tenant, seals))?;
    rows.filter_map(Result::transpose).collect()
}

/// Reads a note; `None` where this version does not know its kind, or it cannot be opened, which is told.
fn note(row: &Row<'_>, tenant: &TenantId, seals: &RowSeals) -> rusqlite::Result<Option<Note>> {
    let Some(kind) = NoteKind::from_text(row.get_ref(0)?.as_str()?) else { return Ok(None) };
    let expires_at_ms = row.get::<_, Option<i64>>(3)?.and_then(|at_ms| u64::try_from(at_ms).ok());
    let key: Box<str> = row.get(1)?;
    match seals.open_note(tenant, (kind, &key), row.get(2)?) {
        Ok(value) => Ok(Some(Note { kind, key, value: Some(value), expires_at_ms })),
        Err(damage) => {
            tracing::error!(%tenant, ?kind, "a note cannot be understood: its {damage} is damaged; it is left out");
            Ok(None)
        }
    }
}

fn tail(
    connection: &Connection,
    (scan, tenant): (TenantScan, &TenantId),
    trimmed_through: Offset,
    seals: &RowSeals,
) -> rusqlite::Result<Vec<LogEntry>> {
    let (mut tail, mut bytes) = (Vec::new(), 0);
    scan.descend::<rusqlite::Error>(connection, ENTRIES, |row| {
        let batch = rows::entries(row, 0, seals, tenant)?;
        let entries: Vec<_> = batch.iter().collect();
        for (offset, entry) in entries.into_iter().rev() {
            // Who reads a damaged entry is told so. It must not keep its tenant from being opened.
            let Ok(entry) = entry.and_then(|(head, body)| head.entry(offset, body)) else {
                return Ok(false);
            };
            bytes += entry.bytes();
            if offset <= trimmed_through
                || tail.len() == HEAD_TAIL_ENTRIES_MAX
                || bytes > HEAD_TAIL_BYTES_MAX
            {
                return Ok(false);
            }
            tail.push(entry);
        }
        Ok(true)
    })?;
    tail.reverse();
    Ok(tail)
}
