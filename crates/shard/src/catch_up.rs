//! A connection that was away gets what its audience missed, page by page, and then goes live.
//!
//! While it catches up it is left out of the live fan-out: what is published meanwhile comes to it from the log too, in its
//! place. So there is no moment at which something is sent twice or not at all.

mod starting;

use std::collections::VecDeque;
use std::sync::Arc;

use foodtrack_contract::{CURSOR_BEYOND_MAX, Cursor, EventType, Offset, RoomName};
use foodtrack_tenant_log::{DeadLetterReason, LogEntry, LoggedRoom, ReadError};
use foodtrack_transport::{FrameMeta, LogPlace};

use crate::cursor_suffix::CursorSuffix;
use crate::event_frame::EventFrame;
use crate::log_link::{Asker, ReadAnswer, ReadJob};
use crate::page_limits::{PAGE_BYTES_MAX, PAGE_ENTRIES};
use crate::replay_plan::{Owed, Plan, Window};
use crate::tenant::Tenant;
use crate::turn::Turn;
use crate::viewer::Viewer;

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
    /// The same; but from here on, if its subscriber has confirmed nothing.
    Since(Offset),
}

/// A connection on its way to be live.
#[derive(Debug)]
pub(crate) struct CatchUp {
    /// Tells this one from an earlier one in the same place.
    serial: u32,
    step: Step,
    /// What the recipient has: what it had when it came, and what was sent since or is not for it.
    cursor: Cursor,
    /// What it had when it came.
    had: Cursor,
    /// Whether it said so itself.
    has_brought: bool,
    /// Everything up to here was looked at.
    at: Offset,
    owed: Owed,
    was_away: bool,
    plan: Plan,
    /// Read, and not sent yet; in the plan's order.
    read: VecDeque<Arc<LogEntry>>,
    /// Frames went out since the client had last taken everything that must not be overtaken: their stamps list what did.
    has_lists: bool,
    started_ms: u64,
    replayed: u64,
    /// Where its session began, if it is back and has had nothing since: what another socket of its subscriber got and
    /// confirmed, this one did not get. Not set where messages are acknowledged: the subscriber's word is enough there.
    began: Option<Offset>,
    /// Where its session begins, as its private id says; `None` where it said itself what it has.
    session_start: Option<Offset>,
    /// Rooms that it has left meanwhile, and the last place at which it was in them: what came before is for it.
    left: Vec<(LoggedRoom, Offset)>,
    /// Orders of its user's that may not be in memory.
    owns: Box<[Box<str>]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The store is asked how far the subscriber had confirmed.
    Finding,
    /// The store is asked for a plan or for entries.
    Reading,
    /// The client has yet to take what was sent.
    Draining,
    /// There is something to do at once.
    Ready,
}

impl CatchUp {
    /// Where the recipient stands; `None` until the store has said.
    pub(crate) fn cursor(&self) -> Option<&Cursor> {
        let is_known = self.step != Step::Finding || self.has_brought;
        is_known.then_some(&self.cursor)
    }

    /// Where it goes on, while its subscriber has `confirmed`.
    fn not_beyond_began(&self, confirmed: Offset) -> Offset {
        self.began.map_or(confirmed, |began| confirmed.min(began))
    }

    /// Sends these again, ascending, though the recipient had them.
    fn owe(&mut self, offsets: Vec<Offset>) {
        if let Some(first) = offsets.first() {
            self.at = self.at.min(Offset::ZERO.plus(first.get().saturating_sub(1)));
        }
        self.owed = Owed::These(offsets);
    }
}

impl Tenant {
    /// Hears what was read for a connection.
    pub(crate) fn read_for(&mut self, turn: &mut Turn<'_>, asker: Asker, answer: ReadAnswer) {
        if let ReadAnswer::Letters { offsets, entries } = answer {
            return self.redeliver(turn, asker.place, offsets, entries);
        }
        let Some(connection) = self.members.get_mut(asker.place) else { return };
        let Some(catch_up) = connection.catch_up.as_mut().filter(|it| it.serial == asker.serial)
        else {
            return;
        };
        catch_up.step = Step::Ready;
        match answer {
            ReadAnswer::Cursor(Ok(saved)) => self.found(turn, asker.place, saved),
            ReadAnswer::Plan(Ok((trimmed_through, plan))) => {
                let after = catch_up.at;
                self.ledger.trimmed(trimmed_through);
                self.planned(turn, asker.place, plan);
                if after < trimmed_through {
                    self.tell_gap(turn, asker.place, after, trimmed_through);
                }
            }
            ReadAnswer::Entries(Ok((entries, places))) => {
                catch_up.read = entries.into_iter().map(Arc::new).collect();
                // What is gone since it was planned is skipped.
                let read: Vec<Offset> = catch_up.read.iter().map(|it| it.offset).collect();
                catch_up.plan.keep_of_first(places, &read);
            }
            ReadAnswer::Letters { .. } => {}
            // A log without this tenant has nothing of it; the writer made it a moment ago.
            ReadAnswer::Cursor(Err(ReadError::UnknownTenant(_))) => {
                self.found(turn, asker.place, None);
            }
            ReadAnswer::Cursor(Err(error))
            | ReadAnswer::Plan(Err(error))
            | ReadAnswer::Entries(Err(error)) => {
                tracing::error!(tenant = self.id.as_str(), %error, "cannot replay: a client is sent away");
                // It comes back by itself, with what it has.
                if let Some(connection) = self.members.get(asker.place) {
                    let reason = foodtrack_transport::CloseReason::ServerClosed;
                    turn.io.close(connection.client, reason);
                }
                return;
            }
        }
        self.go_on(turn, asker.place);
    }

    /// Sends what can be sent now, and asks for what cannot.
    pub(crate) fn go_on(&mut self, turn: &mut Turn<'_>, place: u32) {
        let Some(client) = self.members.get(place).map(|connection| connection.client) else {
            return;
        };
        // A poll takes what is there when it comes: a page must be ready for it, not an entry.
        let was_backlogged = turn.io.is_backlogged(client);
        let (mut entries, mut bytes) = (0, 0);
        loop {
            let Some(position) = self.ledger.position() else { return };
            let (delivered_through, epoch) = (position.delivered_through, position.epoch);
            let Some(connection) = self.members.get_mut(place) else { return };
            let Some(catch_up) = connection.catch_up.as_mut() else { return };
            if catch_up.step != Step::Ready {
                return;
            }
            if catch_up.plan.next().is_none() {
                catch_up.at = catch_up.at.max(catch_up.plan.through);
                catch_up.cursor.advance(catch_up.at);
            }
            let is_done = catch_up.plan.next().is_none() && catch_up.at >= delivered_through;
            if is_done && !(catch_up.has_lists && turn.io.is_backlogged(client)) {
                return self.go_live(turn, place);
            }
            let is_full = entries >= turn.page.entries_max || bytes >= turn.page.bytes_max;
            if is_done || is_full || was_backlogged {
                catch_up.step = Step::Draining;
                return turn.io.tell_when_drained(client);
            }
            let serial = catch_up.serial;
            if let Some((offset, overtakes)) = catch_up.plan.next() {
                if catch_up.read.front().is_none_or(|first| first.offset != offset) {
                    let offsets = catch_up.plan.ahead(PAGE_ENTRIES);
                    let newest = turn.log.log().newest(&self.id);
                    let read = newest.read_at(&offsets, PAGE_BYTES_MAX);
                    catch_up.read = read.into_iter().map(Arc::new).collect();
                }
                let Some(entry) = catch_up.read.pop_front() else {
                    catch_up.step = Step::Reading;
                    let offsets = catch_up.plan.ahead(PAGE_ENTRIES);
                    let job = ReadJob::Entries { offsets, bytes_max: PAGE_BYTES_MAX };
                    return turn.log.read(&self.id, Asker { place, serial }, job);
                };
                catch_up.plan.advance();
                entries += 1;
                bytes += entry.bytes();
                if overtakes {
                    let _ = catch_up.cursor.add(entry.offset);
                } else {
                    catch_up.cursor.advance(entry.offset);
                }
                catch_up.replayed += 1;
                turn.counters.replayed.add(1);
                self.replay(turn, place, &entry);
                continue;
            }
            let after = catch_up.at;
            let window = window(turn, catch_up);
            let viewer = self.viewer(place);
            let newest = turn.log.log().newest(&self.id);
            if after >= newest.after() {
                let plan = Plan::new(
                    &newest.outline(after, delivered_through),
                    delivered_through,
                    &window,
                    &viewer,
                );
                self.planned(turn, place, plan);
                continue;
            }
            if let Some(catch_up) = self.catch_up(place) {
                catch_up.step = Step::Reading;
            }
            // The disk may have more than was delivered.
            let through = newest.after().min(delivered_through);
            let viewer = Box::new(viewer);
            let job = ReadJob::Plan { epoch, after, through, window, viewer };
            return turn.log.read(&self.id, Asker { place, serial }, job);
        }
    }

    fn catch_up(&mut self, place: u32) -> Option<&mut CatchUp> {
        self.members.get_mut(place)?.catch_up.as_deref_mut()
    }

    fn planned(&mut self, turn: &mut Turn<'_>, place: u32, mut plan: Plan) {
        let expired = std::mem::take(&mut plan.expired);
        turn.counters.replay_expired.add(expired.len() as u64);
        turn.counters.replay_compacted.add(plan.compacted as u64);
        let Some(connection) = self.members.get_mut(place) else { return };
        let subscriber = connection.subscriber;
        if let Some(catch_up) = connection.catch_up.as_mut() {
            catch_up.plan = plan;
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
    fn replay(&mut self, turn: &mut Turn<'_>, place: u32, entry: &Arc<LogEntry>) {
        let policy = turn.policies.delivery.of(&turn.policies.schemas, &self.id, &entry.event);
        let Some(connection) = self.members.get_mut(place) else { return };
        let client = connection.client;
        let Some(catch_up) = connection.catch_up.as_mut() else { return };
        let (suffix, ack_id) = match policy.acknowledge {
            true => (CursorSuffix::None, Some(entry.offset.get())),
            false => (CursorSuffix::of(&catch_up.cursor), None),
        };
        // In one lane: the order is made already. What comes live behind it must know which order it is about.
        let is_stamped = matches!(suffix, CursorSuffix::At(..));
        let offset = entry.offset.get();
        let place_in_log = LogPlace { offset, is_entry: true, is_stamped };
        let entity = turn.emission_key.order(entry.entity.as_deref());
        let meta = FrameMeta { place: Some(place_in_log), entity, ..FrameMeta::default() };
        catch_up.has_lists |= matches!(suffix, CursorSuffix::Behind(_));
        EventFrame { ack_id, ..EventFrame::of(entry, meta, &suffix) }.send(turn.io, client);
        turn.counters.deliveries.add(1);
        // What is to be acknowledged is not, and is given up by the retries.
        let place_in_log = (!policy.acknowledge).then_some((entry.offset, entry.id));
        self.note_unsayable(turn, &entry.event, place_in_log);
        if policy.acknowledge {
            self.asked(turn, place, entry, 1);
        }
    }

    fn go_live(&mut self, turn: &mut Turn<'_>, place: u32) {
        let Some(catch_up) = self.members.set_live(place) else { return };
        if catch_up.replayed > 0 {
            let took_ms = turn.now.monotonic_ms.saturating_sub(catch_up.started_ms);
            turn.counters.replays.add(1);
            turn.counters.replay_ms_sum.add(took_ms);
        }
        self.ask_for_letters(turn, place);
    }

    /// The client took what it was sent.
    pub(crate) fn drained(&mut self, turn: &mut Turn<'_>, place: u32) {
        if let Some(catch_up) = self.catch_up(place)
            && catch_up.step == Step::Draining
        {
            catch_up.step = Step::Ready;
            catch_up.has_lists = false;
            self.go_on(turn, place);
        }
    }

    /// Notes which orders are a connection's user's, for what it missed in their rooms.
    pub(crate) fn set_owns(&mut self, place: u32, owns: Box<[Box<str>]>) {
        if let Some(catch_up) = self.catch_up(place) {
            catch_up.owns = owns;
        }
    }

    /// Notes that a connection has left a room.
    pub(crate) fn has_left(&mut self, place: u32, name: RoomName<'_>) {
        let Some(position) = self.ledger.position() else { return };
        let Some(catch_up) = self.catch_up(place) else { return };
        let room = LoggedRoom::from(name);
        catch_up.left.retain(|(other, _)| *other != room);
        if catch_up.left.len() < LEFT_ROOMS_MAX {
            catch_up.left.push((room, position.delivered_through));
        }
    }

    /// What a connection may see.
    pub(crate) fn viewer(&self, place: u32) -> Viewer {
        let Some(connection) = self.members.get(place) else { return Viewer::nobody() };
        let application = connection.application;
        let own = self.members.rooms_of(connection).map(|room| room.name().into());
        let mut rooms: Vec<LoggedRoom> = own.collect();
        // A device that begins anew has yet to ask for its rooms; what it missed in those it was in is for it all the same.
        // Sockets without a device are each its own.
        if connection.device.is_some()
            && connection.catch_up.as_ref().is_some_and(|catch_up| catch_up.was_away)
            && let Some(subscriber) = self.reliability.subscriber(connection.subscriber)
        {
            let last = self.sessions.last_rooms_of(&subscriber.key);
            let owns = connection.catch_up.as_ref().map_or(&[][..], |it| &it.owns);
            let may = |room: &LoggedRoom| self.may_join(connection, room.name(), owns).is_ok();
            rooms.extend(last.into_iter().filter(may));
        }
        Viewer {
            application: application.into_iter().collect(),
            permissions: connection.principal.permissions(),
            rooms,
            left: connection.catch_up.as_ref().map_or(Vec::new(), |it| it.left.clone()),
        }
    }

    /// Tells a client that what it missed is gone.
    fn tell_gap(&self, turn: &mut Turn<'_>, place: u32, after: Offset, through: Offset) {
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
        self.tell(turn, connection.client, event, &payload.to_string());
    }

    /// Tells a client that everything it could have missed is gone.
    pub(crate) fn tell_reset(&self, turn: &mut Turn<'_>, place: u32) {
        let Some(connection) = self.members.get(place) else { return };
        let payload = serde_json::json!({
            "reason": "reset",
            "message": "the log was started anew since you were here: load the present state anew",
        });
        turn.counters.gaps_told.add(1);
        let event = EventType::SystemReconnectionRequired;
        self.tell(turn, connection.client, event, &payload.to_string());
    }
}

fn window(turn: &Turn<'_>, catch_up: &CatchUp) -> Window {
    let now_ms = turn.now.believed_ms;
    Window {
        entries_max: WINDOW_ENTRIES,
        had: catch_up.had.clone(),
        owed: catch_up.owed.clone(),
        overtaking_max: CURSOR_BEYOND_MAX - catch_up.cursor.beyond().len(),
        was_away: catch_up.was_away,
        oldest_ms: now_ms.saturating_sub(turn.recovery.offline_age_ms_max),
        now_ms,
    }
}
