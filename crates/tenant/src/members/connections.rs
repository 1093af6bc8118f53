//! One tenant's connections: who they are, and what the fan-out loop needs of them.

use std::sync::Arc;

use crate::connection_slot::{ConnectionSlot, Generation};
use ahash::AHashMap;
use foodtrack_contract::{
    ApplicationSet, ApplicationType, DeviceId, PermissionSet, Principal, ReadPermission, RoomName,
    Source, UserId, UserRole,
};
use foodtrack_router::Viewer;
use foodtrack_wire::Sid;
use slab::Slab;

use crate::admission::{Admission, ClientAbout, EXPIRED_GRACE_S};
use crate::dialect::Dialect;
use crate::quota::{Bucket, Rate};
use crate::reliability::SubscriberId;
use crate::replay::Replay;
use crate::view::View;

use super::pongs::Pongs;
use super::rooms::Memberships;
use super::users::{User, UserPlace, Users};

/// How often a connection is told, without being asked, that it is over its rate.
const OVER_RATE_TELL_MS: u64 = 1_000;

/// A connection of the tenant.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) slot: ConnectionSlot,
    /// The Socket.IO id: public, as opposed to the transport session's.
    pub(crate) id: Sid,
    pub(crate) principal: Principal,
    /// Its user among the tenant's.
    user: UserPlace,
    pub(crate) application: Option<ApplicationType>,
    pub(crate) dialect: Dialect,
    pub(crate) source: Source,
    pub(crate) device: Option<DeviceId>,
    /// As [`crate::intake::EmissionKey::sender`] says who sends what it sends.
    pub(crate) sender: u64,
    pub(crate) subscriber: SubscriberId,
    pub(crate) pongs: Pongs,
    /// Events it was sent that ask for an acknowledgement, less those it sent.
    asked: u32,
    /// What it has yet to get of what it missed; `None` when it is live.
    pub(crate) replay: Option<Box<Replay>>,
    /// Its token has expired, and it may stay until then all the same: seconds since the Unix epoch.
    pub(crate) grace_until_s: u64,
    pub(crate) about: ClientAbout,
    /// Interned: thousands of tablets send the same one.
    pub(crate) user_agent: Option<Arc<str>>,
    pub(crate) connected_ms: u64,
    /// When its session began, which may have been another connection's: in hours since the Unix epoch.
    pub(crate) began_hours: u32,
    pub(super) memberships: Memberships,
    pub(crate) messages: Bucket,
    pub(crate) bytes: Bucket,
    /// When it was last told that it is over its rate, on the shard's clock.
    told_ms: u64,
}

/// A client that comes in.
pub(crate) struct NewConnection {
    /// Tells it from others that were in its place.
    pub(crate) generation: Generation,
    /// The Socket.IO id.
    pub(crate) id: Sid,
    pub(crate) admission: Admission,
    /// As [`crate::intake::EmissionKey::sender`] says who sends what it sends.
    pub(crate) sender: u64,
    pub(crate) subscriber: SubscriberId,
    pub(crate) user_agent: Option<Arc<str>>,
    /// The wall clock.
    pub(crate) now_ms: u64,
    /// When its session began.
    pub(crate) began_hours: u32,
}

/// What the fan-out loop touches of a connection.
#[derive(Clone, Copy, Debug)]
struct FanoutSlot {
    /// Of the connection in this place.
    generation: Generation,
    /// The number of the last message that reached it: who is in two rooms of an audience gets it once.
    message_no: u32,
    permissions: PermissionSet,
    application: ApplicationSet,
    /// One that catches up gets what is published from the log.
    is_live: bool,
    dialect: Dialect,
    role: UserRole,
}

// A room of a thousand stays in cache.
const _: () = assert!(size_of::<Option<FanoutSlot>>() <= 16);

/// A tenant's connections by their places.
#[derive(Debug, Default)]
pub(super) struct Connections {
    slots: Slab<Connection>,
    fanout: Vec<Option<FanoutSlot>>,
    /// The number of the message under way; it wraps.
    message_no: u32,
    applications: [u32; 4],
    /// Of them, those that are not spoken to as the contract has it.
    translated: u32,
    users: Users,
    by_id: AHashMap<Sid, u32>,
}

impl FanoutSlot {
    #[inline]
    fn is_meant(&self, only: ApplicationSet, read: Option<ReadPermission>) -> bool {
        // A backend service has no application: a target leaves it out.
        let targeted =
            only == ApplicationSet::ALL || !only.intersection(self.application).is_empty();
        targeted && read.is_none_or(|read| read.is_held_by(self.permissions, self.application))
    }
}

impl Connection {
    /// Notes that it is sent an event that asks for an acknowledgement.
    pub(crate) fn note_asked(&mut self) {
        self.asked = self.asked.saturating_add(1);
    }

    /// Takes an acknowledgement of it into account. Returns whether one was still to come.
    pub(crate) fn take_asked(&mut self) -> bool {
        let was_asked = self.asked > 0;
        self.asked = self.asked.saturating_sub(1);
        was_asked
    }

    /// Whether it is told now, without having asked, that it is over its rate: once in a while.
    pub(crate) fn take_over_rate_notice(&mut self, now_ms: u64) -> bool {
        let tell = now_ms.saturating_sub(self.told_ms) >= OVER_RATE_TELL_MS;
        if tell {
            self.told_ms = now_ms;
        }
        tell
    }

    /// How an event looks to it.
    pub(crate) fn view(&self) -> View {
        let viewer = Viewer::connection(self.application, self.principal.role());
        View { dialect: self.dialect, viewer }
    }

    /// When its token, or the time that it may stay without one, ends: seconds since the Unix epoch.
    pub(crate) fn token_ends_s(&self) -> u64 {
        self.principal.expires_at_s().max(self.grace_until_s)
    }

    /// Whether it has come back with a token that had just ended, and was asked for a fresh one.
    pub(crate) fn is_in_grace(&self) -> bool {
        self.grace_until_s > 0
    }

    /// Whether it is in a room without having asked.
    pub(crate) fn is_in_from_the_start(&self, name: RoomName<'_>) -> bool {
        match name {
            RoomName::Tenant => true,
            RoomName::Application(application) => self.application == Some(application),
            RoomName::User(user) => self.principal.user().as_str() == user,
            _ => false,
        }
    }
}

impl Connections {
    /// Whether somebody is here who is not spoken to as the contract has it.
    pub(super) fn has_translated(&self) -> bool {
        self.translated > 0
    }

    /// How an event looks to the connection at this place.
    pub(super) fn view(&self, place: u32) -> Option<View> {
        let slot = self.fanout.get(place as usize).and_then(Option::as_ref)?;
        let viewer = Viewer::Person { applications: slot.application, role: slot.role };
        Some(View { dialect: slot.dialect, viewer })
    }

    /// The place of the connection with this id.
    pub(super) fn find(&self, id: &str) -> Option<u32> {
        self.by_id.get(&Sid::parse(id)?).copied()
    }

    /// Leaves a connection out of the live fan-out until it has caught up.
    pub(super) fn set_behind(&mut self, place: u32, replay: Box<Replay>) {
        if let (Some(connection), Some(Some(entry))) =
            (self.slots.get_mut(place as usize), self.fanout.get_mut(place as usize))
        {
            connection.replay = Some(replay);
            entry.is_live = false;
        }
    }

    /// The connection has caught up.
    pub(super) fn set_live(&mut self, place: u32) -> Option<Box<Replay>> {
        let connection = self.slots.get_mut(place as usize)?;
        self.fanout.get_mut(place as usize)?.as_mut()?.is_live = true;
        connection.replay.take()
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn of_application(&self, application: ApplicationType) -> usize {
        self.applications[application as usize] as usize
    }

    /// How many users have a connection.
    pub(super) fn users(&self) -> usize {
        self.users.here()
    }

    pub(super) fn of_user(&self, user: &UserId) -> usize {
        self.users.connections_of(user)
    }

    pub(super) fn get(&self, place: u32) -> Option<&Connection> {
        self.slots.get(place as usize)
    }

    pub(super) fn get_mut(&mut self, place: u32) -> Option<&mut Connection> {
        self.slots.get_mut(place as usize)
    }

    /// Whether somebody is here, or their rates are remembered.
    pub(super) fn has_users(&self) -> bool {
        !self.users.is_empty()
    }

    pub(super) fn forget_users(&mut self, messages: Rate, bytes: Rate, now_ms: u64) {
        self.users.forget(messages, bytes, now_ms);
    }

    /// A connection, with its user.
    pub(super) fn with_user(&mut self, place: u32) -> Option<(&mut Connection, &mut User)> {
        let connection = self.slots.get_mut(place as usize)?;
        let user = self.users.get_mut(connection.user)?;
        Some((connection, user))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Connection)> {
        self.slots.iter().map(|(place, connection)| (key(place), connection))
    }

    pub(super) fn insert(&mut self, new: NewConnection) -> ConnectionSlot {
        let NewConnection {
            generation,
            id,
            admission,
            sender,
            subscriber,
            user_agent,
            now_ms,
            began_hours,
        } = new;
        let source = admission.source();
        let grace_until_s = match admission.is_expired {
            true => now_ms / 1_000 + EXPIRED_GRACE_S,
            false => 0,
        };
        let Admission { principal, application, dialect, device, about, .. } = admission;
        let (permissions, role) = (principal.permissions(), principal.role());
        let user = self.users.enter(principal.user());
        let vacant = self.slots.vacant_entry();
        let place = vacant.key();
        let slot = ConnectionSlot::new(key(place), generation);
        vacant.insert(Connection {
            slot,
            id,
            principal,
            user,
            application,
            dialect,
            source,
            device,
            sender,
            subscriber,
            pongs: Pongs::default(),
            asked: 0,
            replay: None,
            grace_until_s,
            about,
            user_agent,
            connected_ms: now_ms,
            began_hours,
            memberships: Memberships::new(),
            messages: Bucket::default(),
            bytes: Bucket::default(),
            told_ms: 0,
        });
        self.add_to_fanout(slot, permissions, role, application, dialect);
        self.translated += u32::from(dialect.is_profile());
        self.by_id.insert(id, slot.place());
        if let Some(application) = application {
            self.applications[application as usize] += 1;
        }
        slot
    }

    /// Makes known to the fan-out who is in a slot.
    fn add_to_fanout(
        &mut self,
        slot: ConnectionSlot,
        permissions: PermissionSet,
        role: UserRole,
        application: Option<ApplicationType>,
        dialect: Dialect,
    ) {
        let place = slot.place() as usize;
        if self.fanout.len() <= place {
            self.fanout.resize(place + 1, None);
        }
        self.fanout[place] = Some(FanoutSlot {
            generation: slot.generation(),
            message_no: self.message_no,
            permissions,
            application: application.map_or(ApplicationSet::EMPTY, |it| ApplicationSet::of(&[it])),
            is_live: true,
            dialect,
            role,
        });
    }

    pub(super) fn remove(&mut self, place: u32) -> Option<Connection> {
        let connection = self.slots.try_remove(place as usize)?;
        self.fanout[place as usize] = None;
        if self.by_id.get(&connection.id) == Some(&place) {
            self.by_id.remove(&connection.id);
        }
        if let Some(application) = connection.application {
            self.applications[application as usize] -= 1;
        }
        self.translated -= u32::from(connection.dialect.is_profile());
        self.users.leave(connection.user);
        Some(connection)
    }

    /// A renewed token may allow other things.
    pub(super) fn renew(&mut self, place: u32, principal: Principal) {
        if let (Some(connection), Some(Some(entry))) =
            (self.slots.get_mut(place as usize), self.fanout.get_mut(place as usize))
        {
            entry.permissions = principal.permissions();
            entry.role = principal.role();
            connection.principal = principal;
            connection.grace_until_s = 0;
        }
    }

    /// The client at this place, if it catches up and a message to this audience would be for it.
    pub(super) fn behind(
        &self,
        place: u32,
        only: ApplicationSet,
        read: Option<ReadPermission>,
    ) -> Option<ConnectionSlot> {
        let entry = self.fanout.get(place as usize)?.as_ref()?;
        (!entry.is_live && entry.is_meant(only, read))
            .then_some(ConnectionSlot::new(place, entry.generation))
    }

    /// Starts a message's way to its audience.
    pub(super) fn begin_message(&mut self) {
        self.message_no = self.message_no.wrapping_add(1);
    }

    /// Leaves a connection out of the message under way.
    pub(super) fn skip(&mut self, place: u32) {
        if let Some(Some(entry)) = self.fanout.get_mut(place as usize) {
            entry.message_no = self.message_no;
        }
    }

    /// The client at this place, if the message under way is for it and has not reached it yet.
    #[inline]
    pub(super) fn take_turn(
        &mut self,
        place: u32,
        only: ApplicationSet,
        read: Option<ReadPermission>,
    ) -> Option<ConnectionSlot> {
        let entry = self.fanout.get_mut(place as usize)?.as_mut()?;
        if entry.message_no == self.message_no {
            return None;
        }
        entry.message_no = self.message_no;
        (entry.is_meant(only, read) && entry.is_live)
            .then_some(ConnectionSlot::new(place, entry.generation))
    }
}

fn key(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}
