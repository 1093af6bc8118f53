//! A store of tenants' logs over a model disk: what was not made safe is lost in a crash, and no sooner is anything answered.

mod reading;
mod records;
mod writing;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foodtrack_contract::{Offset, TenantId};
use foodtrack_tenant_log::{Completion, LogEntry};

use crate::Disk;
use records::{Change, Records};

/// How many offsets are reserved at once.
const RESERVE: u64 = 32;
/// How long what is in no hurry waits for a commit.
const LAZY_MS: u64 = 250;

/// A store, and the handle by which a process and its tenants use it. The disk outlives processes: see [`ModelLog::crash`].
#[derive(Clone)]
pub struct ModelLog(Arc<Mutex<State>>);

struct State {
    disk: Disk<Change>,
    /// What the disk is known to hold.
    records: Records,
    /// Tenants that this process has opened.
    open: BTreeMap<TenantId, Open>,
    waiting: Vec<Waiting>,
    /// What a sync that is under way makes safe.
    in_flight: Vec<Waiting>,
    /// Cursors that are in no hurry.
    lazy: Vec<Change>,
    lazy_at_ms: Option<u64>,
    completions: Vec<Completion>,
    now_ms: u64,
    reuses_offsets: bool,
    forgets_rooms: bool,
    hides_entities: bool,
    counts: DiskCounts,
}

/// What a disk went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskCounts {
    /// Commits.
    pub commits: u64,
    /// Commits that found no room.
    pub full: u64,
    /// Syncs that failed.
    pub failed: u64,
    /// Changes that a crash took.
    pub lost: u64,
    /// Logs that were closed.
    pub closed: u64,
    /// Messages that were looked for by their ids.
    pub looked_for: u64,
}

/// A tenant as this process writes it.
struct Open {
    next: Offset,
    /// What is reserved, or about to be.
    asked_through: Offset,
}

/// A change on its way to the disk, and who is told of it.
struct Waiting {
    change: Change,
    told: Told,
    is_urgent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nobody,
    Open { now_ms: u64 },
    Entry,
    Note(u64),
}

impl ModelLog {
    /// A store on an empty disk with room for so many changes, whose syncs take up to `sync_ms_max`.
    pub fn new(seed: u64, room: usize, sync_ms_max: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            disk: Disk::new(seed, room, sync_ms_max),
            records: Records::default(),
            open: BTreeMap::new(),
            waiting: Vec::new(),
            in_flight: Vec::new(),
            lazy: Vec::new(),
            lazy_at_ms: None,
            completions: Vec::new(),
            now_ms: 0,
            reuses_offsets: false,
            forgets_rooms: false,
            hides_entities: false,
            counts: DiskCounts::default(),
        })))
    }

    /// Breaks rule 2: after a crash offsets that were shown, and whose entries are gone, are given out again.
    pub fn reuse_offsets(&self) {
        self.state().reuses_offsets = true;
    }

    /// Breaks rule 6: sessions' rooms are not there any more after a restart.
    pub fn forget_rooms(&self) {
        self.state().forgets_rooms = true;
    }

    /// Breaks rule 4: of an entry that is replayed nobody knows which entity it is about.
    pub fn hide_entities(&self) {
        self.state().hides_entities = true;
    }

    /// Works on the disk itself.
    pub fn with_disk<T>(&self, work: impl FnOnce(&mut ModelDisk<'_>) -> T) -> T {
        work(&mut ModelDisk(&mut self.state()))
    }

    /// What its disk went through.
    pub fn counts(&self) -> DiskCounts {
        self.state().counts
    }

    /// The process is gone. With the power, what was not safe goes as well, or a part of it; a disk that had failed is another
    /// one afterwards.
    pub fn crash(&self, with_power: bool) {
        let mut state = self.state();
        let before = state.disk.records().len() + state.waiting.len() + state.lazy.len();
        if with_power || state.disk.has_failed() {
            state.disk.lose_power();
        } else {
            state.disk.lose_process();
        }
        state.counts.lost += (before - state.disk.records().len()) as u64;
        state.records = Records::of(state.disk.records());
        (state.waiting, state.in_flight, state.lazy) = (Vec::new(), Vec::new(), Vec::new());
        (state.lazy_at_ms, state.completions) = (None, Vec::new());
        state.open.clear();
    }

    /// Everything that waits is safe at once: the process ends as it was asked to.
    pub fn settle(&self) {
        let mut state = self.state();
        for _ in 0..3 {
            state.lazy_at_ms = state.lazy_at_ms.map(|_| 0);
            let now_ms = state.disk.sync_over_ms().unwrap_or(0).max(state.now_ms);
            state.advance(now_ms);
        }
    }

    /// Time has passed. Returns what became of what was submitted, in its order.
    pub fn advance(&self, now_ms: u64) -> Vec<Completion> {
        let mut state = self.state();
        state.advance(now_ms);
        std::mem::take(&mut state.completions)
    }

    /// When it has something to do or to say.
    pub fn next_ms(&self) -> Option<u64> {
        let state = self.state();
        if !state.completions.is_empty() {
            return Some(state.now_ms);
        }
        state.disk.sync_over_ms().or_else(|| state.begins_at_ms())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // One thread alone comes here; the lock is the traits'.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A store's disk, for whoever plays the world.
pub struct ModelDisk<'s>(&'s mut State);

impl ModelDisk<'_> {
    /// Fills it up, or frees it again.
    pub fn set_full(&mut self, is_full: bool) {
        self.0.disk.set_room(if is_full { 0 } else { usize::MAX >> 1 });
    }

    /// Whether nothing more fits.
    pub fn is_full(&self) -> bool {
        !self.0.disk.has_room_for(1)
    }

    /// Changes how long syncs take.
    pub fn set_sync_ms_max(&mut self, sync_ms_max: u64) {
        self.0.disk.set_sync_ms_max(sync_ms_max);
    }

    /// Lets the next sync fail, and everything after it.
    pub fn fail_next_sync(&mut self) {
        self.0.disk.fail_next_sync();
    }

    /// Lets it fail no more than it has.
    pub fn spare_next_sync(&mut self) {
        self.0.disk.spare_next_sync();
    }

    /// Whether a sync failed: nothing is taken any more.
    pub fn has_failed(&self) -> bool {
        self.0.disk.has_failed()
    }
}

/// An entry on its way, if the change is one of this tenant.
fn entry_of<'c>(waiting: &'c Waiting, tenant: &TenantId) -> Option<&'c LogEntry> {
    match &waiting.change {
        Change::Entry(of, entry) if of == tenant => Some(entry),
        _ => None,
    }
}
