//! Whether the rest of an entry's head is as the last one's.

use foodtrack_contract::{ApplicationSet, EventName, EventType, Priority, ReadPermission};

use crate::EntryRef;
use crate::entry::{LoggedRoom, LoggedRoomKind};

/// What the rest of the last entry's head was made of. Most often the next one's is made of the same: to see that takes less
/// than to write it down once more and to compare what was written.
#[derive(Debug, Default)]
pub(super) struct LastTraits {
    /// `None` where there is no last one, or it has more than most.
    traits: Option<Traits>,
    /// The entity's, and behind it the room's id.
    names: Vec<u8>,
}

/// All that the rest of a head is made of but the names, of an entry that has no more than most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Traits {
    event: EventType,
    read: Option<ReadPermission>,
    priority: Priority,
    applications: ApplicationSet,
    only: ApplicationSet,
    flags: u8,
    room: Option<LoggedRoomKind>,
    /// Where its name ends, and the room's begins.
    entity_bytes: usize,
}

impl LastTraits {
    /// Whether an entry has the same; `flags` are its head's. It is the last one then.
    pub(super) fn are_those_of(&mut self, entry: &EntryRef<'_>, flags: u8) -> bool {
        let Some(traits) = Traits::of(entry, flags) else {
            self.forget();
            return false;
        };
        let room = entry.audience.rooms.first().map_or("", LoggedRoom::id).as_bytes();
        let entity = entry.entity.unwrap_or_default().as_bytes();
        if self.traits == Some(traits) && self.names.split_at(traits.entity_bytes) == (entity, room)
        {
            return true;
        }
        self.names.clear();
        self.names.extend_from_slice(entity);
        self.names.extend_from_slice(room);
        self.traits = Some(traits);
        false
    }

    /// There is no last one any more.
    pub(super) fn forget(&mut self) {
        self.traits = None;
    }
}

impl Traits {
    fn of(entry: &EntryRef<'_>, flags: u8) -> Option<Self> {
        let EventName::Builtin(event) = *entry.event else { return None };
        let audience = entry.audience;
        let has_more = audience.rooms.len() > 1
            || entry.creates_order.is_some()
            || !entry.attachments.is_empty();
        (!has_more).then(|| Self {
            event,
            read: audience.read,
            priority: entry.priority,
            applications: audience.applications,
            only: audience.only,
            flags,
            room: audience.rooms.first().map(LoggedRoom::kind),
            entity_bytes: entry.entity.map_or(0, str::len),
        })
    }
}

#[cfg(test)]
mod tests {
    use foodtrack_contract::{ApplicationType, RoomName};

    use super::*;
    use crate::encoding::samples::{full, plain};
    use crate::encoding::{flags, push_rest};
    use crate::{Durability, LogEntry, LoggedAudience, OrderOwner};

    /// Entries of which each differs from each in something that its rest says.
    fn different() -> Vec<LogEntry> {
        let base = || LogEntry { entity: Some("42".into()), ..plain(7) };
        let with = |change: &dyn Fn(&mut LogEntry)| {
            let mut entry = base();
            change(&mut entry);
            entry
        };
        let room = |name: RoomName<'_>| LoggedAudience {
            rooms: vec![name.into()],
            ..LoggedAudience::default()
        };
        let tenant_and_order = vec![RoomName::Tenant.into(), RoomName::Order("42").into()];
        vec![
            base(),
            full(7),
            with(&|it| it.event = EventType::OrderUpdated.into()),
            with(&|it| it.event = EventName::Declared("table:opened".into())),
            with(&|it| it.durability = Durability::Durable),
            with(&|it| it.priority = Priority::Urgent),
            with(&|it| it.expires_at_ms = Some(7)),
            with(&|it| it.fingerprint = Some(7)),
            with(&|it| it.compacts = true),
            with(&|it| it.creates_order = Some(OrderOwner { customer: None })),
            with(&|it| it.attachments = vec![Vec::new()]),
            with(&|it| it.entity = None),
            with(&|it| it.entity = Some("".into())),
            with(&|it| it.entity = Some("43".into())),
            with(&|it| it.audience.read = Some(ReadPermission::ALL[0])),
            with(&|it| it.audience.read = Some(ReadPermission::ALL[1])),
            with(&|it| it.audience.only = ApplicationSet::ALL),
            with(&|it| it.audience.applications = ApplicationSet::ALL),
            with(&|it| it.audience = room(RoomName::Tenant)),
            with(&|it| it.audience = room(RoomName::Order("42"))),
            with(&|it| it.audience = room(RoomName::Order("43"))),
            with(&|it| it.audience = room(RoomName::User("42"))),
            with(&|it| it.audience = room(RoomName::Application(ApplicationType::KitchenApp))),
            with(&|it| it.audience = room(RoomName::Application(ApplicationType::ClientApp))),
            with(&|it| it.audience.rooms = tenant_and_order.clone()),
            // Each has the same letters, parted elsewhere.
            with(&|it| (it.entity, it.audience) = (Some("4".into()), room(RoomName::Order("242")))),
        ]
    }

    #[test]
    fn entries_have_the_same_traits_where_the_same_is_written_and_nowhere_else() {
        let entries = different();
        let rest = |entry: &LogEntry| {
            let (entry, mut rest) = (entry.by_ref(), Vec::new());
            push_rest(&entry, flags(&entry, false), &mut rest);
            rest
        };
        let are_same = |one: &LogEntry, other: &LogEntry| {
            let (mut last, [one, other]) = (LastTraits::default(), [one.by_ref(), other.by_ref()]);
            assert!(!last.are_those_of(&one, flags(&one, false)), "there is no last one");
            last.are_those_of(&other, flags(&other, false))
        };
        for (place, one) in entries.iter().enumerate() {
            assert_eq!(are_same(one, one), Traits::of(&one.by_ref(), 0).is_some());
            for other in &entries[..place] {
                assert_ne!(rest(one), rest(other));
                assert!(!are_same(one, other) && !are_same(other, one));
            }
        }
        assert!(are_same(&plain(1), &LogEntry { message: "7".into(), ..plain(2) }));
    }
}
