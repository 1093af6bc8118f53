//! How sessions are written down: one small row for each room that one has joined, and one each for what else is known.

use foodtrack_contract::Offset;
use foodtrack_tenant_log::{Note, NoteKind, SubscriberKey};
use foodtrack_wire::Sid;
use serde::{Deserialize, Serialize};

use super::kept_sessions::{Forgotten, SessionRooms};

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
    #[serde(skip_serializing_if = "is_zero")]
    claims: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

fn note(key: String, value: Option<String>, expires_at_ms: u64) -> Note {
    let value = value.map(Box::from);
    Note { kind: NoteKind::Session, key: key.into(), value, expires_at_ms: Some(expires_at_ms) }
}

/// A session has joined a room.
pub(super) fn room(sid: &Sid, room: &str, session: &SessionRooms, expires_at_ms: u64) -> Note {
    let value = format!("{:016x}{:06x}", session.owner, session.began_hours);
    note(format!("{}{room}", sid.as_str()), Some(value), expires_at_ms)
}

/// A session is not in a room any more.
pub(super) fn no_room(sid: &Sid, room: &str) -> Note {
    note(format!("{}{room}", sid.as_str()), None, 0)
}

/// What is known of a session besides its rooms.
pub(super) fn session(sid: &Sid, session: &SessionRooms, expires_at_ms: u64) -> Note {
    let row = SessionRow {
        rooms: Vec::new(),
        left: session.is_over,
        from: session.from.map(Offset::get),
        owner: session.owner,
        began: session.began_hours,
        claims: session.claims,
    };
    note(sid.as_str().into(), serde_json::to_string(&row).ok(), expires_at_ms)
}

/// A session is forgotten.
pub(super) fn no_session(sid: &Sid, session: &SessionRooms) -> Vec<Note> {
    let rooms = session.names().iter().map(|room| no_room(sid, room));
    rooms.chain([note(sid.as_str().into(), None, 0)]).collect()
}

/// The session that a device had last, or that it is forgotten.
pub(super) fn device(device: &SubscriberKey, sid: Option<&Sid>, expires_at_ms: u64) -> Note {
    let value = sid.map(|sid| sid.as_str().to_owned());
    note(format!("{DEVICE}{}", device.as_str()), value, expires_at_ms)
}

/// Whose rooms were forgotten.
pub(super) fn forgotten(forgotten: Forgotten, expires_at_ms: u64) -> Note {
    let owner = forgotten.owner.map(|owner| format!("{owner:016x}")).unwrap_or_default();
    note(format!("{FORGOTTEN}{owner}"), Some(forgotten.hours.to_string()), expires_at_ms)
}

/// What a row says.
pub(super) enum SavedSession<'n> {
    Device {
        device: SubscriberKey,
        sid: Sid,
    },
    Forgotten(Forgotten),
    Session {
        sid: Sid,
        owner: u64,
        began_hours: u32,
        rooms: Vec<Box<str>>,
        left: bool,
        from: Option<Offset>,
        claims: u32,
    },
    Room {
        sid: Sid,
        owner: u64,
        began_hours: u32,
        room: &'n str,
    },
}

/// Reads the rows of sessions among these, each with when it expires.
pub(super) fn read<'n>(
    notes: impl Iterator<Item = &'n Note>,
) -> impl Iterator<Item = (SavedSession<'n>, u64)> {
    let rows = notes.filter(|note| note.kind == NoteKind::Session);
    rows.filter_map(|note| {
        Some((read_one(&note.key, note.value.as_deref()?)?, note.expires_at_ms?))
    })
}

/// What a row is not there for any more.
pub(super) enum GoneRow<'n> {
    Device(SubscriberKey),
    Session(Sid),
    Room { sid: Sid, room: &'n str },
}

/// Reads which rows of sessions were taken away.
pub(super) fn read_gone<'n>(
    notes: impl Iterator<Item = &'n Note>,
) -> impl Iterator<Item = GoneRow<'n>> {
    let gone = notes.filter(|it| it.kind == NoteKind::Session && it.value.is_none());
    gone.filter_map(|note| {
        if let Some(device) = note.key.strip_prefix(DEVICE) {
            return SubscriberKey::new(device).map(GoneRow::Device);
        }
        let (sid, room) = note.key.split_at_checked(SID_CHARACTERS)?;
        let sid = Sid::parse(sid)?;
        Some(if room.is_empty() { GoneRow::Session(sid) } else { GoneRow::Room { sid, room } })
    })
}

/// The session of which a row says that it is, or was, somewhere.
pub(crate) fn session_of(note: &Note) -> Option<Sid> {
    note.value.as_ref().and_then(|_| session_in(note))
}

/// The session that a note names, be it taken away or not.
pub(crate) fn session_in(note: &Note) -> Option<Sid> {
    let is_one = note.kind == NoteKind::Session;
    let (sid, _) = note.key.split_at_checked(SID_CHARACTERS).filter(|_| is_one)?;
    Sid::parse(sid)
}

fn read_one<'n>(key: &'n str, value: &str) -> Option<SavedSession<'n>> {
    if let Some(device) = key.strip_prefix(DEVICE) {
        let (device, sid) = (SubscriberKey::new(device)?, Sid::parse(value)?);
        return Some(SavedSession::Device { device, sid });
    }
    if let Some(owner) = key.strip_prefix(FORGOTTEN) {
        let owner = u64::from_str_radix(owner, 16).ok();
        return Some(SavedSession::Forgotten(Forgotten { owner, hours: value.parse().ok()? }));
    }
    let (sid, room) = key.split_at_checked(SID_CHARACTERS)?;
    let sid = Sid::parse(sid)?;
    if room.is_empty() {
        let row: SessionRow = serde_json::from_str(value).ok()?;
        let SessionRow { rooms, left, from, owner, began: began_hours, claims } = row;
        let from = from.and_then(Offset::new);
        return Some(SavedSession::Session { sid, owner, began_hours, rooms, left, from, claims });
    }
    let (owner, began) = value.split_at_checked(16)?;
    let owner = u64::from_str_radix(owner, 16).unwrap_or(0);
    let began_hours = u32::from_str_radix(began, 16).unwrap_or(0);
    Some(SavedSession::Room { sid, owner, began_hours, room })
}
