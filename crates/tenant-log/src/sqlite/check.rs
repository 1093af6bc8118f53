//! Looking a database through, as an operator does.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::opening::{DataDirectory, OpenError};
use super::rows;
use crate::memory::random_epoch;

/// How many findings a report lists.
const FINDINGS_MAX: usize = 100;

/// Why a database could not be looked through.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// It cannot even be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Reading it failed on the way.
    #[error("{}: the check stopped ({detail})", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// What was said.
        detail: String,
    },
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckReport {
    /// One sentence each; empty when all is well. At most a hundred.
    pub findings: Vec<String>,
    /// How many tenants there are.
    pub tenants: u64,
    /// How many entries they have.
    pub entries: u64,
    /// The database's size.
    pub file_bytes: u64,
    /// How much of it is free.
    pub free_bytes: u64,
}

/// Reads everything in `directory`, which no server may be using: pages, indexes, and what entries promise of each other.
///
/// # Errors
/// [`CheckError`]
pub fn check(directory: &Path) -> Result<CheckReport, CheckError> {
    check_with_progress(directory, &mut |_, _| {})
}

/// As [`check`]; tells `on_step` before each step which one it is, from 1, and of how many.
///
/// # Errors
/// [`CheckError`]
pub fn check_with_progress(
    directory: &Path,
    on_step: &mut dyn FnMut(usize, usize),
) -> Result<CheckReport, CheckError> {
    let directory = DataDirectory::lock_existing(directory)?;
    let connection = directory.open_database()?;
    report(&connection, on_step)
        .map_err(|error| CheckError::Store { path: directory.file(), detail: error.to_string() })
}

/// Gives every tenant in `directory`, which no server may be using, a new epoch; returns how many there are.
///
/// For after a backup was restored: offsets that were shown since the backup was made would be given out again, and
/// clients could take new messages for old ones. With a new epoch they are told to start anew.
///
/// # Errors
/// [`CheckError`]; no epoch was changed.
pub fn renew_epochs(directory: &Path) -> Result<usize, CheckError> {
    let directory = DataDirectory::lock_existing(directory)?;
    let mut connection = directory.open_database()?;
    renew(&mut connection)
        .map_err(|error| CheckError::Store { path: directory.file(), detail: error.to_string() })
}

fn renew(connection: &mut Connection) -> rusqlite::Result<usize> {
    let transaction = connection.transaction()?;
    let tenants: Vec<i64> = transaction
        .prepare("SELECT no FROM tenants")?
        .query_map((), |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for no in &tenants {
        let epoch = rows::number(random_epoch().get());
        transaction.execute("UPDATE tenants SET epoch = ? WHERE no = ?", (epoch, no))?;
    }
    transaction.commit()?;
    Ok(tenants.len())
}

fn report(
    connection: &Connection,
    on_step: &mut dyn FnMut(usize, usize),
) -> rusqlite::Result<CheckReport> {
    let number = |sql: &str| connection.query_row(sql, (), |row| rows::unsigned(row, 0));
    let steps = 1 + PROMISES.len();
    on_step(1, steps);
    let mut findings = sentences(connection, &format!("PRAGMA integrity_check({FINDINGS_MAX})"))?;
    findings.retain(|finding| finding != "ok");
    for (step, sql) in (2..).zip(PROMISES) {
        on_step(step, steps);
        findings.extend(sentences(connection, sql)?);
    }
    findings.truncate(FINDINGS_MAX);
    let page_bytes = number("PRAGMA page_size")?;
    Ok(CheckReport {
        findings,
        tenants: number("SELECT count(*) FROM tenants")?,
        entries: number(
            "SELECT count(*) FROM entries JOIN tenants ON no = tenant WHERE offset > trimmed_through",
        )?,
        file_bytes: number("PRAGMA page_count")? * page_bytes,
        free_bytes: number("PRAGMA freelist_count")? * page_bytes,
    })
}

fn sentences(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map((), |row| row.get(0))?;
    rows.take(FINDINGS_MAX).collect()
}

const PROMISES: [&str; 6] = [
    "SELECT format('tenant %s has an entry at %d, which was never reserved', name, offset)
     FROM entries JOIN tenants ON no = tenant WHERE offset > reserved_through",
    "SELECT format('tenant %s: the sums at %d do not follow on those before', name, offset) FROM (
        SELECT tenant, offset, tenant_entries - lag(tenant_entries) OVER log AS step,
            tenant_bytes - lag(tenant_bytes) OVER log AS bytes
        FROM entries JOIN tenants ON no = tenant WHERE offset > trimmed_through
        WINDOW log AS (PARTITION BY tenant ORDER BY offset)
     ) JOIN tenants ON tenant = no WHERE step <> 1 OR bytes <= 0",
    "SELECT format('entry %d is of tenant number %d, which is not there', seq, tenant)
     FROM entries WHERE tenant NOT IN (SELECT no FROM tenants)",
    "SELECT format('tenant %s: the entry at %d has no place', name, offset)
     FROM entries JOIN tenants ON no = tenant
     WHERE offset > trimmed_through AND seq <= (SELECT placed_through FROM progress) AND NOT EXISTS (
        SELECT 1 FROM places WHERE places.tenant = no AND places.offset = entries.offset AND places.seq = entries.seq)",
    "SELECT format('tenant %s: the place of %d leads to nothing', name, places.offset)
     FROM places JOIN tenants ON no = places.tenant LEFT JOIN entries ON entries.seq = places.seq
     WHERE places.offset <= trimmed_through OR entries.tenant IS NOT places.tenant
        OR entries.offset IS NOT places.offset OR entries.id IS NOT places.id",
    "SELECT format('stretch %d has %d leftovers, not %d', stretch, found, noted) FROM (
        SELECT stretch, sum(found) AS found, sum(noted) AS noted FROM (
            SELECT stretch, 0 AS found, entries AS noted FROM leftovers
            UNION ALL SELECT seq >> 12, 1, 0 FROM entries JOIN tenants ON no = tenant
            WHERE offset <= trimmed_through
        ) GROUP BY stretch
     ) WHERE found <> noted",
];
