//! The control events of the contract: rooms, ping, health, and a fresh token.

use std::sync::Arc;

use crate::connection_slot::ConnectionSlot;
use foodtrack_contract::{
    ApplicationType, ErrorCode, Permission, Refusal, RoomName, UserRole, is_identifier,
};
use serde_json::Value;

use crate::effects::Effects;
use crate::hook::{Hook, HookQuestion};
use crate::intake::{Question, Stopped, Whose};
use crate::members::{Connection, Room};
use crate::sessions::RoomReply;
use crate::tenant::Tenant;
use crate::turn::Turn;

/// A control event, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ControlEvent {
    Subscribe(Topic),
    Unsubscribe(Topic),
    Ping,
    HealthCheck,
    Authenticate,
    PayloadKey,
}

/// What can be subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    Order,
    Kitchen,
    Tenant,
    Customer,
    Route,
}

impl ControlEvent {
    pub(crate) fn from_wire(name: &str) -> Option<Self> {
        // Nearly every event is none: decide by the first letters.
        if let Some(topic) = name.strip_prefix("subscribe:") {
            return Topic::from_wire(topic).map(Self::Subscribe);
        }
        match name {
            "ping" => Some(Self::Ping),
            "health_check" => Some(Self::HealthCheck),
            "authenticate" => Some(Self::Authenticate),
            "payload_key" => Some(Self::PayloadKey),
            _ => {
                name.strip_prefix("unsubscribe:").and_then(Topic::from_wire).map(Self::Unsubscribe)
            }
        }
    }
}

impl Topic {
    fn from_wire(name: &str) -> Option<Self> {
        match name {
            "order" => Some(Self::Order),
            "kitchen" => Some(Self::Kitchen),
            "tenant" => Some(Self::Tenant),
            "customer" => Some(Self::Customer),
            "route" => Some(Self::Route),
            _ => None,
        }
    }

    /// The field that names the id where the argument is an object.
    const fn field(self) -> &'static str {
        match self {
            Self::Order => "orderId",
            Self::Kitchen => "stationId",
            Self::Tenant => "tenantId",
            Self::Customer => "customerId",
            Self::Route => "routeId",
        }
    }
}

impl Tenant {
    /// Joins or leaves the room of a topic and answers: the event, and the acknowledgement where one was asked for.
    pub(crate) fn control_room(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        place: u32,
        (topic, joins): (Topic, bool),
        argument: &str,
        ack_id: Option<u64>,
    ) -> Result<(), Stopped> {
        let id = room_id(topic, argument)?;
        if joins && topic == Topic::Order {
            self.find_owner_to_join(turn, place, &id)?;
        }
        let tenant = self.id.clone();
        let name = match topic {
            Topic::Order => RoomName::Order(&id),
            Topic::Kitchen if id == tenant.as_str() => {
                RoomName::Application(ApplicationType::KitchenApp)
            }
            Topic::Kitchen => RoomName::KitchenStation(&id),
            Topic::Tenant if id == tenant.as_str() => RoomName::Tenant,
            Topic::Tenant => {
                let message = "a connection belongs to its token's tenant alone";
                return Err(Refusal::new(ErrorCode::TenantMismatch, message).into());
            }
            Topic::Customer => RoomName::User(&id),
            Topic::Route => RoomName::DeliveryRoute(&id),
        };
        let joins_now = joins && self.join_room(turn, place, name)?;
        let room = name.of(&tenant).to_string();
        let kind = name.room_type();
        let answer = serde_json::json!({ "room": room, "type": kind }).to_string();
        let event = if joins { "subscribed" } else { "unsubscribed" };
        let Some((to, sid)) = self.members.get(place).map(|it| (it.slot, it.id)) else {
            return Ok(());
        };
        // What it is told is so again when its session comes back, whatever happens.
        let is_own = self.is_always_in(place, name);
        let is_kept = || self.sessions.is_kept(&sid, &name.into());
        let must_keep = !is_own && (!joins || joins_now || !is_kept());
        let reply = RoomReply { to, sid, event, answer, ack_id };
        let reply = match (must_keep, joins) {
            (true, true) => self.keep_joined(turn, place, name.into(), reply)?,
            (true, false) => self.leave_room(turn, place, name.into(), reply)?,
            (false, _) => Some(reply),
        };
        if let Some(reply) = reply {
            self.answer_control(turn, &reply);
        }
        Ok(())
    }

    /// Answers a control event: by the event of its own, and the acknowledgement where one was asked for.
    pub(crate) fn answer_control(&self, turn: &mut Turn<'_, impl Effects>, reply: &RoomReply) {
        if self.present(reply.to).is_none() {
            return;
        }
        let client = reply.to;
        // No application of the profile listens to it, and one of their pages asks without end.
        if !self.dialect_of(client).is_profile() {
            self.emit(turn, client, reply.event, &reply.answer);
        }
        if let Some(id) = reply.ack_id {
            Self::acknowledge_success(turn, client, id, &reply.answer);
        }
    }

    /// Returns whether it is in the room only now.
    fn join_room(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        place: u32,
        name: RoomName<'_>,
    ) -> Result<bool, Stopped> {
        let Some(connection) = self.members.get(place) else { return Ok(false) };
        if self.members.is_in(connection, name) {
            return Ok(false);
        }
        self.may_join(connection, name, &[])?;
        if self.members.rooms_of(connection).count() >= turn.limits.rooms_per_connection_max {
            let message = format!(
                "a connection may be in {} rooms at once",
                turn.limits.rooms_per_connection_max
            );
            return Err(Refusal::new(ErrorCode::RoomsTooMany, message).into());
        }
        if self.members.room(name).is_some_and(Room::is_full) {
            let message = "the room has as many members as it may have";
            return Err(Refusal::new(ErrorCode::RoomFull, message).into());
        }
        self.check_room(turn, name)?;
        self.ask_to_join(turn, connection, name)?;
        Ok(self.members.join(place, name, turn.now.wall_ms))
    }

    /// Asks the back end about a join that policy allows, where it has a say.
    fn ask_to_join(
        &self,
        turn: &mut Turn<'_, impl Effects>,
        connection: &Connection,
        name: RoomName<'_>,
    ) -> Result<(), Stopped> {
        if !turn.effects.asks_to_join() {
            return Ok(());
        }
        let Some(question) = Self::question_to_join(connection, name) else {
            return Ok(());
        };
        if self.lookups.is_permitted(&question) {
            return Ok(());
        }
        match turn.effects.permit(&question) {
            Some(permit) => Ok(permit?),
            None => Err(Stopped::Asks(Question::Permit(question))),
        }
    }

    fn question_to_join(connection: &Connection, name: RoomName<'_>) -> Option<Arc<HookQuestion>> {
        let Connection { principal, application, device, .. } = connection;
        let hook = Hook::Join(name.into());
        HookQuestion::new(hook, principal, *application, device.as_ref()).map(Arc::new)
    }

    /// Sees to it that the book knows whose an order is, where that decides whether a connection may follow it.
    fn find_owner_to_join(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        place: u32,
        order: &str,
    ) -> Result<(), Stopped> {
        let Some(connection) = self.members.get(place) else { return Ok(()) };
        let is_client = connection.application == Some(ApplicationType::ClientApp);
        let room = self.members.room(RoomName::Order(order));
        let user = connection.principal.user().as_str();
        if !is_client || room.is_some_and(|room| room.is_granted(user)) {
            return Ok(());
        }
        self.find_owner(turn, order)
    }

    /// Whether a connection may be in a room: by its role and permissions, as the order's customer, or by a grant. `owns`
    /// names orders of its user's that may not be in memory.
    pub(crate) fn may_join(
        &self,
        connection: &Connection,
        name: RoomName<'_>,
        owns: &[Box<str>],
    ) -> Result<(), Refusal> {
        let principal = &connection.principal;
        let (user, permissions) = (principal.user().as_str(), principal.permissions());
        let room = self.members.room(name);
        if room.is_some_and(|room| room.is_granted(user))
            || permissions.allows(Permission::AdminAccess)
        {
            return Ok(());
        }
        let refuse = |message: &'static str| Err(Refusal::new(ErrorCode::RoomForbidden, message));
        if room.is_some_and(Room::is_private) {
            return refuse("the room is private: joining it takes a grant");
        }
        let is_client = connection.application == Some(ApplicationType::ClientApp);
        let needs = |permission: Permission| {
            if permissions.allows(permission) {
                return Ok(());
            }
            let message = format!("joining the room takes {}", permission.as_str());
            Err(Refusal::new(ErrorCode::PermissionDenied, message))
        };
        match name {
            RoomName::Tenant => Ok(()),
            RoomName::Order(order) if is_client => match self.intake.whose(order) {
                Whose::Customers(customer) if customer == user => needs(Permission::ReadOrders),
                Whose::Unknown if owns.iter().any(|own| **own == *order) => {
                    needs(Permission::ReadOrders)
                }
                Whose::Unknown => Err(self.log_unknown()),
                _ => refuse("a customer may follow only orders of their own"),
            },
            RoomName::Order(_) => needs(Permission::ReadOrders),
            _ if is_client && name != RoomName::User(user) => {
                refuse("a customer may join only rooms of their own orders and of themselves")
            }
            RoomName::KitchenStation(_) | RoomName::Application(_) => {
                needs(Permission::ReadKitchen)
            }
            RoomName::DeliveryRoute(_) => needs(Permission::ReadDelivery),
            RoomName::User(other) if other == user => Ok(()),
            RoomName::User(_) => match (connection.application, principal.role()) {
                (Some(ApplicationType::TenantDashboard), _) | (_, UserRole::System) => {
                    needs(Permission::ReadOrders)
                }
                _ => refuse("only the dashboard may follow another user"),
            },
        }
    }

    /// Whether it is a room that the connection cannot leave: its tenant's, its application's or its own user's.
    fn is_always_in(&self, place: u32, name: RoomName<'_>) -> bool {
        self.members.get(place).is_some_and(|connection| connection.is_in_from_the_start(name))
    }

    /// A control answer: an event whose argument is the answer itself, not a message.
    pub(crate) fn emit(
        &self,
        turn: &mut Turn<'_, impl Effects>,
        client: ConnectionSlot,
        event: &str,
        answer: &str,
    ) {
        let suffix = self.cursor_suffix_for(client);
        turn.effects.emit(client, event, &suffix, |out| out.extend_from_slice(answer.as_bytes()));
    }

    /// Answers `ping`.
    pub(crate) fn pong(
        &self,
        turn: &mut Turn<'_, impl Effects>,
        client: ConnectionSlot,
        ack_id: Option<u64>,
    ) {
        let answer = format!("{{\"timestamp\":\"{}\"}}", turn.now.text);
        self.emit(turn, client, "pong", &answer);
        if let Some(id) = ack_id {
            Self::acknowledge_success(turn, client, id, &answer);
        }
    }

    /// Answers `health_check` with what concerns the caller and its tenant alone.
    pub(crate) fn health(
        &self,
        turn: &mut Turn<'_, impl Effects>,
        place: u32,
        ack_id: Option<u64>,
    ) {
        let Some(connection) = self.members.get(place) else { return };
        // While the log is away, nobody can tell what it has for the caller.
        let is_up_to_date = self.ledger.is_open() && connection.replay.is_none();
        // Nothing here looks at every connection: clients may ask often.
        let answer = serde_json::json!({
            "status": "healthy",
            "timestamp": turn.now.text,
            "upToDate": is_up_to_date,
            "connections": {
                "total": self.members.len(),
                "users": self.members.users(),
                "byApplication": self.members.by_application(),
            },
            "rooms": self.members.room_count(),
        });
        match ack_id {
            Some(id) => Self::acknowledge_success(turn, connection.slot, id, &answer.to_string()),
            None => self.emit(turn, connection.slot, "health_check", &answer.to_string()),
        }
    }

    /// Answers with success an event that asked for an acknowledgement; `data` is JSON.
    pub(crate) fn acknowledge_success(
        turn: &mut Turn<'_, impl Effects>,
        client: ConnectionSlot,
        id: u64,
        data: &str,
    ) {
        turn.effects.acknowledge(client, id, |out| {
            out.extend_from_slice(b"{\"success\":true,\"data\":");
            out.extend_from_slice(data.as_bytes());
            out.push(b'}');
        });
    }
}

/// The room's id: the argument itself, or the field of it that names it.
pub(crate) fn room_id(topic: Topic, argument: &str) -> Result<String, Refusal> {
    let malformed = || {
        let field = topic.field();
        let message = format!("name the room by its id as a string, or by an object with {field}");
        Refusal::new(ErrorCode::RoomMalformed, message)
    };
    let id = match serde_json::from_str(argument).map_err(|_| malformed())? {
        Value::String(id) => id,
        Value::Object(mut object) => match object.remove(topic.field()) {
            Some(Value::String(id)) => id,
            _ => return Err(malformed()),
        },
        _ => return Err(malformed()),
    };
    if is_identifier(&id) { Ok(id) } else { Err(malformed()) }
}

#[cfg(test)]
mod tests {
    use super::ControlEvent;

    #[test]
    fn every_control_event_that_a_refusal_may_name_is_one() {
        for name in foodtrack_contract::CONTROL_EVENTS {
            assert!(ControlEvent::from_wire(name).is_some(), "{name}");
        }
    }
}
