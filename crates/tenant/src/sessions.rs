//! What can be resumed: sessions with the rooms that they were in, and who waits to hear that a room is kept.

mod kept_sessions;
mod rows;
#[cfg(test)]
mod tests;

use ahash::AHashMap;
use foodtrack_contract::{Offset, Source};
use foodtrack_tenant_log::{LoggedRoom, Note, SubscriberKey};
use foodtrack_wire::Sid;

use crate::connection_slot::ConnectionSlot;
use crate::intake::EmissionKey;

use kept_sessions::{KeptSessions, SessionRooms};
use rows::{GoneRow, SavedSession};
pub(crate) use rows::{session_in, session_of};

/// How long after it was connected last a session can come back.
pub(crate) const SESSION_AGE_HOURS_MAX: u64 = 48;
/// How long a row says something. Six hours more than the session may be away, in which it is written anew if the session
/// is connected, and two in which it is found that it must be.
pub(crate) const KEPT_HOURS: u64 = SESSION_AGE_HOURS_MAX + RENEWED_HOURS + 2;
/// How often the rows of a session that is connected are written anew.
pub(crate) const RENEWED_HOURS: u64 = 6;
const HOUR_MS: u64 = 3_600_000;

/// One tenant's sessions. What it changes it says as rows, for who writes them.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    kept: KeptSessions,
    /// Who waits for a row to be on disk, by its ticket.
    waiting: AHashMap<u64, (RoomReply, RoomChange)>,
    last_ticket: u64,
}

/// What is told once a row is on disk.
#[derive(Debug)]
pub(crate) struct RoomReply {
    pub(crate) to: ConnectionSlot,
    /// Its session.
    pub(crate) sid: Sid,
    pub(crate) event: &'static str,
    pub(crate) answer: String,
    pub(crate) ack_id: Option<u64>,
}

/// What a row says of a room, whose writing somebody waits for.
#[derive(Debug)]
pub(crate) enum RoomChange {
    /// It was joined at once, and is left again if that is not kept.
    Joined(LoggedRoom),
    /// It is left once that is kept: who was told that it has left is not in it again after a restart. So is the session that
    /// its device was in before, if that was in the room.
    Leaving { room: LoggedRoom, former: Option<Sid> },
}

/// What is known of a connection's session without a look at what is kept of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionFacts {
    pub(crate) sid: Sid,
    /// Whose it is, as [`owner`] says it.
    pub(crate) owner: u64,
    /// When it began, in hours since the Unix epoch.
    pub(crate) began_hours: u32,
    /// Believed time.
    pub(crate) now_ms: u64,
}

/// Whose sessions a connection's are, as a hash that is the same after a restart.
pub(crate) fn owner(key: &EmissionKey, user: &str) -> u64 {
    key.sender(user, None, Source::System)
}

/// Hours since the Unix epoch.
pub(crate) fn hours(unix_ms: u64) -> u32 {
    u32::try_from(unix_ms / HOUR_MS).unwrap_or(u32::MAX)
}

/// When what is written now expires.
pub(crate) fn expires_at_ms(now_ms: u64) -> u64 {
    now_ms + KEPT_HOURS * HOUR_MS
}

/// Until when a session that has no rows is known to have been in no rooms.
fn expires_without_rows(began_hours: u32) -> u64 {
    (u64::from(began_hours) + KEPT_HOURS) * HOUR_MS
}

impl SessionFacts {
    fn session(self) -> SessionRooms {
        SessionRooms::new(self.owner, self.began_hours, expires_at_ms(self.now_ms))
    }
}

impl Sessions {
    /// Takes up what a store kept.
    pub(crate) fn restore(&mut self, notes: &[Note]) {
        self.kept = KeptSessions::default();
        self.waiting.clear();
        self.take_up(notes.iter(), u64::min);
    }

    /// Takes up what was noted, beside what is known. Of two times at which a session expires, `expires` says which counts.
    fn take_up<'n>(&mut self, notes: impl Iterator<Item = &'n Note>, expires: fn(u64, u64) -> u64) {
        let mut devices = Vec::new();
        for (saved, expires_at_ms) in rows::read(notes) {
            match saved {
                SavedSession::Device { device, sid } => devices.push((device, sid)),
                SavedSession::Forgotten(forgotten) => _ = self.kept.note_forgotten(forgotten),
                SavedSession::Session { sid, owner, began_hours, rooms, left, from, claims } => {
                    self.kept.change(
                        sid,
                        || SessionRooms::new(owner, began_hours, expires_at_ms),
                        |session| {
                            session.is_over = left;
                            session.from = from;
                            session.claims = session.claims.max(claims);
                            rooms.iter().for_each(|room| _ = session.join(room));
                            session.expires_at_ms = expires(session.expires_at_ms, expires_at_ms);
                        },
                    );
                }
                SavedSession::Room { sid, owner, began_hours, room } => {
                    self.kept.change(
                        sid,
                        || SessionRooms::new(owner, began_hours, expires_at_ms),
                        |session| {
                            session.join(room);
                            session.expires_at_ms = expires(session.expires_at_ms, expires_at_ms);
                        },
                    );
                }
            }
        }
        // Those that left have no rooms, in whatever order their rows came.
        for (device, sid) in devices {
            self.kept.change_kept(&sid, |session| session.device = Some(device));
        }
    }

    /// Takes up all that is noted of sessions that are elsewhere: a row that is not there any more was taken away.
    pub(crate) fn read_anew<'n>(
        &mut self,
        notes: impl Iterator<Item = &'n Note> + Clone,
        is_here: impl Fn(&Sid) -> bool,
    ) {
        self.kept.forget_elsewhere(is_here);
        self.hear(notes);
    }

    /// Takes up what other nodes noted, or may have noted, of sessions.
    pub(crate) fn hear<'n>(&mut self, notes: impl Iterator<Item = &'n Note> + Clone) {
        self.take_up(notes.clone(), u64::max);
        for gone in rows::read_gone(notes) {
            match gone {
                GoneRow::Device(device) => {
                    if let Some(sid) = self.kept.last_sid_of(&device) {
                        self.kept.change_kept(&sid, |session| session.device = None);
                    }
                }
                GoneRow::Session(sid) => _ = self.kept.remove(&sid),
                GoneRow::Room { sid, room } => {
                    self.kept.change_kept(&sid, |session| session.leave(room));
                }
            }
        }
    }

    /// The rooms of a session that comes back, beyond those of the start; `None` where they are not known, or it is over.
    /// `here` are those of its connection, if that is still here.
    pub(crate) fn rooms_to_resume(
        &self,
        sid: &Sid,
        owner: u64,
        began_hours: u32,
        now_ms: u64,
        here: impl FnOnce() -> Option<Vec<LoggedRoom>>,
    ) -> Option<Vec<LoggedRoom>> {
        if let Some(kept) = self.kept.get(sid) {
            return (!kept.is_over).then(|| kept.rooms());
        }
        here().or_else(|| {
            let is_young = expires_without_rows(began_hours) > now_ms;
            (is_young && self.kept.knows_of_none(owner, began_hours)).then(Vec::new)
        })
    }

    /// Rooms that are kept of a session.
    pub(crate) fn rooms_of(&self, sid: &Sid) -> Vec<LoggedRoom> {
        self.kept.get(sid).map(SessionRooms::rooms).unwrap_or_default()
    }

    /// The session whose rooms a device had last.
    pub(crate) fn last_of(&self, device: &SubscriberKey) -> Option<Sid> {
        self.kept.last_sid_of(device)
    }

    /// The rooms that a device had last.
    pub(crate) fn last_rooms_of(&self, device: &SubscriberKey) -> Vec<LoggedRoom> {
        self.kept.last_of(device).map(SessionRooms::rooms).unwrap_or_default()
    }

    /// Where a session was sent from what it had missed, if that is before it began.
    pub(crate) fn resumed_from(&self, sid: &Sid) -> Option<Offset> {
        self.kept.get(sid)?.from
    }

    /// Whether a session is in a room, a row on disk says so, and none that may say otherwise is on its way.
    pub(crate) fn is_kept(&self, sid: &Sid, room: &LoggedRoom) -> bool {
        self.kept.get(sid).is_some_and(|it| it.ticket.is_none() && it.is_kept(&room.to_text()))
    }

    pub(crate) fn next_ticket(&mut self) -> u64 {
        self.last_ticket += 1;
        self.last_ticket
    }

    /// Notes that a session has joined a room, on a device where it has one. Returns the rows that say so: the last one is
    /// the room's own, and to be written with this ticket.
    pub(crate) fn join(
        &mut self,
        facts: SessionFacts,
        room: &LoggedRoom,
        device: Option<SubscriberKey>,
        ticket: Option<u64>,
    ) -> (Option<Note>, Note) {
        let (sid, text) = (facts.sid, room.to_text());
        let mut is_news = false;
        let session = self.kept.change(
            sid,
            || facts.session(),
            |session| {
                if session.join(&text) && ticket.is_some() {
                    session.set_kept(&text, false);
                }
                session.ticket = ticket;
                is_news = device.is_some() && session.device != device;
                session.device.clone_from(&device);
            },
        );
        let expires_at_ms = expires_at_ms(facts.now_ms);
        let row = rows::room(&sid, &text, session, expires_at_ms);
        let device = device.filter(|_| is_news);
        (device.map(|device| rows::device(&device, Some(&sid), expires_at_ms)), row)
    }

    /// Notes that a session has left a room. Returns the row that says so, if anything is kept.
    pub(crate) fn leave(&mut self, facts: SessionFacts, room: &LoggedRoom) -> Option<Note> {
        let (sid, text) = (facts.sid, room.to_text());
        let session = self.kept.change_kept(&sid, |session| session.leave(&text))?;
        let renewed_ms = facts.now_ms + (KEPT_HOURS - RENEWED_HOURS) * HOUR_MS;
        // Its private id says the same, as long as it is young.
        if session.names().is_empty()
            && session.from.is_none()
            && session.claims == 0
            && expires_without_rows(facts.began_hours) >= renewed_ms
        {
            self.kept.remove(&sid);
        }
        Some(rows::no_room(&sid, &text))
    }

    /// Notes that a session leaves a room once the row that is returned, to be written with this ticket, is on disk. `None`
    /// where nothing is kept of its being there: then it leaves at once.
    pub(crate) fn start_leaving(
        &mut self,
        sid: &Sid,
        room: &LoggedRoom,
        ticket: u64,
    ) -> Option<Note> {
        let text = room.to_text();
        let mut is_kept = false;
        self.kept.change_kept(sid, |session| {
            is_kept = session.start_leaving(&text, ticket);
            if is_kept {
                session.ticket = Some(ticket);
            }
        });
        is_kept.then(|| rows::no_room(sid, &text))
    }

    /// The row that says that a session leaves a room is on disk. Returns whether it is out of it: it may have joined it again.
    pub(crate) fn finish_leaving(&mut self, sid: &Sid, room: &LoggedRoom, ticket: u64) -> bool {
        let mut is_out = true;
        self.kept.change_kept(sid, |session| {
            is_out = session.finish_leaving(&room.to_text(), ticket);
        });
        is_out
    }

    /// The row that says that a session leaves a room was not kept: it stays.
    pub(crate) fn cancel_leaving(&mut self, sid: &Sid, room: &LoggedRoom, ticket: u64) {
        self.kept.change_kept(sid, |session| session.cancel_leaving(&room.to_text(), ticket));
    }

    /// Whether a row on disk says that a session is in a room is unknown: it stays until another row says what is true.
    pub(crate) fn doubt(&mut self, sid: &Sid, room: &LoggedRoom) {
        self.kept.change_kept(sid, |session| session.doubt(&room.to_text()));
    }

    /// Notes that a session gets what its subscriber had missed, from before the session began. Returns the row that says so.
    pub(crate) fn resume_from(&mut self, facts: SessionFacts, from: Offset) -> Note {
        let session = self.kept.change(
            facts.sid,
            || facts.session(),
            |session| session.from = Some(session.from.map_or(from, |other| other.min(from))),
        );
        rows::session(&facts.sid, session, expires_at_ms(facts.now_ms))
    }

    /// A client left on purpose: its session does not come back, and with it its rooms. Returns the rows that say so.
    pub(crate) fn end(&mut self, facts: SessionFacts) -> Vec<Note> {
        let sid = facts.sid;
        let mut rows = Vec::new();
        if let Some(session) = self.kept.remove(&sid) {
            rows.extend(session.names().iter().map(|room| rows::no_room(&sid, room)));
            rows.extend(session.device.as_ref().map(|device| rows::device(device, None, 0)));
        }
        let mut over = facts.session();
        over.is_over = true;
        rows.push(rows::session(&sid, &over, expires_at_ms(facts.now_ms)));
        self.kept.put(sid, over);
        rows
    }

    /// Whether the rows of a session would last less than so many hours, and it is not over.
    pub(crate) fn is_due(&self, facts: SessionFacts, left_hours: u64) -> bool {
        let kept = self.kept.get(&facts.sid);
        let ends_ms = kept.map_or(expires_without_rows(facts.began_hours), |it| it.expires_at_ms);
        !kept.is_some_and(|it| it.is_over) && ends_ms < facts.now_ms + left_hours * HOUR_MS
    }

    /// Notes that a session is back here, wherever it was.
    pub(crate) fn claim(&mut self, facts: SessionFacts) {
        self.kept.change(facts.sid, || facts.session(), |session| session.claims += 1);
    }

    /// Sessions that came back to another node later than they were here, as these notes say.
    pub(crate) fn claimed_elsewhere<'n>(
        &self,
        notes: impl Iterator<Item = &'n Note>,
    ) -> impl Iterator<Item = Sid> {
        rows::read(notes).filter_map(|(saved, _)| match saved {
            SavedSession::Session { sid, claims, .. } => {
                (claims > self.kept.get(&sid).map_or(0, |it| it.claims)).then_some(sid)
            }
            _ => None,
        })
    }

    /// Keeps a session that is in these rooms for longer. Returns its rows.
    pub(crate) fn renew(&mut self, facts: SessionFacts, rooms: Vec<Box<str>>) -> Vec<Note> {
        let (sid, expires_at_ms) = (facts.sid, expires_at_ms(facts.now_ms));
        let session = self.kept.change(
            sid,
            || facts.session(),
            |session| {
                session.set_rooms(rooms);
                session.expires_at_ms = expires_at_ms;
            },
        );
        let rooms = session.names().iter();
        let rooms = rooms.map(|room| rows::room(&sid, room, session, expires_at_ms));
        let device = session.device.as_ref();
        let device = device.map(|device| rows::device(device, Some(&sid), expires_at_ms));
        rooms.chain(device).chain([rows::session(&sid, session, expires_at_ms)]).collect()
    }

    /// Forgets the oldest where a user or the tenant has too many. Returns how many, and the rows that say so.
    pub(crate) fn shrink(&mut self, owner: u64, now_ms: u64) -> (u64, Vec<Note>) {
        let (mut count, mut rows) = (0, Vec::new());
        for (sid, session) in self.kept.shrink(owner) {
            count += 1;
            // What is forgotten is said before it is: a crash between the two must not claim anything.
            let forgotten = self.kept.forget(&session);
            rows.extend(forgotten.map(|it| rows::forgotten(it, expires_at_ms(now_ms))));
            rows.extend(rows::no_session(&sid, &session));
            rows.extend(session.device.as_ref().map(|device| rows::device(device, None, 0)));
        }
        (count, rows)
    }

    /// Lets go of sessions that cannot come back any more.
    pub(crate) fn expire(&mut self, now_ms: u64, is_here: impl Fn(&Sid) -> bool) {
        let oldest_hours = hours(now_ms.saturating_sub(KEPT_HOURS * HOUR_MS));
        self.kept.expire(now_ms, oldest_hours, is_here);
    }

    /// Has somebody told when the row with this ticket is on disk.
    pub(crate) fn wait(&mut self, ticket: u64, reply: RoomReply, change: RoomChange) {
        self.waiting.insert(ticket, (reply, change));
    }

    /// Whether somebody waits for a row to be on disk.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// A row is on disk. Returns who waits for that, and what it says.
    pub(crate) fn saved(&mut self, ticket: u64) -> Option<(RoomReply, RoomChange)> {
        let (reply, change) = self.waiting.remove(&ticket)?;
        if let RoomChange::Joined(room) = &change {
            self.kept.change_kept(&reply.sid, |session| session.set_kept(&room.to_text(), true));
        }
        if self.kept.get(&reply.sid).is_some_and(|it| it.ticket == Some(ticket)) {
            self.kept.set_ticket(&reply.sid, None);
        }
        Some((reply, change))
    }

    /// Whether a session is in a room whatever becomes of the row that it asked for last: one that is on disk says so, or may
    /// say so, or one that is on its way.
    pub(crate) fn stays_in(&self, sid: &Sid, room: &LoggedRoom) -> bool {
        let is_meant = |(reply, change): &(RoomReply, RoomChange)| {
            reply.sid == *sid && matches!(change, RoomChange::Joined(other) if other == room)
        };
        let text = room.to_text();
        self.kept.get(sid).is_some_and(|it| it.is_kept(&text) || it.is_in_doubt(&text))
            || self.waiting.values().any(is_meant)
    }

    /// A row was not kept. Returns who waits for it, and what it says.
    pub(crate) fn not_saved(&mut self, ticket: u64) -> Option<(RoomReply, RoomChange)> {
        self.waiting.remove(&ticket)
    }
}
