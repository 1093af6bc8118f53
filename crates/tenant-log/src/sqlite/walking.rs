//! A tenant's runs in their order: those that have places by the index, and those that have none by looking.

use foodtrack_contract::Offset;
use rusqlite::{Connection, Row, params};

use super::rows::number;

/// Whose runs, and how far the index goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    pub(super) no: i64,
    /// Runs up to this seq have their places.
    pub(super) placed_through: i64,
}

impl Walk {
    /// Gives `take` the columns (of `runs.`) of each run that has entries after an offset and up to another, ascending, until it wants no
    /// more. The first may have some before, and the last some behind.
    pub(super) fn ascend<E: From<rusqlite::Error>>(
        self,
        connection: &Connection,
        columns: &str,
        after: Offset,
        through: Offset,
        mut take: impl FnMut(&Row<'_>) -> Result<bool, E>,
    ) -> Result<(), E> {
        let placed = format!(
            "SELECT {columns} FROM places CROSS JOIN runs ON runs.seq = places.seq
             WHERE ?4 = ?4 AND places.tenant = ?1 AND places.first <= ?3 AND places.first >= coalesce(
                (SELECT max(first) FROM places WHERE tenant = ?1 AND first <= ?2 + 1), 0)
             AND places.first + places.entries - 1 > ?2 ORDER BY places.first"
        );
        let unplaced = format!(
            "SELECT {columns} FROM runs
             WHERE seq > ?4 AND tenant = ?1 AND first + entries - 1 > ?2 AND first <= ?3 ORDER BY seq"
        );
        for sql in [placed, unplaced] {
            let mut statement = connection.prepare_cached(&sql)?;
            let (after, through) = (number(after.get()), number(through.get()));
            let mut rows =
                statement.query(params![self.no, after, through, self.placed_through])?;
            while let Some(row) = rows.next()? {
                if !take(row)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Gives `take` the columns (of `runs.`) of each run, the newest first, until it wants no more.
    pub(super) fn descend<E: From<rusqlite::Error>>(
        self,
        connection: &Connection,
        columns: &str,
        mut take: impl FnMut(&Row<'_>) -> Result<bool, E>,
    ) -> Result<(), E> {
        let unplaced =
            format!("SELECT {columns} FROM runs WHERE seq > ?2 AND tenant = ?1 ORDER BY seq DESC");
        let placed = format!(
            "SELECT {columns} FROM places CROSS JOIN runs ON runs.seq = places.seq
             WHERE ?2 = ?2 AND places.tenant = ?1 ORDER BY places.first DESC"
        );
        for sql in [unplaced, placed] {
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query(params![self.no, self.placed_through])?;
            while let Some(row) = rows.next()? {
                if !take(row)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
