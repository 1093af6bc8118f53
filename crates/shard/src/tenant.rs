//! One tenant's actor: what it owns. Holding a tenant gives no way to name another's connections.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use ahash::AHashMap;
use foodtrack_contract::{
    ApplicationType, DeviceId, ErrorCode, EventType, Message, Principal, Priority, Refusal, Source,
    TenantId,
};
use foodtrack_tenant_log::{Head, LoggedRoom};
use foodtrack_transport::ClientKey;
use uuid::Uuid;

use crate::clock::rfc3339;
use crate::cursor_suffix::CursorSuffix;
use crate::effects::Effects;
use crate::entrance::Entrance;
use crate::handshake::Admission;
use crate::intake::Intake;
use crate::ledger::Ledger;
use crate::members::{Connection, Members, NewConnection, Room};
use crate::model::{
    ConnectionCounts, ConnectionFilter, ConnectionInfo, DisconnectTarget, Page, page_limit,
};
use crate::owner_lookups::OwnerLookups;
use crate::reliability::{Due, Reliability, subscriber_key};
use crate::replay::Start;
use crate::sessions::Sessions;
use crate::shard_config::TenantLimits;
use crate::turn::Turn;

/// One in so many of a tenant's connections is for others than customers, of whom anybody can be one.
const STAFF_SHARE: usize = 10;
/// One tenant on its home shard.
pub(crate) struct Tenant {
    pub(crate) id: TenantId,
    pub(crate) members: Members,
    pub(crate) intake: Intake,
    pub(crate) lookups: OwnerLookups,
    pub(crate) ledger: Ledger,
    pub(crate) sessions: Sessions,
    pub(crate) reliability: Reliability,
    /// Deliveries of this turn of the shard, so that a busy tenant's turn is bounded.
    pub(crate) turn_deliveries: usize,
    pub(crate) turn: u64,
    /// Event types of which a line was written that they cannot be sent to everybody.
    pub(crate) told_unsayable: BTreeSet<Box<str>>,
}

impl Tenant {
    pub(crate) fn new(id: TenantId) -> Self {
        Self {
            id,
            members: Members::default(),
            intake: Intake::default(),
            lookups: OwnerLookups::default(),
            ledger: Ledger::default(),
            sessions: Sessions::default(),
            reliability: Reliability::default(),
            turn_deliveries: 0,
            turn: 0,
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
        let of_user = self.members.of_user(principal.user());
        let is_customer = admission.application == Some(ApplicationType::ClientApp);
        let customers = self.members.of_application(ApplicationType::ClientApp);
        let of_customers = limits.connections_max - limits.connections_max / STAFF_SHARE;
        let what = if over(limits.connections_max, self.members.len()) {
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
        turn: &mut Turn<'_, impl Effects>,
        client: ClientKey,
        entrance: &Entrance,
        mut admission: Admission,
        user_agent: Option<Arc<str>>,
    ) -> u32 {
        let owns = admission.owns.take().unwrap_or_default();
        let now_ms = turn.now.wall_ms;
        let (user, application) = (admission.principal.user(), admission.application);
        let key = subscriber_key(user, application, admission.device.as_ref());
        // Names have bounds that make the key fit.
        let key = key.unwrap_or_else(|| unreachable!("a user's and a device's names fit a key"));
        let subscriber = self.reliability.enter(key, application);
        let device = admission.device.as_ref().map(DeviceId::as_str);
        let sender = turn.emission_key.sender(user.as_str(), device, admission.source());
        let place = self.members.enter(NewConnection {
            client,
            id: entrance.sid,
            admission,
            sender,
            subscriber,
            user_agent,
            now_ms,
            began_hours: entrance.began_hours,
        });
        // Permissions are as they are, though the rooms are as they were.
        let allowed: Vec<&LoggedRoom> = match self.members.get(place) {
            Some(connection) => {
                let may =
                    |room: &&LoggedRoom| self.may_join(connection, room.name(), &owns).is_ok();
                entrance.rooms.iter().filter(may).collect()
            }
            None => Vec::new(),
        };
        for room in allowed {
            self.members.join(place, room.name(), now_ms);
        }
        place
    }

    /// Takes up what the store had of the tenant.
    pub(crate) fn opened(&mut self, turn: &mut Turn<'_, impl Effects>, mut head: Head) {
        let orders = std::mem::take(&mut head.orders);
        let emissions = std::mem::take(&mut head.emissions);
        let (orders_max, key) = (turn.limits.orders_in_memory_max, turn.emission_key);
        self.intake.opened(orders, emissions, orders_max, key, turn.now.steady_ms);
        let notes = std::mem::take(&mut head.notes);
        let newest: Vec<_> = std::mem::take(&mut head.tail).into_iter().map(Arc::new).collect();
        self.ledger.opened(head);
        self.sessions.restore(&notes);
        self.reliability.restore(&notes);
        self.restore_rooms(&notes, turn.now.wall_ms);
        self.watch_again(turn, &newest, &notes);
        // Those who came while the log was away get what they missed before.
        let places: Vec<u32> = self.members.iter().map(|(place, _)| place).collect();
        for place in places {
            self.start_catch_up(turn, place, Start::Confirmed);
            self.go_on(turn, place);
        }
    }

    /// Whether somebody waits for the disk.
    pub(crate) fn owes_answers(&self) -> bool {
        self.ledger.owes_answers() || !self.lookups.is_empty()
    }

    /// When the tenant has something to do by itself, on the shard's clock.
    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        self.reliability.next_due_ms().into_iter().chain(self.ledger.ask_at_ms()).min()
    }

    /// Does what is due. Returns whether the store is to be asked for the log again.
    pub(crate) fn handle_deadline(&mut self, turn: &mut Turn<'_, impl Effects>) -> bool {
        let now_ms = turn.now.monotonic_ms;
        while let Some(due) = self.reliability.take_due(now_ms) {
            match due {
                Due::Retry(retry) => self.retry(turn, retry),
                Due::Watch(watched) => self.look_at(turn, watched),
            }
        }
        self.ledger.ask_at_ms().is_some_and(|at_ms| at_ms <= now_ms)
    }

    /// Greets a client that came in.
    pub(crate) fn greet(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        place: u32,
        is_recovered: bool,
    ) {
        let Some(connection) = self.members.get(place) else { return };
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
    pub(crate) fn forget_users(&mut self, turn: &Turn<'_, impl Effects>) {
        let (messages, bytes) = (turn.limits.messages_per_user, turn.limits.bytes_per_user);
        self.members.forget_users(messages, bytes, turn.now.monotonic_ms);
    }

    /// Lets a client go: it is in no room any more.
    pub(crate) fn depart(&mut self, place: u32) -> Option<Connection> {
        let connection = self.members.depart(place)?;
        self.lookups.detach(place);
        self.reliability.leave(connection.subscriber);
        Some(connection)
    }

    /// Sends an event of the server's own to one client.
    pub(crate) fn tell(
        &self,
        turn: &mut Turn<'_, impl Effects>,
        client: ClientKey,
        event: EventType,
        payload: &str,
    ) {
        let suffix = self.cursor_suffix_for(turn, client);
        let timestamp = turn.now.text;
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
        turn.effects.emit(client, event.as_str(), &suffix, |out| message.write_json(out));
    }

    /// What ends an event to this client.
    pub(crate) fn cursor_suffix_for(
        &self,
        turn: &Turn<'_, impl Effects>,
        client: ClientKey,
    ) -> CursorSuffix {
        let place = turn.effects.place_of(client);
        let connection = place.and_then(|place| self.members.get(place));
        match connection.and_then(|connection| connection.replay.as_ref()) {
            Some(replay) => replay.cursor().map_or(CursorSuffix::None, CursorSuffix::of),
            None => self.cursor_suffix(),
        }
    }

    /// Tells a client that something it sent was refused: in its acknowledgement, or as `system:error`.
    pub(crate) fn refuse(
        &self,
        turn: &mut Turn<'_, impl Effects>,
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
        turn: &mut Turn<'_, impl Effects>,
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
            Some(id) => turn.effects.acknowledge(client, id, |out| {
                out.extend_from_slice(b"{\"success\":false,\"error\":");
                out.extend_from_slice(refusal.to_json().as_bytes());
                out.push(b'}');
            }),
            None => self.tell(turn, client, EventType::SystemError, &refusal.to_json()),
        }
    }

    pub(crate) fn counts(&self, is_polling: impl Fn(ClientKey) -> bool) -> ConnectionCounts {
        ConnectionCounts {
            total: self.members.len(),
            users: self.members.users(),
            tenants: usize::from(!self.members.is_empty()),
            by_application: self.members.by_application(),
            polling: self.members.iter().filter(|(_, it)| is_polling(it.client)).count(),
        }
    }

    pub(crate) fn list(
        &self,
        turn: &Turn<'_, impl Effects>,
        filter: &ConnectionFilter,
    ) -> Page<ConnectionInfo> {
        let limit = page_limit(filter.limit);
        let matches = |connection: &Connection| {
            let device = connection.device.as_ref().map(DeviceId::as_str);
            filter.user.as_ref().is_none_or(|user| user == connection.principal.user().as_str())
                && filter.application.is_none_or(|it| Some(it) == connection.application)
                && filter.device.as_ref().is_none_or(|it| Some(it.as_str()) == device)
        };
        let mut found = self.members.from(filter.cursor.unwrap_or(0));
        let mut found = found.by_ref().filter(|(_, connection)| matches(connection));
        let items =
            found.by_ref().take(limit).map(|(_, connection)| self.info(turn, connection)).collect();
        Page { items, next: found.next().map(|(place, _)| place) }
    }

    fn info(&self, turn: &Turn<'_, impl Effects>, connection: &Connection) -> ConnectionInfo {
        let idle_ms =
            turn.now.monotonic_ms.saturating_sub(turn.effects.heard_ms(connection.client));
        let room = |room: &Room| room.name().of(&self.id).to_string();
        ConnectionInfo {
            id: connection.id.as_str().to_owned(),
            user: connection.principal.user().as_str().to_owned(),
            role: connection.principal.role(),
            application: connection.application,
            device: connection.device.as_ref().map(|device| device.as_str().to_owned()),
            transport: if turn.effects.is_polling(connection.client) {
                "polling"
            } else {
                "websocket"
            },
            address: connection.about.address.to_string(),
            user_agent: connection.user_agent.as_deref().map(str::to_owned),
            version: connection.about.version.as_deref().map(str::to_owned),
            features: connection.about.features.iter().map(|it| it.to_string()).collect(),
            connected_at: rfc3339(connection.connected_ms),
            last_heartbeat_at: rfc3339(turn.now.wall_ms.saturating_sub(idle_ms)),
            rooms: self.members.rooms_of(connection).map(room).collect(),
        }
    }

    /// Ends connections for good: they are told, and do not come back by themselves.
    pub(crate) fn disconnect(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        target: &DisconnectTarget,
    ) -> usize {
        let matches = |connection: &Connection| match target {
            DisconnectTarget::Connection(id) => connection.id.as_str() == id,
            DisconnectTarget::User(user) => connection.principal.user().as_str() == user,
            DisconnectTarget::Device(device) => {
                connection.device.as_ref().is_some_and(|it| it.as_str() == device)
            }
            DisconnectTarget::Tenant => true,
        };
        let clients: Vec<ClientKey> = self
            .members
            .iter()
            .filter(|(_, connection)| matches(connection))
            .map(|(_, connection)| connection.client)
            .collect();
        for client in &clients {
            turn.effects.disconnect(*client);
        }
        clients.len()
    }

    pub(crate) fn renew(&mut self, place: u32, principal: Principal) {
        self.members.renew(place, principal);
    }
}

/// Tenants of one shard, by name.
pub(crate) type TenantIndex = AHashMap<TenantId, u32>;
