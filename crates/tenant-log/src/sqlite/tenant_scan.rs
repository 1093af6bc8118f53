//! Reading one tenant's rows in order: indexed rows through the index, newer ones by searching the end of the table.

use foodtrack_contract::Offset;
use rusqlite::{Connection, Row};
use uuid::Uuid;

use super::rows::{self, HEADS, number};
use crate::encoding::{Damage, Head, ids};

/// Which tenant's rows, and how far the index goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct TenantScan {
    pub(super) no: i64,
    /// Rows up to this seq are indexed.
    pub(super) indexed_through: i64,
}

impl TenantScan {
    /// Gives `take` the columns (of `runs.`) of each batch that has entries after an offset and up to another, ascending,
    /// until it wants no more. The first may have some before, and the last some behind.
    pub(super) fn ascend<E: From<rusqlite::Error>>(
        self,
        connection: &Connection,
        columns: &str,
        after: Offset,
        through: Offset,
        take: impl FnMut(&Row<'_>) -> Result<bool, E>,
    ) -> Result<(), E> {
        let indexed = format!(
            "SELECT {columns} FROM places CROSS JOIN runs ON runs.seq = places.seq
             WHERE ?2 = ?2 AND places.tenant = ?1 AND places.first <= ?4 AND places.first >= coalesce(
                (SELECT max(first) FROM places WHERE tenant = ?1 AND first <= ?3 + 1), 0)
             AND places.first + places.entries - 1 > ?3 ORDER BY places.first"
        );
        let unindexed = format!(
            "SELECT {columns} FROM runs
             WHERE seq > ?2 AND tenant = ?1 AND first + entries - 1 > ?3 AND first <= ?4 ORDER BY seq"
        );
        let [after, through] = [after, through].map(|offset| number(offset.get()));
        let params = [self.no, self.indexed_through, after, through];
        for_each_row(connection, [&indexed, &unindexed], params, take)
    }

    /// Gives `take` the columns (of `runs.`) of each batch, the newest first, until it wants no more.
    pub(super) fn descend<E: From<rusqlite::Error>>(
        self,
        connection: &Connection,
        columns: &str,
        take: impl FnMut(&Row<'_>) -> Result<bool, E>,
    ) -> Result<(), E> {
        let unindexed =
            format!("SELECT {columns} FROM runs WHERE seq > ?2 AND tenant = ?1 ORDER BY seq DESC");
        let indexed = format!(
            "SELECT {columns} FROM places CROSS JOIN runs ON runs.seq = places.seq
             WHERE ?2 = ?2 AND places.tenant = ?1 ORDER BY places.first DESC"
        );
        for_each_row(connection, [&unindexed, &indexed], [self.no, self.indexed_through], take)
    }

    /// Gives `take` the head of each entry, the newest first, until it wants no more.
    pub(super) fn descend_heads<E: From<rusqlite::Error>>(
        self,
        connection: &Connection,
        mut take: impl FnMut(Offset, Result<Head<'_>, Damage>) -> Result<bool, E>,
    ) -> Result<(), E> {
        self.descend(connection, HEADS, |batch| {
            let batch = rows::heads(batch, 0)?;
            let heads: Vec<_> = batch.iter_heads().collect();
            for (offset, head) in heads.into_iter().rev() {
                if !take(offset, head)? {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    /// Gives `take` each entry's id, the newest first, until it wants no more. Where the index goes, it has them.
    pub(super) fn descend_ids(
        self,
        connection: &Connection,
        mut take: impl FnMut(Offset, Result<Uuid, Damage>) -> bool,
    ) -> rusqlite::Result<()> {
        let unindexed =
            "SELECT first, ids FROM runs WHERE seq > ?2 AND tenant = ?1 ORDER BY seq DESC";
        let indexed =
            "SELECT first, ids FROM places WHERE ?2 = ?2 AND tenant = ?1 ORDER BY first DESC";
        for_each_row(connection, [unindexed, indexed], [self.no, self.indexed_through], |batch| {
            let ids = ids(rows::offset(batch, 0)?, rows::bytes(batch, 1)?);
            let mut wanted = ids.rev().map(|(id, offset)| {
                // Where ids could not be saved (migrating_5.rs) there are none.
                take(offset, if id.is_nil() { Err("id") } else { Ok(id) })
            });
            Ok(wanted.all(|is_wanted| is_wanted))
        })
    }
}

/// Gives `take` the rows of the one statement and then of the other, until it wants no more.
fn for_each_row<const N: usize, E: From<rusqlite::Error>>(
    connection: &Connection,
    statements: [&str; 2],
    params: [i64; N],
    mut take: impl FnMut(&Row<'_>) -> Result<bool, E>,
) -> Result<(), E>
where
    [i64; N]: rusqlite::Params,
{
    for sql in statements {
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        while let Some(row) = rows.next()? {
            if !take(row)? {
                return Ok(());
            }
        }
    }
    Ok(())
}
