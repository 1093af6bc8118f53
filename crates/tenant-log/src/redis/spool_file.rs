//! The file of entries that wait for Redis: one SQLite database in the data directory.

use std::path::Path;

use foodtrack_contract::TenantId;
use rusqlite::{Connection, OpenFlags, Transaction, params};
use uuid::Uuid;

use super::RedisOpenError;
use super::row::Row;
use crate::private_options;

/// The file's name in the data directory.
pub(super) const FILE: &str = "spool.db";
/// Says whose file it is, in its head.
const APPLICATION_ID: i32 = 0x4654_5370;
/// The layout that is read and written.
const LAYOUT: i32 = 1;
/// Entries of a tenant that go to Redis together.
const ENTRIES_TOGETHER_MAX: i64 = 256;

/// An entry that waits, with its number.
pub(super) type Spooled = (i64, Row);

const SCHEMA: &str = "
CREATE TABLE spooled (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    size INTEGER NOT NULL,
    id BLOB NOT NULL,
    at_ms INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    fingerprint INTEGER,
    entity TEXT,
    owner TEXT NOT NULL,
    assignee TEXT,
    heads BLOB NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX spooled_ids ON spooled (tenant, id);
CREATE INDEX spooled_order ON spooled (tenant, seq);
";

/// Opens the file of a data directory; `None` where there is none and none is to be made.
///
/// # Errors
/// [`RedisOpenError::Spool`]
pub(super) fn open(directory: &Path, makes: bool) -> Result<Option<Connection>, RedisOpenError> {
    let path = directory.join(FILE);
    if !makes && !path.exists() {
        return Ok(None);
    }
    let failed = |reason: String| RedisOpenError::Spool { path: path.clone(), reason };
    let connection = open_database(&path).map_err(|error| failed(error.to_string()))?;
    let layout: i32 = connection
        .query_row("PRAGMA user_version", (), |row| row.get(0))
        .map_err(|error| failed(error.to_string()))?;
    if layout != LAYOUT {
        return Err(failed(format!(
            "it is of layout {layout}, and this version knows {LAYOUT}: start the version that wrote it"
        )));
    }
    Ok(Some(connection))
}

/// Takes a tenant's entries out of the file of a data directory that no server runs in; what they took is overwritten. Returns how many there
/// were.
///
/// # Errors
/// [`RedisOpenError::Spool`]; what is there still is gone after another call.
pub fn erase_spooled(directory: &Path, tenant: &TenantId) -> Result<u64, RedisOpenError> {
    let Some(connection) = open(directory, false)? else { return Ok(0) };
    let erase = || -> rusqlite::Result<u64> {
        connection.pragma_update(None, "secure_delete", "ON")?;
        let erased =
            connection.execute("DELETE FROM spooled WHERE tenant = ?1", [tenant.as_str()])?;
        // Pages that were freed before it was asked for have what they had.
        connection.execute_batch("VACUUM")?;
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))?;
        Ok(erased as u64)
    };
    erase().map_err(|error| {
        let (path, reason) = (directory.join(FILE), error.to_string());
        RedisOpenError::Spool { path, reason }
    })
}

fn open_database(path: &Path) -> Result<Connection, Box<dyn std::error::Error>> {
    // SQLite makes a database of an empty file; what it makes itself others could read.
    let made = private_options().write(true).create_new(true).open(path);
    match made {
        Ok(_) => std::fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()?,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            // A link in its place is an error.
            private_options().read(true).open(path)?;
        }
        Err(error) => return Err(error.into()),
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    let application: i32 = connection.query_row("PRAGMA application_id", (), |row| row.get(0))?;
    let is_new: bool =
        connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", (), |row| row.get(0))?;
    if !(application == 0 && is_new || application == APPLICATION_ID) {
        return Err("it is no spool of a hub".into());
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // Each commit is on disk when it returns.
    connection.pragma_update(None, "synchronous", "FULL")?;
    if is_new {
        connection.execute_batch(&format!(
            "BEGIN; {SCHEMA} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {LAYOUT}; COMMIT;"
        ))?;
    }
    Ok(connection)
}

pub(super) fn has_id(
    transaction: &Transaction<'_>,
    tenant: &TenantId,
    id: Uuid,
) -> rusqlite::Result<bool> {
    transaction
        .prepare_cached("SELECT 1 FROM spooled WHERE tenant = ?1 AND id = ?2")?
        .exists(params![tenant.as_str(), id.as_bytes()])
}

pub(super) fn insert(
    transaction: &Transaction<'_>,
    tenant: &TenantId,
    size: u64,
    row: &Row,
) -> rusqlite::Result<()> {
    let insert = "INSERT INTO spooled (tenant, size, id, at_ms, bytes, fingerprint, entity, owner, assignee, heads, body)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    transaction.prepare_cached(insert)?.execute(params![
        tenant.as_str(),
        size.cast_signed(),
        row.id().as_bytes(),
        row.at_ms.cast_signed(),
        row.bytes.cast_signed(),
        row.fingerprint.map(u64::cast_signed),
        row.entity.as_deref(),
        &*row.owner,
        row.assignee.as_deref(),
        &*row.heads,
        &*row.body,
    ])?;
    Ok(())
}

/// The first entries of a tenant: so many bytes of them, but one at least.
pub(super) fn first_of(
    connection: &Connection,
    tenant: &TenantId,
    bytes_max: usize,
) -> rusqlite::Result<Vec<Spooled>> {
    let select = "SELECT seq, id, at_ms, bytes, fingerprint, entity, owner, assignee, heads, body
        FROM spooled WHERE tenant = ?1 ORDER BY seq LIMIT ?2";
    let mut statement = connection.prepare_cached(select)?;
    let mut rows = statement.query(params![tenant.as_str(), ENTRIES_TOGETHER_MAX])?;
    let (mut first, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let seq = row.get(0)?;
        let row = Row {
            id: Uuid::from_bytes(row.get(1)?),
            is_durable: true,
            at_ms: row.get::<_, i64>(2)?.cast_unsigned(),
            bytes: row.get::<_, i64>(3)?.cast_unsigned(),
            fingerprint: row.get::<_, Option<i64>>(4)?.map(i64::cast_unsigned),
            entity: row.get::<_, Option<String>>(5)?.map(Into::into),
            owner: row.get::<_, String>(6)?.into(),
            assignee: row.get::<_, Option<String>>(7)?.map(Into::into),
            heads: row.get::<_, Vec<u8>>(8)?.into(),
            body: row.get::<_, Vec<u8>>(9)?.into(),
            fact: None,
        };
        bytes += row.waiting_bytes();
        if bytes > bytes_max && !first.is_empty() {
            break;
        }
        first.push((seq, row));
    }
    Ok(first)
}
