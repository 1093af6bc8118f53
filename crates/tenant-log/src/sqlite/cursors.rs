//! Subscribers' cursors in the database: written, and forgotten, or else everybody who ever made up a device would stay.

use foodtrack_contract::{Cursor, TenantId};
use rusqlite::{Connection, params};

use super::rows::{self, number};
use crate::subscriber::{CURSOR_AGE_MS_MAX, DEVICES_MAX};
use crate::{SavedCursor, SubscriberKey};

const DAY_MS: u64 = 24 * 3_600_000;
/// How many cursors a round looks at.
const STEP_ROWS: usize = 1_024;

/// Saves a cursor; the first of a subscriber gives way to one that is there. Where the tenant has no log it is left out.
pub(super) fn save(
    connection: &Connection,
    tenant: &TenantId,
    key: &SubscriberKey,
    saved: &SavedCursor,
    is_first: bool,
) -> rusqlite::Result<()> {
    let sql = match is_first {
        true => {
            "INSERT OR IGNORE INTO subscribers SELECT no, ?2, ?3, ?4 FROM tenants WHERE name = ?1"
        }
        false => {
            "INSERT OR REPLACE INTO subscribers SELECT no, ?2, ?3, ?4 FROM tenants WHERE name = ?1"
        }
    };
    let (cursor, at_ms) = (saved.cursor.to_string(), number(saved.updated_at_ms));
    let params = params![tenant.as_str(), key.as_str(), cursor, at_ms];
    let is_saved = connection.prepare_cached(sql)?.execute(params)? > 0;
    if is_first
        && is_saved
        && let Some(login) = key.login()
    {
        forget_devices(connection, tenant, key, login)?;
    }
    Ok(())
}

/// Lets the devices go that are too many. The new one stays.
fn forget_devices(
    connection: &Connection,
    tenant: &TenantId,
    new: &SubscriberKey,
    login: &str,
) -> rusqlite::Result<()> {
    // A login ends with ':', and ';' comes next: what lies between are its devices.
    connection
        .prepare_cached(
            "WITH devices AS (
                SELECT tenant, key, updated_at_ms FROM subscribers
                WHERE tenant = (SELECT no FROM tenants WHERE name = ?1)
                AND key >= ?2 || ':' AND key < ?2 || ';' AND key <> ?3
             )
             DELETE FROM subscribers WHERE (tenant, key) IN (
                SELECT tenant, key FROM devices ORDER BY updated_at_ms DESC LIMIT -1 OFFSET ?4)",
        )?
        .execute(params![tenant.as_str(), login, new.as_str(), number(DEVICES_MAX - 1)])?;
    Ok(())
}

/// Goes through all cursors, some in each round, and begins anew a day later.
#[derive(Debug, Default)]
pub(super) struct Forgetting {
    /// The last one that was looked at, while a pass is under way.
    after: Option<(i64, String)>,
    next_pass_ms: u64,
}

impl Forgetting {
    /// A round's share of it.
    pub(super) fn step(&mut self, connection: &Connection, now_ms: u64) -> rusqlite::Result<()> {
        if self.after.is_none() && now_ms < self.next_pass_ms {
            return Ok(());
        }
        let after = self.after.take().unwrap_or_default();
        let mut statement = connection.prepare_cached(
            "SELECT tenant, key, cursor, updated_at_ms, trimmed_through, epoch
             FROM subscribers CROSS JOIN tenants ON no = tenant
             WHERE (tenant, key) > (?, ?) ORDER BY tenant, key LIMIT ?",
        )?;
        let mut rows = statement.query(params![after.0, after.1, number(STEP_ROWS as u64)])?;
        let (mut looked_at, mut last) = (0, after);
        let mut gone = Vec::new();
        while let Some(row) = rows.next()? {
            looked_at += 1;
            last = (row.get(0)?, row.get(1)?);
            if now_ms.saturating_sub(rows::unsigned(row, 3)?) <= CURSOR_AGE_MS_MAX {
                continue;
            }
            let (trimmed_through, epoch) = (rows::offset(row, 4)?, rows::unsigned(row, 5)?);
            let leads_somewhere = Cursor::parse(row.get_ref(2)?.as_str()?).is_some_and(|cursor| {
                cursor.epoch().get() == epoch && cursor.through() >= trimmed_through
            });
            if !leads_somewhere {
                gone.push(last.clone());
            }
        }
        let mut delete =
            connection.prepare_cached("DELETE FROM subscribers WHERE tenant = ? AND key = ?")?;
        for (tenant, key) in gone {
            delete.execute(params![tenant, key])?;
        }
        if looked_at == STEP_ROWS {
            self.after = Some(last);
        } else {
            self.next_pass_ms = now_ms.saturating_add(DAY_MS);
        }
        Ok(())
    }
}
