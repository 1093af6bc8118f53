//! What back ends said of rooms, kept beside the tenant's log: metadata and grants outlive the process.

use foodtrack_contract::RoomName;
use foodtrack_tenant_log::{LoggedRoom, Note, NoteKind};

use crate::effects::Effects;
use crate::members::{Described, Room};
use crate::tenant::Tenant;
use crate::turn::Turn;

impl Tenant {
    /// Keeps what is said of a room now.
    pub(crate) fn keep_room(&self, turn: &mut Turn<'_, impl Effects>, name: RoomName<'_>) {
        let described = self.members.room(name).and_then(Room::described);
        let note = Note {
            kind: NoteKind::Room,
            key: LoggedRoom::from(name).to_text().into(),
            value: described.and_then(|it| serde_json::to_string(it).ok()).map(Box::from),
            expires_at_ms: None,
        };
        if let Err(error) = turn.effects.save_note(&self.id, note, None) {
            tracing::warn!(tenant = self.id.as_str(), %error, "what was said of a room was not kept");
        }
    }

    /// Brings back what was kept.
    pub(crate) fn restore_rooms(&mut self, notes: &[Note], now_ms: u64) {
        for note in notes.iter().filter(|note| note.kind == NoteKind::Room) {
            let room = LoggedRoom::parse(&note.key);
            let described: Option<Described> =
                note.value.as_deref().and_then(|value| serde_json::from_str(value).ok());
            if let (Some(room), Some(described)) = (room, described) {
                let restore = |known: &mut Described| *known = described;
                self.members.describe(room.name(), now_ms, restore, |_| ());
            }
        }
    }
}
