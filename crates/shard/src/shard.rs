//! One core: a loop and a match over everything that can wake it.

use std::borrow::Cow;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use ahash::AHashMap;
use foodtrack_contract::{Authenticate, ErrorCode, Refusal, TenantId};
use foodtrack_session::{Event, NamespaceId};
use foodtrack_transport::{
    Application, ClientKey, CloseReason, Flow, Handover, HttpRequest, HttpTicket, Reactor, Verdict,
};
use foodtrack_wire::socket_io;
use serde::Deserialize;
use slab::Slab;

use crate::clock::WallClock;
use crate::control_events::ControlEvent;
use crate::counters::Counters;
use crate::handles::Shards;
use crate::handshake::{self, Admission};
use crate::http_service::{HttpService, Responder};
use crate::mailbox::{ShardMessage, TenantRequest};
use crate::model::ConnectionCounts;
use crate::policies::Policies;
use crate::publishing::Publisher;
use crate::shard_config::TenantLimits;
use crate::tenant::{Tenant, TenantIndex, Turn};

/// How long a connection over its rate is not read.
const OVER_RATE_PAUSE_MS: u32 = 50;
/// How often a connection is told, without being asked, that it is over its rate.
const OVER_RATE_TELL_MS: u64 = 1_000;
/// Deliveries of a tenant before others have their turn, where others are at work.
const TURN_DELIVERIES_MAX: usize = 8_192;
/// Messages taken from the mailbox in a turn.
const INBOX_PER_TURN: usize = 1_024;
/// User agents kept once for all who send them.
const USER_AGENTS_MAX: usize = 1_024;
/// The longest that an alarm is set for; tokens may live longer, and are looked at again then.
const ALARM_MS_MAX: u64 = 3_600_000;

/// What every shard of a server has in common.
pub(crate) struct ShardParts {
    pub(crate) index: usize,
    pub(crate) shards: Shards,
    pub(crate) inbox: Receiver<ShardMessage>,
    pub(crate) authenticator: Arc<dyn Authenticate>,
    pub(crate) http: Arc<dyn HttpService>,
    pub(crate) policies: Arc<Policies>,
    pub(crate) limits: TenantLimits,
    pub(crate) cookie_name: String,
    pub(crate) counters: Arc<Counters>,
}

/// A shard: tenants, and the way to their actors.
pub(crate) struct Shard {
    parts: ShardParts,
    tenants: Slab<Tenant>,
    by_name: TenantIndex,
    /// Clients that may join, between their verdict and their entry.
    admitted: AHashMap<ClientKey, Admission>,
    user_agents: AHashMap<Box<str>, Arc<str>>,
    clock: WallClock,
    /// The number of this turn, and how many tenants were at work in it and in the one before.
    turn: u64,
    busy: usize,
    busy_before: usize,
    /// When the first event of this turn was read, and the deliveries until then.
    read_first: Option<(Instant, u64)>,
    stopping: bool,
    /// A shard cannot leave the thread that made it.
    pinned: PhantomData<*const ()>,
}

/// A client's place in its tenant, as the number that the reactor keeps with the client. 0 is nobody.
#[derive(Clone, Copy)]
struct Tag {
    tenant: u32,
    place: u32,
}

impl Tag {
    fn of(io: &Reactor, client: ClientKey) -> Option<Self> {
        Self::read(io.tag(client))
    }

    fn read(number: u64) -> Option<Self> {
        let tenant = u32::try_from(number >> 32).ok()?.checked_sub(1)?;
        let place = u32::try_from(number & u64::from(u32::MAX)).ok()?;
        Some(Self { tenant, place })
    }

    fn number(self) -> u64 {
        (u64::from(self.tenant) + 1) << 32 | u64::from(self.place)
    }
}

/// The argument of `authenticate`: the token, or an object that names it.
#[derive(Deserialize)]
#[serde(untagged)]
enum FreshToken {
    Alone(String),
    Named { token: String },
}

impl Shard {
    pub(crate) fn new(parts: ShardParts) -> Self {
        Self {
            parts,
            tenants: Slab::new(),
            by_name: TenantIndex::new(),
            admitted: AHashMap::new(),
            user_agents: AHashMap::new(),
            clock: WallClock::default(),
            turn: 0,
            busy: 0,
            busy_before: 0,
            read_first: None,
            stopping: false,
            pinned: PhantomData,
        }
    }

    /// Runs until the shard is told to stop and its clients are gone.
    ///
    /// # Errors
    /// Where the system's poll fails.
    pub(crate) fn run(mut self, io: &mut Reactor) -> io::Result<()> {
        let mut events = Reactor::events();
        self.clock.tick();
        while !(self.stopping && io.stats().clients == 0) {
            io.turn(&mut self, &mut events)?;
            self.clock.tick();
            self.count_turn(io.stats().dropped);
            self.turn += 1;
            self.busy_before = std::mem::take(&mut self.busy);
        }
        Ok(())
    }

    /// Counts what the turn that has ended took; its frames are flushed.
    fn count_turn(&mut self, dropped: u64) {
        let counters = &self.parts.counters;
        counters.deliveries_dropped.add(dropped - counters.deliveries_dropped.get());
        if let Some((read, deliveries)) = self.read_first.take()
            && counters.deliveries.get() > deliveries
        {
            counters.fan_out_us_sum.add(u64::try_from(read.elapsed().as_micros()).unwrap_or(0));
            counters.fan_out_turns.add(1);
        }
    }

    /// The tenant's actor with what it works with.
    fn with_tenant<T>(
        &mut self,
        io: &mut Reactor,
        tenant: u32,
        work: impl FnOnce(&mut Tenant, &mut Turn<'_>) -> T,
    ) -> Option<T> {
        let state = self.tenants.get_mut(tenant as usize)?;
        if state.turn != self.turn {
            state.turn = self.turn;
            state.turn_deliveries = 0;
            self.busy += 1;
        }
        let mut turn = Turn {
            io,
            policies: &self.parts.policies,
            limits: &self.parts.limits,
            clock: &mut self.clock,
            counters: &self.parts.counters,
        };
        Some(work(state, &mut turn))
    }

    fn open_tenant(&mut self, id: &TenantId) -> u32 {
        if let Some(tenant) = self.by_name.get(id) {
            return *tenant;
        }
        let tenant =
            u32::try_from(self.tenants.insert(Tenant::new(id.clone()))).unwrap_or(u32::MAX);
        self.by_name.insert(id.clone(), tenant);
        tenant
    }

    /// Judges a client on its home shard.
    fn admit(&mut self, client: ClientKey, id: String, admission: Admission) -> Verdict<Admission> {
        let tenant = self.open_tenant(admission.principal.tenant());
        let state = &self.tenants[tenant as usize];
        if self.stopping {
            let message = "the server is about to stop: connect again";
            return self.turn_away(&Refusal::new(ErrorCode::Draining, message));
        }
        match state.check_room_for(&admission.principal, &self.parts.limits) {
            Ok(()) => {
                self.admitted.insert(client, admission);
                Verdict::Accept { answer: id }
            }
            Err(refusal) => self.turn_away(&refusal),
        }
    }

    fn turn_away(&self, refusal: &Refusal) -> Verdict<Admission> {
        self.parts.counters.handshakes_refused.add(1);
        let message = serde_json::Value::from(refusal.message());
        let error = format!("{{\"message\":{message},\"data\":{}}}", refusal.to_json());
        Verdict::Refuse { error }
    }

    fn intern(&mut self, user_agent: Option<&str>) -> Option<Arc<str>> {
        let user_agent = user_agent?;
        if let Some(known) = self.user_agents.get(user_agent) {
            return Some(Arc::clone(known));
        }
        let shared: Arc<str> = user_agent.into();
        if self.user_agents.len() < USER_AGENTS_MAX {
            self.user_agents.insert(user_agent.into(), Arc::clone(&shared));
        }
        Some(shared)
    }

    fn watch_expiry(&self, io: &mut Reactor, client: ClientKey, expires_at_s: u64) {
        let left_ms = expires_at_s.saturating_mul(1_000).saturating_sub(self.clock.unix_ms());
        io.set_alarm(client, left_ms.min(ALARM_MS_MAX));
    }

    /// Whether the sender is within its rates; if not, the refusal.
    fn check_rates(
        &mut self,
        io: &mut Reactor,
        tag: Tag,
        bytes: usize,
    ) -> Result<(), (Refusal, bool)> {
        let (now_ms, limits) = (io.now_ms(), self.parts.limits);
        let Some(tenant) = self.tenants.get_mut(tag.tenant as usize) else { return Ok(()) };
        let Some(connection) = tenant.connections.get_mut(tag.place) else { return Ok(()) };
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let of_connection = connection
            .messages
            .spend(limits.messages_per_connection, 1, now_ms)
            .and_then(|()| connection.bytes.spend(limits.bytes_per_connection, bytes, now_ms));
        let (code, what, after_ms) = match of_connection {
            Err(after_ms) => (ErrorCode::RateLimited, "connection", after_ms),
            Ok(()) => match tenant.messages.spend(limits.messages_per_tenant, 1, now_ms) {
                Err(after_ms) => (ErrorCode::TenantRateLimited, "tenant", after_ms),
                Ok(()) => return Ok(()),
            },
        };
        let tell = now_ms.saturating_sub(connection.told_ms) >= OVER_RATE_TELL_MS;
        if tell {
            connection.told_ms = now_ms;
        }
        let message = format!("the {what} sends more than its limit allows");
        Err((Refusal::new(code, message).retry_after_ms(u64::from(after_ms)), tell))
    }

    /// A control event or a tenant's event, from a client within its rates.
    fn handle_event(
        &mut self,
        io: &mut Reactor,
        tag: Tag,
        client: ClientKey,
        event: &Event<'_>,
    ) -> Result<(), Refusal> {
        let malformed = |error: socket_io::PacketError| {
            Refusal::new(ErrorCode::MessageMalformed, error.to_string())
        };
        let arguments = socket_io::split_arguments(&event.data).map_err(malformed)?;
        let name = arguments.first().copied().unwrap_or("");
        let name = socket_io::event_name(name).map_err(malformed)?;
        let argument = arguments.get(1).copied().unwrap_or("null");
        let control = ControlEvent::from_wire(&name);
        if control == Some(ControlEvent::Authenticate) {
            return self.renew_token(io, tag, client, argument, event.id);
        }
        let ack_id = event.id;
        self.with_tenant(io, tag.tenant, |tenant, turn| match control {
            Some(ControlEvent::Subscribe(topic)) => {
                tenant.control_room(turn, tag.place, (topic, true), argument, ack_id)
            }
            Some(ControlEvent::Unsubscribe(topic)) => {
                tenant.control_room(turn, tag.place, (topic, false), argument, ack_id)
            }
            Some(ControlEvent::Ping) => {
                tenant.pong(turn, client, ack_id);
                Ok(())
            }
            Some(ControlEvent::HealthCheck) => {
                tenant.health(turn, client, ack_id);
                Ok(())
            }
            Some(ControlEvent::Authenticate) => Ok(()),
            None => {
                if arguments.len() < 2 {
                    let message = "the event carries no message: send one as its first argument";
                    return Err(Refusal::new(ErrorCode::MessageMalformed, message)
                        .at("", "required")
                        .of_event(&*name));
                }
                let Some(connection) = tenant.connections.get(tag.place) else { return Ok(()) };
                let user = connection.principal.user().clone();
                let publisher = Publisher {
                    user: user.as_str(),
                    role: connection.principal.role(),
                    source: connection.source,
                    permissions: connection.principal.permissions(),
                };
                let accepted =
                    tenant.publish(turn, publisher, &name, argument, &event.attachments)?;
                if let Some(id) = ack_id {
                    Tenant::acknowledge(turn, client, id, |out| {
                        out.extend_from_slice(b"{\"success\":true,\"data\":{\"id\":\"");
                        let mut buffer = uuid::Uuid::encode_buffer();
                        let id = accepted.id.hyphenated().encode_lower(&mut buffer);
                        out.extend_from_slice(id.as_bytes());
                        out.extend_from_slice(b"\"}}");
                    });
                }
                Ok(())
            }
        })
        .unwrap_or(Ok(()))
    }

    /// `authenticate`: a fresh token of the same subject takes the old one's place.
    fn renew_token(
        &mut self,
        io: &mut Reactor,
        tag: Tag,
        client: ClientKey,
        argument: &str,
        ack_id: Option<u64>,
    ) -> Result<(), Refusal> {
        let fresh: FreshToken = serde_json::from_str(argument).map_err(|_| {
            let message = "authenticate takes the token, or an object with the token";
            Refusal::new(ErrorCode::MessageMalformed, message)
        })?;
        let (FreshToken::Alone(token) | FreshToken::Named { token }) = fresh;
        let principal = self.parts.authenticator.principal(&token, self.clock.unix_s())?;
        let expires_at_s = principal.expires_at_s();
        self.with_tenant(io, tag.tenant, |tenant, turn| {
            let Some(connection) = tenant.connections.get(tag.place) else { return Ok(()) };
            let opens = connection
                .application
                .is_none_or(|application| principal.applications().contains(application));
            if !connection.principal.same_subject(&principal) || !opens {
                let message = "the fresh token speaks for somebody else than this connection";
                return Err(Refusal::new(ErrorCode::TokenSubject, message));
            }
            tenant.renew(tag.place, principal);
            tenant.renewed(turn, client, ack_id, expires_at_s);
            Ok(())
        })
        .unwrap_or(Ok(()))?;
        self.watch_expiry(io, client, expires_at_s);
        Ok(())
    }

    fn handle_message(&mut self, io: &mut Reactor, message: ShardMessage) {
        match message {
            ShardMessage::Adopt(handover) => io.adopt(self, *handover),
            ShardMessage::HttpResponse(ticket, response) => respond(io, ticket, &response),
            ShardMessage::Tenant(tenant, request) => self.handle_request(io, &tenant, request),
            ShardMessage::Totals(reply) => {
                let mut totals = ConnectionCounts::default();
                self.tenants.iter().for_each(|(_, tenant)| totals.add(&tenant.counts(io)));
                // Who asked may have gone away: nothing is lost with the answer.
                let _ = reply.send(totals);
            }
            ShardMessage::Policies(policies) => self.parts.policies = policies,
            ShardMessage::Stop => {
                self.stopping = true;
                io.stop_accepting();
                for client in io.clients() {
                    io.close(client, CloseReason::ServerClosed);
                }
            }
        }
    }

    fn handle_request(&mut self, io: &mut Reactor, id: &TenantId, request: TenantRequest) {
        let tenant = self.open_tenant(id);
        let now_ms = io.now_ms();
        // A reply that nobody waits for any more is no loss.
        self.with_tenant(io, tenant, |tenant, turn| match request {
            TenantRequest::Publish { principal, event, argument, reply } => {
                let rate = turn.limits.messages_per_tenant;
                let result = tenant.messages.spend(rate, 1, now_ms).map_err(|after_ms| {
                    let message = "the tenant sends more than its limit allows";
                    Refusal::new(ErrorCode::TenantRateLimited, message)
                        .retry_after_ms(u64::from(after_ms))
                });
                let publisher = Publisher {
                    user: principal.user().as_str(),
                    role: principal.role(),
                    source: foodtrack_contract::Source::System,
                    permissions: principal.permissions(),
                };
                let result =
                    result.and_then(|()| tenant.publish(turn, publisher, &event, &argument, &[]));
                if result.is_err() {
                    turn.counters.events_refused.add(1);
                }
                let _ = reply.send(result);
            }
            TenantRequest::Broadcast(broadcast, reply) => {
                let _ = reply.send(tenant.broadcast(turn, &broadcast));
            }
            TenantRequest::Counts(reply) => _ = reply.send(tenant.counts(turn.io)),
            TenantRequest::List(filter, reply) => _ = reply.send(tenant.list(turn, &filter)),
            TenantRequest::Disconnect(target, reply) => {
                let _ = reply.send(tenant.disconnect(turn, &target));
            }
            TenantRequest::Rooms(reply) => _ = reply.send(tenant.room_infos()),
            TenantRequest::DescribeRoom { room, metadata, reply } => {
                let described = room.room().map(|room| tenant.describe_room(turn, &room, metadata));
                if let Some(described) = described {
                    let _ = reply.send(described);
                }
            }
            TenantRequest::Grant { room, user, reply } => {
                if let Some(room) = room.room() {
                    let _ = reply.send(tenant.grant(turn, &room, &user));
                }
            }
            TenantRequest::RevokeGrant { room, user, reply } => {
                if let Some(room) = room.room() {
                    let _ = reply.send(tenant.revoke_grant(turn, &room, &user));
                }
            }
        });
    }
}

/// What an event costs of its sender's bytes.
fn size_of_event(event: &Event<'_>) -> usize {
    event.data.len() + event.attachments.iter().map(Vec::len).sum::<usize>()
}

fn respond(io: &mut Reactor, ticket: HttpTicket, response: &http::Response<bytes::Bytes>) {
    let headers: Vec<(&str, &[u8])> = response
        .headers()
        .iter()
        // The transport frames the body itself.
        .filter(|(name, _)| {
            !matches!(name.as_str(), "content-length" | "connection" | "transfer-encoding")
        })
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    io.respond(ticket, response.status().as_u16(), &headers, response.body());
}

impl Application for Shard {
    type Transfer = Admission;

    fn connect(
        &mut self,
        io: &mut Reactor,
        client: ClientKey,
        _namespace: NamespaceId,
        auth: Option<Cow<'_, str>>,
    ) -> Verdict<Admission> {
        self.clock.tick();
        let info = io.take_handshake(client);
        let admission = handshake::admit(
            auth.as_deref(),
            info.as_deref(),
            &self.parts.authenticator,
            &self.parts.cookie_name,
            self.clock.unix_s(),
        );
        match admission {
            Ok(admission) => {
                let home = self.parts.shards.home(admission.principal.tenant());
                if home != self.parts.index {
                    return Verdict::HandOver { shard: home, transfer: admission };
                }
                self.adopt(io, client, NamespaceId::ROOT, admission)
            }
            Err(refusal) => {
                // The next try on this transport needs what the first one told.
                if let Some(info) = info {
                    io.give_handshake_back(client, info);
                }
                self.turn_away(&refusal)
            }
        }
    }

    fn adopt(
        &mut self,
        io: &mut Reactor,
        client: ClientKey,
        _namespace: NamespaceId,
        admission: Admission,
    ) -> Verdict<Admission> {
        let id = io.new_id();
        let answer = format!("{{\"sid\":\"{}\"}}", id.as_str());
        let verdict = self.admit(client, answer, admission);
        if let Verdict::Accept { .. } = verdict
            && let Some(mut admission) = self.admitted.remove(&client)
        {
            let user_agent = self.intern(admission.about.user_agent.take().as_deref());
            let expires_at_s = admission.principal.expires_at_s();
            let tenant = self.open_tenant(admission.principal.tenant());
            let first = self.tenants[tenant as usize].connections.is_empty();
            let place = self.with_tenant(io, tenant, |tenant, turn| {
                tenant.enter(turn, client, id, admission, user_agent)
            });
            let tag = Tag { tenant, place: place.unwrap_or(0) };
            io.set_tag(client, tag.number());
            self.watch_expiry(io, client, expires_at_s);
            let counters = &self.parts.counters;
            counters.connections.add(1);
            counters.connections_opened.add(1);
            counters.tenants.add(u64::from(first));
        }
        verdict
    }

    fn connected(&mut self, io: &mut Reactor, client: ClientKey, _namespace: NamespaceId) {
        if let Some(tag) = Tag::of(io, client) {
            self.with_tenant(io, tag.tenant, |tenant, turn| tenant.greet(turn, tag.place));
        }
    }

    fn hand_over(&mut self, shard: usize, handover: Handover<Admission>) {
        // A full mailbox drops the client: it connects again, and by then there is room.
        let message = ShardMessage::Adopt(Box::new(handover));
        if self.parts.shards.sender(shard).try_send(message).is_err() {
            tracing::warn!(shard, "a shard's mailbox is full: a connection was closed");
        }
    }

    fn event(&mut self, io: &mut Reactor, client: ClientKey, event: Event<'_>) -> Flow {
        let Some(tag) = Tag::of(io, client) else { return Flow::Continue };
        let deliveries = &self.parts.counters.deliveries;
        self.read_first.get_or_insert_with(|| (Instant::now(), deliveries.get()));
        if let Err((refusal, tell)) = self.check_rates(io, tag, size_of_event(&event)) {
            self.with_tenant(io, tag.tenant, |tenant, turn| match (event.id, tell) {
                (None, false) => {
                    turn.counters.events_refused.add(1);
                    turn.counters.rate_limited.add(1);
                }
                (id, _) => tenant.refuse(turn, client, id, &refusal),
            });
            return Flow::PauseMs(OVER_RATE_PAUSE_MS);
        }
        if let Err(refusal) = self.handle_event(io, tag, client, &event) {
            self.with_tenant(io, tag.tenant, |tenant, turn| {
                tenant.refuse(turn, client, event.id, &refusal);
            });
        }
        let others = self.busy.max(self.busy_before) > 1;
        match self.tenants.get(tag.tenant as usize) {
            Some(tenant) if others && tenant.turn_deliveries > TURN_DELIVERIES_MAX => Flow::Yield,
            _ => Flow::Continue,
        }
    }

    fn acknowledged(&mut self, _io: &mut Reactor, _client: ClientKey, _event: Event<'_>) {
        // The hub asks for no acknowledgement yet: one that comes answers nothing.
    }

    fn left(&mut self, io: &mut Reactor, client: ClientKey, _namespace: NamespaceId) {
        self.depart(io, client);
    }

    fn closed(&mut self, io: &mut Reactor, client: ClientKey, reason: CloseReason) {
        if reason == CloseReason::SlowReader {
            self.parts.counters.slow_readers_closed.add(1);
        }
        self.depart(io, client);
    }

    fn http(&mut self, io: &mut Reactor, request: HttpRequest, ticket: HttpTicket) {
        let peer = request.peer;
        let mut built =
            http::Request::builder().method(request.method.as_str()).uri(&request.target);
        for (name, value) in &request.headers {
            built = built.header(name.as_str(), value.as_slice());
        }
        match built.body(bytes::Bytes::from(request.body)) {
            Ok(request) => {
                let shard = self.parts.shards.sender(self.parts.index).clone();
                let responder = Responder::new(shard, ticket);
                if let Err(response) = self.parts.http.call(request, peer, responder) {
                    respond(io, ticket, &response);
                }
            }
            Err(_) => io.respond(ticket, 400, &[], b"malformed request"),
        }
    }

    fn turn(&mut self, io: &mut Reactor) {
        let deliveries = self.parts.counters.deliveries.get();
        for _ in 0..INBOX_PER_TURN {
            match self.parts.inbox.try_recv() {
                Ok(message) => self.handle_message(io, message),
                Err(_) => return,
            }
            if self.parts.counters.deliveries.get() - deliveries > TURN_DELIVERIES_MAX as u64 {
                break;
            }
        }
        // There may be more: come back without waiting.
        io.waker().wake();
    }

    fn alarm(&mut self, io: &mut Reactor, client: ClientKey) {
        let Some(tag) = Tag::of(io, client) else { return };
        let now_s = self.clock.unix_s();
        let due = self.with_tenant(io, tag.tenant, |tenant, turn| {
            let connection = tenant.connections.get(tag.place)?;
            let expires_at_s = connection.principal.expires_at_s();
            if expires_at_s > now_s {
                return Some(expires_at_s);
            }
            // The transport alone closes: the client comes back by itself, with a fresh token.
            tenant.token_ended(turn, client);
            turn.io.close(client, CloseReason::ServerClosed);
            None
        });
        if let Some(Some(expires_at_s)) = due {
            self.watch_expiry(io, client, expires_at_s);
        }
    }
}

impl Shard {
    fn depart(&mut self, io: &mut Reactor, client: ClientKey) {
        let Some(tag) = Tag::of(io, client) else { return };
        io.set_tag(client, 0);
        let Some(tenant) = self.tenants.get_mut(tag.tenant as usize) else { return };
        if tenant.depart(tag.place).is_none() {
            return;
        }
        let counters = &self.parts.counters;
        counters.connections.sub(1);
        counters.connections_closed.add(1);
        counters.tenants.sub(u64::from(tenant.connections.is_empty()));
    }
}
