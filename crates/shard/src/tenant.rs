//! One tenant's actor: what it owns. Holding a tenant gives no way to name another's connections.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ahash::AHashMap;
use foodtrack_contract::{
    ApplicationType, DeviceId, ErrorCode, EventType, Message, Principal, Priority, Refusal,
    RoomName, Source, TenantId,
};
use foodtrack_session::NamespaceId;
use foodtrack_tenant_log::{HEAD_ORDERS_MAX, Head, LoggedRoom, RecentIds};
use foodtrack_transport::{ClientKey, CloseReason, FrameMeta, Reactor};
use foodtrack_wire::socket_io::{self, Packet, PacketType};
use smallvec::SmallVec;
use uuid::Uuid;

use crate::acknowledgements::Acknowledgements;
use crate::catch_up::Start;
use crate::clock::rfc3339;
use crate::connections::{Connection, Connections};
use crate::entrance::Entrance;
use crate::handshake::Admission;
use crate::model::{
    ConnectionCounts, ConnectionFilter, ConnectionInfo, DisconnectTarget, Page, page_limit,
};
use crate::open_log::{LogState, OpenLog};
use crate::order_book::OrderBook;
use crate::owner_lookups::OwnerLookups;
use crate::quota::Bucket;
use crate::repeats::Repeats;
use crate::rooms::Rooms;
use crate::shard_config::TenantLimits;
use crate::shared_rate::SharedBucket;
use crate::stamp::Stamp;
use crate::subscribers::{Subscribers, subscriber_key};
use crate::tag::Tag;
use crate::turn::Turn;
use crate::watchdog::Watchdog;

/// One in so many of a tenant's connections is for others than customers, of whom anybody can be one.
const STAFF_SHARE: usize = 10;
/// One tenant on its home shard.
pub(crate) struct Tenant {
    pub(crate) id: TenantId,
    pub(crate) connections: Connections,
    pub(crate) rooms: Rooms,
    pub(crate) orders: OrderBook,
    pub(crate) lookups: OwnerLookups,
    pub(crate) log: LogState,
    pub(crate) subscribers: Subscribers,
    pub(crate) acknowledgements: Acknowledgements,
    pub(crate) watchdog: Watchdog,
    /// Ids of messages that are in no log.
    pub(crate) recent: RecentIds<()>,
    pub(crate) repeats: Repeats,
    /// Memory for the rooms of the next event's audience.
    pub(crate) spare_rooms: Vec<LoggedRoom>,
    pub(crate) messages: SharedBucket,
    /// Time for the checks of its own schemas, in microseconds.
    pub(crate) check_budget: SharedBucket,
    /// Sessions that begin.
    pub(crate) entrances: Bucket,
    /// Deliveries of this turn of the shard, so that a busy tenant's turn is bounded.
    pub(crate) turn_deliveries: usize,
    pub(crate) turn: u64,
    /// The message at work, for who looks into a panic.
    pub(crate) at_work: Option<Uuid>,
    /// Event types of which a line was written that they cannot be sent to everybody.
    pub(crate) told_unsayable: BTreeSet<Box<str>>,
}

impl Tenant {
    pub(crate) fn new(id: TenantId) -> Self {
        Self {
            id,
            connections: Connections::default(),
            rooms: Rooms::default(),
            orders: OrderBook::default(),
            lookups: OwnerLookups::default(),
            log: LogState::default(),
            subscribers: Subscribers::default(),
            acknowledgements: Acknowledgements::default(),
            watchdog: Watchdog::default(),
            recent: RecentIds::default(),
            repeats: Repeats::default(),
            spare_rooms: Vec::new(),
            messages: SharedBucket::default(),
            check_budget: SharedBucket::default(),
            entrances: Bucket::default(),
            turn_deliveries: 0,
            turn: 0,
            at_work: None,
            told_unsayable: BTreeSet::new(),
        }
    }

    /// Whether a client may come in besides those that are here.
    pub(crate) fn check_room_for(
        &self,
        admission: &Admission,
        limits: &TenantLimits,
    ) -> Result<(), Refusal> {
        let principal = &admission.principal;
        let over = |limit: usize, count: usize| limit != 0 && count >= limit;
        // Not the members of the user's room: the dashboard may follow a customer.
        let of_user = self.connections.of_user(principal.user());
        let is_customer = admission.application == Some(ApplicationType::ClientApp);
        let customers = self.connections.of_application(ApplicationType::ClientApp);
        let of_customers = limits.connections_max - limits.connections_max / STAFF_SHARE;
        let what = if over(limits.connections_max, self.connections.len()) {
            "tenant"
        } else if is_customer && over(of_customers, customers) {
            "customers' part of the tenant"
        } else if over(limits.connections_per_user_max, of_user) {
            "user"
        } else {
            return Ok(());
        };
        let message = format!("the {what} has as many connections as it may have");
        Err(Refusal::new(ErrorCode::TooManyConnections, message).retry_after_ms(5_000))
    }

    /// Takes a client in: it is in its tenant's, application's and user's rooms from now on, and in those of its session
    /// that it still may be in. Returns its place.
    pub(crate) fn enter(
        &mut self,
        turn: &mut Turn<'_>,
        client: ClientKey,
        entrance: &Entrance,
        mut admission: Admission,
        user_agent: Option<Arc<str>>,
    ) -> u32 {
        let owns = admission.owns.take().unwrap_or_default();
        let now_ms = turn.clock.wall_ms();
        let (user, application) = (admission.principal.user().clone(), admission.application);
        let key = subscriber_key(&user, application, admission.device.as_ref());
        // Names have bounds that make the key fit.
        let key = key.unwrap_or_else(|| unreachable!("a user's and a device's names fit a key"));
        let subscriber = self.subscribers.enter(key, application);
        let device = admission.device.as_ref().map(DeviceId::as_str);
        let sender = turn.emission_key.sender(user.as_str(), device, admission.source());
        let place = self.connections.insert(
            client,
            entrance.sid,
            admission,
            sender,
            subscriber,
            user_agent,
            now_ms,
            entrance.began_hours,
        );
        let application = application.map(RoomName::Application);
        let names = [Some(RoomName::Tenant), application, Some(RoomName::User(user.as_str()))];
        let own: SmallVec<[RoomName<'_>; 3]> = names.into_iter().flatten().collect();
        // Permissions are as they are, though the rooms are as they were.
        let allowed: Vec<&LoggedRoom> = match self.connections.get(place) {
            Some(connection) => {
                let may =
                    |room: &&LoggedRoom| self.may_join(connection, room.name(), &owns).is_ok();
                entrance.rooms.iter().filter(may).collect()
            }
            None => Vec::new(),
        };
        for name in own.into_iter().chain(allowed.into_iter().map(LoggedRoom::name)) {
            let room = self.rooms.open(name, now_ms);
            if let Some(connection) = self.connections.get_mut(place)
                && !Rooms::is_member(&connection.memberships, room)
            {
                self.rooms.join(room, place, &mut connection.memberships);
            }
        }
        place
    }

    /// Takes up what the store had of the tenant.
    pub(crate) fn opened(&mut self, turn: &mut Turn<'_>, mut head: Head) {
        let orders = std::mem::take(&mut head.orders);
        let is_all = orders.len() < HEAD_ORDERS_MAX;
        self.orders.opened(orders, is_all, turn.limits.orders_in_memory_max);
        let emissions = std::mem::take(&mut head.emissions);
        self.repeats.restore(turn.emission_key, emissions, turn.clock.steady_ms());
        let notes = std::mem::take(&mut head.notes);
        let newest: Vec<_> = std::mem::take(&mut head.tail).into_iter().map(Arc::new).collect();
        let mut log = OpenLog::new(head);
        log.restore_sessions(&notes);
        log.restore_redeliveries(&notes);
        self.log = LogState::Open(Box::new(log));
        self.restore_rooms(&notes, turn.clock.wall_ms());
        self.watch_again(turn, &newest, &notes);
        // Those who came while the log was away get what they missed before.
        let places: Vec<u32> = self.connections.iter().map(|(place, _)| place).collect();
        for place in places {
            self.start_catch_up(turn, place, Start::Confirmed);
            self.go_on(turn, place);
        }
    }

    /// Greets a client that came in.
    pub(crate) fn greet(&mut self, turn: &mut Turn<'_>, place: u32, is_recovered: bool) {
        let Some(connection) = self.connections.get(place) else { return };
        let payload = serde_json::json!({
            "connectionId": connection.id.as_str(),
            "tenantId": self.id.as_str(),
            "userId": connection.principal.user().as_str(),
            "role": connection.principal.role(),
            "application": connection.application,
            "connectedAt": rfc3339(connection.connected_ms),
            "recovered": is_recovered,
        });
        self.tell(
            turn,
            connection.client,
            EventType::SystemConnectionEstablished,
            &payload.to_string(),
        );
    }

    /// Lets go of users who have gone and whose rates are as good as new.
    pub(crate) fn forget_users(&mut self, turn: &Turn<'_>) {
        let (messages, bytes) = (turn.limits.messages_per_user, turn.limits.bytes_per_user);
        self.connections.users.forget(messages, bytes, turn.io.now_ms());
    }

    /// Lets a client go: it is in no room any more.
    pub(crate) fn depart(&mut self, place: u32) -> Option<Connection> {
        let mut connection = self.connections.remove(place)?;
        self.lookups.detach(place);
        self.subscribers.leave(connection.subscriber);
        let mut memberships = std::mem::take(&mut connection.memberships);
        while let Some(room) = memberships.last().map(|membership| membership.room()) {
            let connections = &mut self.connections;
            self.rooms.leave(room, &mut memberships, |other| {
                connections.get_mut(other).map(|connection| &mut connection.memberships)
            });
        }
        Some(connection)
    }

    /// Sends an event of the server's own to one client.
    pub(crate) fn tell(
        &self,
        turn: &mut Turn<'_>,
        client: ClientKey,
        event: EventType,
        payload: &str,
    ) {
        let stamp = self.stamp_for(turn, client);
        let meta = FrameMeta { place: stamp.place(), ..FrameMeta::default() };
        let timestamp = turn.clock.text();
        let message = Message {
            id: Uuid::now_v7(),
            event: event.as_str(),
            tenant: &self.id,
            timestamp,
            source: Source::System,
            target: None,
            payload,
            priority: Priority::High,
            retry_count: 0,
            encrypted: false,
        };
        let write = |out: &mut Vec<u8>| {
            out.extend_from_slice(b"2[\"");
            out.extend_from_slice(event.as_str().as_bytes());
            out.extend_from_slice(b"\",");
            message.write_json(out);
            stamp.write(out);
            out.push(b']');
        };
        turn.io.send_packet(client, meta, write, &[]);
    }

    /// What ends an event to this client.
    pub(crate) fn stamp_for(&self, turn: &Turn<'_>, client: ClientKey) -> Stamp {
        let place = Tag::of(turn.io, client).map(|tag| tag.place);
        let connection = place.and_then(|place| self.connections.get(place));
        match connection.and_then(|connection| connection.catch_up.as_ref()) {
            Some(catch_up) => catch_up.cursor().map_or(Stamp::None, Stamp::of),
            None => self.stamp(),
        }
    }

    /// Answers an event that asked for an acknowledgement.
    pub(crate) fn acknowledge(
        turn: &mut Turn<'_>,
        client: ClientKey,
        id: u64,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let packet = Packet {
            kind: PacketType::Ack,
            attachments: 0,
            namespace: "/",
            id: Some(id),
            data: None,
        };
        let write = |out: &mut Vec<u8>| {
            socket_io::write_packet(out, &packet);
            out.push(b'[');
            write(out);
            out.push(b']');
        };
        turn.io.send_packet(client, FrameMeta::default(), write, &[]);
    }

    /// Tells a client that something it sent was refused: in its acknowledgement, or as `system:error`.
    pub(crate) fn refuse(
        &self,
        turn: &mut Turn<'_>,
        client: ClientKey,
        ack_id: Option<u64>,
        refusal: &Refusal,
    ) {
        turn.counters.events_refused.add(1);
        turn.counters.refusals.add(refusal.code());
        self.say_refused(turn, client, ack_id, refusal);
    }

    /// As [`Tenant::refuse`], of something that was counted already.
    pub(crate) fn say_refused(
        &self,
        turn: &mut Turn<'_>,
        client: ClientKey,
        ack_id: Option<u64>,
        refusal: &Refusal,
    ) {
        match refusal.code() {
            ErrorCode::TenantMismatch => turn.counters.tenant_mismatches.add(1),
            ErrorCode::RateLimited | ErrorCode::TenantRateLimited => {
                turn.counters.rate_limited.add(1);
            }
            _ => {}
        }
        match ack_id {
            Some(id) => Self::acknowledge(turn, client, id, |out| {
                out.extend_from_slice(b"{\"success\":false,\"error\":");
                out.extend_from_slice(refusal.to_json().as_bytes());
                out.push(b'}');
            }),
            None => self.tell(turn, client, EventType::SystemError, &refusal.to_json()),
        }
    }

    pub(crate) fn counts(&self, io: &Reactor) -> ConnectionCounts {
        ConnectionCounts {
            total: self.connections.len(),
            users: self.connections.users(),
            tenants: usize::from(!self.connections.is_empty()),
            by_application: self.by_application(),
            polling: self.connections.iter().filter(|(_, it)| io.is_polling(it.client)).count(),
        }
    }

    /// Connections of each application that has any.
    pub(crate) fn by_application(&self) -> BTreeMap<ApplicationType, usize> {
        ApplicationType::ALL
            .into_iter()
            .map(|application| (application, self.connections.of_application(application)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    pub(crate) fn list(&self, turn: &Turn<'_>, filter: &ConnectionFilter) -> Page<ConnectionInfo> {
        let limit = page_limit(filter.limit);
        let matches = |connection: &Connection| {
            let device = connection.device.as_ref().map(DeviceId::as_str);
            filter.user.as_ref().is_none_or(|user| user == connection.principal.user().as_str())
                && filter.application.is_none_or(|it| Some(it) == connection.application)
                && filter.device.as_ref().is_none_or(|it| Some(it.as_str()) == device)
        };
        let mut found = self.connections.from(filter.cursor.unwrap_or(0));
        let mut found = found.by_ref().filter(|(_, connection)| matches(connection));
        let items =
            found.by_ref().take(limit).map(|(_, connection)| self.info(turn, connection)).collect();
        Page { items, next: found.next().map(|(place, _)| place) }
    }

    fn info(&self, turn: &Turn<'_>, connection: &Connection) -> ConnectionInfo {
        let idle_ms = turn.io.now_ms().saturating_sub(turn.io.heard_ms(connection.client));
        let room = |room: &crate::rooms::Room| room.name().of(&self.id).to_string();
        ConnectionInfo {
            id: connection.id.as_str().to_owned(),
            user: connection.principal.user().as_str().to_owned(),
            role: connection.principal.role(),
            application: connection.application,
            device: connection.device.as_ref().map(|device| device.as_str().to_owned()),
            transport: if turn.io.is_polling(connection.client) { "polling" } else { "websocket" },
            address: connection.about.address.to_string(),
            user_agent: connection.user_agent.as_deref().map(str::to_owned),
            version: connection.about.version.as_deref().map(str::to_owned),
            features: connection.about.features.iter().map(|it| it.to_string()).collect(),
            connected_at: rfc3339(connection.connected_ms),
            last_heartbeat_at: rfc3339(turn.clock.wall_ms().saturating_sub(idle_ms)),
            rooms: self.rooms.of(&connection.memberships).map(room).collect(),
        }
    }

    /// Ends connections for good: they are told, and do not come back by themselves.
    pub(crate) fn disconnect(&mut self, turn: &mut Turn<'_>, target: &DisconnectTarget) -> usize {
        let matches = |connection: &Connection| match target {
            DisconnectTarget::Connection(id) => connection.id.as_str() == id,
            DisconnectTarget::User(user) => connection.principal.user().as_str() == user,
            DisconnectTarget::Device(device) => {
                connection.device.as_ref().is_some_and(|it| it.as_str() == device)
            }
            DisconnectTarget::Tenant => true,
        };
        let clients: Vec<ClientKey> = self
            .connections
            .iter()
            .filter(|(_, connection)| matches(connection))
            .map(|(_, connection)| connection.client)
            .collect();
        for client in &clients {
            turn.io.disconnect(*client, NamespaceId::ROOT);
            turn.io.close(*client, CloseReason::Disconnected);
        }
        clients.len()
    }

    pub(crate) fn renew(&mut self, place: u32, principal: Principal) {
        self.connections.renew(place, principal);
    }
}

/// Tenants of one shard, by name.
pub(crate) type TenantIndex = AHashMap<TenantId, u32>;
