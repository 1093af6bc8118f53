//! Sessions beside the log: what is kept of them is there again when they come back, to this process or the next.
//!
//! A room that a session joins is one small row. Rows expire; those of a session that is connected are written anew every
//! six hours, so that a session is as old as its last connection, also where the server was killed.

use foodtrack_contract::{Offset, Refusal};
use foodtrack_tenant_log::{LoggedRoom, Note, RefusedReason};
use foodtrack_wire::Sid;

use crate::appending::{away, not_taken};
use crate::connecting::RESUMED_ELSEWHERE;
use crate::effects::{CloseReason, Effects};
use crate::members::{Connection, Room};
use crate::sessions::{
    KEPT_HOURS, RENEWED_HOURS, RoomChange, RoomReply, SESSION_AGE_HOURS_MAX, SessionFacts, owner,
    session_in, session_of,
};
use crate::tenant::Tenant;
use crate::turn::Turn;

/// In how many sweeps all connections are looked at.
const SWEEPS: u32 = 60;

impl Tenant {
    /// What is known of a connection's session; `None` where nothing can be kept of it.
    fn session_facts(&self, turn: &Turn<'_, impl Effects>, place: u32) -> Option<SessionFacts> {
        let connection = self.members.get(place).filter(|_| self.ledger.is_open())?;
        Some(SessionFacts {
            sid: connection.id,
            owner: owner(turn.emission_key, connection.principal.user().as_str()),
            began_hours: connection.began_hours,
            now_ms: turn.now.believed_ms,
        })
    }

    /// Keeps that a connection has joined a room. Returns `reply` where nothing is kept, and it is to be told at once; or
    /// else it is told when that is on disk.
    ///
    /// # Errors
    /// A [`Refusal`] where the log does not take it: the connection is not in the room.
    pub(crate) fn keep_joined(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        place: u32,
        room: LoggedRoom,
        reply: RoomReply,
    ) -> Result<Option<RoomReply>, Refusal> {
        let Some(facts) = self.session_facts(turn, place) else { return Ok(Some(reply)) };
        let Some(connection) = self.members.get(place) else { return Ok(Some(reply)) };
        let device = connection.device.as_ref().map(|_| connection.subscriber);
        let device = device.and_then(|it| self.reliability.subscriber(it)).map(|it| it.key.clone());
        let ticket = (!turn.effects.is_log_in_memory()).then(|| self.sessions.next_ticket());
        let (device_row, row) = self.sessions.join(facts, &room, device, ticket);
        // In front of the room's own, so that it is on disk when that is.
        self.save_rows(turn, device_row);
        if let Err(error) = turn.effects.save_note(&self.id, row, ticket) {
            self.undo_joining(turn, place, &room);
            return Err(not_taken(error));
        }
        self.shrink_sessions(turn, facts);
        let Some(ticket) = ticket else { return Ok(Some(reply)) };
        self.sessions.wait(ticket, reply, RoomChange::Joined(room));
        Ok(None)
    }

    /// The row that says that a connection has joined a room is not kept: it leaves it again, unless another row says the same.
    fn undo_joining(&mut self, turn: &mut Turn<'_, impl Effects>, place: u32, room: &LoggedRoom) {
        if self.members.get(place).is_some_and(|it| self.sessions.stays_in(&it.id, room)) {
            return;
        }
        self.members.leave(place, room.name());
        let facts = self.session_facts(turn, place);
        let row = facts.and_then(|facts| self.sessions.leave(facts, room));
        self.save_rows(turn, row);
    }

    /// Takes a connection out of a room, where something is kept of its being there once that is on disk. Returns `reply`
    /// where it has left, and is to be told at once.
    ///
    /// # Errors
    /// A [`Refusal`] where the log does not take it: the connection stays.
    pub(crate) fn leave_room(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        place: u32,
        room: LoggedRoom,
        reply: RoomReply,
    ) -> Result<Option<RoomReply>, Refusal> {
        // A row that memory does not know may say that it is there: it would be there again after a restart.
        if let Some(reason) = self.ledger.away() {
            return Err(away(reason));
        }
        let facts = self.session_facts(turn, place);
        let former = facts.and_then(|facts| self.former_session(place, &facts.sid));
        if let Some(facts) = facts.filter(|_| !turn.effects.is_log_in_memory()) {
            let ticket = self.sessions.next_ticket();
            let sids = former.into_iter().chain([facts.sid]);
            let mut rows: Vec<Note> =
                sids.filter_map(|sid| self.sessions.start_leaving(&sid, &room, ticket)).collect();
            if let Some(row) = rows.pop() {
                // In front of the one that is waited for, so that it is on disk when that is.
                self.save_rows(turn, rows);
                let saved = turn.effects.save_note(&self.id, row, Some(ticket));
                if let Err(error) = saved {
                    for sid in former.iter().chain([&facts.sid]) {
                        self.sessions.cancel_leaving(sid, &room, ticket);
                    }
                    return Err(not_taken(error));
                }
                self.sessions.wait(ticket, reply, RoomChange::Leaving { room, former });
                return Ok(None);
            }
        }
        self.take_out(place, &room);
        if let Some(facts) = facts {
            for sid in former.into_iter().chain([facts.sid]) {
                let row = self.sessions.leave(SessionFacts { sid, ..facts }, &room);
                self.save_rows(turn, row);
            }
        }
        Ok(Some(reply))
    }

    /// The session that a connection's device was in before, where that is another one: what it missed in its rooms is brought
    /// to the device.
    fn former_session(&self, place: u32, sid: &Sid) -> Option<Sid> {
        let connection = self.members.get(place).filter(|it| it.device.is_some())?;
        let subscriber = self.reliability.subscriber(connection.subscriber)?;
        self.sessions.last_of(&subscriber.key).filter(|former| former != sid)
    }

    fn take_out(&mut self, place: u32, room: &LoggedRoom) {
        if self.members.leave(place, room.name()) {
            self.has_left(place, room.name());
        }
    }

    /// Keeps that a session gets what its subscriber had missed, from before the session began.
    pub(crate) fn keep_from(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        place: u32,
        from: Offset,
    ) {
        let Some(facts) = self.session_facts(turn, place) else { return };
        let row = self.sessions.resume_from(facts, from);
        self.save_rows(turn, [row]);
        self.shrink_sessions(turn, facts);
    }

    /// Writes rows that nobody waits for. What is lost of them is written again six hours later, and meanwhile memory knows.
    fn save_rows(&self, turn: &mut Turn<'_, impl Effects>, rows: impl IntoIterator<Item = Note>) {
        for row in rows {
            let _ = turn.effects.save_note(&self.id, row, None);
        }
    }

    fn shrink_sessions(&mut self, turn: &mut Turn<'_, impl Effects>, facts: SessionFacts) {
        let (forgotten, rows) = self.sessions.shrink(facts.owner, facts.now_ms);
        turn.counters.sessions_forgotten.add(forgotten);
        self.save_rows(turn, rows);
    }

    /// A client left on purpose: its session does not come back, and with it its rooms.
    pub(crate) fn end_session(&mut self, turn: &mut Turn<'_, impl Effects>, place: u32) {
        let Some(facts) = self.session_facts(turn, place) else { return };
        // If they are lost, the session comes back without its rooms for somebody who left them.
        let rows = self.sessions.end(facts);
        self.save_rows(turn, rows);
        self.shrink_sessions(turn, facts);
    }

    /// Keeps for longer what is connected. Looks at some of the connections; all of them have their turn within an hour
    /// of sweeps.
    pub(crate) fn renew_sessions(&mut self, turn: &mut Turn<'_, impl Effects>, sweep: u32) {
        let places: Vec<u32> = self
            .members
            .iter()
            .map(|(place, _)| place)
            .filter(|place| place % SWEEPS == sweep % SWEEPS)
            .collect();
        for place in places {
            self.renew_session(turn, place, KEPT_HOURS - RENEWED_HOURS);
        }
    }

    /// A connection is about to go: its session can be away for as long as any.
    pub(crate) fn keep_for_return(&mut self, turn: &mut Turn<'_, impl Effects>, place: u32) {
        self.renew_session(turn, place, SESSION_AGE_HOURS_MAX);
    }

    /// A session is back here that may have been on another node, which hears of it, and lets go of what it has of it.
    pub(crate) fn claim_session(&mut self, turn: &mut Turn<'_, impl Effects>, place: u32) {
        if !self.ledger.is_shared() {
            return;
        }
        if let Some(facts) = self.session_facts(turn, place) {
            self.sessions.claim(facts);
            // However long its rows would last.
            self.renew_session(turn, place, 2 * KEPT_HOURS);
        }
    }

    /// Another node noted something.
    pub(crate) fn noted_elsewhere(&mut self, turn: &mut Turn<'_, impl Effects>, note: &Note) {
        if let Some(sid) = session_of(note) {
            self.let_go_of(turn, &sid);
        }
        self.take_up_note(turn, note);
        self.hear_of_watches(turn, std::slice::from_ref(note));
    }

    /// A session's client is at another node now, and what it does there counts.
    fn let_go_of(&mut self, turn: &mut Turn<'_, impl Effects>, sid: &Sid) {
        let here = self.members.find(sid.as_str());
        if let Some(client) = here.map(|(_, connection)| connection.slot) {
            turn.effects.close(client, CloseReason::TransportClosed);
            self.depart(turn, client.place(), RESUMED_ELSEWHERE);
            turn.effects.release(client);
        }
    }

    /// Takes up all notes as they were read anew, since something may not have been heard. Of a session whose client is here,
    /// this node knows more than what was read of it: a room that it leaves meanwhile would be joined again. It is not here where it
    /// came back to another node, of which this one did not hear, while its old connection has not ended yet.
    pub(crate) fn read_notes_anew(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        notes: &[Note],
        noted_meanwhile: &[Note],
    ) {
        let gone: Vec<Sid> = self.sessions.claimed_elsewhere(notes.iter()).collect();
        gone.iter().for_each(|sid| self.let_go_of(turn, sid));
        let members = &self.members;
        let is_here = |sid: &Sid| members.find(sid.as_str()).is_some();
        let news = notes.iter().filter(|note| !session_of(note).is_some_and(|sid| is_here(&sid)));
        self.sessions.read_anew(news, is_here);
        self.take_up_the_rest(turn, notes);
        self.take_up_noted_meanwhile(turn, noted_meanwhile);
    }

    /// Takes up what was noted while the notes were read, which may be older. It was heard before, but of sessions whose client
    /// has come here since.
    pub(crate) fn take_up_noted_meanwhile(
        &mut self,
        turn: &Turn<'_, impl Effects>,
        noted: &[Note],
    ) {
        for note in noted {
            let is_here = |sid: Sid| self.members.find(sid.as_str()).is_some();
            if !session_in(note).is_some_and(is_here) {
                self.take_up_note(turn, note);
            }
        }
    }

    /// Takes up what another node noted.
    fn take_up_note(&mut self, turn: &Turn<'_, impl Effects>, note: &Note) {
        self.sessions.hear(std::iter::once(note));
        self.take_up_the_rest(turn, std::slice::from_ref(note));
    }

    fn take_up_the_rest(&mut self, turn: &Turn<'_, impl Effects>, notes: &[Note]) {
        self.restore_rooms(notes, turn.now.wall_ms);
        if let Some(position) = self.ledger.position() {
            self.reliability.hear(notes, position.epoch);
        }
    }

    /// Writes a session's rows anew where they would last less than so many hours.
    fn renew_session(&mut self, turn: &mut Turn<'_, impl Effects>, place: u32, left_hours: u64) {
        let Some(facts) = self.session_facts(turn, place) else { return };
        let Some(connection) = self.members.get(place) else { return };
        if !self.sessions.is_due(facts, left_hours) {
            return;
        }
        let rooms =
            self.joined_rooms(connection).iter().map(|room| room.to_text().into()).collect();
        let rows = self.sessions.renew(facts, rooms);
        self.save_rows(turn, rows);
        self.shrink_sessions(turn, facts);
    }

    /// Lets go of sessions that cannot come back any more.
    pub(crate) fn expire_sessions(&mut self, now_ms: u64) {
        let members = &self.members;
        self.sessions.expire(now_ms, |sid: &Sid| members.find(sid.as_str()).is_some());
    }

    /// A note is on disk: who waits for it is answered.
    pub(crate) fn noted(&mut self, turn: &mut Turn<'_, impl Effects>, ticket: u64) {
        let Some((reply, change)) = self.sessions.saved(ticket) else { return };
        // The session may have come back on another connection meanwhile.
        if let RoomChange::Leaving { room, former } = &change {
            former.iter().for_each(|sid| _ = self.sessions.finish_leaving(sid, room, ticket));
            if self.sessions.finish_leaving(&reply.sid, room, ticket)
                && let Some(place) = self.members.find(reply.sid.as_str()).map(|(place, _)| place)
            {
                self.take_out(place, room);
            }
        }
        self.answer_control(turn, &reply);
    }

    /// A note was not kept, and what it says was not done. A room that was joined is left again: a session that came back
    /// without it would miss what happens there, and say nothing. A room that was to be left stays joined: it would be
    /// again after a restart. Where nobody knows whether the note was kept, the client is told that, and stays in the room
    /// in either case: what it asks for next is written, and not believed.
    pub(crate) fn not_noted(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        ticket: u64,
        reason: RefusedReason,
    ) {
        let Some((reply, change)) = self.sessions.not_saved(ticket) else { return };
        let client = self.present(reply.to).map(|connection| connection.slot);
        let is_unknown = reason == RefusedReason::Unknown;
        match &change {
            RoomChange::Joined(room) if is_unknown => self.sessions.doubt(&reply.sid, room),
            RoomChange::Joined(_) if client.is_none() => {}
            RoomChange::Joined(room) => self.undo_joining(turn, reply.to.place(), room),
            RoomChange::Leaving { room, former } => {
                for sid in former.iter().chain([&reply.sid]) {
                    self.sessions.cancel_leaving(sid, room, ticket);
                    if is_unknown {
                        self.sessions.doubt(sid, room);
                    }
                }
            }
        }
        if let Some(client) = client {
            self.refuse(turn, client, reply.ack_id, &away(reason));
        }
    }

    /// The rooms of a session that comes back, beyond those of the start; `None` where they are not known, or it is over.
    pub(crate) fn known_rooms(
        &self,
        sid: &Sid,
        owner: u64,
        began_hours: u32,
        now_ms: u64,
    ) -> Option<Vec<LoggedRoom>> {
        let here = || {
            let (_, connection) = self.members.find(sid.as_str())?;
            Some(self.joined_rooms(connection))
        };
        self.sessions.rooms_to_resume(sid, owner, began_hours, now_ms, here)
    }

    fn joined_rooms(&self, connection: &Connection) -> Vec<LoggedRoom> {
        let rooms = self.members.rooms_of(connection).map(Room::name);
        rooms.filter(|room| !connection.is_in_from_the_start(*room)).map(LoggedRoom::from).collect()
    }
}
