//! The rooms of sessions, kept so that they are there again when a session comes back, to this process or the next.

use foodtrack_tenant_log::{LoggedRoom, Note, NoteKind};
use foodtrack_transport::Sid;
use serde::{Deserialize, Serialize};

use crate::open_log::{NoteWaiter, OpenLog};
use crate::session_key::SESSION_AGE_HOURS_MAX;
use crate::tenant::Tenant;
use crate::turn::Turn;

/// Rooms that a session joined beyond those of the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionRooms {
    /// Such as `order:42`.
    #[serde(rename = "rooms")]
    names: Vec<Box<str>>,
    #[serde(skip)]
    expires_at_ms: u64,
}

impl SessionRooms {
    pub(crate) fn rooms(&self) -> Vec<LoggedRoom> {
        self.names.iter().filter_map(|name| LoggedRoom::parse(name)).collect()
    }

    /// Reads what a store kept.
    pub(crate) fn from_note(note: &Note) -> Option<(Sid, Self)> {
        let sid = Sid::parse(&note.key)?;
        let mut rooms: Self = serde_json::from_str(note.value.as_deref()?).ok()?;
        rooms.expires_at_ms = note.expires_at_ms?;
        Some((sid, rooms))
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
        let is_own = |room: &LoggedRoom| connection.is_in_from_the_start(room.name());
        let rooms = self.rooms.of(&connection.memberships).map(|it| LoggedRoom::from(it.name()));
        let names: Vec<Box<str>> =
            rooms.filter(|room| !is_own(room)).map(|room| room.to_text().into()).collect();
        let now_ms = turn.clock.unix_ms();
        let expires_at_ms = now_ms + SESSION_AGE_HOURS_MAX * 3_600_000;
        let Some(log) = self.log.open_mut() else { return waiter };
        let value = if names.is_empty() {
            log.sessions.remove(&sid);
            None
        } else {
            let rooms = SessionRooms { names, expires_at_ms };
            let value = serde_json::to_string(&rooms).ok();
            log.sessions.insert(sid, rooms);
            value
        };
        let note = Note {
            kind: NoteKind::Session,
            key: sid.as_str().into(),
            value: value.map(Box::from),
            expires_at_ms: Some(expires_at_ms),
        };
        let waits = waiter.is_some() && !turn.log.is_in_memory;
        let ticket = waits.then(|| log.next_ticket());
        if turn.log.log.save_note(&self.id, note, ticket).is_err() {
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

    /// A client left for good: nothing of its session is kept.
    pub(crate) fn forget_session(&mut self, turn: &mut Turn<'_>, sid: &Sid) {
        let Some(log) = self.log.open_mut() else { return };
        if log.sessions.remove(sid).is_some() {
            let kind = NoteKind::Session;
            let note = Note { kind, key: sid.as_str().into(), value: None, expires_at_ms: None };
            // If it stays it expires by itself.
            let _ = turn.log.log.save_note(&self.id, note, None);
        }
    }

    /// A note is on disk, or is not: who waits for it is answered in either case, for it is in force.
    pub(crate) fn noted(&mut self, turn: &mut Turn<'_>, ticket: u64) {
        let waiter = self.log.open_mut().and_then(|log| log.noted.remove(&ticket));
        if let Some(waiter) = waiter {
            self.answer_control(turn, &waiter);
        }
    }
}

impl OpenLog {
    /// Forgets sessions that cannot come back any more.
    pub(crate) fn expire_sessions(&mut self, now_ms: u64) {
        self.sessions.retain(|_, rooms| rooms.expires_at_ms > now_ms);
    }
}
