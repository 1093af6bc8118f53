//! Opening a tenant's log: what its writer starts from.

use std::collections::BTreeMap;

use foodtrack_contract::{Offset, TenantId};
use redis::{Cmd, Pipeline, Value};
use uuid::Uuid;

use super::head::{HEAD_FIELDS, StoredHead};
use super::keys::{Keys, Part};
use super::notes::read_notes;
use super::row::{ReadRow, parse_owner};
use super::values::{array, bytes, pairs, text};
use crate::{
    HEAD_EMISSIONS_AGE_MS_MAX, HEAD_EMISSIONS_MAX, HEAD_TAIL_BYTES_MAX, HEAD_TAIL_ENTRIES_MAX,
    Head, LastEmission, LogEntry, Note, NoteKind, RECENT_IDS_MAX,
};

/// Where there are more orders, none is named: the log is asked for each.
pub(super) const ORDERS_MAX: usize = 4_096;

/// Adds the commands; `open` is a call of the script.
pub(super) fn add(pipeline: &mut Pipeline, keys: &Keys, tenant: &TenantId, open: Cmd) {
    let part = |part| keys.part(tenant, part);
    pipeline.cmd("SADD").arg(keys.tenants()).arg(tenant.as_str());
    pipeline.add_command(open);
    pipeline.cmd("HMGET").arg(part(Part::Head)).arg(&HEAD_FIELDS);
    for key in keys.pair(tenant, Part::Emissions) {
        pipeline.cmd("HGETALL").arg(key);
    }
    let tail = pipeline.cmd("XREVRANGE").arg(part(Part::Log)).arg("+").arg("-");
    tail.arg("COUNT").arg(HEAD_TAIL_ENTRIES_MAX);
    for kind in NoteKind::ALL {
        pipeline.cmd("HGETALL").arg(keys.notes(tenant, kind));
    }
}

/// Reads what they answer; `None` where that is no log of ours.
pub(super) fn read(tenant: &TenantId, answers: &[Value], now_ms: u64) -> Option<Head> {
    let [_, orders, head, one, other, tail, notes @ ..] = answers else { return None };
    let stored = StoredHead::read(head)?;
    let notes = NoteKind::ALL.into_iter().zip(notes);
    let notes: Vec<Note> = notes.flat_map(|(kind, hash)| read_notes(kind, hash)).collect();
    Some(Head {
        epoch: stored.epoch,
        next: stored.last.next(),
        // What waits for its offset is shown to nobody: nothing is shown that is not there.
        reserved_through: Offset::MAX,
        // A repeat is known where its offset is given.
        recent: Vec::new(),
        trimmed_through: stored.trimmed_through,
        orders: read_orders(orders),
        has_assignments: stored.assigned > 0,
        emissions: read_emissions([one, other], stored.last, now_ms),
        notes: notes.into_iter().filter(|note| note.is_alive(now_ms)).collect(),
        tail: read_tail(tenant, tail),
    })
}

fn read_orders(hash: &Value) -> Vec<(Box<str>, Option<Box<str>>)> {
    let orders = pairs(hash).into_iter().filter_map(|(order, owner)| {
        let (at, customer) = parse_owner(text(owner)?)?;
        Some((at, (Box::from(text(order)?), customer)))
    });
    let by_offset: BTreeMap<Offset, _> = orders.collect();
    by_offset.into_values().collect()
}

fn read_emissions(tables: [&Value; 2], last: Offset, now_ms: u64) -> Vec<LastEmission> {
    let since_ms = now_ms.saturating_sub(HEAD_EMISSIONS_AGE_MS_MAX);
    let after = last.get().saturating_sub(RECENT_IDS_MAX as u64);
    let all = tables.into_iter().flat_map(pairs);
    let known = all.filter_map(|(order, said)| read_emission(text(order)?, bytes(said)?));
    let known = known.filter(|(at_ms, it)| *at_ms >= since_ms && it.offset.get() > after);
    let mut emissions: Vec<_> = known.map(|(_, it)| it).collect();
    emissions.sort_unstable_by_key(|it| it.offset);
    emissions.drain(..emissions.len().saturating_sub(HEAD_EMISSIONS_MAX));
    emissions
}

/// Offset, time and fingerprint as digits, and the id as it is.
fn read_emission(order: &str, said: &[u8]) -> Option<(u64, LastEmission)> {
    let (digits, id) = said.split_at_checked(said.len().checked_sub(16)?)?;
    let mut digits = std::str::from_utf8(digits).ok()?.split(' ');
    let offset = Offset::new(digits.next()?.parse().ok()?)?;
    let at_ms = digits.next()?.parse().ok()?;
    let fingerprint = digits.next()?.parse().ok()?;
    let id = Uuid::from_slice(id).ok()?;
    Some((at_ms, LastEmission { order: order.into(), fingerprint, id, offset }))
}

fn read_tail(tenant: &TenantId, newest_first: &Value) -> Vec<LogEntry> {
    let mut bytes = 0;
    let rows = array(newest_first).unwrap_or_default().iter().map_while(ReadRow::of_stream);
    let fits = rows.take_while(|row| {
        bytes += row.bytes;
        bytes <= HEAD_TAIL_BYTES_MAX
    });
    let mut tail: Vec<_> = fits.map_while(|row| row.entry(tenant).ok()).collect();
    tail.reverse();
    tail
}
