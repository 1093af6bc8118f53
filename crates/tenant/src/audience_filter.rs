//! Who looks at a tenant's log again: a plain value, so that any thread can ask whether an entry is for them.

use foodtrack_contract::{ApplicationSet, Offset, PermissionSet, RoomName};
use foodtrack_tenant_log::{LoggedAudience, LoggedRoom};

/// One connection as it stands: the rooms it is in, what its token allows.
#[derive(Clone, Debug)]
pub(crate) struct AudienceFilter {
    /// Empty for a backend service.
    pub(crate) application: ApplicationSet,
    pub(crate) permissions: PermissionSet,
    /// All of them, its tenant's, application's and user's among them.
    pub(crate) rooms: Vec<LoggedRoom>,
    /// Those that it has left since it came, and the last place at which it was in them.
    pub(crate) left: Vec<(LoggedRoom, Offset)>,
}

impl AudienceFilter {
    /// Sees nothing.
    pub(crate) fn nobody() -> Self {
        Self {
            application: ApplicationSet::EMPTY,
            permissions: PermissionSet::default(),
            rooms: Vec::new(),
            left: Vec::new(),
        }
    }

    /// Whether the entry at an offset, with this audience, is for that connection: the same answer that the live fan-out gives.
    pub(crate) fn sees(&self, offset: Offset, audience: &LoggedAudience) -> bool {
        let targeted = audience.only == ApplicationSet::ALL
            || !audience.only.intersection(self.application).is_empty();
        let may_read =
            audience.read.is_none_or(|read| read.is_held_by(self.permissions, self.application));
        let left = self.left.iter().filter(|(_, through)| offset <= *through).map(|(room, _)| room);
        targeted && may_read && self.rooms.iter().chain(left).any(|room| names(audience, room))
    }
}

fn names(audience: &LoggedAudience, room: &LoggedRoom) -> bool {
    match room.name() {
        RoomName::Application(application) if audience.applications.contains(application) => true,
        _ => audience.rooms.contains(room),
    }
}
