//! A connection that was away gets what its audience missed, page by page, and then goes live.
//!
//! While it catches up it is left out of the live fan-out: what is published meanwhile comes to it from the log too, in its
//! place. So there is no moment at which something is sent twice or not at all.

mod starting;

use std::sync::Arc;

use foodtrack_contract::{Cursor, EventType, Offset, RoomName};
use foodtrack_tenant_log::{DeadLetterReason, LogEntry, LoggedRoom, ReadError};
use foodtrack_wire::{FrameMeta, LogPlace};

use crate::audience_filter::AudienceFilter;
use crate::connection_lines;
use crate::cursor_suffix::CursorSuffix;
use crate::effects::{CloseReason, Effects};
use crate::event_frame::EventFrame;
use crate::ledger::Position;
use crate::page_limits::PAGE_BYTES_MAX;
use crate::read_job::{Asker, Found, Job, ReadJob};
use crate::replay::{Next, Replay};
use crate::replay_plan::Plan;
use crate::tenant::Tenant;
use crate::turn::Turn;

impl Tenant {
    /// Hears what was read for a connection.
    pub(crate) fn read_for(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        place: u32,
        serial: u32,
        found: Found,
    ) {
        let Some(replay) = self.replay_mut(place).filter(|replay| replay.serial() == serial) else {
            return;
        };
        match found {
            Found::Cursor(Ok(saved)) => self.found(turn, place, saved.as_ref()),
            Found::Plan(Ok((trimmed_through, plan))) => {
                let after = replay.at();
                self.ledger.trimmed(trimmed_through);
                self.planned(turn, place, plan);
                if after < trimmed_through {
                    self.tell_gap(turn, place, after, trimmed_through);
                }
            }
            Found::Entries(Ok((entries, places))) => replay.read(entries, places),
            Found::Letters { .. }
            | Found::Owner(..)
            | Found::Assignee(..)
            | Found::Message(..)
            | Found::Followed(_)
            | Found::LeftDevices(_) => {}
            // A log without this tenant has nothing of it; the writer made it a moment ago.
            Found::Cursor(Err(ReadError::UnknownTenant(_))) => {
                self.found(turn, place, None);
            }
            Found::Cursor(Err(error)) | Found::Plan(Err(error)) | Found::Entries(Err(error)) => {
                tracing::error!(tenant = self.id.as_str(), %error, "cannot replay: a client is sent away");
                // It comes back by itself, with what it has.
                if let Some(connection) = self.members.get(place) {
                    turn.effects.close(connection.slot, CloseReason::ServerClosed);
                }
                return;
            }
        }
        self.go_on(turn, place);
    }

    /// Sends what can be sent now, and asks for what cannot.
    pub(crate) fn go_on(&mut self, turn: &mut Turn<'_, impl Effects>, place: u32) {
        let Some(client) = self.members.get(place).map(|connection| connection.slot) else {
            return;
        };
        if self.pages.is_waiting(place) {
            return;
        }
        // The greeting is before it, and what the log has behind it.
        if self.replay_mut(place).is_some_and(Replay::take_reset) {
            self.tell_reset(turn, place);
        }
        if let Some((after, through)) = self.replay_mut(place).and_then(Replay::take_passed_over) {
            self.tell_gap(turn, place, after, through);
        }
        // A poll takes what is there when it comes: a page must be ready for it, not an entry.
        let was_backlogged = turn.effects.is_backlogged(client);
        let (mut entries, mut bytes) = (0, 0);
        while let (Some(position), Some(replay)) = (self.ledger.position(), self.replay_mut(place))
        {
            let end = position.delivered_through;
            let is_full = entries >= turn.page.entries_max || bytes >= turn.page.bytes_max;
            let must_drain = is_full || was_backlogged;
            match replay.next(end, must_drain, || turn.effects.is_backlogged(client)) {
                Next::Nothing => return,
                Next::Live => return self.go_live(turn, place),
                Next::Ahead => return self.wait_ahead(turn, client),
                Next::Drain => return turn.effects.tell_when_drained(client),
                Next::Entry => {
                    let Some(entry) = self.next_entry(turn, place) else { return };
                    entries += 1;
                    bytes += entry.bytes();
                    self.replay(turn, place, &entry);
                }
                Next::Plan { after } => {
                    if !self.plan(turn, place, after, &position) {
                        return;
                    }
                }
            }
        }
    }

    /// The next entry for a connection; `None` where the store must be asked first.
    fn next_entry(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        place: u32,
    ) -> Option<Arc<LogEntry>> {
        let connection = self.members.get_mut(place)?;
        let replay = connection.replay.as_deref_mut()?;
        if let Some(entry) = replay.take() {
            return Some(entry);
        }
        let offsets = replay.ahead();
        let last = offsets.last().copied().unwrap_or(Offset::ZERO);
        let tail = turn.effects.tail(&self.id, last);
        replay.read_ahead(tail.read_at(&offsets, PAGE_BYTES_MAX));
        if let Some(entry) = replay.take() {
            return Some(entry);
        }
        replay.wait();
        let job = Job::Entries { offsets, bytes_max: PAGE_BYTES_MAX };
        let asker = Asker::Connection(connection.slot, replay.serial());
        turn.effects.read(&self.id, asker, ReadJob(job));
        None
    }

    /// Plans what a connection is sent of what comes after a place. Returns whether that is known by now.
    fn plan(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        place: u32,
        after: Offset,
        position: &Position,
    ) -> bool {
        let filter = self.audience_filter(place);
        let now_ms = turn.now.believed_ms;
        let oldest_ms = now_ms.saturating_sub(turn.recovery.offline_age_ms_max);
        let Some(connection) = self.members.get_mut(place) else { return false };
        let Some(replay) = connection.replay.as_deref_mut() else { return false };
        let window = replay.window(oldest_ms, now_ms);
        let end = position.delivered_through;
        let tail = turn.effects.tail(&self.id, end);
        if after >= tail.after() {
            let plan = Plan::new(&tail.outline(after, end), end, &window, &filter);
            self.planned(turn, place, plan);
            return true;
        }
        replay.wait();
        let asker = Asker::Connection(connection.slot, replay.serial());
        // The disk may have more than was delivered.
        let (through, filter) = (tail.after().min(end), Box::new(filter));
        let job = Job::Plan { epoch: position.epoch, after, through, window, filter };
        turn.effects.read(&self.id, asker, ReadJob(job));
        false
    }

    fn replay_mut(&mut self, place: u32) -> Option<&mut Replay> {
        self.members.get_mut(place)?.replay.as_deref_mut()
    }

    fn planned(&mut self, turn: &mut Turn<'_, impl Effects>, place: u32, mut plan: Plan) {
        let expired = std::mem::take(&mut plan.expired);
        turn.counters.replay_expired.add(expired.len() as u64);
        turn.counters.replay_compacted.add(plan.compacted as u64);
        let Some(connection) = self.members.get_mut(place) else { return };
        let subscriber = connection.subscriber;
        if let Some(replay) = connection.replay.as_deref_mut() {
            replay.planned(plan);
        }
        for entry in expired {
            let policy = turn.policies.delivery.of(&turn.policies.schemas, &self.id, &entry.event);
            if policy.acknowledge {
                let (offset, id) = (entry.offset, entry.id);
                self.give_up(turn, subscriber, offset, id, DeadLetterReason::Expired, 0);
            }
        }
    }

    /// Sends one entry to a connection that catches up.
    fn replay(&mut self, turn: &mut Turn<'_, impl Effects>, place: u32, entry: &Arc<LogEntry>) {
        let policy = turn.policies.delivery.of(&turn.policies.schemas, &self.id, &entry.event);
        let Some(connection) = self.members.get_mut(place) else { return };
        let client = connection.slot;
        let Some(replay) = connection.replay.as_deref_mut() else { return };
        let asks = policy.acknowledge && connection.dialect.acknowledges();
        let (suffix, ack_id) = match asks {
            true => (CursorSuffix::None, Some(entry.offset.get())),
            false => (replay.suffix(), None),
        };
        // In one lane: the order is made already. What comes live behind it must know which order it is about.
        let place_in_log = LogPlace { offset: entry.offset.get(), is_entry: true };
        let entity = turn.emission_key.order(entry.entity.as_deref());
        let meta = FrameMeta { place: Some(place_in_log), entity, ..FrameMeta::default() };
        let event = EventFrame { ack_id, ..EventFrame::of(entry, meta, &suffix) };
        if !self.send_to(turn, client, &event) {
            return;
        }
        turn.counters.replayed.add(1);
        turn.counters.deliveries.add(1);
        self.tally.deliver(1);
        // What is to be acknowledged is not, and is given up by the retries.
        let place_in_log = (!asks).then_some((entry.offset, entry.id));
        self.note_unsayable(turn, &entry.event, place_in_log);
        if asks {
            self.asked(turn, place, entry, 1);
        }
    }

    fn go_live(&mut self, turn: &mut Turn<'_, impl Effects>, place: u32) {
        let Some(replay) = self.members.set_live(place) else { return };
        if let Some(took_ms) = replay.took_ms(turn.now.monotonic_ms) {
            turn.counters.replays.add(1);
            turn.counters.times.replay.observe_ms(took_ms);
            if let Some(connection) = self.members.get(place) {
                connection_lines::caught_up(&self.id, connection, replay.replayed(), took_ms);
            }
        }
        self.journal_caught_up(place, &replay, turn.now.wall_ms);
        if self.members.get(place).is_some_and(|it| it.dialect.acknowledges()) {
            self.ask_for_letters(turn, place);
        }
    }

    /// The client took what it was sent.
    pub(crate) fn drained(&mut self, turn: &mut Turn<'_, impl Effects>, place: u32) {
        if self.replay_mut(place).is_some_and(Replay::drained) {
            self.go_on(turn, place);
        }
    }

    /// Notes which orders are a connection's user's, for what it missed in their rooms.
    pub(crate) fn set_owns(&mut self, place: u32, owns: Box<[Box<str>]>) {
        if let Some(replay) = self.replay_mut(place) {
            replay.set_owns(owns);
        }
    }

    /// Notes that a connection has left a room.
    pub(crate) fn has_left(&mut self, place: u32, name: RoomName<'_>) {
        let Some(position) = self.ledger.position() else { return };
        if let Some(replay) = self.replay_mut(place) {
            replay.has_left(name.into(), position.delivered_through);
        }
    }

    /// What a connection may see.
    pub(crate) fn audience_filter(&self, place: u32) -> AudienceFilter {
        let Some(connection) = self.members.get(place) else { return AudienceFilter::nobody() };
        let application = connection.application;
        let own = self.members.rooms_of(connection).map(|room| room.name().into());
        let mut rooms: Vec<LoggedRoom> = own.collect();
        // A device that begins anew has yet to ask for its rooms; what it missed in those it was in is for it all the same.
        // Sockets without a device are each its own.
        if connection.device.is_some()
            && connection.replay.as_deref().is_some_and(Replay::was_away)
            && let Some(subscriber) = self.reliability.subscriber(connection.subscriber)
        {
            let last = self.sessions.last_rooms_of(&subscriber.key);
            let owns = connection.replay.as_deref().map_or(&[][..], Replay::owns);
            let may = |room: &LoggedRoom| self.may_join(connection, room.name(), owns).is_ok();
            rooms.extend(last.into_iter().filter(may));
        }
        AudienceFilter {
            application: application.into_iter().collect(),
            permissions: connection.principal.permissions(),
            rooms,
            left: connection.replay.as_deref().map_or(Vec::new(), |it| it.left().to_vec()),
        }
    }

    /// Tells a client that what it missed is gone.
    pub(crate) fn tell_gap(
        &self,
        turn: &mut Turn<'_, impl Effects>,
        place: u32,
        after: Offset,
        through: Offset,
    ) {
        let Some(position) = self.ledger.position() else { return };
        let Some(connection) = self.members.get(place) else { return };
        let payload = serde_json::json!({
            "reason": "gap",
            "message": "some of what happened while you were away is no longer kept: load the present state anew",
            "lostAfter": Cursor::new(position.epoch, after).to_string(),
            "lostThrough": Cursor::new(position.epoch, through).to_string(),
        });
        turn.counters.gaps_told.add(1);
        let event = EventType::SystemReconnectionRequired;
        self.tell(turn, connection.slot, event, &payload.to_string());
    }

    /// Tells a client that everything it could have missed is gone.
    fn tell_reset(&self, turn: &mut Turn<'_, impl Effects>, place: u32) {
        let Some(connection) = self.members.get(place) else { return };
        let payload = serde_json::json!({
            "reason": "reset",
            "message": "the log was started anew since you were here: load the present state anew",
        });
        turn.counters.gaps_told.add(1);
        let event = EventType::SystemReconnectionRequired;
        self.tell(turn, connection.slot, event, &payload.to_string());
    }
}
