//! Deletes the rows that retention released, a whole stretch of neighbouring rows at once: deleted one by one, each page of
//! the table would be written as often as it has rows.

use rusqlite::{Connection, OptionalExtension, params};

/// Log of the length of a stretch of seqs.
pub(super) const STRETCH_BITS: u32 = 10;
const STRETCH: i64 = 1 << STRETCH_BITS;
/// About so many bytes are worth collecting, however few batches they are.
const WORTH_BYTES: u64 = 16 << 20;

/// How much work the garbage collector does: which part of a stretch must be trimmed before it is collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effort {
    /// While appends keep coming: most of it.
    Busy,
    /// In a round: an eighth.
    Round,
    /// When the disk is full: anything, the most first.
    Full,
}

impl Effort {
    fn leftovers_min(self) -> i64 {
        match self {
            Self::Busy => STRETCH / 4 * 3,
            Self::Round => STRETCH / 8,
            Self::Full => 1,
        }
    }
}

/// Collects trimmed rows, one stretch after the other.
#[derive(Debug, Default)]
pub(super) struct GarbageCollector {
    /// The next seq, and the stretch's end.
    under_way: Option<(i64, i64)>,
    /// Something was trimmed since nothing was found worth collecting.
    may_find: bool,
    /// Something was deleted since somebody asked.
    has_collected: bool,
    /// About how many bytes the batches have that came lately.
    batch_bytes: u64,
}

impl GarbageCollector {
    /// A batch of so many bytes is appended.
    pub(super) fn note_batch(&mut self, bytes: u64) {
        self.batch_bytes = (self.batch_bytes * 7 + bytes) / 8;
    }

    /// How many batches of a stretch must be trimmed for it to be collected.
    fn leftovers_min(&self, effort: Effort) -> i64 {
        let worth = (WORTH_BYTES / self.batch_bytes.max(1)).max(1);
        effort.leftovers_min().min(i64::try_from(worth).unwrap_or(i64::MAX))
    }

    /// Something was trimmed.
    pub(super) fn look_again(&mut self) {
        self.may_find = true;
    }

    /// Whether there may be something to do.
    pub(super) fn is_due(&self) -> bool {
        self.under_way.is_some() || self.may_find
    }

    /// Whether there is something to do.
    pub(super) fn find_out(
        &mut self,
        connection: &Connection,
        effort: Effort,
    ) -> rusqlite::Result<bool> {
        if self.under_way.is_none() && self.may_find {
            self.under_way = find(connection, effort, self.leftovers_min(effort))?;
            self.may_find = self.under_way.is_some();
        }
        Ok(self.under_way.is_some())
    }

    /// The transaction of the last step never was.
    pub(super) fn undo(&mut self) {
        self.under_way = None;
        self.may_find = true;
    }

    /// Whether something was deleted since this was asked last.
    pub(super) fn take_collected(&mut self) -> bool {
        std::mem::take(&mut self.has_collected)
    }

    /// Looks through at most `seqs_max` seqs, within the transaction at hand. Returns how many rows it deleted.
    pub(super) fn step(
        &mut self,
        connection: &Connection,
        effort: Effort,
        seqs_max: i64,
    ) -> rusqlite::Result<i64> {
        if !self.find_out(connection, effort)? {
            return Ok(0);
        }
        let Some((from, end)) = self.under_way else { return Ok(0) };
        let to = end.min(from + seqs_max);
        let deleted = connection
            .prepare_cached(
                "DELETE FROM runs WHERE seq >= ? AND seq < ?
                 AND first + entries - 1 <= (SELECT trimmed_through FROM tenants WHERE no = tenant)",
            )?
            .execute([from, to])?;
        let stretch = (end - 1) >> STRETCH_BITS;
        self.has_collected |= deleted > 0;
        let deleted = i64::try_from(deleted).unwrap_or(i64::MAX);
        connection
            .prepare_cached("UPDATE leftovers SET runs = runs - ? WHERE stretch = ?")?
            .execute(params![deleted, stretch])?;
        connection
            .prepare_cached("DELETE FROM leftovers WHERE stretch = ? AND runs <= 0")?
            .execute([stretch])?;
        self.under_way = (to < end).then_some((to, end));
        Ok(deleted)
    }
}

/// The seqs of the stretch that is most worth it, or the oldest that is.
fn find(
    connection: &Connection,
    effort: Effort,
    leftovers_min: i64,
) -> rusqlite::Result<Option<(i64, i64)>> {
    let sql = match effort {
        Effort::Busy | Effort::Round => {
            "SELECT stretch FROM leftovers WHERE runs >= ? ORDER BY stretch LIMIT 1"
        }
        Effort::Full => "SELECT stretch FROM leftovers WHERE runs >= ? ORDER BY runs DESC LIMIT 1",
    };
    let mut statement = connection.prepare_cached(sql)?;
    let stretch: Option<i64> = statement.query_row([leftovers_min], |row| row.get(0)).optional()?;
    Ok(stretch.map(|stretch| (stretch << STRETCH_BITS, (stretch + 1) << STRETCH_BITS)))
}
