//! Looking a database through, as an operator does.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use foodtrack_contract::{Offset, TenantId};
use rusqlite::{Connection, Params, Row};

use super::garbage_collector::STRETCH_BITS;
use super::opening::{DataDirectory, OpenError};
use super::progress::Progress;
use super::rows::{self, ENTRIES, ENTRIES_COLUMNS};
use crate::KeySource;
use crate::encoding::Damage;
use crate::memory::random_epoch;
use crate::record_batch::UnpackedBatch;
use crate::row_seals::{RowSeals, is_sealed};

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
    /// Of how many rows the bodies were not looked at: they are sealed, and there were no keys.
    pub sealed: u64,
    /// The database's size.
    pub file_bytes: u64,
    /// How much of it is free.
    pub free_bytes: u64,
}

impl CheckReport {
    /// What was not looked at, for people; `None` where everything was.
    pub fn not_looked_at(&self) -> Option<String> {
        let sealed = self.sealed;
        let sentence =
            "rows are sealed, and without the master key their messages were not looked at";
        (sealed > 0).then(|| format!("{sealed} {sentence}"))
    }
}

/// Reads everything in `directory`, which no server may be using: pages, indexes, and what entries promise of each other.
///
/// # Errors
/// [`CheckError`]
pub fn check(directory: &Path) -> Result<CheckReport, CheckError> {
    check_with_progress(directory, None, &mut |_| {})
}

/// As [`check`], with the keys of a log that is sealed; tells `on_step` from time to time how far it is.
///
/// # Errors
/// [`CheckError`]
pub fn check_with_progress(
    directory: &Path,
    keys: Option<Arc<dyn KeySource>>,
    on_step: &mut dyn FnMut(Progress),
) -> Result<CheckReport, CheckError> {
    let directory = DataDirectory::lock_existing(directory)?;
    let connection = directory.open_database(on_step)?;
    report(&connection, &RowSeals::new(keys), on_step)
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
    let mut connection = directory.open_database(&mut |_| {})?;
    let tenants = renew(&mut connection)
        .map_err(|error| CheckError::Store { path: directory.file(), detail: error.to_string() })?;
    // Only now, and on the disk: a crash in between costs a second renewal.
    directory.remove_copy_mark()?;
    Ok(tenants)
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
    seals: &RowSeals,
    on_step: &mut dyn FnMut(Progress),
) -> rusqlite::Result<CheckReport> {
    let number = |sql: &str| connection.query_row(sql, (), |row| rows::unsigned(row, 0));
    let of = 3 + PROMISES.len();
    on_step(Progress::Checking { step: 1, of });
    let mut findings =
        sentences(connection, &format!("PRAGMA integrity_check({FINDINGS_MAX})"), ())?;
    findings.retain(|finding| finding != "ok");
    for (step, sql) in (2..).zip(PROMISES) {
        on_step(Progress::Checking { step, of });
        findings.extend(sentences(connection, sql, ())?);
    }
    on_step(Progress::Checking { step: of - 1, of });
    findings.extend(sentences(connection, LEFTOVERS, [STRETCH_BITS])?);
    on_step(Progress::Checking { step: of, of });
    let (in_batches, sealed) = check_batches(connection, seals)?;
    findings.extend(in_batches);
    findings.truncate(FINDINGS_MAX);
    let page_bytes = number("PRAGMA page_size")?;
    Ok(CheckReport {
        findings,
        tenants: number("SELECT count(*) FROM tenants")?,
        entries: number(
            "SELECT coalesce(sum(min(entries, first + entries - 1 - trimmed_through)), 0)
             FROM runs JOIN tenants ON no = tenant WHERE first + entries - 1 > trimmed_through",
        )?,
        sealed,
        file_bytes: number("PRAGMA page_count")? * page_bytes,
        free_bytes: number("PRAGMA freelist_count")? * page_bytes,
    })
}

fn sentences(
    connection: &Connection,
    sql: &str,
    params: impl Params,
) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map(params, |row| row.get(0))?;
    rows.take(FINDINGS_MAX).collect()
}

const PROMISES: [&str; 5] = [
    "SELECT format('tenant %s has an entry at %d, which was never reserved', name, first + entries - 1)
     FROM runs JOIN tenants ON no = tenant WHERE first + entries - 1 > reserved_through",
    "SELECT format('tenant %s: the sums at %d do not follow on those before', name, first) FROM (
        SELECT tenant, first, tenant_entries - lag(tenant_entries) OVER log - entries AS more,
            tenant_bytes - lag(tenant_bytes) OVER log AS bytes
        FROM runs JOIN tenants ON no = tenant WHERE first + entries - 1 > trimmed_through
        WINDOW log AS (PARTITION BY tenant ORDER BY first)
     ) JOIN tenants ON tenant = no WHERE more <> 0 OR bytes <= 0",
    "SELECT format('run %d is of tenant number %d, which is not there', seq, tenant)
     FROM runs WHERE tenant NOT IN (SELECT no FROM tenants)",
    "SELECT format('tenant %s: the entries from %d on are not in the index', name, first)
     FROM runs JOIN tenants ON no = tenant
     WHERE first + entries - 1 > trimmed_through AND seq <= (SELECT placed_through FROM progress) AND NOT EXISTS (
        SELECT 1 FROM places WHERE places.tenant = no AND places.first = runs.first AND places.seq = runs.seq)",
    "SELECT format('tenant %s: the index entry of %d leads to no row', name, places.first)
     FROM places JOIN tenants ON no = places.tenant LEFT JOIN runs ON runs.seq = places.seq
     WHERE places.first + places.entries - 1 <= trimmed_through OR runs.tenant IS NOT places.tenant
        OR runs.first IS NOT places.first OR runs.entries IS NOT places.entries OR runs.ids IS NOT places.ids",
];

const LEFTOVERS: &str =
    "SELECT format('stretch %d has %d leftovers, not %d', stretch, found, noted) FROM (
        SELECT stretch, sum(found) AS found, sum(noted) AS noted FROM (
            SELECT stretch, 0 AS found, runs AS noted FROM leftovers
            UNION ALL SELECT seq >> ?, 1, 0 FROM runs JOIN tenants ON no = tenant
            WHERE first + entries - 1 <= trimmed_through
        ) GROUP BY stretch
     ) WHERE found <> noted";

/// Entries that cannot be understood, or are not as many or as large as was noted; and of how many rows the bodies were not
/// looked at.
fn check_batches(
    connection: &Connection,
    seals: &RowSeals,
) -> rusqlite::Result<(Vec<String>, u64)> {
    let (mut findings, mut sealed) = (Vec::new(), 0);
    let mut statement = connection.prepare(&format!(
        "SELECT name, entries, {ENTRIES},
            CASE WHEN tenant_entries - lag(tenant_entries) OVER log = entries
                THEN tenant_bytes - lag(tenant_bytes) OVER log END
         FROM runs JOIN tenants ON no = tenant WHERE first + entries - 1 > trimmed_through
         WINDOW log AS (PARTITION BY tenant ORDER BY first)",
    ))?;
    let mut rows = statement.query(())?;
    while findings.len() < FINDINGS_MAX
        && let Some(row) = rows.next()?
    {
        let (name, noted): (String, _) = (row.get(0)?, rows::unsigned(row, 1)?);
        let Ok(tenant) = TenantId::parse(&name) else {
            findings.push(format!("a tenant's name is damaged: {name:?}"));
            continue;
        };
        let noted_bytes: Option<i64> = row.get(2 + ENTRIES_COLUMNS)?;
        let is_skipped = seals.keys().is_none() && is_sealed(rows::place(row, 2, &tenant)?.1);
        sealed += u64::from(is_skipped);
        let Looked { first, found, bytes, damage } = if is_skipped {
            look_at_heads(row)?
        } else {
            look_at_entries(&rows::entries(row, 2, seals, &tenant)?)
        };
        if let Some((offset, what)) = damage {
            findings.push(format!(
                "tenant {name}: the entry at {offset} cannot be understood: its {what} is damaged"
            ));
        } else if found != noted || noted_bytes.is_some_and(|noted| noted != rows::number(bytes)) {
            findings.push(format!("tenant {name}: the entries from {first} on are {found} of {bytes} bytes, and {noted} were noted"));
        }
    }
    Ok((findings, sealed))
}

/// What was found in a row.
struct Looked {
    first: Offset,
    found: u64,
    bytes: u64,
    damage: Option<(Offset, Damage)>,
}

impl Looked {
    fn at(first: Offset, entries: impl Iterator<Item = (Offset, Result<u64, Damage>)>) -> Self {
        let mut looked = Self { first, found: 0, bytes: 0, damage: None };
        for (offset, entry) in entries {
            looked.found += 1;
            match entry {
                Ok(bytes) => looked.bytes += bytes,
                Err(what) => looked.damage = looked.damage.or(Some((offset, what))),
            }
        }
        looked
    }
}

fn look_at_entries(batch: &UnpackedBatch<'_>) -> Looked {
    let whole = batch.iter().map(|(offset, entry)| {
        let bytes = entry.and_then(|(head, body)| head.entry(offset, body).map(|_| head.bytes()));
        (offset, bytes)
    });
    Looked::at(batch.first, whole)
}

fn look_at_heads(row: &Row<'_>) -> rusqlite::Result<Looked> {
    let batch = rows::heads(row, 2)?;
    let heads = batch.iter_heads().map(|(offset, head)| (offset, head.map(|it| it.bytes())));
    Ok(Looked::at(batch.first, heads))
}
