//! Entries to rows and back.

use bytes::Bytes;
use foodtrack_contract::{
    ApplicationSet, EventName, EventType, Offset, Permission, Priority, TenantId,
};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use crate::retention::Tally;
use crate::{Durability, LogEntry, LoggedAudience, LoggedRoom, OrderOwner, Outline, ReadError};

/// A number as SQLite keeps it. The log's own numbers fit: offsets by their type, sizes and times by what they are.
pub(super) fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub(super) fn offset(row: &Row<'_>, column: usize) -> rusqlite::Result<Offset> {
    let n = unsigned(row, column)?;
    Ok(Offset::new(n).unwrap_or(Offset::MAX))
}

pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let n: i64 = row.get(column)?;
    u64::try_from(n).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, n))
}

pub(super) fn insert(
    connection: &Connection,
    seq: i64,
    tenant_no: i64,
    entry: &LogEntry,
    tally: Tally,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO entries (seq, tenant, offset, id, at_ms, expires_at_ms, event, flags, priority, applications,
            only_applications, read_permission, rooms, tenant_entries, tenant_bytes, entity, customer, message, attachments)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let audience = &entry.audience;
    statement.execute(params![
        seq,
        tenant_no,
        number(entry.offset.get()),
        entry.id.as_bytes(),
        number(entry.at_ms),
        entry.expires_at_ms.map(number),
        entry.event.as_str(),
        flags(entry),
        entry.priority as u8,
        audience.applications.bits(),
        audience.only.bits(),
        audience.read.map(Permission::as_str),
        rooms_text(&audience.rooms),
        number(tally.entries),
        number(tally.bytes),
        entry.entity,
        entry.creates_order.as_ref().and_then(|owner| owner.customer.as_deref()),
        entry.message.as_ref(),
        attachments_blob(&entry.attachments),
    ])?;
    if let (Some(owner), Some(order)) = (&entry.creates_order, &entry.entity) {
        let mut statement =
            connection.prepare_cached("INSERT OR IGNORE INTO orders VALUES (?, ?, ?, ?)")?;
        statement.execute(params![tenant_no, order, owner.customer, number(entry.offset.get())])?;
    }
    Ok(())
}

const IS_DURABLE: u8 = 1;
const COMPACTS: u8 = 2;
const CREATES_ORDER: u8 = 4;

fn flags(entry: &LogEntry) -> u8 {
    let flag = |is_set, flag| if is_set { flag } else { 0 };
    flag(entry.durability == Durability::Durable, IS_DURABLE)
        | flag(entry.compacts, COMPACTS)
        | flag(entry.creates_order.is_some(), CREATES_ORDER)
}

/// What [`decode`] takes, in its order.
pub(super) const COLUMNS: &str = "offset, id, at_ms, expires_at_ms, event, flags, priority, \
     applications, only_applications, read_permission, rooms, entity, customer, message, attachments";

pub(super) fn decode(tenant: &TenantId, row: &Row<'_>) -> Result<LogEntry, ReadError> {
    let store = |error: rusqlite::Error| ReadError::Store(error.to_string());
    let offset = offset(row, 0).map_err(store)?;
    let damaged = |column| ReadError::Damaged { tenant: tenant.clone(), offset, column };
    let blob = |column: usize, name| {
        row.get_ref(column).ok().and_then(|it| it.as_blob().ok()).ok_or_else(|| damaged(name))
    };
    let text = |column: usize, name| match row.get_ref(column).map_err(store)? {
        ValueRef::Null => Ok(None),
        value => value.as_str().map(Some).map_err(|_| damaged(name)),
    };
    let bits = |column: usize, name| row.get::<_, u8>(column).map_err(|_| damaged(name));
    let event = text(4, "event")?.ok_or_else(|| damaged("event"))?;
    let attachments = match row.get_ref(14).map_err(store)? {
        ValueRef::Null => Vec::new(),
        _ => attachments_of(blob(14, "attachments")?).ok_or_else(|| damaged("attachments"))?,
    };
    let flags = bits(5, "flags")?;
    Ok(LogEntry {
        offset,
        id: Uuid::from_slice(blob(1, "id")?).map_err(|_| damaged("id"))?,
        at_ms: unsigned(row, 2).map_err(|_| damaged("at_ms"))?,
        expires_at_ms: match row.get_ref(3).map_err(store)? {
            ValueRef::Null => None,
            _ => Some(unsigned(row, 3).map_err(|_| damaged("expires_at_ms"))?),
        },
        event: event_name(event),
        durability: match flags & IS_DURABLE {
            0 => Durability::Recoverable,
            _ => Durability::Durable,
        },
        priority: *Priority::ALL
            .get(usize::from(bits(6, "priority")?))
            .ok_or_else(|| damaged("priority"))?,
        audience: audience(row, 7).map_err(damaged)?,
        entity: text(11, "entity")?.map(Box::from),
        compacts: flags & COMPACTS != 0,
        creates_order: match flags & CREATES_ORDER {
            0 => None,
            _ => Some(OrderOwner { customer: text(12, "customer")?.map(Box::from) }),
        },
        message: Bytes::copy_from_slice(blob(13, "message")?),
        attachments,
    })
}

/// What [`decode_outline`] takes, in its order.
pub(super) const OUTLINE_COLUMNS: &str = "offset, expires_at_ms, event, flags, priority, entity, id, at_ms, \
     applications, only_applications, read_permission, rooms";

pub(super) fn decode_outline(tenant: &TenantId, row: &Row<'_>) -> Result<Outline, ReadError> {
    let store = |error: rusqlite::Error| ReadError::Store(error.to_string());
    let offset = offset(row, 0).map_err(store)?;
    let damaged = |column| ReadError::Damaged { tenant: tenant.clone(), offset, column };
    let text = |column: usize, name| {
        row.get_ref(column).map_err(store)?.as_str_or_null().map_err(|_| damaged(name))
    };
    let bits = |column: usize, name| row.get::<_, u8>(column).map_err(|_| damaged(name));
    Ok(Outline {
        offset,
        event: text(2, "event")?.map(event_name).ok_or_else(|| damaged("event"))?,
        priority: *Priority::ALL
            .get(usize::from(bits(4, "priority")?))
            .ok_or_else(|| damaged("priority"))?,
        entity: text(5, "entity")?.map(Box::from),
        compacts: bits(3, "flags")? & COMPACTS != 0,
        expires_at_ms: row
            .get::<_, Option<i64>>(1)
            .map_err(|_| damaged("expires_at_ms"))?
            .map(|n| u64::try_from(n).map_err(|_| damaged("expires_at_ms")))
            .transpose()?,
        id: row.get(6).map(Uuid::from_bytes).map_err(|_| damaged("id"))?,
        at_ms: unsigned(row, 7).map_err(|_| damaged("at_ms"))?,
        audience: audience(row, 8).map_err(damaged)?,
    })
}

/// The audience in four columns from `first` on; which of them is damaged, where one is.
fn audience(row: &Row<'_>, first: usize) -> Result<LoggedAudience, &'static str> {
    let bits = |column: usize, name| row.get::<_, u8>(column).map_err(|_| name);
    let text = |column: usize, name| {
        row.get_ref(column).ok().and_then(|it| it.as_str_or_null().ok()).ok_or(name)
    };
    Ok(LoggedAudience {
        applications: ApplicationSet::from_bits(bits(first, "applications")?),
        only: ApplicationSet::from_bits(bits(first + 1, "only_applications")?),
        read: text(first + 2, "read_permission")?
            .map(|name| Permission::from_wire(name).ok_or("read_permission"))
            .transpose()?,
        rooms: match text(first + 3, "rooms")? {
            None => Vec::new(),
            Some(list) => rooms_of(list).ok_or("rooms")?,
        },
    })
}

fn event_name(text: &str) -> EventName {
    EventType::from_wire(text).map_or_else(|| EventName::Declared(text.into()), EventName::Builtin)
}

fn rooms_text(rooms: &[LoggedRoom]) -> Option<String> {
    if rooms.is_empty() {
        return None;
    }
    let mut text = String::with_capacity(32 * rooms.len());
    for room in rooms {
        text.push(if text.is_empty() { '[' } else { ',' });
        let name = room.to_text();
        if is_plain(&name) {
            text.push('"');
            text.push_str(&name);
            text.push('"');
        } else {
            // A text is always written.
            text.push_str(&serde_json::to_string(&name).unwrap_or_default());
        }
    }
    text.push(']');
    Some(text)
}

/// Whether it stands in JSON as it is.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\')
}

fn rooms_of(text: &str) -> Option<Vec<LoggedRoom>> {
    if text.contains('\\') {
        let names: Vec<String> = serde_json::from_str(text).ok()?;
        return names.iter().map(|name| LoggedRoom::parse(name)).collect();
    }
    // Without escapes a name is what stands between its quotes.
    let names = text.strip_prefix("[\"")?.strip_suffix("\"]")?;
    names.split("\",\"").map(LoggedRoom::parse).collect()
}

fn attachments_blob(attachments: &[Bytes]) -> Option<Vec<u8>> {
    if attachments.is_empty() {
        return None;
    }
    let mut blob = Vec::new();
    for part in attachments {
        // A packet's parts are far below four GiB.
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        blob.extend_from_slice(&length.to_le_bytes());
        blob.extend_from_slice(part);
    }
    Some(blob)
}

fn attachments_of(mut blob: &[u8]) -> Option<Vec<Bytes>> {
    let mut attachments = Vec::new();
    while let Some((length, rest)) = blob.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (part, rest) = rest.split_at_checked(length)?;
        attachments.push(Bytes::copy_from_slice(part));
        blob = rest;
    }
    blob.is_empty().then_some(attachments)
}
