//! Who is here: one tenant's connections and the rooms that they are in. Nobody else says whom an audience means.

mod connections;
mod pongs;
mod recipients;
mod rooms;
mod users;

use std::collections::{BTreeMap, BTreeSet};

use crate::connection_slot::ConnectionSlot;
use foodtrack_contract::{ApplicationType, Principal, RoomName, UserId};
use foodtrack_tenant_log::{LoggedAudience, LoggedRoom};
use siphasher::sip::SipHasher13;
use smallvec::SmallVec;

use crate::quota::Rate;
use crate::replay::Replay;

use connections::Connections;
use rooms::{Memberships, Rooms};
pub(crate) use users::User;

pub(crate) use connections::{Connection, NewConnection};
pub(crate) use recipients::Recipients;
pub(crate) use rooms::{Described, Room};

/// One tenant's members. A connection knows its rooms and a room its connections: both change here, together.
#[derive(Debug, Default)]
pub(crate) struct Members {
    connections: Connections,
    rooms: Rooms,
}

impl Members {
    /// Takes a connection in: it is in its tenant's, application's and user's rooms from now on.
    pub(crate) fn enter(&mut self, new: NewConnection) -> ConnectionSlot {
        let now_ms = new.now_ms;
        let (user, application) =
            (new.admission.principal.user().clone(), new.admission.application);
        let slot = self.connections.insert(new);
        let application = application.map(RoomName::Application);
        let names = [Some(RoomName::Tenant), application, Some(RoomName::User(user.as_str()))];
        for name in names.into_iter().flatten() {
            self.join(slot.place(), name, now_ms);
        }
        slot
    }

    /// Lets a connection go: it is in no room any more.
    pub(crate) fn depart(&mut self, place: u32) -> Option<Connection> {
        let mut connection = self.connections.remove(place)?;
        let mut memberships = std::mem::take(&mut connection.memberships);
        while let Some(room) = memberships.last().map(|membership| membership.room()) {
            let connections = &mut self.connections;
            self.rooms.leave(room, &mut memberships, |other| {
                connections.get_mut(other).map(|connection| &mut connection.memberships)
            });
        }
        Some(connection)
    }

    /// Takes a connection into a room, which is made where there is none. Returns whether it is in it only now.
    pub(crate) fn join(&mut self, place: u32, name: RoomName<'_>, now_ms: u64) -> bool {
        let Some(connection) = self.connections.get_mut(place) else { return false };
        let room = self.rooms.open(name, now_ms);
        if Rooms::is_member(&connection.memberships, room) {
            return false;
        }
        self.rooms.join(room, place, &mut connection.memberships);
        true
    }

    /// Takes a connection out of a room. Returns whether it was in it.
    pub(crate) fn leave(&mut self, place: u32, name: RoomName<'_>) -> bool {
        let Some(room) = self.rooms.find(name) else { return false };
        let Some(connection) = self.connections.get_mut(place) else { return false };
        let mut memberships: Memberships = std::mem::take(&mut connection.memberships);
        let connections = &mut self.connections;
        let was_in = self.rooms.leave(room, &mut memberships, |other| {
            connections.get_mut(other).map(|connection| &mut connection.memberships)
        });
        if let Some(connection) = self.connections.get_mut(place) {
            connection.memberships = memberships;
        }
        was_in
    }

    /// Whether a connection is in a room.
    pub(crate) fn is_in(&self, connection: &Connection, name: RoomName<'_>) -> bool {
        let room = self.rooms.find(name);
        room.is_some_and(|room| Rooms::is_member(&connection.memberships, room))
    }

    /// The rooms that a connection is in.
    pub(crate) fn rooms_of<'a>(
        &'a self,
        connection: &'a Connection,
    ) -> impl Iterator<Item = &'a Room> {
        self.rooms.of(&connection.memberships)
    }

    pub(crate) fn get(&self, place: u32) -> Option<&Connection> {
        self.connections.get(place)
    }

    pub(crate) fn get_mut(&mut self, place: u32) -> Option<&mut Connection> {
        self.connections.get_mut(place)
    }

    /// A connection, with its user.
    pub(crate) fn with_user(&mut self, place: u32) -> Option<(&mut Connection, &mut User)> {
        self.connections.with_user(place)
    }

    /// The connection with this id, and its place.
    pub(crate) fn find(&self, id: &str) -> Option<(u32, &Connection)> {
        let place = self.connections.find(id)?;
        Some((place, self.connections.get(place)?))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Connection)> {
        self.connections.iter()
    }

    /// The connections in a room.
    pub(crate) fn in_room(&self, name: RoomName<'_>) -> impl Iterator<Item = (u32, &Connection)> {
        let places = self.rooms.members(name).iter();
        places.filter_map(|place| Some((*place, self.connections.get(*place)?)))
    }

    pub(crate) fn len(&self) -> usize {
        self.connections.len()
    }

    /// A number for each user who is here. A program that knows nothing of this one finds the same for the same user.
    pub(crate) fn user_marks(&self) -> Vec<u64> {
        let mark = |user: &UserId| SipHasher13::new().hash(user.as_str().as_bytes());
        let marks: BTreeSet<u64> =
            self.connections.iter().map(|(_, it)| mark(it.principal.user())).collect();
        marks.into_iter().collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// How many users have a connection.
    pub(crate) fn users(&self) -> usize {
        self.connections.users()
    }

    /// How many connections a user has.
    pub(crate) fn of_user(&self, user: &UserId) -> usize {
        self.connections.of_user(user)
    }

    pub(crate) fn of_application(&self, application: ApplicationType) -> usize {
        self.connections.of_application(application)
    }

    /// Connections of each application that has any.
    pub(crate) fn by_application(&self) -> BTreeMap<ApplicationType, usize> {
        ApplicationType::ALL
            .into_iter()
            .map(|application| (application, self.of_application(application)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    /// Lets go of users who have gone and whose rates are as good as new.
    pub(crate) fn forget_users(&mut self, messages: Rate, bytes: Rate, now_ms: u64) {
        self.connections.forget_users(messages, bytes, now_ms);
    }

    /// Whether somebody is here, or was and has not got back all that they spent of their rates.
    pub(crate) fn has_users(&self) -> bool {
        self.connections.has_users()
    }

    /// A renewed token may allow other things.
    pub(crate) fn renew(&mut self, place: u32, principal: Principal) {
        self.connections.renew(place, principal);
    }

    /// Leaves a connection out of the live fan-out until it has caught up.
    pub(crate) fn set_behind(&mut self, place: u32, replay: Box<Replay>) {
        self.connections.set_behind(place, replay);
    }

    /// The connection has caught up.
    pub(crate) fn set_live(&mut self, place: u32) -> Option<Box<Replay>> {
        self.connections.set_live(place)
    }

    /// Those whom a message to this audience reaches live, unless nobody at all is in its rooms.
    pub(crate) fn recipients(&mut self, audience: &LoggedAudience) -> Option<Recipients<'_>> {
        let rooms = members_of(&self.rooms, audience);
        if rooms.iter().all(|members| members.is_empty()) {
            return None;
        }
        Some(Recipients::new(&mut self.connections, rooms, audience))
    }

    /// As [`Members::recipients`], and the connections at the places `also`, but not at `except`.
    pub(crate) fn recipients_with<'m>(
        &'m mut self,
        audience: &LoggedAudience,
        also: &'m [u32],
        except: &[u32],
    ) -> Recipients<'m> {
        let mut places = members_of(&self.rooms, audience);
        places.push(also);
        Recipients::new(&mut self.connections, places, audience).except(except)
    }

    /// Those who catch up and whom a message to this audience would be for, each once.
    pub(crate) fn behind(&self, audience: &LoggedAudience) -> Vec<ConnectionSlot> {
        let members = members_of(&self.rooms, audience);
        let mut places: Vec<u32> = members.into_iter().flatten().copied().collect();
        places.sort_unstable();
        places.dedup();
        let behind = |place| self.connections.behind(place, audience.only, audience.read);
        places.into_iter().filter_map(behind).collect()
    }

    /// A room that somebody is in or of which something was said.
    pub(crate) fn room(&self, name: RoomName<'_>) -> Option<&Room> {
        self.rooms.find(name).map(|room| self.rooms.get(room))
    }

    /// How many rooms there are.
    pub(crate) fn room_count(&self) -> usize {
        self.rooms.len()
    }

    /// Every room, in no order.
    pub(crate) fn all_rooms(&self) -> impl Iterator<Item = &Room> {
        self.rooms.iter()
    }

    /// How many rooms somebody said something of. Looks at all of them.
    pub(crate) fn described_rooms(&self) -> usize {
        self.rooms.described_rooms()
    }

    /// Changes what is said of a room, which is made where there is none, and goes if nothing is said of it and nobody is
    /// in it. Returns what `look` sees of it after the change.
    pub(crate) fn describe<T>(
        &mut self,
        name: RoomName<'_>,
        now_ms: u64,
        change: impl FnOnce(&mut Described),
        look: impl FnOnce(&Room) -> T,
    ) -> T {
        let room = self.rooms.open(name, now_ms);
        self.rooms.describe(room, change);
        let seen = look(self.rooms.get(room));
        self.rooms.close_if_unused(room);
        seen
    }
}

/// The members of each room that an audience names.
fn members_of<'r>(rooms: &'r Rooms, audience: &LoggedAudience) -> SmallVec<[&'r [u32]; 8]> {
    let applications = audience.applications.iter().map(RoomName::Application);
    let named = audience.rooms.iter().map(LoggedRoom::name);
    applications.chain(named).map(|name| rooms.members(name)).collect()
}

#[cfg(test)]
mod tests {
    use foodtrack_contract::{ApplicationSet, PermissionSet, ReadPermission};
    use foodtrack_wire::{NamespaceId, Sid};

    use super::*;
    use crate::connection_slot::Generation;
    use crate::reliability::{Reliability, subscriber_key};
    use crate::samples::admission;

    fn enter(members: &mut Members, user: &str, application: ApplicationType) -> u32 {
        let n = u32::try_from(members.len()).unwrap();
        let admission = admission(user, application, PermissionSet::NONE);
        let key = subscriber_key(admission.principal.user(), Some(application), None).unwrap();
        let slot = members.enter(NewConnection {
            generation: Generation::new(n, NamespaceId::ROOT),
            id: Sid::parse(&format!("{n:0>20}")).unwrap(),
            admission,
            sender: 0,
            subscriber: Reliability::default().enter(key, Some(application)),
            user_agent: None,
            now_ms: 0,
            began_hours: 0,
        });
        slot.place()
    }

    fn audience(applications: &[ApplicationType], rooms: &[RoomName<'_>]) -> LoggedAudience {
        LoggedAudience {
            applications: ApplicationSet::of(applications),
            rooms: rooms.iter().copied().map(LoggedRoom::from).collect(),
            only: ApplicationSet::ALL,
            read: None,
        }
    }

    fn reached(recipients: Recipients<'_>) -> Vec<u32> {
        let mut places = Vec::new();
        recipients.send(|place, _| {
            places.push(place);
            true
        });
        places.sort_unstable();
        places
    }

    const KITCHEN: ApplicationType = ApplicationType::KitchenApp;
    const CUSTOMERS: ApplicationType = ApplicationType::ClientApp;

    #[test]
    fn a_message_reaches_each_of_its_audience_once_and_nobody_else() {
        let mut members = Members::default();
        let (chef, ada) =
            (enter(&mut members, "chef", KITCHEN), enter(&mut members, "ada", CUSTOMERS));
        let bob = enter(&mut members, "bob", CUSTOMERS);
        let order = RoomName::Order("42");
        assert!(members.join(chef, order, 0) && members.join(ada, order, 0));
        assert!(!members.join(ada, order, 0), "it is there already");
        let all = audience(&[KITCHEN], &[order, RoomName::User("ada")]);
        assert_eq!(reached(members.recipients(&all).unwrap()), [chef, ada]);
        let kitchen = ApplicationSet::of(&[KITCHEN]);
        assert_eq!(reached(members.recipients(&all).unwrap().only(kitchen)), [chef]);
        let only = LoggedAudience { only: ApplicationSet::of(&[CUSTOMERS]), ..all.clone() };
        assert_eq!(reached(members.recipients(&only).unwrap()), [ada]);
        let readers = LoggedAudience { read: Some(ReadPermission::Orders), ..all.clone() };
        assert_eq!(reached(members.recipients(&readers).unwrap()), [0; 0]);
        assert_eq!(reached(members.recipients_with(&all, &[bob, ada], &[chef])), [ada, bob]);
        assert!(members.recipients(&audience(&[], &[RoomName::Order("43")])).is_none());
    }

    #[test]
    fn who_has_gone_is_in_no_room_and_those_who_stay_still_are() {
        let mut members = Members::default();
        let order = RoomName::Order("42");
        let places: Vec<u32> =
            (0..5).map(|n| enter(&mut members, &n.to_string(), KITCHEN)).collect();
        for place in &places {
            members.join(*place, order, 0);
        }
        members.depart(places[0]);
        assert!(members.leave(places[2], order) && !members.leave(places[2], order));
        let all = audience(&[], &[order]);
        assert_eq!(reached(members.recipients(&all).unwrap()), [places[1], places[3], places[4]]);
        for place in [1, 3, 4] {
            members.depart(places[place]);
        }
        assert!(members.room(order).is_none() && members.room(RoomName::User("0")).is_none());
        assert_eq!((members.len(), members.room_count()), (1, 3));
    }

    #[test]
    fn a_room_of_which_something_is_said_stays_without_members_and_no_other_does() {
        let mut members = Members::default();
        let order = RoomName::Order("42");
        let grant = |described: &mut Described| _ = described.grants.insert("ada".into());
        assert!(members.describe(order, 7, grant, |room| room.is_granted("ada")));
        assert_eq!((members.room_count(), members.described_rooms()), (1, 1));
        let place = enter(&mut members, "ada", CUSTOMERS);
        members.join(place, order, 0);
        members.depart(place);
        assert!(members.room(order).is_some_and(|room| room.created_ms == 7));
        members.describe(order, 0, |described| described.grants.clear(), |_| ());
        assert_eq!((members.room_count(), members.described_rooms()), (0, 0));
    }
}
