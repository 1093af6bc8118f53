//! Background work that keeps a log small and quick to read: filling the index, retention, and deleting rows that retention
//! released. A little of it runs inside each append's transaction; the rest runs while nobody appends.

use std::cell::Cell;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use foodtrack_contract::TenantId;
use rusqlite::Connection;

use super::cursors::Forgetting;
use super::garbage_collector::{Effort, GarbageCollector};
use super::offset_index::{OffsetIndex, UNINDEXED_MAX};
use super::queue::DELAY;
use super::tenants::OpenTenants;
use super::trimming::{Limits, Round, TRIM_BATCHES_MAX, trim};
use crate::Retention;

/// How many rows a step looks at, at least.
const STEP_ROWS_MIN: u64 = 256;
/// How often it is said of a tenant that its floor yields to its bytes.
const YIELD_TOLD_EVERY: Duration = Duration::from_secs(60 * 60);
/// Of so many tenants at most.
const YIELDS_TOLD_MAX: usize = 1_024;

pub(super) struct Maintenance {
    retention: Retention,
    /// The newest time that anybody told.
    now_ms: u64,
    /// How many entries were appended since the last step.
    appended: u64,
    /// Open tenants whose retention is to be looked at.
    to_trim: VecDeque<TenantId>,
    round: Round,
    /// The round has not taken a step yet.
    is_round_new: bool,
    garbage: GarbageCollector,
    effort: Effort,
    forgetting: Forgetting,
    /// Whether whatever is trimmed is deleted as soon as it can be.
    erases: bool,
    /// Something was, and its pages are free.
    has_erased: bool,
    /// Each tenant's log has at most so many bytes after the round that is under way: the disk's budget wants it.
    yield_to: Option<u64>,
    /// Whose floor was said to yield, and when; `None` stands for those that nobody has opened.
    yields_told: HashMap<Option<TenantId>, Instant>,
}

impl Maintenance {
    pub(super) fn new(retention: Retention, erases: bool) -> Self {
        let mut garbage = GarbageCollector::default();
        // Of the last time the log was open.
        garbage.look_again();
        Self {
            retention,
            now_ms: 0,
            appended: 0,
            to_trim: VecDeque::new(),
            round: Round::default(),
            is_round_new: false,
            garbage,
            effort: Effort::Busy,
            forgetting: Forgetting::default(),
            erases,
            has_erased: false,
            yield_to: None,
            yields_told: HashMap::new(),
        }
    }

    pub(super) fn note_time(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
    }

    /// Notes that a batch of so many entries and bytes is appended, the last of them at `at_ms`.
    pub(super) fn note_appended(&mut self, entries: u64, bytes: u64, at_ms: u64) {
        self.note_time(at_ms);
        self.garbage.note_batch(bytes);
        self.appended += entries;
    }

    pub(super) fn start_round(
        &mut self,
        connection: &Connection,
        now_ms: u64,
    ) -> rusqlite::Result<()> {
        self.note_time(now_ms);
        if self.erases {
            self.effort = Effort::Full;
        } else if self.effort != Effort::Full {
            self.effort = Effort::Round;
        }
        self.garbage.look_again();
        self.is_round_new = true;
        self.round.start(connection, now_ms)
    }

    /// Starts one as of the newest time that is known, unless one is under way.
    pub(super) fn start_full_round(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.garbage.look_again();
        if self.round.is_over() {
            self.round.start(connection, self.now_ms)?;
        }
        Ok(())
    }

    /// Starts a round after which each tenant's log has at most so many bytes, or has the one under way end so.
    pub(super) fn start_yielding(
        &mut self,
        connection: &Connection,
        bytes_max: u64,
    ) -> rusqlite::Result<()> {
        self.yield_to = Some(bytes_max);
        self.round = Round::default();
        self.start_round(connection, self.now_ms)?;
        self.effort = Effort::Full;
        Ok(())
    }

    /// Whether logs yield, and what they let go of is not deleted yet.
    pub(super) fn is_yielding(&self) -> bool {
        self.yield_to.is_some() || self.effort == Effort::Full && self.garbage.is_due()
    }

    /// A step of the round, with the limits that hold in it.
    fn round_step(&mut self, connection: &Connection, index: &OffsetIndex) -> rusqlite::Result<()> {
        let bytes_max = self.retention.bytes_max.min(self.yield_to.unwrap_or(u64::MAX));
        let retention = Retention { bytes_max, ..self.retention };
        let yielded = Cell::new(false);
        self.round.step(connection, index, retention, &yielded)?;
        if self.yield_to.is_none() {
            self.note_yielded(&yielded, None);
        }
        Ok(())
    }

    pub(super) fn is_in_round(&self) -> bool {
        !self.round.is_over()
    }

    /// Whether there is work other than indexing and a round.
    fn has_more(&self) -> bool {
        !self.to_trim.is_empty() || self.garbage.is_due()
    }

    /// How long maintenance other than a round waits for an append to share a transaction with; `None` when there is none to do.
    pub(super) fn quiet(&self, index: &OffsetIndex) -> Option<Duration> {
        (index.is_worth_it() || self.has_more()).then_some(DELAY)
    }

    /// Whether there is work that is worth a transaction of its own.
    pub(super) fn is_due(
        &mut self,
        connection: &Connection,
        index: &OffsetIndex,
    ) -> rusqlite::Result<bool> {
        Ok(index.is_worth_it()
            || !self.to_trim.is_empty()
            || self.garbage.find_out(connection, self.effort)?)
    }

    /// The transaction of the last step is durable.
    pub(super) fn keep(&mut self) {
        self.round.keep();
        if self.round.is_over() {
            self.yield_to = None;
        }
    }

    /// The transaction of the last step never was.
    pub(super) fn undo(&mut self) {
        self.garbage.undo();
        self.round.undo();
        self.is_round_new = true;
        self.to_trim.clear();
    }

    /// Does a bounded step of maintenance inside the open transaction; more of it if the transaction `has_time`. Returns whether
    /// there was anything to do.
    pub(super) fn step(
        &mut self,
        connection: &Connection,
        index: &mut OffsetIndex,
        tenants: &mut OpenTenants,
        has_time: bool,
    ) -> rusqlite::Result<bool> {
        let appended = std::mem::take(&mut self.appended);
        if self.is_in_round() {
            let is_first = std::mem::take(&mut self.is_round_new);
            if is_first || has_time || index.is_due() {
                index.fill(connection)?;
            }
            if is_first {
                self.forgetting.step(connection, self.now_ms)?;
            }
            self.round_step(connection, index)?;
            self.garbage.look_again();
            return Ok(true);
        }
        let index_is_due = index.is_due() || has_time && index.is_worth_it();
        if index_is_due {
            index.fill(connection)?;
            let grown =
                tenants.iter_mut().filter_map(|(tenant, open)| open.take_grown().then_some(tenant));
            self.to_trim.extend(grown.cloned());
            // Where each append is so large, nothing else would have its turn.
            if appended < UNINDEXED_MAX {
                return Ok(true);
            }
        }
        // Twice what is added, so that what goes does not fall behind.
        let rows_max = STEP_ROWS_MIN.max(2 * appended);
        let is_due = index_is_due || self.has_more();
        self.trim_grown(connection, tenants, rows_max)?;
        if self.garbage.is_due() {
            let rows_max = i64::try_from(rows_max).unwrap_or(i64::MAX);
            let deleted = self.garbage.step(connection, self.effort, rows_max)?;
            self.has_erased |= self.erases && deleted > 0;
            if !self.garbage.is_due() {
                self.effort = Effort::Busy;
            }
        }
        Ok(is_due)
    }

    /// Whether something was deleted that is to be overwritten, since this was asked last.
    pub(super) fn take_erased(&mut self) -> bool {
        !self.garbage.is_due() && std::mem::take(&mut self.has_erased)
    }

    /// Whether rows were deleted since this was asked last, whose pages are free and may have them still.
    pub(super) fn take_collected(&mut self) -> bool {
        self.garbage.take_collected()
    }

    fn trim_grown(
        &mut self,
        connection: &Connection,
        tenants: &OpenTenants,
        mut rows_left: u64,
    ) -> rusqlite::Result<()> {
        while let Some(tenant) = self.to_trim.front().cloned() {
            if let Some(open) = tenants.get(&tenant) {
                let yielded = Cell::new(false);
                let Self { retention, now_ms, .. } = *self;
                let limits =
                    Limits { retention, now_ms, last: open.now.last, floor_yielded: &yielded };
                let rows_max = rows_left.min(TRIM_BATCHES_MAX);
                let taken = trim(connection, open.no, limits, rows_max)?;
                self.note_yielded(&yielded, Some(&tenant));
                if taken > 0 {
                    self.garbage.look_again();
                }
                // To find that nothing goes costs a few look-ups.
                rows_left = rows_left.saturating_sub(taken + 16);
                if taken >= rows_max {
                    if rows_left == 0 {
                        return Ok(());
                    }
                    continue;
                }
            }
            self.to_trim.pop_front();
            if rows_left == 0 {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Says that a tenant's limit on bytes took what the floor would have kept: once an hour and tenant, and for those whom
    /// nobody has opened once an hour in all.
    fn note_yielded(&mut self, yielded: &Cell<bool>, tenant: Option<&TenantId>) {
        if !yielded.get() {
            return;
        }
        let now = Instant::now();
        self.yields_told.retain(|_, told: &mut Instant| now - *told < YIELD_TOLD_EVERY);
        if self.yields_told.len() >= YIELDS_TOLD_MAX {
            return;
        }
        if let Entry::Vacant(place) = self.yields_told.entry(tenant.cloned()) {
            place.insert(now);
            tracing::warn!(
                tenant = tenant.map(TenantId::as_str),
                entries = self.retention.entries_min,
                "a tenant's limit on bytes is reached before its log has the newest entries that it should keep at least: repeats of ids beyond are not known after a restart, and readers that are far behind are told of a gap"
            );
        }
    }

    /// Does a step of maintenance on a full disk, inside the open transaction. Returns whether that was the last.
    pub(super) fn step_when_full(
        &mut self,
        connection: &Connection,
        index: &mut OffsetIndex,
    ) -> rusqlite::Result<bool> {
        index.fill(connection)?;
        self.round_step(connection, index)?;
        self.garbage.look_again();
        let rows_max = i64::try_from(STEP_ROWS_MIN).unwrap_or(i64::MAX);
        self.garbage.step(connection, Effort::Full, rows_max)?;
        Ok(self.round.is_over() && !self.garbage.is_due())
    }
}
