//! One tenant's rooms: dense member lists, found by name without allocating.

use std::collections::BTreeSet;
use std::sync::Arc;

use ahash::AHashMap;
use foodtrack_contract::{ApplicationType, RoomName};
use serde::{Deserialize, Serialize};
use slab::Slab;
use smallvec::SmallVec;

use crate::model::RoomMetadata;

/// A room by its place; means nothing outside its tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RoomKey(u32);

/// Where a connection stands in a room: its place among the members, so that leaving costs the same in any room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Membership {
    room: RoomKey,
    place: u32,
}

/// The rooms a connection is in: its tenant's, its application's and its user's from the start.
pub(super) type Memberships = SmallVec<[Membership; 3]>;

#[derive(Debug)]
pub(crate) struct Room {
    /// The identifier in the name; empty for the tenant's own room.
    id: Arc<str>,
    kind: Kind,
    /// Places of connections among the tenant's.
    members: Vec<u32>,
    pub(crate) created_ms: u64,
    described: Option<Box<Described>>,
}

/// What a back end said of a room; it keeps the room when its last member leaves.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Described {
    pub(crate) metadata: RoomMetadata,
    pub(crate) grants: BTreeSet<Box<str>>,
}

impl Described {
    fn is_nothing(&self) -> bool {
        self.grants.is_empty() && self.metadata == RoomMetadata::default()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Tenant,
    Application(ApplicationType),
    Order,
    KitchenStation,
    DeliveryRoute,
    User,
}

impl Room {
    pub(crate) fn name(&self) -> RoomName<'_> {
        match self.kind {
            Kind::Tenant => RoomName::Tenant,
            Kind::Application(application) => RoomName::Application(application),
            Kind::Order => RoomName::Order(&self.id),
            Kind::KitchenStation => RoomName::KitchenStation(&self.id),
            Kind::DeliveryRoute => RoomName::DeliveryRoute(&self.id),
            Kind::User => RoomName::User(&self.id),
        }
    }

    /// How many connections are in it.
    pub(crate) fn members(&self) -> usize {
        self.members.len()
    }

    /// What a back end said of it, if anything.
    pub(crate) fn described(&self) -> Option<&Described> {
        self.described.as_deref()
    }

    pub(crate) fn is_granted(&self, user: &str) -> bool {
        self.described.as_ref().is_some_and(|described| described.grants.contains(user))
    }

    pub(crate) fn is_private(&self) -> bool {
        self.described.as_ref().is_some_and(|described| described.metadata.is_private)
    }

    pub(crate) fn is_full(&self) -> bool {
        let limit = self.described.as_ref().and_then(|described| described.metadata.max_members);
        limit.is_some_and(|limit| self.members.len() >= limit as usize)
    }
}

const fn kind(name: RoomName<'_>) -> Kind {
    match name {
        RoomName::Tenant => Kind::Tenant,
        RoomName::Application(application) => Kind::Application(application),
        RoomName::Order(_) => Kind::Order,
        RoomName::KitchenStation(_) => Kind::KitchenStation,
        RoomName::DeliveryRoute(_) => Kind::DeliveryRoute,
        RoomName::User(_) => Kind::User,
    }
}

type ByName = AHashMap<Arc<str>, RoomKey>;

/// All rooms of one tenant.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    rooms: Slab<Room>,
    tenant: Option<RoomKey>,
    applications: [Option<RoomKey>; 4],
    orders: ByName,
    stations: ByName,
    routes: ByName,
    users: ByName,
}

impl Rooms {
    pub(super) fn find(&self, name: RoomName<'_>) -> Option<RoomKey> {
        match name {
            RoomName::Tenant => self.tenant,
            RoomName::Application(application) => self.applications[application as usize],
            RoomName::Order(id) => self.orders.get(id).copied(),
            RoomName::KitchenStation(id) => self.stations.get(id).copied(),
            RoomName::DeliveryRoute(id) => self.routes.get(id).copied(),
            RoomName::User(id) => self.users.get(id).copied(),
        }
    }

    pub(super) fn get(&self, room: RoomKey) -> &Room {
        &self.rooms[room.0 as usize]
    }

    /// The members of a room, by their places among the tenant's connections.
    pub(super) fn members(&self, name: RoomName<'_>) -> &[u32] {
        self.find(name).map_or(&[], |room| &self.get(room).members)
    }

    /// Every room, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Room> {
        self.rooms.iter().map(|(_, room)| room)
    }

    /// How many rooms somebody said something of. Looks at all of them.
    pub(super) fn described_rooms(&self) -> usize {
        self.rooms.iter().filter(|(_, room)| room.described.is_some()).count()
    }

    /// Finds the room or makes it.
    pub(super) fn open(&mut self, name: RoomName<'_>, now_ms: u64) -> RoomKey {
        if let Some(room) = self.find(name) {
            return room;
        }
        let id: Arc<str> = match name {
            // The place in the array is the name.
            RoomName::Application(_) => Arc::from(""),
            name => name.id().into(),
        };
        let room = Room {
            id: Arc::clone(&id),
            kind: kind(name),
            members: Vec::new(),
            created_ms: now_ms,
            described: None,
        };
        let room = RoomKey(u32::try_from(self.rooms.insert(room)).unwrap_or(u32::MAX));
        match name {
            RoomName::Tenant => self.tenant = Some(room),
            RoomName::Application(application) => {
                self.applications[application as usize] = Some(room);
            }
            RoomName::Order(_) => _ = self.orders.insert(id, room),
            RoomName::KitchenStation(_) => _ = self.stations.insert(id, room),
            RoomName::DeliveryRoute(_) => _ = self.routes.insert(id, room),
            RoomName::User(_) => _ = self.users.insert(id, room),
        }
        room
    }

    /// Changes what is said of a room.
    pub(super) fn describe(&mut self, room: RoomKey, change: impl FnOnce(&mut Described)) {
        let described = &mut self.rooms[room.0 as usize].described;
        change(described.get_or_insert_default());
        described.take_if(|described| described.is_nothing());
    }

    /// Whether a connection with these memberships is in the room.
    pub(super) fn is_member(memberships: &Memberships, room: RoomKey) -> bool {
        memberships.iter().any(|membership| membership.room == room)
    }

    /// The rooms of these memberships.
    pub(super) fn of<'a>(&'a self, memberships: &'a Memberships) -> impl Iterator<Item = &'a Room> {
        memberships.iter().map(|membership| self.get(membership.room))
    }

    /// Takes a connection in. The caller has checked that it is not in the room yet.
    pub(super) fn join(&mut self, room: RoomKey, connection: u32, memberships: &mut Memberships) {
        let members = &mut self.rooms[room.0 as usize].members;
        let place = u32::try_from(members.len()).unwrap_or(u32::MAX);
        members.push(connection);
        memberships.push(Membership { room, place });
    }

    /// Takes a connection out. `memberships_of` finds the member that takes its place. Returns whether it was in.
    pub(super) fn leave<'c>(
        &mut self,
        room: RoomKey,
        memberships: &mut Memberships,
        memberships_of: impl FnOnce(u32) -> Option<&'c mut Memberships>,
    ) -> bool {
        let Some(at) = memberships.iter().position(|membership| membership.room == room) else {
            return false;
        };
        let Membership { place, .. } = memberships.swap_remove(at);
        let members = &mut self.rooms[room.0 as usize].members;
        members.swap_remove(place as usize);
        if let Some(moved) = members.get(place as usize).copied()
            && let Some(memberships) = memberships_of(moved)
            && let Some(membership) = memberships.iter_mut().find(|other| other.room == room)
        {
            membership.place = place;
        }
        if members.len() * 4 < members.capacity() && members.capacity() > 16 {
            members.shrink_to(members.len() * 2);
        }
        self.close_if_unused(room);
        true
    }

    /// Forgets a room with no members of which nothing was said.
    pub(super) fn close_if_unused(&mut self, room: RoomKey) {
        let state = &self.rooms[room.0 as usize];
        if !state.members.is_empty() || state.described.is_some() {
            return;
        }
        let state = self.rooms.remove(room.0 as usize);
        match state.kind {
            Kind::Tenant => self.tenant = None,
            Kind::Application(application) => self.applications[application as usize] = None,
            Kind::Order => _ = self.orders.remove(&state.id),
            Kind::KitchenStation => _ = self.stations.remove(&state.id),
            Kind::DeliveryRoute => _ = self.routes.remove(&state.id),
            Kind::User => _ = self.users.remove(&state.id),
        }
    }

    /// How many rooms there are.
    pub(super) fn len(&self) -> usize {
        self.rooms.len()
    }
}

impl Membership {
    pub(super) fn room(self) -> RoomKey {
        self.room
    }
}
