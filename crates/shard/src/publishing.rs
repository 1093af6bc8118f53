//! A tenant's events: checked, routed, encoded once and handed to everyone they are for.

use foodtrack_contract::{
    ApplicationType, DeliveryClass, Entities, ErrorCode, EventName, EventType, Incoming, Message,
    PermissionSet, Priority, Refusal, Room, RoomName, Source, UserRole, read_envelope,
};
use foodtrack_router::{About, Audience, Sender, read_permission};
use foodtrack_transport::{FrameId, FrameMeta, Urgency};
use foodtrack_wire::socket_io;
use uuid::Uuid;

use crate::model::{Accepted, Broadcast, Recipients};
use crate::tenant::{Tenant, Turn};

/// Who publishes: a connection, or a back end over HTTP.
#[derive(Clone, Copy)]
pub(crate) struct Publisher<'a> {
    pub(crate) user: &'a str,
    pub(crate) role: UserRole,
    pub(crate) source: Source,
    pub(crate) permissions: PermissionSet,
}

/// What makes a frame of an accepted event.
struct Outgoing<'a> {
    event: &'a EventName,
    message: Message<'a>,
    attachments: &'a [Vec<u8>],
    meta: FrameMeta,
}

impl Tenant {
    /// Accepts an event and delivers it, or says why not. `argument` is the event's first argument as raw JSON.
    pub(crate) fn publish(
        &mut self,
        turn: &mut Turn<'_>,
        publisher: Publisher<'_>,
        name: &str,
        argument: &str,
        attachments: &[Vec<u8>],
    ) -> Result<Accepted, Refusal> {
        let event = turn.policies.schemas.resolve(&self.id, name)?;
        let incoming = read_envelope(name, argument)?;
        self.check_claims(&incoming, &publisher).map_err(|refusal| refusal.of_event(name))?;
        let source = incoming.source.unwrap_or(publisher.source);
        let sender = Sender { source, permissions: publisher.permissions };
        turn.policies.router.authorize(&self.id, &event, sender)?;
        check_attachments(&incoming, attachments).map_err(|refusal| refusal.of_event(name))?;
        let entities = turn.policies.schemas.validate(&self.id, &event, incoming.payload)?;
        self.check_order(&event, &publisher, &entities)
            .map_err(|refusal| refusal.of_event(name))?;
        if let Some(id) = incoming.id
            && self.recent.contains(&id)
        {
            turn.counters.duplicates.add(1);
            return Ok(Accepted { id });
        }
        let id = incoming.id.unwrap_or_else(Uuid::now_v7);
        self.note_order(&event, &publisher, &entities);
        self.deliver(turn, id, &event, source, &incoming, &entities, attachments);
        // Only a sender's own id can come twice.
        if incoming.id.is_some() {
            self.recent.insert(id);
        }
        turn.counters.events_accepted.add(1);
        Ok(Accepted { id })
    }

    /// What a client may not decide: its tenant, and a source beyond its own.
    fn check_claims(
        &self,
        incoming: &Incoming<'_>,
        publisher: &Publisher<'_>,
    ) -> Result<(), Refusal> {
        if incoming.tenant.as_deref().is_some_and(|tenant| tenant != self.id.as_str()) {
            let message = "the message names another tenant than the token's";
            return Err(Refusal::new(ErrorCode::TenantMismatch, message).at("/tenantId", "const"));
        }
        let foreign = |source: Source| source != publisher.source;
        if publisher.role != UserRole::System && incoming.source.is_some_and(foreign) {
            let message = format!("the message must come from {}, its sender", publisher.source);
            return Err(Refusal::new(ErrorCode::SourceForbidden, message).at("/source", "const"));
        }
        if incoming.encrypted {
            let message = "payload encryption is off on this server: send the payload in clear";
            return Err(
                Refusal::new(ErrorCode::MessageMalformed, message).at("/encrypted", "const")
            );
        }
        Ok(())
    }

    /// A customer may only touch orders of their own, and name nobody else as customer.
    fn check_order(
        &self,
        event: &EventName,
        publisher: &Publisher<'_>,
        entities: &Entities<'_>,
    ) -> Result<(), Refusal> {
        let Source::Application(ApplicationType::ClientApp) = publisher.source else {
            return Ok(());
        };
        let refuse = |message: &'static str, pointer: &'static str| {
            Err(Refusal::new(ErrorCode::OrderForbidden, message).at(pointer, "const"))
        };
        if entities.customer_id.as_deref().is_some_and(|customer| customer != publisher.user) {
            return refuse("a customer may name only themselves as customer", "/customerId");
        }
        let Some(order) = entities.order_id.as_deref() else { return Ok(()) };
        let own = self.orders.customer(order) == Some(publisher.user);
        let creates = *event == EventName::Builtin(EventType::OrderCreated);
        if own || (creates && !self.orders.knows(order)) {
            return Ok(());
        }
        refuse("the order is not one of this customer's", "/orderId")
    }

    /// The first accepted `order:created` says whose the order is; a customer who names nobody means themselves.
    fn note_order(
        &mut self,
        event: &EventName,
        publisher: &Publisher<'_>,
        entities: &Entities<'_>,
    ) {
        if *event != EventName::Builtin(EventType::OrderCreated) {
            return;
        }
        let by_customer = publisher.source == Source::Application(ApplicationType::ClientApp);
        let customer =
            entities.customer_id.as_deref().or_else(|| by_customer.then_some(publisher.user));
        if let Some(order) = entities.order_id.as_deref() {
            self.orders.created(order, customer);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one accepted message")]
    fn deliver(
        &mut self,
        turn: &mut Turn<'_>,
        id: Uuid,
        event: &EventName,
        source: Source,
        incoming: &Incoming<'_>,
        entities: &Entities<'_>,
        attachments: &[Vec<u8>],
    ) {
        let class = turn.policies.schemas.delivery_class(&self.id, event);
        let order = entities.order_id.as_deref();
        let about = About {
            order,
            customer: order.and_then(|order| self.orders.customer(order)),
            station: entities.station_id.as_deref(),
            route: entities.route_id.as_deref(),
            assignee: entities.assignee_id.as_deref(),
        };
        let audience =
            turn.policies.router.audience(&self.id, event, source, incoming.target, &about);
        let members = Self::members(&self.rooms, &audience);
        if members.iter().all(|members| members.is_empty()) {
            return;
        }
        let tenant = self.id.clone();
        let timestamp = turn.clock.text().to_owned();
        let outgoing = Outgoing {
            event,
            message: Message {
                id,
                event: event.as_str(),
                tenant: &tenant,
                timestamp: &timestamp,
                source,
                target: incoming.target,
                payload: incoming.payload,
                priority: incoming.priority,
                retry_count: 0,
                encrypted: false,
            },
            attachments,
            meta: frame_meta(incoming.priority, class, order),
        };
        let frame = outgoing.encode(turn);
        let mut delivered = 0;
        self.connections.begin_message();
        for members in members {
            for place in members {
                if let Some(client) =
                    self.connections.take_turn(*place, audience.only, audience.read)
                {
                    delivered += usize::from(turn.io.send(client, frame));
                }
            }
        }
        self.turn_deliveries += delivered;
        turn.counters.deliveries.add(delivered as u64);
    }

    /// The members of everything an audience names.
    fn members<'r>(
        rooms: &'r crate::rooms::Rooms,
        audience: &Audience<'_>,
    ) -> smallvec::SmallVec<[&'r [u32]; 8]> {
        let applications = audience.applications.iter().map(RoomName::Application);
        applications.chain(audience.rooms.iter().copied()).map(|name| rooms.members(name)).collect()
    }

    /// An event of the server's own, to recipients it names.
    pub(crate) fn broadcast(
        &mut self,
        turn: &mut Turn<'_>,
        broadcast: &Broadcast,
    ) -> Result<Accepted, Refusal> {
        let event = match EventType::from_wire(&broadcast.event) {
            Some(event) => EventName::Builtin(event),
            None => turn.policies.schemas.resolve(&self.id, &broadcast.event)?,
        };
        let system = matches!(&event, EventName::Builtin(it)
            if it.group() == foodtrack_contract::EventGroup::System);
        if system {
            serde_json::from_str::<&serde_json::value::RawValue>(&broadcast.payload).map_err(
                |_| {
                    Refusal::new(ErrorCode::MessageMalformed, "the payload is no JSON")
                        .of_event(event.as_str())
                },
            )?;
        } else {
            turn.policies.schemas.validate(&self.id, &event, &broadcast.payload)?;
        }
        let places = self.recipients(&broadcast.to)?;
        let class = turn.policies.schemas.delivery_class(&self.id, &event);
        let (id, tenant) = (Uuid::now_v7(), self.id.clone());
        let timestamp = turn.clock.text().to_owned();
        let outgoing = Outgoing {
            event: &event,
            message: Message {
                id,
                event: event.as_str(),
                tenant: &tenant,
                timestamp: &timestamp,
                source: Source::System,
                target: None,
                payload: &broadcast.payload,
                priority: broadcast.priority,
                retry_count: 0,
                encrypted: false,
            },
            attachments: &[],
            meta: frame_meta(broadcast.priority, class, None),
        };
        let frame = outgoing.encode(turn);
        self.connections.begin_message();
        for place in self.excepted(&broadcast.except) {
            self.connections.skip(place);
        }
        let read = read_permission(&event);
        let mut delivered = 0;
        for place in places {
            let only = foodtrack_contract::ApplicationSet::ALL;
            if let Some(client) = self.connections.take_turn(place, only, read) {
                delivered += usize::from(turn.io.send(client, frame));
            }
        }
        self.turn_deliveries += delivered;
        turn.counters.deliveries.add(delivered as u64);
        turn.counters.events_accepted.add(1);
        Ok(Accepted { id })
    }

    /// The places of the connections that a broadcast leaves out.
    fn excepted(&self, except: &[String]) -> Vec<u32> {
        if except.is_empty() {
            return Vec::new();
        }
        let is_excepted = |id: &str| except.iter().any(|except| except == id);
        let found = self.connections.iter().filter(|(_, it)| is_excepted(it.id.as_str()));
        found.map(|(place, _)| place).collect()
    }

    fn recipients(&self, to: &Recipients) -> Result<Vec<u32>, Refusal> {
        let mut places = Vec::new();
        if to.everyone {
            places.extend_from_slice(self.rooms.members(RoomName::Tenant));
        }
        for application in to.applications.iter() {
            places.extend_from_slice(self.rooms.members(RoomName::Application(application)));
        }
        for name in &to.rooms {
            let room = Room::parse(name)
                .map_err(|error| Refusal::new(ErrorCode::RoomMalformed, error.to_string()))?;
            if *room.tenant() != self.id {
                let message = "the room is another tenant's";
                return Err(Refusal::new(ErrorCode::TenantMismatch, message));
            }
            places.extend_from_slice(self.rooms.members(room.name()));
        }
        for user in &to.users {
            places.extend_from_slice(self.rooms.members(RoomName::User(user)));
        }
        if !to.connections.is_empty() {
            let named = |id: &str| to.connections.iter().any(|connection| connection == id);
            let found = self.connections.iter().filter(|(_, it)| named(it.id.as_str()));
            places.extend(found.map(|(place, _)| place));
        }
        Ok(places)
    }
}

impl Outgoing<'_> {
    /// Encodes the event once, whoever gets it.
    fn encode(&self, turn: &mut Turn<'_>) -> FrameId {
        let write = |out: &mut Vec<u8>| {
            match self.attachments.len() {
                0 => out.push(b'2'),
                attachments => {
                    out.push(b'5');
                    out.extend_from_slice(attachments.to_string().as_bytes());
                    out.push(b'-');
                }
            }
            out.push(b'[');
            match self.event {
                // Made of letters, ':' and '_'.
                EventName::Builtin(event) => {
                    out.push(b'"');
                    out.extend_from_slice(event.as_str().as_bytes());
                    out.push(b'"');
                }
                EventName::Declared(name) => socket_io::write_json_string(out, name),
            }
            out.push(b',');
            self.message.write_json(out);
            out.push(b']');
        };
        turn.io.frame(self.meta, write, self.attachments)
    }
}

/// Binary must be part of the payload: elsewhere in the message it would be lost on the way.
fn check_attachments(incoming: &Incoming<'_>, attachments: &[Vec<u8>]) -> Result<(), Refusal> {
    if attachments.is_empty() {
        return Ok(());
    }
    let placeholders = incoming.payload.matches("\"_placeholder\"").count();
    if placeholders == attachments.len() {
        return Ok(());
    }
    let message = "binary may stand in the payload of the event's first argument alone";
    Err(Refusal::new(ErrorCode::MessageMalformed, message).at("/payload", "binary"))
}

fn frame_meta(priority: Priority, class: DeliveryClass, order: Option<&str>) -> FrameMeta {
    let urgency = match priority {
        Priority::Low => Urgency::Low,
        Priority::Medium => Urgency::Medium,
        Priority::High => Urgency::High,
        Priority::Urgent => Urgency::Urgent,
    };
    let droppable = match class {
        DeliveryClass::Volatile => true,
        DeliveryClass::Recoverable => priority == Priority::Low,
        DeliveryClass::Durable => false,
    };
    FrameMeta { urgency, entity: order.map_or(0, entity), droppable, ..FrameMeta::default() }
}

/// What tells one order's frames from another's in a queue; equal hashes only keep an order that need not be kept.
fn entity(order: &str) -> u64 {
    use std::hash::{BuildHasher, Hasher};
    let mut hasher = ahash::RandomState::with_seeds(4, 0, 0, 1).build_hasher();
    hasher.write(order.as_bytes());
    hasher.finish().max(1)
}
