//! Events of the server's own, to recipients it names itself: past the rules, but not past the schemas.

use foodtrack_contract::{
    ApplicationSet, Entities, ErrorCode, EventGroup, EventName, EventType, Priority, Refusal, Room,
    RoomName,
};
use foodtrack_router::read_permission;
use foodtrack_tenant_log::{LoggedAudience, LoggedRoom};
use uuid::Uuid;

use crate::appending::{Checked, unlogged};
use crate::delivery::send_to_each;
use crate::effects::Effects;
use crate::intake::tells_a_cancel;
use crate::model::{Broadcast, DirectEvent, Recipients, Sent};
use crate::reply_to::ReplyTo;
use crate::tenant::Tenant;
use crate::turn::Turn;

/// When to try again to send to a connection that catches up, in milliseconds.
const CATCHES_UP_MS: u64 = 250;

impl Tenant {
    /// An event of the server's own, to recipients it names. One that names rooms, applications or users is logged like
    /// any other of its class; one that names or leaves out single connections is for those who are here.
    pub(crate) fn broadcast(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        broadcast: &Broadcast,
        reply: ReplyTo,
    ) {
        let id = turn.effects.new_message_id();
        self.broadcast_as(turn, id, broadcast, reply);
    }

    /// As [`Tenant::broadcast`], with the id of the message.
    pub(crate) fn broadcast_as(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        id: Uuid,
        broadcast: &Broadcast,
        reply: ReplyTo,
    ) {
        let checked = match self.check_broadcast(turn, id, broadcast) {
            Ok(checked) => checked,
            Err(refusal) => return self.answer(turn, reply, Err(refusal)),
        };
        if broadcast.to.connections.is_empty() && broadcast.except.is_empty() {
            return self.take(turn, &checked, reply);
        }
        let connections = self.places_of(&broadcast.to.connections);
        let excepted = self.places_of(&broadcast.except);
        let suffix = self.cursor_suffix();
        let frame = checked.frame(checked.meta(suffix.place()), &suffix);
        let recipients = self.members.recipients_with(&checked.audience, &connections, &excepted);
        let redactions = turn.policies.redactions.of(&self.id, &checked.event);
        let delivered = send_to_each(turn, recipients, &frame, redactions);
        self.count_deliveries(turn, &checked.event, checked.policy.class, delivered);
        self.tally.accept();
        turn.counters.accepted(&checked.event, checked.policy.class);
        self.answer(turn, reply, Ok(unlogged(checked.id)));
    }

    /// Tells the clients that are here how their node is.
    pub(crate) fn announce(&mut self, turn: &mut Turn<'_, impl Effects>, payload: &str) {
        let broadcast = Broadcast {
            event: EventType::SystemHeartbeat.as_str().into(),
            payload: payload.into(),
            priority: Priority::High,
            to: Recipients { everyone: true, ..Recipients::default() },
            except: Vec::new(),
        };
        let id = turn.effects.new_message_id();
        // It names no room and no user, and its payload is the server's own.
        let Ok(checked) = self.check_broadcast(turn, id, &broadcast) else { return };
        let suffix = self.cursor_suffix();
        let frame = checked.frame(checked.meta(suffix.place()), &suffix);
        self.fan_out(turn, &frame, checked.policy.class, &checked.audience);
        // Those that catch up are in no fan-out.
        let behind = self.members.iter().filter(|(_, it)| it.replay.is_some());
        let behind: Vec<_> = behind.map(|(_, it)| it.slot).collect();
        for client in behind {
            self.tell(turn, client, EventType::SystemHeartbeat, payload);
        }
    }

    /// An event of a back end's to one connection, past the rules: whom it is for is said. It must be one that a back end may send, and
    /// that the connection's token may read.
    ///
    /// # Errors
    /// The refusal that says what is wrong with the event or the connection. Nothing was sent.
    pub(crate) fn send_direct(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        direct: DirectEvent,
    ) -> Result<Sent, Refusal> {
        self.spend_back_end_message(turn)?;
        let DirectEvent { connection, event, payload, priority } = direct;
        if EventType::from_wire(&event).is_some_and(|it| it.group() == EventGroup::System) {
            let code = ErrorCode::EventReserved;
            return Err(Refusal::new(code, code.about()).of_event(&event));
        }
        let to = Recipients { connections: vec![connection], ..Recipients::default() };
        let broadcast = Broadcast { event, payload, priority, to, except: Vec::new() };
        let id = turn.effects.new_message_id();
        let checked = self.check_broadcast(turn, id, &broadcast)?;
        let places = [self.place_for(&broadcast.to.connections[0], &checked)?];
        let suffix = self.cursor_suffix();
        let frame = checked.frame(checked.meta(suffix.place()), &suffix);
        let recipients = self.members.recipients_with(&checked.audience, &places, &[]);
        let redactions = turn.policies.redactions.of(&self.id, &checked.event);
        let delivered = send_to_each(turn, recipients, &frame, redactions);
        self.note_unsayable(turn, &checked.event, None);
        self.count_deliveries(turn, &checked.event, checked.policy.class, delivered);
        self.tally.accept();
        turn.counters.accepted(&checked.event, checked.policy.class);
        Ok(Sent { id: checked.id, delivered: delivered > 0 })
    }

    /// The place of the connection of this id, if it can be sent this now.
    fn place_for(&self, connection: &str, checked: &Checked<'_>) -> Result<u32, Refusal> {
        let Some((place, connection)) = self.members.find(connection) else {
            let sentence = "the tenant has no connection of this id";
            return Err(Refusal::new(ErrorCode::NotFound, sentence));
        };
        let applications =
            connection.application.map_or(ApplicationSet::EMPTY, |it| ApplicationSet::of(&[it]));
        let permissions = connection.principal.permissions();
        if checked.audience.read.is_some_and(|read| !read.is_held_by(permissions, applications)) {
            let sentence = "the connection's token does not allow to read events of this type";
            let refusal = Refusal::new(ErrorCode::PermissionDenied, sentence);
            return Err(refusal.of_event(checked.event.as_str()));
        }
        if connection.replay.is_some() {
            let sentence = "the connection catches up with what it missed: try again in a moment";
            return Err(Refusal::new(ErrorCode::Overloaded, sentence).retry_after_ms(CATCHES_UP_MS));
        }
        Ok(place)
    }

    fn check_broadcast<'b>(
        &self,
        turn: &mut Turn<'_, impl Effects>,
        id: Uuid,
        broadcast: &'b Broadcast,
    ) -> Result<Checked<'b>, Refusal> {
        let policies = turn.policies;
        let event = match EventType::from_wire(&broadcast.event) {
            Some(event) => EventName::Builtin(event),
            None => policies.schemas.resolve(&self.id, &broadcast.event)?,
        };
        let system = matches!(&event, EventName::Builtin(it)
            if it.group() == EventGroup::System);
        let entities = if system {
            serde_json::from_str::<&serde_json::value::RawValue>(&broadcast.payload).map_err(
                |_| {
                    Refusal::new(ErrorCode::MessageMalformed, "the payload is no JSON")
                        .of_event(event.as_str())
                },
            )?;
            policies.schemas.check_depth(&event, &broadcast.payload)?;
            Entities::default()
        } else {
            policies.schemas.validate(&self.id, &event, &broadcast.payload)?
        };
        let assigns = entities.assigns(&event);
        let order = entities.order_id;
        let audience = self.named_audience(&broadcast.to, &event)?;
        let Broadcast { event: name, payload, priority, .. } = broadcast;
        let message = self.own_message(turn.now, id, name, payload, *priority);
        let policy = policies.delivery.of(&policies.schemas, &self.id, &event);
        Ok(Checked {
            id,
            is_named: false,
            compacts: policy.compacts && !tells_a_cancel(&broadcast.payload),
            policy,
            priority: broadcast.priority,
            audience,
            entity_hash: turn.emission_key.order(order.as_deref()),
            entity: order,
            creates_order: None,
            assigns: entities.assignee_id.filter(|_| assigns),
            said_before: None,
            emission: None,
            message: message.to_json(),
            fact: None,
            attachments: &[],
            event,
        })
    }

    /// The places of the connections with these ids.
    fn places_of(&self, ids: &[String]) -> Vec<u32> {
        ids.iter().filter_map(|id| Some(self.members.find(id)?.0)).collect()
    }

    fn named_audience(
        &self,
        to: &Recipients,
        event: &EventName,
    ) -> Result<LoggedAudience, Refusal> {
        let mut rooms: Vec<LoggedRoom> = Vec::new();
        if to.everyone {
            rooms.push(RoomName::Tenant.into());
        }
        for name in &to.rooms {
            let room = Room::parse(name)
                .map_err(|error| Refusal::new(ErrorCode::RoomMalformed, error.to_string()))?;
            if *room.tenant() != self.id {
                let message = "the room is another tenant's";
                return Err(Refusal::new(ErrorCode::TenantMismatch, message));
            }
            rooms.push(room.name().into());
        }
        rooms.extend(to.users.iter().map(|user| LoggedRoom::from(RoomName::User(user))));
        Ok(LoggedAudience {
            applications: to.applications,
            rooms,
            only: ApplicationSet::ALL,
            read: read_permission(event),
        })
    }
}
