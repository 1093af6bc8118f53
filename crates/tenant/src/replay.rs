//! One connection that catches up: what it needs of the log next, and when it is live.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use foodtrack_contract::{CURSOR_BEYOND_MAX, Cursor, Offset};
use foodtrack_tenant_log::{LogEntry, LoggedRoom, SavedCursor};

use crate::cursor_suffix::CursorSuffix;
use crate::ledger::{Position, last_of};
use crate::page_limits::PAGE_ENTRIES;
use crate::replay_plan::{Owed, Plan, Window};

/// Entries that are looked at together: urgent ones overtake within them.
const WINDOW_ENTRIES: usize = 8_192;
/// How many rooms that were left meanwhile are remembered.
const LEFT_ROOMS_MAX: usize = 1_024;

/// Where a connection starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// Its session is back, and this is what it has.
    Recovered(Cursor),
    /// It has this, though its session is gone.
    Brought(Cursor),
    /// As far as its subscriber has confirmed; from now on, if that was never here.
    Confirmed,
    /// The same, or where it says that it is, if that is further: without a proof, its word confirms and opens nothing.
    Said(Cursor),
    /// The same; but from here on, if its subscriber has confirmed nothing.
    Since(Offset),
    /// It was here before the log was started anew: as far as its subscriber has confirmed since then. It is told.
    Reset,
}

/// A connection on its way to be live.
#[derive(Debug)]
pub(crate) struct Replay {
    /// Tells this one from an earlier one in the same place.
    serial: u32,
    state: State,
    origin: Origin,
    /// Its log is gone with what it missed, and it was not told yet.
    is_reset: bool,
    /// What it says that it has not got and will not be sent, behind the one and up to the other, and was not told yet.
    passed_over: Option<(Offset, Offset)>,
    /// What the recipient has: what it had when it came, and what was sent since or is not for it.
    cursor: Cursor,
    /// What it had when it came.
    had: Cursor,
    /// Everything up to here was looked at.
    at: Offset,
    owed: Owed,
    /// What it acknowledged: as in [`Window::acknowledged`].
    acknowledged: Vec<Offset>,
    plan: Plan,
    /// Read, and not sent yet; in the plan's order.
    read: VecDeque<Arc<LogEntry>>,
    /// Frames went out since the client had last taken everything that must not be overtaken: their suffixes list what did.
    has_lists: bool,
    started_ms: u64,
    replayed: u64,
    /// When the oldest of those was accepted.
    oldest_ms: u64,
    /// Rooms that it has left meanwhile, and the last place at which it was in them: what came before is for it.
    left: Vec<(LoggedRoom, Offset)>,
    /// Orders of its user's that may not be in memory.
    owns: Box<[Box<str>]>,
}

/// Who says where a connection was.
#[derive(Debug)]
enum Origin {
    /// It said so itself. `was_away` where its session is gone all the same.
    Brought { was_away: bool },
    /// What is known of its subscriber.
    Subscriber {
        /// Where its session began, if it is back and has had nothing since: what another socket of its subscriber got and
        /// confirmed, this one did not get. Not set for a device where messages are acknowledged: it has no other socket, and
        /// its acknowledgements say more than the cursor that it does not have.
        began: Option<Offset>,
        /// Where its session begins, as its private id says.
        session_start: Offset,
    },
    /// It said so itself and proves nothing: no further back than what is known of its subscriber.
    Said(Cursor),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The store is asked how far the subscriber had confirmed.
    Finding,
    /// The store is asked for a plan or for entries.
    Reading,
    /// It has more than was delivered here.
    Ahead,
    /// The client has yet to take what was sent.
    Draining,
    /// There is something to do at once.
    Ready,
}

/// What a connection that catches up needs next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing before an answer has come.
    Nothing,
    /// It is up to date.
    Live,
    /// It has more than was delivered here: another node is further.
    Ahead,
    /// The client must take what it was sent.
    Drain,
    /// The entry that [`Replay::take`] gives, or else the first of [`Replay::ahead`] that is there.
    Entry,
    /// A plan of what comes after this place.
    Plan { after: Offset },
}

impl Replay {
    /// One that starts while the log stands at `position`. `trusts_subscriber` where a session that is back and brings no cursor
    /// may have what its subscriber has confirmed: it is a device's, and messages are to be acknowledged.
    pub(crate) fn new(
        serial: u32,
        position: &Position,
        start: Start,
        trusts_subscriber: bool,
        now_ms: u64,
    ) -> Self {
        let (epoch, end) = (position.epoch, position.delivered_through);
        let nothing = Cursor::new(epoch, Offset::ZERO);
        let subscribers = |began, session_start| Origin::Subscriber { began, session_start };
        let is_reset = start == Start::Reset;
        let (origin, cursor, had) = match start {
            Start::Recovered(cursor) => {
                (Origin::Brought { was_away: false }, cursor.clone(), cursor)
            }
            Start::Brought(cursor) => (Origin::Brought { was_away: true }, cursor.clone(), cursor),
            Start::Confirmed | Start::Reset => {
                (subscribers(None, end), Cursor::new(epoch, end), nothing)
            }
            Start::Said(cursor) => (Origin::Said(cursor), Cursor::new(epoch, end), nothing),
            Start::Since(since) => {
                let began = (!trusts_subscriber).then_some(since);
                (subscribers(began, since), Cursor::new(epoch, since), nothing)
            }
        };
        Self {
            serial,
            state: State::Ready,
            origin,
            is_reset,
            passed_over: None,
            at: cursor.through(),
            cursor,
            had,
            owed: Owed::These(Vec::new()),
            acknowledged: Vec::new(),
            plan: Plan::default(),
            read: VecDeque::new(),
            has_lists: false,
            started_ms: now_ms,
            replayed: 0,
            oldest_ms: u64::MAX,
            left: Vec::new(),
            owns: Box::default(),
        }
    }

    pub(crate) fn serial(&self) -> u32 {
        self.serial
    }

    /// Where the recipient stands; `None` until the store has said.
    pub(crate) fn cursor(&self) -> Option<&Cursor> {
        let is_known = self.state != State::Finding || self.brought().is_some();
        is_known.then_some(&self.cursor)
    }

    /// What the recipient said that it has.
    pub(crate) fn brought(&self) -> Option<&Cursor> {
        matches!(self.origin, Origin::Brought { .. }).then_some(&self.had)
    }

    /// Whether it was away for long.
    pub(crate) fn was_away(&self) -> bool {
        !matches!(self.origin, Origin::Brought { was_away: false })
    }

    /// Whether it is to be told now that its log is gone with what it missed. Asked once.
    pub(crate) fn take_reset(&mut self) -> bool {
        self.state != State::Finding && std::mem::take(&mut self.is_reset)
    }

    /// Everything up to here the recipient had when it came.
    pub(crate) fn had_through(&self) -> Offset {
        self.had.through()
    }

    /// Everything up to here was looked at.
    pub(crate) fn at(&self) -> Offset {
        self.at
    }

    /// Where it is sent from what it missed, if that is before its session began.
    pub(crate) fn start_before_session(&self) -> Option<Offset> {
        let from = self.cursor()?.through();
        match self.origin {
            Origin::Subscriber { session_start, .. } => (from < session_start).then_some(from),
            Origin::Brought { .. } | Origin::Said(_) => None,
        }
    }

    /// Whether it has said how far it is, without a proof.
    pub(crate) fn has_said(&self) -> bool {
        matches!(self.origin, Origin::Said(_))
    }

    /// What it is to be told that it will not be sent: what is behind the one offset and up to the other. Asked once.
    pub(crate) fn take_passed_over(&mut self) -> Option<(Offset, Offset)> {
        self.passed_over.take()
    }

    /// Goes on where its subscriber has confirmed, or else where it says that it is. Returns through which offset that is.
    pub(crate) fn go_on_from(&mut self, confirmed: Offset) -> Offset {
        self.set_out_from(confirmed);
        self.had = self.cursor.clone();
        self.at
    }

    fn set_out_from(&mut self, confirmed: Offset) {
        self.cursor = match &self.origin {
            Origin::Said(said) => {
                if said.through() < confirmed {
                    self.passed_over = Some((said.through(), confirmed));
                }
                let mut cursor = said.clone();
                cursor.advance(confirmed);
                cursor
            }
            Origin::Subscriber { began: Some(began), .. } => {
                Cursor::new(self.cursor.epoch(), confirmed.min(*began))
            }
            _ => Cursor::new(self.cursor.epoch(), confirmed),
        };
        self.at = self.cursor.through();
    }

    /// Sends these again, ascending, though the recipient had them.
    pub(crate) fn owe(&mut self, offsets: Vec<Offset>) {
        if let Some(first) = offsets.first() {
            self.at = self.at.min(Offset::ZERO.plus(first.get().saturating_sub(1)));
        }
        self.owed = Owed::These(offsets);
    }

    /// Leaves these out, ascending: they were acknowledged.
    pub(crate) fn leave_out(&mut self, acknowledged: Vec<Offset>) {
        self.acknowledged = acknowledged;
    }

    /// Waits until the store has said how far its subscriber had confirmed, which has been here since the log ended at
    /// `since`. Returns where the subscriber stands if the store knows nothing of it.
    pub(crate) fn find(&mut self, since: Offset) -> &Cursor {
        if self.brought().is_none() {
            (self.cursor, self.at) = (Cursor::new(self.cursor.epoch(), since), since);
        }
        self.state = State::Finding;
        &self.cursor
    }

    /// The store has said how far its subscriber had confirmed; returns how far that is in this log. `asking` are the types
    /// that ask for acknowledgements.
    pub(crate) fn found(
        &mut self,
        saved: Option<&SavedCursor>,
        position: &Position,
        asking: Vec<Box<str>>,
    ) -> Offset {
        self.state = State::Ready;
        let known = saved.filter(|saved| saved.cursor.epoch() == position.epoch);
        // Somebody who was never here has missed nothing.
        let confirmed = known.map_or(self.cursor.through(), |saved| saved.cursor.through());
        if self.brought().is_some() {
            // What it owes is somewhere behind; it has the rest.
            self.owed = Owed::AllOf(asking);
            let (had, gone) = (self.had.through(), position.trimmed_through);
            if had < gone {
                self.passed_over = Some((had, gone));
            }
            self.at = confirmed.min(had).max(gone);
        } else {
            self.set_out_from(confirmed);
            if self.has_said() {
                self.had = self.cursor.clone();
            }
        }
        self.is_reset |= saved.is_some() && known.is_none();
        confirmed
    }

    /// What it needs next, while everything was delivered up to `end`. `must_drain` where a page is sent, and `is_backlogged`
    /// says whether the client has yet to take something.
    pub(crate) fn next(
        &mut self,
        end: Offset,
        must_drain: bool,
        is_backlogged: impl FnOnce() -> bool,
    ) -> Next {
        if self.state != State::Ready {
            return Next::Nothing;
        }
        if self.has() > end {
            self.state = State::Ahead;
            return Next::Ahead;
        }
        let next = self.plan.next();
        if next.is_none() {
            self.at = self.at.max(self.plan.through);
            self.cursor.advance(self.at);
        }
        let is_done = next.is_none() && self.at >= end;
        if is_done && !(self.has_lists && is_backlogged()) {
            return Next::Live;
        }
        if is_done || must_drain {
            self.state = State::Draining;
            return Next::Drain;
        }
        match next {
            Some(_) => Next::Entry,
            None => Next::Plan { after: self.at },
        }
    }

    /// The last that it has, or need not get.
    fn has(&self) -> Offset {
        last_of(&self.had).max(self.at)
    }

    /// Goes on where it was ahead, if everything was delivered that it has. Returns whether it does.
    pub(crate) fn reached(&mut self, position: &Position) -> bool {
        let is_reached = self.has() <= position.delivered_through;
        if is_reached && self.state == State::Ahead {
            self.state = State::Ready;
        }
        is_reached
    }

    /// The next places of the plan, to be read together. Costs as much as there are: ask once a page, not for each entry.
    pub(crate) fn ahead(&self) -> Vec<Offset> {
        self.plan.ahead(PAGE_ENTRIES)
    }

    /// How to look at what comes next. `oldest_ms` and `now_ms` are believed time.
    pub(crate) fn window(&self, oldest_ms: u64, now_ms: u64) -> Window {
        Window {
            entries_max: WINDOW_ENTRIES,
            had: self.had.clone(),
            acknowledged: self.acknowledged.clone(),
            owed: self.owed.clone(),
            overtaking_max: CURSOR_BEYOND_MAX - self.cursor.beyond().len(),
            was_away: self.was_away(),
            oldest_ms,
            now_ms,
        }
    }

    /// Waits for an answer of the store.
    pub(crate) fn wait(&mut self) {
        self.state = State::Reading;
    }

    /// What was planned is sent next.
    pub(crate) fn planned(&mut self, plan: Plan) {
        self.ready();
        self.plan = plan;
    }

    /// These entries of the plan were read, in its order; more than these may be there.
    pub(crate) fn read_ahead(&mut self, entries: Vec<LogEntry>) {
        self.read = entries.into_iter().map(Arc::new).collect();
    }

    /// Of the first `places` of the plan these entries are there: the others are skipped.
    pub(crate) fn read(&mut self, entries: Vec<LogEntry>, places: usize) {
        self.ready();
        let there: Vec<Offset> = entries.iter().map(|it| it.offset).collect();
        self.plan.keep_of_first(places, &there);
        self.read_ahead(entries);
    }

    fn ready(&mut self) {
        if self.state == State::Reading {
            self.state = State::Ready;
        }
    }

    /// Takes the next entry of the plan, if it was read: from now on the recipient has it.
    pub(crate) fn take(&mut self) -> Option<Arc<LogEntry>> {
        let (offset, overtakes) = self.plan.next()?;
        let entry = self.read.pop_front_if(|first| first.offset == offset)?;
        self.plan.advance();
        if overtakes {
            let _ = self.cursor.add(entry.offset);
        } else {
            self.cursor.advance(entry.offset);
        }
        self.replayed += 1;
        self.oldest_ms = self.oldest_ms.min(entry.at_ms);
        Some(entry)
    }

    /// What ends the entry that was taken last.
    pub(crate) fn suffix(&mut self) -> CursorSuffix {
        let suffix = CursorSuffix::of(&self.cursor);
        self.has_lists |= matches!(suffix, CursorSuffix::Behind(_));
        suffix
    }

    /// The client took what it was sent. Returns whether that is what it waited for.
    pub(crate) fn drained(&mut self) -> bool {
        let was_draining = self.state == State::Draining;
        if was_draining {
            (self.state, self.has_lists) = (State::Ready, false);
        }
        was_draining
    }

    /// How many events were sent.
    pub(crate) fn replayed(&self) -> u64 {
        self.replayed
    }

    /// How long it took, where anything was sent.
    pub(crate) fn took_ms(&self, now_ms: u64) -> Option<u64> {
        (self.replayed > 0).then(|| now_ms.saturating_sub(self.started_ms))
    }

    /// How many events were sent, and when the oldest of them was accepted; `None` where there was none.
    pub(crate) fn brought_back(&self) -> Option<(u64, u64)> {
        (self.replayed > 0).then_some((self.replayed, self.oldest_ms))
    }

    /// Notes which orders are its user's, for what it missed in their rooms.
    pub(crate) fn set_owns(&mut self, owns: Box<[Box<str>]>) {
        self.owns = owns;
    }

    /// Orders of its user's that may not be in memory.
    pub(crate) fn owns(&self) -> &[Box<str>] {
        &self.owns
    }

    /// Notes that it has left a room, in which it was until `through`.
    pub(crate) fn has_left(&mut self, room: LoggedRoom, through: Offset) {
        self.left.retain(|(other, _)| *other != room);
        if self.left.len() < LEFT_ROOMS_MAX {
            self.left.push((room, through));
        }
    }

    /// Rooms that it has left meanwhile, and the last place at which it was in them.
    pub(crate) fn left(&self) -> &[(LoggedRoom, Offset)] {
        &self.left
    }
}
