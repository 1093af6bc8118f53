//! Who looks at a tenant's log again: a plain value, so that any thread can ask whether an entry is for them.

use foodtrack_contract::{ApplicationSet, PermissionSet, RoomName};
use foodtrack_tenant_log::{LoggedAudience, LoggedRoom};

/// One connection as it stands: the rooms it is in, what its token allows.
#[derive(Clone, Debug)]
pub(crate) struct Viewer {
    /// Empty for a backend service.
    pub(crate) application: ApplicationSet,
    pub(crate) permissions: PermissionSet,
    /// All of them, its tenant's, application's and user's among them.
    pub(crate) rooms: Vec<LoggedRoom>,
}

impl Viewer {
    /// Sees nothing.
    pub(crate) fn nobody() -> Self {
        Self {
            application: ApplicationSet::EMPTY,
            permissions: PermissionSet::default(),
            rooms: Vec::new(),
        }
    }

    /// Whether an entry with this audience is for the viewer: the same answer that the live fan-out gives.
    pub(crate) fn sees(&self, audience: &LoggedAudience) -> bool {
        let targeted = audience.only == ApplicationSet::ALL
            || !audience.only.intersection(self.application).is_empty();
        let may_read = audience.read.is_none_or(|permission| self.permissions.allows(permission));
        targeted && may_read && self.rooms.iter().any(|room| names(audience, room))
    }
}

fn names(audience: &LoggedAudience, room: &LoggedRoom) -> bool {
    match room.name() {
        RoomName::Application(application) if audience.applications.contains(application) => true,
        _ => audience.rooms.contains(room),
    }
}
