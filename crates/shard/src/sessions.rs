//! The rooms of sessions, kept so that they are there again when a session comes back, to this process or the next.

use ahash::AHashMap;
use foodtrack_tenant_log::{LoggedRoom, Note, NoteKind, RefusedReason, SubscriberKey};
use foodtrack_transport::Sid;
use serde::{Deserialize, Serialize};

use crate::open_log::{NoteWaiter, OpenLog};
use crate::publishing::away;
use crate::session_key::SESSION_AGE_HOURS_MAX;
use crate::tenant::Tenant;
use crate::turn::Turn;

/// What the key of a subscriber's rooms begins with; no session's id does.
const LAST: &str = "~";

/// Rooms that a session joined beyond those of the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionRooms {
    /// Such as `order:42`.
    #[serde(rename = "rooms")]
    names: Vec<Box<str>>,
    /// Its client left on purpose: it is over, though its private id still proves itself.
    #[serde(default, rename = "left")]
    pub(crate) is_over: bool,
    #[serde(skip)]
    expires_at_ms: u64,
    /// What is told once they are on disk; they may not be before.
    #[serde(skip)]
    ticket: Option<u64>,
}

impl SessionRooms {
    pub(crate) fn rooms(&self) -> Vec<LoggedRoom> {
        self.names.iter().filter_map(|name| LoggedRoom::parse(name)).collect()
    }

    fn read(note: &Note) -> Option<Self> {
        let mut rooms: Self = serde_json::from_str(note.value.as_deref()?).ok()?;
        rooms.expires_at_ms = note.expires_at_ms?;
        Some(rooms)
    }
}

impl Tenant {
    /// Keeps the rooms that a connection is in. Returns false where nothing is kept, and `waiter` is to be answered at
    /// once; or else it is answered when they are on disk.
    pub(crate) fn keep_session(
        &mut self,
        turn: &mut Turn<'_>,
        place: u32,
        waiter: Option<NoteWaiter>,
    ) -> Option<NoteWaiter> {
        let Some(connection) = self.connections.get(place) else { return waiter };
        let sid = connection.id;
        let device = connection.device.is_some().then_some(connection.subscriber);
        let subscriber = device.and_then(|it| self.subscribers.get(it)).map(|it| it.key.clone());
        let is_own = |room: &LoggedRoom| connection.is_in_from_the_start(room.name());
        let rooms = self.rooms.of(&connection.memberships).map(|it| LoggedRoom::from(it.name()));
        let names: Vec<Box<str>> =
            rooms.filter(|room| !is_own(room)).map(|room| room.to_text().into()).collect();
        let now_ms = turn.clock.unix_ms();
        let expires_at_ms = now_ms + SESSION_AGE_HOURS_MAX * 3_600_000;
        let Some(log) = self.log.open_mut() else { return waiter };
        let mut rooms = SessionRooms { names, is_over: false, expires_at_ms, ticket: None };
        let value = (!rooms.names.is_empty()).then(|| serde_json::to_string(&rooms).ok()).flatten();
        let note = |key: String| Note {
            kind: NoteKind::Session,
            key: key.into(),
            value: value.clone().map(Box::from),
            expires_at_ms: Some(expires_at_ms),
        };
        if let Some(subscriber) = subscriber {
            // In front of the session's own, so that it is on disk when that is.
            let last = note(format!("{LAST}{}", subscriber.as_str()));
            let _ = turn.log.log().save_note(&self.id, last, None);
            keep(&mut log.last_rooms, subscriber, &rooms);
        }
        let waits = waiter.is_some() && !turn.log.is_in_memory;
        let ticket = waits.then(|| log.next_ticket());
        rooms.ticket = ticket;
        keep(&mut log.sessions, sid, &rooms);
        let note = note(sid.as_str().to_owned());
        if turn.log.log().save_note(&self.id, note, ticket).is_err() {
            // It is in the rooms; after a crash it will have to ask for them again.
            return waiter;
        }
        match (ticket, waiter) {
            (Some(ticket), Some(waiter)) => {
                log.noted.insert(ticket, waiter);
                None
            }
            (_, waiter) => waiter,
        }
    }

    /// A client left on purpose: its session does not come back, and with it its rooms.
    pub(crate) fn end_session(&mut self, turn: &mut Turn<'_>, place: u32) {
        let Some(connection) = self.connections.get(place) else { return };
        let sid = connection.id;
        let subscriber = self.subscribers.get(connection.subscriber).map(|it| it.key.clone());
        let expires_at_ms = turn.clock.unix_ms() + SESSION_AGE_HOURS_MAX * 3_600_000;
        let Some(log) = self.log.open_mut() else { return };
        let over = SessionRooms { is_over: true, expires_at_ms, ..SessionRooms::default() };
        let note = Note {
            kind: NoteKind::Session,
            key: sid.as_str().into(),
            value: serde_json::to_string(&over).ok().map(Box::from),
            expires_at_ms: Some(expires_at_ms),
        };
        log.sessions.insert(sid, over);
        if let Some(key) = subscriber
            && log.last_rooms.remove(&key).is_some()
        {
            let (kind, key) = (NoteKind::Session, format!("{LAST}{}", key.as_str()).into());
            let last = Note { kind, key, value: None, expires_at_ms: None };
            let _ = turn.log.log().save_note(&self.id, last, None);
        }
        // If it is lost, the session comes back without its rooms for somebody who left them.
        let _ = turn.log.log().save_note(&self.id, note, None);
    }

    /// A note is on disk: who waits for it is answered.
    pub(crate) fn noted(&mut self, turn: &mut Turn<'_>, ticket: u64) {
        let Some(log) = self.log.open_mut() else { return };
        let Some(waiter) = log.noted.remove(&ticket) else { return };
        if let Some(rooms) = log.sessions.get_mut(&waiter.to.sid)
            && rooms.ticket == Some(ticket)
        {
            rooms.ticket = None;
        }
        self.answer_control(turn, &waiter);
    }

    /// Whether the rooms that a connection is in may not be on disk: its session asked for one before, and was not told
    /// yet, or never will be.
    pub(crate) fn is_unkept(&self, place: u32) -> bool {
        let rooms = self.connections.get(place).and_then(|connection| {
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
        self.leave_room(waiter.to.place, room.name());
        self.keep_session(turn, waiter.to.place, None);
        self.refuse(turn, client, waiter.ack_id, &away(reason));
    }
}

/// Keeps rooms under a key, or nothing where there are none.
fn keep<K: std::hash::Hash + Eq>(
    kept: &mut AHashMap<K, SessionRooms>,
    key: K,
    rooms: &SessionRooms,
) {
    if rooms.names.is_empty() {
        kept.remove(&key);
    } else {
        kept.insert(key, rooms.clone());
    }
}

impl OpenLog {
    /// Takes up what a store kept of sessions.
    pub(crate) fn restore_sessions(&mut self, notes: &[Note]) {
        for note in notes.iter().filter(|note| note.kind == NoteKind::Session) {
            let Some(rooms) = SessionRooms::read(note) else { continue };
            if let Some(key) = note.key.strip_prefix(LAST).and_then(SubscriberKey::new) {
                self.last_rooms.insert(key, rooms);
            } else if let Some(sid) = Sid::parse(&note.key) {
                self.sessions.insert(sid, rooms);
            }
        }
    }

    /// Forgets sessions that cannot come back any more.
    pub(crate) fn expire_sessions(&mut self, now_ms: u64) {
        self.sessions.retain(|_, rooms| rooms.expires_at_ms > now_ms);
        self.last_rooms.retain(|_, rooms| rooms.expires_at_ms > now_ms);
    }
}
