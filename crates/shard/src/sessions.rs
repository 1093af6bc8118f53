//! Sessions beside the log: what is kept of them is there again when they come back, to this process or the next.
//!
//! A room that a session joins is one small row. Rows expire; those of a session that is connected are written anew every
//! six hours, so that a session is as old as its last connection, also where the server was killed.

use foodtrack_contract::{DeviceId, Offset, Source};
use foodtrack_tenant_log::{LoggedRoom, Note, NoteKind, RefusedReason, SubscriberKey};
use foodtrack_transport::Sid;
use serde::{Deserialize, Serialize};

use crate::kept_sessions::{Forgotten, SessionRooms};
use crate::members::Connection;
use crate::open_log::{NoteWaiter, OpenLog};
use crate::publishing::away;
use crate::repeats::EmissionKey;
use crate::tenant::Tenant;
use crate::turn::Turn;

/// How long after it was connected last a session can come back.
pub(crate) const SESSION_AGE_HOURS_MAX: u64 = 48;
/// How long a row says something. Six hours more than the session may be away, in which it is written anew if the session
/// is connected, and two in which it is found that it must be.
pub(crate) const KEPT_HOURS: u64 = SESSION_AGE_HOURS_MAX + RENEWED_HOURS + 2;
const RENEWED_HOURS: u64 = 6;
const HOUR_MS: u64 = 3_600_000;
/// In how many sweeps all connections are looked at.
const SWEEPS: u32 = 60;

/// What the key of a device's last session begins with; no session's id does.
const DEVICE: &str = "~";
/// What the key of forgotten rooms begins with; no session's id does.
const FORGOTTEN: &str = "!";
const SID_CHARACTERS: usize = 20;

/// The row of a session, beside those of its rooms.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct SessionRow {
    /// As servers before wrote all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rooms: Vec<Box<str>>,
    left: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<u64>,
    owner: u64,
    began: u32,
}

/// Whose sessions a connection's are, as a hash that is the same after a restart.
pub(crate) fn owner(key: &EmissionKey, user: &str) -> u64 {
    key.sender(user, None, Source::System)
}

/// Hours since the Unix epoch.
pub(crate) fn hours(unix_ms: u64) -> u32 {
    u32::try_from(unix_ms / HOUR_MS).unwrap_or(u32::MAX)
}

fn note(key: String, value: Option<String>, expires_at_ms: u64) -> Note {
    let value = value.map(Box::from);
    Note { kind: NoteKind::Session, key: key.into(), value, expires_at_ms: Some(expires_at_ms) }
}

fn room_note(sid: &Sid, room: &str, session: &SessionRooms, expires_at_ms: u64) -> Note {
    let value = format!("{:016x}{:06x}", session.owner, session.began_hours);
    note(format!("{}{room}", sid.as_str()), Some(value), expires_at_ms)
}

fn no_room_note(sid: &Sid, room: &str) -> Note {
    note(format!("{}{room}", sid.as_str()), None, 0)
}

fn session_note(sid: &Sid, session: &SessionRooms, expires_at_ms: u64) -> Note {
    let row = SessionRow {
        rooms: Vec::new(),
        left: session.is_over,
        from: session.from.map(Offset::get),
        owner: session.owner,
        began: session.began_hours,
    };
    note(sid.as_str().into(), serde_json::to_string(&row).ok(), expires_at_ms)
}

fn no_session_notes(sid: &Sid, session: &SessionRooms) -> Vec<Note> {
    let rooms = session.names().iter().map(|room| no_room_note(sid, room));
    rooms.chain([note(sid.as_str().into(), None, 0)]).collect()
}

fn device_note(device: &SubscriberKey, sid: Option<&Sid>, expires_at_ms: u64) -> Note {
    let value = sid.map(|sid| sid.as_str().to_owned());
    note(format!("{DEVICE}{}", device.as_str()), value, expires_at_ms)
}

fn forgotten_note(forgotten: Forgotten, expires_at_ms: u64) -> Note {
    let owner = forgotten.owner.map(|owner| format!("{owner:016x}")).unwrap_or_default();
    note(format!("{FORGOTTEN}{owner}"), Some(forgotten.hours.to_string()), expires_at_ms)
}

/// What is known of a connection's session without a look at what is kept of it.
#[derive(Clone, Copy)]
struct SessionFacts {
    sid: Sid,
    owner: u64,
    began_hours: u32,
    /// When what is written now expires.
    expires_at_ms: u64,
}

impl SessionFacts {
    fn rooms(self) -> SessionRooms {
        SessionRooms::new(self.owner, self.began_hours, self.expires_at_ms)
    }
}

impl Tenant {
    fn session_facts(&self, turn: &mut Turn<'_>, place: u32) -> Option<SessionFacts> {
        let connection = self.members.get(place)?;
        Some(SessionFacts {
            sid: connection.id,
            owner: owner(turn.emission_key, connection.principal.user().as_str()),
            began_hours: connection.began_hours,
            expires_at_ms: turn.clock.unix_ms() + KEPT_HOURS * HOUR_MS,
        })
    }

    /// Keeps that a connection has joined a room. Returns `waiter` where nothing is kept, and it is to be answered at
    /// once; or else it is answered when that is on disk.
    pub(crate) fn keep_joined(
        &mut self,
        turn: &mut Turn<'_>,
        place: u32,
        room: &LoggedRoom,
        waiter: Option<NoteWaiter>,
    ) -> Option<NoteWaiter> {
        let Some(facts) = self.session_facts(turn, place) else { return waiter };
        let Some(connection) = self.members.get(place) else { return waiter };
        let SessionFacts { sid, owner, expires_at_ms, .. } = facts;
        let device = connection.device.as_ref().map(|_: &DeviceId| connection.subscriber);
        let device = device.and_then(|it| self.reliability.subscriber(it)).map(|it| it.key.clone());
        let Some(log) = self.log.open_mut() else { return waiter };
        let ticket = (waiter.is_some() && !turn.log.is_in_memory).then(|| log.next_ticket());
        let text = room.to_text();
        let mut is_news = false;
        let session = log.sessions.change(
            sid,
            || facts.rooms(),
            |session| {
                session.join(&text);
                session.ticket = ticket;
                is_news = device.is_some() && session.device != device;
                session.device.clone_from(&device);
            },
        );
        let row = room_note(&sid, &text, session, expires_at_ms);
        if let Some(device) = device.filter(|_| is_news) {
            // In front of the room's own, so that it is on disk when that is.
            let last = device_note(&device, Some(&sid), expires_at_ms);
            let _ = turn.log.log().save_note(&self.id, last, None);
        }
        let waiter = self.keep(turn, row, ticket, waiter);
        self.shrink_sessions(turn, owner);
        waiter
    }

    /// Keeps that a connection has left a room. Returns as [`Tenant::keep_joined`].
    pub(crate) fn keep_left(
        &mut self,
        turn: &mut Turn<'_>,
        place: u32,
        room: &LoggedRoom,
        waiter: Option<NoteWaiter>,
    ) -> Option<NoteWaiter> {
        let Some(connection) = self.members.get(place) else { return waiter };
        let (sid, began_hours) = (connection.id, connection.began_hours);
        let now_ms = turn.clock.unix_ms();
        let Some(log) = self.log.open_mut() else { return waiter };
        if log.sessions.get(&sid).is_none() {
            return waiter;
        }
        let ticket = (waiter.is_some() && !turn.log.is_in_memory).then(|| log.next_ticket());
        let text = room.to_text();
        let new = || unreachable!("it is kept, as was seen above");
        let session = log.sessions.change(sid, new, |session| {
            session.leave(&text);
            session.ticket = ticket;
        });
        // Its private id says the same, as long as it is young.
        if session.names().is_empty()
            && session.from.is_none()
            && ticket.is_none()
            && !is_due(expires_without_rows(began_hours), now_ms)
        {
            log.sessions.remove(&sid);
        }
        self.keep(turn, no_room_note(&sid, &text), ticket, waiter)
    }

    /// Keeps that a session gets what its subscriber had missed, from before the session began.
    pub(crate) fn keep_from(&mut self, turn: &mut Turn<'_>, place: u32, from: Offset) {
        let Some(facts) = self.session_facts(turn, place) else { return };
        let SessionFacts { sid, owner, expires_at_ms, .. } = facts;
        let Some(log) = self.log.open_mut() else { return };
        let session = log.sessions.change(
            sid,
            || facts.rooms(),
            |session| {
                session.from = Some(session.from.map_or(from, |other| other.min(from)));
            },
        );
        let row = session_note(&sid, session, expires_at_ms);
        self.keep(turn, row, None, None);
        self.shrink_sessions(turn, owner);
    }

    /// Keeps a row.
    fn keep(
        &mut self,
        turn: &mut Turn<'_>,
        row: Note,
        ticket: Option<u64>,
        waiter: Option<NoteWaiter>,
    ) -> Option<NoteWaiter> {
        if turn.log.log().save_note(&self.id, row, ticket).is_err() {
            // It is in the rooms; after a crash it will have to ask for them again.
            return waiter;
        }
        match (ticket, waiter, self.log.open_mut()) {
            (Some(ticket), Some(waiter), Some(log)) => {
                log.noted.insert(ticket, waiter);
                None
            }
            (_, waiter, _) => waiter,
        }
    }

    fn shrink_sessions(&mut self, turn: &mut Turn<'_>, owner: u64) {
        let expires_at_ms = turn.clock.unix_ms() + KEPT_HOURS * HOUR_MS;
        let Some(log) = self.log.open_mut() else { return };
        for (sid, session) in log.sessions.shrink(owner) {
            turn.counters.sessions_forgotten.add(1);
            let forgotten =
                log.sessions.forget(&session).map(|it| forgotten_note(it, expires_at_ms));
            let device = session.device.as_ref().map(|device| device_note(device, None, 0));
            // What is forgotten is said before it is: a crash between the two must not claim anything.
            for row in forgotten.into_iter().chain(no_session_notes(&sid, &session)).chain(device) {
                let _ = turn.log.log().save_note(&self.id, row, None);
            }
        }
    }

    /// A client left on purpose: its session does not come back, and with it its rooms.
    pub(crate) fn end_session(&mut self, turn: &mut Turn<'_>, place: u32) {
        let Some(facts) = self.session_facts(turn, place) else { return };
        let SessionFacts { sid, owner, expires_at_ms, .. } = facts;
        let Some(log) = self.log.open_mut() else { return };
        let mut rows = Vec::new();
        if let Some(session) = log.sessions.remove(&sid) {
            rows.extend(session.names().iter().map(|room| no_room_note(&sid, room)));
            rows.extend(session.device.as_ref().map(|device| device_note(device, None, 0)));
        }
        let mut over = facts.rooms();
        over.is_over = true;
        rows.push(session_note(&sid, &over, expires_at_ms));
        log.sessions.put(sid, over);
        for row in rows {
            // If it is lost, the session comes back without its rooms for somebody who left them.
            let _ = turn.log.log().save_note(&self.id, row, None);
        }
        self.shrink_sessions(turn, owner);
    }

    /// Keeps for longer what is connected. Looks at some of the connections; all of them have their turn within an hour
    /// of sweeps.
    pub(crate) fn renew_sessions(&mut self, turn: &mut Turn<'_>, sweep: u32) {
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
    pub(crate) fn keep_for_return(&mut self, turn: &mut Turn<'_>, place: u32) {
        self.renew_session(turn, place, SESSION_AGE_HOURS_MAX);
    }

    /// Writes a session's rows anew where they would last less than so many hours.
    fn renew_session(&mut self, turn: &mut Turn<'_>, place: u32, left_hours: u64) {
        let now_ms = turn.clock.unix_ms();
        let expires_at_ms = now_ms + KEPT_HOURS * HOUR_MS;
        let Some(connection) = self.members.get(place) else { return };
        let (sid, began_hours) = (connection.id, connection.began_hours);
        let Some(log) = self.log.open_mut() else { return };
        let kept = log.sessions.get(&sid);
        let ends_ms = kept.map_or(expires_without_rows(began_hours), |it| it.expires_at_ms);
        if kept.is_some_and(|it| it.is_over) || ends_ms >= now_ms + left_hours * HOUR_MS {
            return;
        }
        let owner = owner(turn.emission_key, connection.principal.user().as_str());
        let is_own = |room: &LoggedRoom| connection.is_in_from_the_start(room.name());
        let rooms = self.members.rooms_of(connection).map(|it| LoggedRoom::from(it.name()));
        let names: Vec<Box<str>> =
            rooms.filter(|room| !is_own(room)).map(|room| room.to_text().into()).collect();
        let new = || SessionRooms::new(owner, began_hours, expires_at_ms);
        let session = log.sessions.change(sid, new, |session| {
            session.set_rooms(names);
            session.expires_at_ms = expires_at_ms;
        });
        let rooms =
            session.names().iter().map(|room| room_note(&sid, room, session, expires_at_ms));
        let device =
            session.device.as_ref().map(|device| device_note(device, Some(&sid), expires_at_ms));
        let rows: Vec<Note> =
            rooms.chain(device).chain([session_note(&sid, session, expires_at_ms)]).collect();
        for row in rows {
            // If it is lost, it is tried again six hours later, and meanwhile memory knows.
            let _ = turn.log.log().save_note(&self.id, row, None);
        }
        self.shrink_sessions(turn, owner);
    }

    /// Lets go of sessions that cannot come back any more.
    pub(crate) fn expire_sessions(&mut self, now_ms: u64) {
        let oldest_hours = hours(now_ms.saturating_sub(KEPT_HOURS * HOUR_MS));
        let members = &self.members;
        if let Some(log) = self.log.open_mut() {
            let is_here = |sid: &Sid| members.find(sid.as_str()).is_some();
            log.sessions.expire(now_ms, oldest_hours, is_here);
        }
    }

    /// A note is on disk: who waits for it is answered.
    pub(crate) fn noted(&mut self, turn: &mut Turn<'_>, ticket: u64) {
        let Some(log) = self.log.open_mut() else { return };
        let Some(waiter) = log.noted.remove(&ticket) else { return };
        if log.sessions.get(&waiter.to.sid).is_some_and(|it| it.ticket == Some(ticket)) {
            log.sessions.set_ticket(&waiter.to.sid, None);
        }
        self.answer_control(turn, &waiter);
    }

    /// Whether the rooms that a connection is in may not be on disk: its session asked for one before, and was not told
    /// yet, or never will be.
    pub(crate) fn is_unkept(&self, place: u32) -> bool {
        let rooms = self.members.get(place).and_then(|connection| {
            self.log.open().and_then(|log| log.sessions.get(&connection.id))
        });
        rooms.is_some_and(|rooms| rooms.ticket.is_some())
    }

    /// A note was not kept. A room that was joined is left again: a session that came back without it would miss what
    /// happens there, and say nothing.
    pub(crate) fn not_noted(&mut self, turn: &mut Turn<'_>, ticket: u64, reason: RefusedReason) {
        let waiter = self.log.open_mut().and_then(|log| log.noted.remove(&ticket));
        let Some(waiter) = waiter else { return };
        let (Some(room), Some(client)) = (&waiter.joined, self.present(waiter.to)) else {
            return self.answer_control(turn, &waiter);
        };
        self.members.leave(waiter.to.place, room.name());
        self.keep_left(turn, waiter.to.place, room, None);
        self.refuse(turn, client, waiter.ack_id, &away(reason));
    }

    /// The rooms of a session that comes back, beyond those of the start; `None` where they are not known, or it is over.
    pub(crate) fn known_rooms(
        &self,
        sid: &Sid,
        owner: u64,
        began_hours: u32,
        now_ms: u64,
    ) -> Option<Vec<LoggedRoom>> {
        let log = self.log.open()?;
        if let Some(kept) = log.sessions.get(sid) {
            return (!kept.is_over).then(|| kept.rooms());
        }
        if let Some((_, connection)) = self.members.find(sid.as_str()) {
            return Some(self.joined_rooms(connection));
        }
        let is_young = expires_without_rows(began_hours) > now_ms;
        (is_young && log.sessions.knows_of_none(owner, began_hours)).then(Vec::new)
    }

    fn joined_rooms(&self, connection: &Connection) -> Vec<LoggedRoom> {
        let rooms = self.members.rooms_of(connection).map(crate::members::Room::name);
        rooms.filter(|room| !connection.is_in_from_the_start(*room)).map(LoggedRoom::from).collect()
    }
}

/// Until when a session that has no rows is known to have been in no rooms.
fn expires_without_rows(began_hours: u32) -> u64 {
    (u64::from(began_hours) + KEPT_HOURS) * HOUR_MS
}

fn is_due(ends_ms: u64, now_ms: u64) -> bool {
    ends_ms < now_ms + (KEPT_HOURS - RENEWED_HOURS) * HOUR_MS
}

impl OpenLog {
    /// Takes up what a store kept of sessions.
    pub(crate) fn restore_sessions(&mut self, notes: &[Note]) {
        let rows = || notes.iter().filter(|note| note.kind == NoteKind::Session);
        let mut devices = Vec::new();
        for note in rows() {
            let (Some(value), Some(expires_at_ms)) = (note.value.as_deref(), note.expires_at_ms)
            else {
                continue;
            };
            if let Some(device) = note.key.strip_prefix(DEVICE) {
                devices.extend(SubscriberKey::new(device).zip(Sid::parse(value)));
            } else if let Some(owner) = note.key.strip_prefix(FORGOTTEN) {
                let owner = u64::from_str_radix(owner, 16).ok();
                if let Ok(hours) = value.parse() {
                    self.sessions.note_forgotten(Forgotten { owner, hours });
                }
            } else if let Some((sid, room)) = note.key.split_at_checked(SID_CHARACTERS)
                && let Some(sid) = Sid::parse(sid)
            {
                self.restore_session(sid, room, value, expires_at_ms);
            }
        }
        // Those that left have no rooms, in whatever order their rows came.
        for (device, sid) in devices {
            if self.sessions.get(&sid).is_some() {
                let new = || unreachable!("it is kept, as was seen above");
                self.sessions.change(sid, new, |session| session.device = Some(device));
            }
        }
    }

    fn restore_session(&mut self, sid: Sid, room: &str, value: &str, expires_at_ms: u64) {
        let new = |owner, began| SessionRooms::new(owner, began, expires_at_ms);
        if room.is_empty() {
            let Ok(row) = serde_json::from_str::<SessionRow>(value) else { return };
            self.sessions.change(
                sid,
                || new(row.owner, row.began),
                |session| {
                    session.is_over = row.left;
                    session.from = row.from.and_then(Offset::new);
                    row.rooms.iter().for_each(|room| session.join(room));
                    session.expires_at_ms = session.expires_at_ms.min(expires_at_ms);
                },
            );
        } else if let Some((owner, began)) = value.split_at_checked(16) {
            let owner = u64::from_str_radix(owner, 16).unwrap_or(0);
            let began = u32::from_str_radix(began, 16).unwrap_or(0);
            self.sessions.change(
                sid,
                || new(owner, began),
                |session| {
                    session.join(room);
                    session.expires_at_ms = session.expires_at_ms.min(expires_at_ms);
                },
            );
        }
    }
}
