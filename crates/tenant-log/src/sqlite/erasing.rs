//! Erasing what a tenant or one person has in a log, while no server runs: so that it is in no page of the file any more, and not
//! only gone for readers.
//!
//! Of a tenant every row goes. Of a person entries stay where they are, so that offsets and sums do, and become tombstones
//! (`tombstone.rs`). Then the file is written anew, because bytes of what was moved about or deleted earlier may be anywhere in it.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use foodtrack_contract::{RoomName, TenantId};
use rusqlite::{Connection, Row, params};

use super::check::CheckError;
use super::garbage_collector::STRETCH_BITS;
use super::opening::DataDirectory;
use super::progress::Progress;
use super::rewriting::write_anew;
use super::rows::{self, ENTRIES, ENTRIES_COLUMNS};
use super::{sealing, tenants};
use crate::batch_builder::BatchBuilder;
use crate::packing::Packer;
use crate::row_seals::{BatchPlace, RowSeals};
use crate::tombstone::{Concerned, tombstone};
use crate::{Erased, KeySource, LogEntry, LoggedRoom, NoteKind, Person};

/// Erases a tenant from the log in `directory`, which no server may be using. One that has none is erased already. Keys are the
/// caller's to destroy, before this: what is in copies of the log is then closed for good.
///
/// # Errors
/// [`CheckError`]: either all is there still, or it was only the writing anew that failed; run it again.
pub fn erase_tenant(
    directory: &Path,
    tenant: &TenantId,
    on_step: &mut dyn FnMut(Progress),
) -> Result<Erased, CheckError> {
    let directory = DataDirectory::lock_existing(directory)?;
    let connection = directory.open_database(on_step)?;
    let erased = match tenants::number_of(&connection, tenant) {
        Ok(Some(no)) => erase_rows(&connection, no),
        Ok(None) => Ok(Erased::default()),
        Err(error) => Err(error),
    };
    let erased = erased.map_err(|error| store(&directory, &error))?;
    write_anew(connection, &directory)?;
    Ok(Erased { is_rewritten: true, ..erased })
}

/// Erases what concerns a person from a tenant's log in `directory`, which no server may be using: entries become tombstones, and
/// what else names the person goes.
///
/// # Errors
/// [`CheckError`], as [`erase_tenant`]; a log that is sealed needs its keys.
pub fn erase_person(
    directory: &Path,
    keys: Option<Arc<dyn KeySource>>,
    tenant: &TenantId,
    person: Person<'_>,
    on_step: &mut dyn FnMut(Progress),
) -> Result<Erased, CheckError> {
    let directory = DataDirectory::lock_existing(directory)?;
    let connection = directory.open_database(on_step)?;
    let seals = RowSeals::new(keys);
    sealing::begin(&connection, &seals, &directory.file())?;
    let erase = || -> Result<Erased, Stopped> {
        let Some(no) = tenants::number_of(&connection, tenant)? else {
            return Ok(Erased::default());
        };
        let transaction = connection.unchecked_transaction()?;
        let concerned = concerned(&transaction, no, person)?;
        let mut erased = bury(&transaction, &seals, (no, tenant), &concerned)?;
        erased.others = forget_person(&transaction, &seals, (no, tenant), person)?;
        transaction.commit()?;
        Ok(erased)
    };
    let erased = erase().map_err(|stopped| match stopped {
        Stopped::Store(error) => store(&directory, &error),
        Stopped::Seal(detail) => CheckError::Store { path: directory.file(), detail },
    })?;
    write_anew(connection, &directory)?;
    Ok(Erased { is_rewritten: true, ..erased })
}

/// Why nothing more is erased.
pub(super) enum Stopped {
    Store(rusqlite::Error),
    Seal(String),
}

impl From<rusqlite::Error> for Stopped {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error)
    }
}

fn store(directory: &DataDirectory, error: &rusqlite::Error) -> CheckError {
    CheckError::Store { path: directory.file(), detail: error.to_string() }
}

/// Every row of a tenant goes, and the tenant.
fn erase_rows(connection: &Connection, no: i64) -> rusqlite::Result<Erased> {
    let transaction = connection.unchecked_transaction()?;
    let entries = transaction.query_row(
        "SELECT coalesce(sum(entries), 0) FROM runs WHERE tenant = ?",
        [no],
        |row| rows::unsigned(row, 0),
    )?;
    transaction.execute("DELETE FROM runs WHERE tenant = ?", [no])?;
    // What is trimmed and not deleted yet is counted for each stretch of all tenants' rows.
    transaction.execute("DELETE FROM leftovers", ())?;
    transaction.execute(
        "INSERT INTO leftovers SELECT seq >> ?, count(*) FROM runs JOIN tenants ON no = tenant
         WHERE first + entries - 1 <= trimmed_through GROUP BY 1",
        [STRETCH_BITS],
    )?;
    let others = erase_side_rows(&transaction, no)?;
    transaction.execute("DELETE FROM places WHERE tenant = ?", [no])?;
    transaction.execute("DELETE FROM tenants WHERE no = ?", [no])?;
    transaction.commit()?;
    Ok(Erased { entries, others, ..Erased::default() })
}

/// The orders whose customer a user is.
fn orders_of(connection: &Connection, no: i64, user: &str) -> rusqlite::Result<HashSet<String>> {
    let mut orders =
        connection.prepare("SELECT order_id FROM orders WHERE tenant = ? AND customer = ?")?;
    orders.query_map(params![no, user], |row| row.get(0))?.collect()
}

/// Whose entries are meant.
pub(super) fn concerned(
    connection: &Connection,
    no: i64,
    person: Person<'_>,
) -> rusqlite::Result<Concerned> {
    Ok(match person {
        Person::User(user) => {
            Concerned { user: Some(user.to_owned()), orders: orders_of(connection, no, user)? }
        }
        Person::OfOrder(order) => {
            Concerned { user: None, orders: HashSet::from([order.to_owned()]) }
        }
    })
}

/// Takes away what is kept of a tenant beside its entries. Returns how many rows those were.
pub(super) fn erase_side_rows(connection: &Connection, no: i64) -> rusqlite::Result<u64> {
    let mut gone = 0;
    for table in ["orders", "assignments", "notes", "subscribers", "dead_letters"] {
        gone += connection.execute(&format!("DELETE FROM {table} WHERE tenant = ?"), [no])?;
    }
    Ok(gone as u64)
}

/// Puts tombstones in the place of entries.
fn bury(
    connection: &Connection,
    seals: &RowSeals,
    (no, tenant): (i64, &TenantId),
    concerned: &Concerned,
) -> Result<Erased, Stopped> {
    let mut erased = Erased::default();
    let mut packer = Packer::default();
    let mut some = connection
        .prepare(&format!("SELECT {ENTRIES}, runs.seq FROM runs WHERE tenant = ? ORDER BY seq"))?;
    let mut rows = some.query([no])?;
    while let Some(row) = rows.next()? {
        bury_row(connection, (seals, tenant, concerned), row, &mut packer, &mut erased)?;
    }
    Ok(erased)
}

/// Puts tombstones in the place of the entries of one row, which is [`ENTRIES`] and its seq, and counts them.
pub(super) fn bury_row(
    connection: &Connection,
    (seals, tenant, concerned): (&RowSeals, &TenantId, &Concerned),
    row: &Row<'_>,
    packer: &mut Packer,
    erased: &mut Erased,
) -> Result<(), Stopped> {
    let batch = rows::entries(row, 0, seals, tenant)?;
    let read: Result<Vec<LogEntry>, _> = batch
        .iter()
        .map(|(offset, entry)| entry.and_then(|(head, body)| head.entry(offset, body)))
        .collect();
    let Ok(entries) = read else {
        erased.damaged += batch.iter().count() as u64;
        return Ok(());
    };
    let mut builder = BatchBuilder::default();
    let mut count = 0;
    for entry in &entries {
        let buried = concerned.is_about(entry).then(|| tombstone(entry, tenant)).flatten();
        count += u64::from(buried.is_some());
        builder.push(&buried.as_ref().unwrap_or(entry).by_ref());
    }
    if count == 0 {
        return Ok(());
    }
    erased.entries += count;
    let finished = builder.finish(packer);
    let [ids, heads, bodies] = finished.columns();
    let place = BatchPlace { tenant, first: finished.first, ids, heads };
    let bodies =
        seals.seal_bodies(place, bodies).map_err(|error| Stopped::Seal(error.to_string()))?;
    let seq: i64 = row.get(ENTRIES_COLUMNS)?;
    connection
        .prepare_cached("UPDATE runs SET heads = ?, bodies = ? WHERE seq = ?")?
        .execute(params![heads, bodies, seq])?;
    Ok(())
}

/// Takes away what else is known of a person. Returns how much that was.
pub(super) fn forget_person(
    connection: &Connection,
    seals: &RowSeals,
    of: (i64, &TenantId),
    person: Person<'_>,
) -> Result<u64, Stopped> {
    match person {
        Person::User(user) => forget(connection, seals, of, user),
        Person::OfOrder(order) => forget_order(connection, of.0, order),
    }
}

/// Takes away what else names a user. Returns how much that was.
fn forget(
    connection: &Connection,
    seals: &RowSeals,
    (no, tenant): (i64, &TenantId),
    user: &str,
) -> Result<u64, Stopped> {
    // An order stays somebody's, or a customer who names it could claim it.
    let mut gone = connection.execute(
        "UPDATE orders SET customer = NULL WHERE tenant = ? AND customer = ?",
        params![no, user],
    )?;
    gone += connection
        .execute("DELETE FROM assignments WHERE tenant = ? AND user = ?", params![no, user])?;
    // A subscriber is a user, an application and a device, with ':' between, which is escaped in the user.
    let login = format!("{}:", user.replace('%', "%25").replace(':', "%3A"));
    for sql in [
        "DELETE FROM subscribers WHERE tenant = ?1 AND substr(key, 1, length(?2)) = ?2",
        "DELETE FROM dead_letters WHERE tenant = ?1 AND substr(subscriber, 1, length(?2)) = ?2",
    ] {
        gone += connection.execute(sql, params![no, login])?;
    }
    let notes = all_notes(connection, no)?;
    // In a note's value a user is a text of JSON.
    let quoted = serde_json::to_string(user).unwrap_or_default();
    for (kind, key, value) in notes {
        let opened = NoteKind::from_text(&kind)
            .map(|known| seals.open_note(tenant, (known, &key), value.clone().into()));
        let names = match &opened {
            Some(Ok(value)) => value.contains(&quoted),
            // What nobody can read may name anybody.
            Some(Err(_)) | None => true,
        };
        if names || key.contains(&login) || key == user {
            let sql = "DELETE FROM notes WHERE tenant = ? AND kind = ? AND key = ?";
            gone += connection.execute(sql, params![no, kind, key])?;
        }
    }
    Ok(gone as u64)
}

/// Takes away what is known of an order. Returns how much that was.
fn forget_order(connection: &Connection, no: i64, order: &str) -> Result<u64, Stopped> {
    // It stays somebody's, or a customer who names it could claim it.
    let mut gone = connection.execute(
        "UPDATE orders SET customer = NULL WHERE tenant = ? AND order_id = ? AND customer IS NOT NULL",
        params![no, order],
    )?;
    gone += connection
        .execute("DELETE FROM assignments WHERE tenant = ? AND order_id = ?", params![no, order])?;
    // What was said of its room, and who may come into it.
    let room = LoggedRoom::from(RoomName::Order(order)).to_text();
    let sql = "DELETE FROM notes WHERE tenant = ? AND kind = ? AND key = ?";
    gone += connection.execute(sql, params![no, NoteKind::Room.as_str(), room])?;
    Ok(gone as u64)
}

fn all_notes(connection: &Connection, no: i64) -> rusqlite::Result<Vec<(String, String, String)>> {
    let mut notes = connection.prepare("SELECT kind, key, value FROM notes WHERE tenant = ?")?;
    notes.query_map([no], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
}
