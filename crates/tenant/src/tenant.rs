//! One tenant's actor: what it owns. Holding a tenant gives no way to name another's connections.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use ahash::AHashMap;
use foodtrack_contract::{
    DeviceId, ErrorCode, EventType, Message, Priority, Refusal, Source, TenantId,
};
use uuid::Uuid;

use crate::asked_at::AskedAt;
use crate::connecting::Entering;
use crate::connection_slot::ConnectionSlot;
use crate::cursor_suffix::CursorSuffix;
use crate::device_journal::DeviceJournal;
use crate::effects::Effects;
use crate::followed_devices::FollowedDevices;
use crate::hook::PermitsOf;
use crate::intake::Intake;
use crate::ledger::Ledger;
use crate::log_lookups::LogLookups;
use crate::members::{Connection, Members, Room};
use crate::metrics_pace::MetricsPace;
use crate::model::{
    ConnectionCounts, ConnectionFilter, ConnectionInfo, DisconnectTarget, Page, first_after,
    page_limit,
};
use crate::now::{Now, rfc3339};
use crate::pages::Pages;
use crate::payload_key::KeyRequests;
use crate::recent_absences::RecentAbsences;
use crate::reliability::{Due, Reliability};
use crate::request::{Request, RequestId};
use crate::session_resume::ResumeClaim;
use crate::sessions::Sessions;
use crate::spooled_orders::SpooledOrders;
use crate::tally::{Tally, TenantTally};
use crate::turn::Turn;
use crate::watch_duty::WatchDuty;

/// One tenant: who is here, what was accepted and delivered, and what waits. See [`Tenant::handle`].
pub struct Tenant {
    pub(crate) id: TenantId,
    pub(crate) members: Members,
    pub(crate) intake: Intake,
    pub(crate) lookups: LogLookups,
    pub(crate) ledger: Ledger,
    pub(crate) spooled: SpooledOrders,
    /// Connections that have more than was delivered here, each with the number of the look that will say whether the log has
    /// it.
    pub(crate) ahead: Vec<(ConnectionSlot, u64)>,
    pub(crate) sessions: Sessions,
    pub(crate) reliability: Reliability,
    pub(crate) asked_at: AskedAt,
    pub(crate) tally: Tally,
    pub(crate) watch_duty: WatchDuty,
    /// Clients whose CONNECT is being answered, by their places.
    pub(crate) entering: AHashMap<u32, Entering>,
    /// What clients have shown that came back while the log was away, by their places.
    pub(crate) returning: AHashMap<u32, ResumeClaim>,
    pub(crate) pages: Pages,
    pub(crate) devices: FollowedDevices,
    pub(crate) absences: RecentAbsences,
    /// Whether other nodes are told how many connections it has here.
    pub(crate) is_crowd: bool,
    pub(crate) journal: DeviceJournal,
    pub(crate) metrics: MetricsPace,
    pub(crate) key_requests: KeyRequests,
    /// Requests that wait for the log to be opened.
    pub(crate) requests: Vec<(RequestId, Request)>,
    /// Deliveries of this turn, so that a busy tenant's turn is bounded.
    pub(crate) turn_deliveries: usize,
    pub(crate) turn: u64,
    /// Event types of which a line was written that they cannot be sent to everybody.
    pub(crate) told_unsayable: BTreeSet<Box<str>>,
    /// Counts whatever needs a number of its own.
    serial: u32,
}

/// So many numbers a tenant that broke may have given out since they were counted last.
const SERIALS_AHEAD: u32 = 1 << 16;

impl Tenant {
    /// A tenant whose log nobody has opened yet.
    pub fn new(id: TenantId) -> Self {
        Self {
            id,
            members: Members::default(),
            intake: Intake::default(),
            lookups: LogLookups::default(),
            ledger: Ledger::default(),
            ahead: Vec::new(),
            sessions: Sessions::default(),
            reliability: Reliability::default(),
            asked_at: AskedAt::default(),
            tally: Tally::default(),
            watch_duty: WatchDuty::default(),
            entering: AHashMap::new(),
            returning: AHashMap::new(),
            pages: Pages::default(),
            devices: FollowedDevices::default(),
            absences: RecentAbsences::default(),
            is_crowd: false,
            journal: DeviceJournal::default(),
            metrics: MetricsPace::default(),
            key_requests: KeyRequests::default(),
            requests: Vec::new(),
            turn_deliveries: 0,
            turn: 0,
            spooled: SpooledOrders::default(),
            told_unsayable: BTreeSet::new(),
            serial: 0,
        }
    }

    /// As [`Tenant::new`], where a tenant of this name was dropped that had given out numbers up to this: what is still on its
    /// way to that one finds nobody here.
    #[must_use]
    pub fn numbered_after(id: TenantId, serial: u32) -> Self {
        Self { serial, ..Self::new(id) }
    }

    /// The last number that it has given out.
    pub fn last_serial(&self) -> u32 {
        self.serial
    }

    /// The same tenant with nothing in memory, to take this one's place after a panic: what is still on its way to this one
    /// finds nobody there.
    #[must_use]
    pub fn successor(&self) -> Self {
        Self { serial: self.serial.wrapping_add(SERIALS_AHEAD), ..Self::new(self.id.clone()) }
    }

    /// Its name.
    pub fn id(&self) -> &TenantId {
        &self.id
    }

    /// Whether the store was asked for the log, and has not answered.
    pub fn awaits_log(&self) -> bool {
        self.ledger.awaits_store()
    }

    /// Whether clients can come in: the log is open, or is known to be away, and the tenant goes on without it.
    pub fn takes_clients(&self) -> bool {
        self.ledger.is_open() || self.is_log_away()
    }

    /// Whether the store said that it has no log for the tenant now.
    pub fn is_log_away(&self) -> bool {
        self.ledger.away().is_some()
    }

    /// Whether something is left that did not fit into the turn: see [`Input::GoOn`](crate::Input::GoOn).
    pub fn has_more(&self) -> bool {
        self.ledger.has_left_over() || self.lookups.has_ready()
    }

    /// The message at work, if its sender named it: for who looks into a panic.
    pub fn message_at_work(&self) -> Option<Uuid> {
        self.intake.at_work()
    }

    /// Whether somebody waits for the disk.
    pub fn owes_answers(&self) -> bool {
        self.ledger.owes_answers() || !self.lookups.is_empty() || !self.requests.is_empty()
    }

    /// When the tenant has something to do by itself, on the clock of [`Now::monotonic_ms`](crate::Now::monotonic_ms).
    pub fn next_deadline_ms(&self) -> Option<u64> {
        let due = [
            self.reliability.next_due_ms(),
            self.ledger.due_ms(),
            self.pages.due_ms(),
            self.devices.due_ms(),
            self.metrics.due_ms(),
        ];
        due.into_iter().flatten().min()
    }

    /// How many connections there are; `is_polling` says which of them poll.
    pub fn counts(&self, is_polling: impl Fn(ConnectionSlot) -> bool) -> ConnectionCounts {
        ConnectionCounts {
            total: self.members.len(),
            users: self.members.users(),
            tenants: usize::from(!self.members.is_empty()),
            by_application: self.members.by_application(),
            polling: self.members.iter().filter(|(_, it)| is_polling(it.slot)).count(),
        }
    }

    /// What it did since it was opened here.
    pub fn tally(&self) -> TenantTally {
        self.tally.read(self.members.len())
    }

    /// The connection in a slot, if it is still the same.
    pub(crate) fn present(&self, slot: ConnectionSlot) -> Option<&Connection> {
        self.members.get(slot.place()).filter(|connection| connection.slot == slot)
    }

    pub(crate) fn next_serial(&mut self) -> u32 {
        self.serial = self.serial.wrapping_add(1);
        self.serial
    }

    /// A number for jitter: spread well, and no secret.
    pub(crate) fn chance(&mut self) -> u64 {
        u64::from(self.next_serial()).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
    }

    /// Does what is due.
    pub(crate) fn handle_deadline(&mut self, turn: &mut Turn<'_, impl Effects>) {
        let now_ms = turn.now.monotonic_ms;
        while let Some(due) = self.reliability.take_due(now_ms) {
            match due {
                Due::Retry(retry) => self.retry(turn, retry),
                Due::Watch(watched) => self.look_at(turn, watched),
            }
        }
        self.look_at_pages(turn);
        if self.devices.due_ms().is_some_and(|at_ms| at_ms <= now_ms) {
            self.look_at_devices(turn);
        }
        self.send_held_metrics(turn);
        if self.ledger.due_ms().is_some_and(|at_ms| at_ms <= now_ms) {
            match self.ledger.is_open() {
                true => self.read_on(turn),
                false => self.ask_for_log(turn),
            }
        }
        self.rest_from_watching(turn);
    }

    /// Lets go of what has expired: sessions, and users who have gone.
    pub(crate) fn sweep(&mut self, turn: &mut Turn<'_, impl Effects>, number: u32) {
        self.look_at_log(turn);
        self.renew_sessions(turn, number);
        self.expire_sessions(turn.now.believed_ms);
        self.forget_users(turn);
        self.intake.expire(turn.now.steady_ms);
        self.rest_from_watching(turn);
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
            connection.slot,
            EventType::SystemConnectionEstablished,
            &payload.to_string(),
        );
        let settings = turn.settings;
        if let Some(trouble) = settings.node_trouble.as_deref() {
            self.tell(turn, connection.slot, EventType::SystemHeartbeat, trouble);
        }
    }

    /// Lets go of users who have gone and whose rates are as good as new.
    pub(crate) fn forget_users(&mut self, turn: &Turn<'_, impl Effects>) {
        let (messages, bytes) = (turn.limits.messages_per_user, turn.limits.bytes_per_user);
        self.members.forget_users(messages, bytes, turn.now.monotonic_ms);
    }

    /// A message of the server's own.
    pub(crate) fn own_message<'m>(
        &'m self,
        now: Now<'m>,
        id: Uuid,
        event: &'m str,
        payload: &'m str,
        priority: Priority,
    ) -> Message<'m> {
        Message {
            id,
            event,
            tenant: &self.id,
            timestamp: now.text,
            source: Source::System,
            target: None,
            payload,
            priority,
            retry_count: 0,
            encrypted: false,
        }
    }

    /// Sends an event of the server's own to one client.
    pub(crate) fn tell(
        &self,
        turn: &mut Turn<'_, impl Effects>,
        client: ConnectionSlot,
        event: EventType,
        payload: &str,
    ) {
        // No application of the profile has a name for what the server says of itself.
        if self.dialect_of(client).is_profile() {
            return;
        }
        let suffix = self.cursor_suffix_for(client);
        let id = turn.effects.new_message_id();
        let message = self.own_message(turn.now, id, event.as_str(), payload, Priority::High);
        turn.effects.emit(client, event.as_str(), &suffix, |out| message.write_json(out));
    }

    /// What ends an event to this client.
    pub(crate) fn cursor_suffix_for(&self, client: ConnectionSlot) -> CursorSuffix {
        match self.present(client).and_then(|connection| connection.replay.as_ref()) {
            // What it brought may be more than was delivered here: then nobody knows yet whether the log has it.
            Some(replay) => match (replay.cursor(), self.ledger.position()) {
                (Some(cursor), Some(position)) if position.has_delivered(cursor) => {
                    CursorSuffix::of(cursor)
                }
                _ => CursorSuffix::None,
            },
            None => self.cursor_suffix(),
        }
    }

    /// Tells a client that something it sent was refused: in its acknowledgement, or as `system:error`.
    pub(crate) fn refuse(
        &self,
        turn: &mut Turn<'_, impl Effects>,
        client: ConnectionSlot,
        ack_id: Option<u64>,
        refusal: &Refusal,
    ) {
        self.tally.refuse();
        turn.counters.events_refused.add(1);
        turn.counters.refusals.add(refusal.code());
        self.say_refused(turn, client, ack_id, refusal);
    }

    /// As [`Tenant::refuse`], of something that was counted already.
    pub(crate) fn say_refused(
        &self,
        turn: &mut Turn<'_, impl Effects>,
        client: ConnectionSlot,
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
        let error = self.dialect_of(client).error(refusal);
        match ack_id {
            Some(id) => turn.effects.acknowledge(client, id, |out| {
                out.extend_from_slice(b"{\"success\":false,\"error\":");
                out.extend_from_slice(error.as_bytes());
                out.push(b'}');
            }),
            None => self.tell(turn, client, EventType::SystemError, &refusal.to_json()),
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
        let all = self.members.iter().filter(|(_, connection)| matches(connection));
        let all = all.map(|(_, connection)| (connection.id.as_str(), connection));
        let (found, has_more) = first_after(all, filter.cursor.as_deref(), limit);
        let next = found.last().filter(|_| has_more).map(|(id, _)| (*id).to_owned());
        let items = found.iter().map(|(_, connection)| self.info(turn, connection)).collect();
        Page { items, next }
    }

    fn info(&self, turn: &Turn<'_, impl Effects>, connection: &Connection) -> ConnectionInfo {
        let idle_ms = turn.now.monotonic_ms.saturating_sub(turn.effects.heard_ms(connection.slot));
        let room = |room: &Room| room.name().of(&self.id).to_string();
        ConnectionInfo {
            id: connection.id.as_str().to_owned(),
            user: connection.principal.user().as_str().to_owned(),
            role: connection.principal.role(),
            application: connection.application,
            device: connection.device.as_ref().map(|device| device.as_str().to_owned()),
            transport: if turn.effects.is_polling(connection.slot) {
                "polling".into()
            } else {
                "websocket".into()
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
        let clients: Vec<ConnectionSlot> = self
            .members
            .iter()
            .filter(|(_, connection)| matches(connection))
            .map(|(_, connection)| connection.slot)
            .collect();
        let of_connection = clients.first().and_then(|client| self.present(*client));
        let whose = match target {
            DisconnectTarget::Connection(_) => {
                of_connection.map(|it| PermitsOf::User(it.principal.user().as_str()))
            }
            DisconnectTarget::User(user) => Some(PermitsOf::User(user)),
            DisconnectTarget::Device(device) => Some(PermitsOf::Device(device)),
            DisconnectTarget::Tenant => Some(PermitsOf::Tenant),
        };
        whose.into_iter().for_each(|whose| turn.effects.forget_permits(&self.id, whose));
        for client in &clients {
            turn.effects.disconnect(*client);
        }
        clients.len()
    }
}
