//! What the reactor tells a shard.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use foodtrack_contract::ErrorCode;
use foodtrack_session::{Event, NamespaceId};
use foodtrack_transport::{
    Application, ClientKey, CloseReason, Flow, Handover, HttpRequest, HttpTicket, Reactor, Verdict,
};

use super::Shard;
use super::mail::respond;
use crate::connection_lines;
use crate::delivery::TURN_DELIVERIES_MAX;
use crate::effects::Effects;
use crate::entrance::Replaced;
use crate::handshake::{self, Admission, Stage};
use crate::http_service::Responder;
use crate::mailbox::ShardMessage;
use crate::members::Connection;
use crate::tag::Tag;

/// How long messages are taken from the mailbox in a turn: sockets wait meanwhile.
const INBOX_TIME: Duration = Duration::from_millis(4);

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
            self.clock.wall_s(),
        );
        match admission {
            Ok(mut admission) => {
                let home = self.parts.shards.home(admission.principal.tenant());
                // To its home, or to wait here: for its turn, or until its tenant's log is open.
                if home == self.parts.index {
                    self.advance(io, &mut admission);
                }
                if admission.stage != Stage::Ready {
                    return Verdict::HandOver { shard: home, transfer: admission };
                }
                self.adopt(io, client, NamespaceId::ROOT, admission)
            }
            Err(refusal) => {
                let address = info.as_ref().map(|info| info.address);
                // The next try on this transport needs what the first one told.
                if let Some(info) = info {
                    io.give_handshake_back(client, info);
                }
                connection_lines::stranger_refused(address, &refusal);
                self.turn_away(&refusal)
            }
        }
    }

    fn adopt(
        &mut self,
        io: &mut Reactor,
        client: ClientKey,
        _namespace: NamespaceId,
        mut admission: Admission,
    ) -> Verdict<Admission> {
        if self.stops_by_ms.is_some() {
            return send_away(io, client);
        }
        let tenant = self.open_tenant(admission.principal.tenant());
        let new_id = io.new_id();
        let entrance =
            self.with_tenant(io, tenant, |tenant, turn| tenant.entrance(turn, &admission, new_id));
        let entrance = match entrance {
            Some(Ok(entrance)) => entrance,
            Some(Err(refusal)) => {
                connection_lines::refused(&admission, &refusal);
                return self.turn_away(&refusal);
            }
            None => return send_away(io, client),
        };
        for (replaced, why) in self.tenants[tenant as usize].replaced(&admission, &entrance.sid) {
            match why {
                // Nothing more is sent to it, and what it still sends is nobody's.
                Replaced::Zombie => {
                    self.depart(io, replaced, "resumed_elsewhere");
                    io.close(replaced, CloseReason::TransportClosed);
                }
                Replaced::Device => {
                    self.with_tenant(io, tenant, |tenant, turn| tenant.send_off(turn, replaced));
                    self.depart(io, replaced, ErrorCode::DeviceReplaced.as_str());
                }
            }
        }
        let state = &self.tenants[tenant as usize];
        // It was dropped meanwhile: somebody who comes again has it opened.
        if state.ledger.is_closed() {
            return send_away(io, client);
        }
        if let Err(refusal) = state.check_room_for(&admission, &self.parts.limits) {
            connection_lines::refused(&admission, &refusal);
            return self.turn_away(&refusal);
        }
        let user_agent = self.intern(admission.about.user_agent.take().as_deref());
        let expires_at_s = admission.principal.expires_at_s();
        let owns = admission.owns.clone().unwrap_or_default();
        let first = self.tenants[tenant as usize].members.is_empty();
        let is_expired = admission.is_expired;
        let place = self.with_tenant(io, tenant, |tenant, turn| {
            let place = tenant.enter(turn, client, &entrance, admission, user_agent);
            if let Some(connection) = tenant.members.get(place) {
                connection_lines::connected(&tenant.id, connection, entrance.is_recovered);
            }
            (place, tenant.members.get(place).map_or(0, |it| it.grace_until_s))
        });
        let Some((place, grace_until_s)) = place else { return send_away(io, client) };
        {
            io.set_tag(client, Tag { tenant, place }.number());
            self.watch_expiry(io, client, expires_at_s.max(grace_until_s));
            let counters = &self.parts.counters;
            counters.connections.add(1);
            counters.connections_opened.add(1);
            counters.tenants.add(u64::from(first));
            let is_recovered = entrance.is_recovered;
            counters.sessions_recovered.add(u64::from(is_recovered));
            self.entering =
                Some(Entering { client, start: entrance.start, owns, is_recovered, is_expired });
        }
        Verdict::Accept { answer: entrance.answer }
    }

    fn connected(&mut self, io: &mut Reactor, client: ClientKey, _namespace: NamespaceId) {
        let Some(tag) = Tag::of(io, client) else { return };
        let entering = self.entering.take().filter(|entering| entering.client == client);
        self.with_tenant(io, tag.tenant, |tenant, turn| {
            // The answer to CONNECT is out; what was missed follows it, and then what happens from now on.
            let Some(Entering { start, owns, is_recovered, is_expired, .. }) = entering else {
                return;
            };
            // Even the greeting must not claim more than the client has: it may be the last thing that it gets.
            tenant.start_catch_up(turn, tag.place, start);
            tenant.set_owns(tag.place, owns);
            tenant.greet(turn, tag.place, is_recovered);
            if is_expired {
                tenant.ask_for_fresh_token(turn, client);
            }
            tenant.go_on(turn, tag.place);
        });
    }

    fn pinged(&mut self, io: &mut Reactor, client: ClientKey) -> u64 {
        let Some(tag) = Tag::of(io, client) else { return 0 };
        let mark = self.contained(io, tag.tenant, |shard, _| {
            shard.tenants.get(tag.tenant as usize).map(|tenant| tenant.ping_mark(tag.place))
        });
        mark.flatten().unwrap_or(0)
    }

    fn unconfirmed(&mut self, io: &mut Reactor, client: ClientKey) -> u64 {
        let Some(tag) = Tag::of(io, client) else { return 0 };
        let mark = self.contained(io, tag.tenant, |shard, _| {
            shard.tenants.get(tag.tenant as usize).map(|tenant| tenant.unconfirmed(tag.place))
        });
        mark.flatten().unwrap_or(0)
    }

    fn ponged(&mut self, io: &mut Reactor, client: ClientKey, mark: u64) {
        let Some(tag) = Tag::of(io, client) else { return };
        self.with_tenant(io, tag.tenant, |tenant, turn| tenant.ponged(turn, tag.place, mark));
    }

    fn drained(&mut self, io: &mut Reactor, client: ClientKey) {
        let Some(tag) = Tag::of(io, client) else { return };
        self.with_tenant(io, tag.tenant, |tenant, turn| tenant.drained(turn, tag.place));
    }

    fn hand_over(&mut self, shard: usize, handover: Handover<Admission>) {
        if shard == self.parts.index {
            return self.wait_at_home(handover);
        }
        // A full mailbox drops the client: it connects again, and by then there is room.
        let message = ShardMessage::Adopt(Box::new(handover));
        if self.parts.shards.sender(shard).try_send(message).is_err() {
            tracing::warn!(shard, "a shard's mailbox is full: a connection was closed");
        }
    }

    fn event(&mut self, io: &mut Reactor, client: ClientKey, event: Event<'_>) -> Flow {
        let Some(tag) = Tag::of(io, client) else { return Flow::Continue };
        let take = |shard: &mut Self, io: &mut Reactor| shard.take_event(io, tag, client, &event);
        self.contained(io, tag.tenant, take).unwrap_or(Flow::Continue)
    }

    fn acknowledged(&mut self, io: &mut Reactor, client: ClientKey, event: Event<'_>) -> bool {
        let (Some(tag), Some(id)) = (Tag::of(io, client), event.id) else { return false };
        let mut was_asked = false;
        self.with_tenant(io, tag.tenant, |tenant, turn| {
            was_asked = tenant.members.get_mut(tag.place).is_some_and(Connection::take_asked);
            tenant.acknowledged(turn, tag.place, id);
        });
        was_asked
    }

    fn left(&mut self, io: &mut Reactor, client: ClientKey, _namespace: NamespaceId) {
        if let Some(tag) = Tag::of(io, client) {
            self.with_tenant(io, tag.tenant, |tenant, turn| {
                tenant.end_session(turn, tag.place);
            });
        }
        self.depart(io, client, "left");
    }

    fn closed(&mut self, io: &mut Reactor, client: ClientKey, reason: CloseReason) {
        if reason == CloseReason::SlowReader {
            self.parts.counters.slow_readers_closed.add(1);
        }
        self.depart(io, client, reason.as_str());
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
                match self.parts.http.call(request, peer, responder) {
                    Ok(()) => self.asked += 1,
                    Err(response) => respond(io, ticket, &response),
                }
            }
            Err(_) => io.respond(ticket, 400, &[], b"malformed request"),
        }
    }

    fn turn(&mut self, io: &mut Reactor) {
        self.hear_of_logs(io);
        self.look_at_waiting(io);
        let (began, deliveries) = (Instant::now(), self.parts.counters.deliveries.get());
        while began.elapsed() < INBOX_TIME
            && self.parts.counters.deliveries.get() - deliveries <= TURN_DELIVERIES_MAX as u64
        {
            match self.parts.inbox.try_recv() {
                Some(message) => self.handle_message(io, message),
                None => return,
            }
        }
        // There may be more: come back without waiting.
        io.waker().wake();
    }

    fn alarm(&mut self, io: &mut Reactor, client: ClientKey) {
        let Some(tag) = Tag::of(io, client) else { return };
        self.clock.wake();
        let now_s = self.clock.wall_s();
        let due = self.with_tenant(io, tag.tenant, |tenant, turn| {
            let connection = tenant.members.get(tag.place)?;
            let expires_at_s = connection.principal.expires_at_s().max(connection.grace_until_s);
            if expires_at_s > now_s {
                return Some(expires_at_s);
            }
            // The transport alone closes: the client comes back by itself, with a fresh token.
            tenant.token_ended(turn, client);
            turn.effects.close(client, CloseReason::ServerClosed);
            None
        });
        if let Some(Some(expires_at_s)) = due {
            self.watch_expiry(io, client, expires_at_s);
        }
    }

    fn deadline(&mut self, io: &mut Reactor, what: u64) {
        self.clock.tick();
        match what {
            super::SWEEP => return self.sweep(io),
            super::pacing::LOOK => return self.let_in(io),
            _ => {}
        }
        let Ok(tenant) = u32::try_from(what) else { return };
        let now_ms = io.now_ms();
        if !self.timers.get_mut(tenant as usize).is_some_and(|timer| timer.has_come(now_ms)) {
            return;
        }
        let asks = self.with_tenant(io, tenant, |tenant, turn| tenant.handle_deadline(turn));
        if asks == Some(true) {
            self.ask_for_log(io, tenant);
        }
    }
}

/// Closes a client's transport: then it comes back by itself. An unmodified client that is refused does not.
fn send_away(io: &mut Reactor, client: ClientKey) -> Verdict<Admission> {
    io.close(client, CloseReason::ServerClosed);
    Verdict::Refuse { error: String::new() }
}

/// A client between the answer to its CONNECT and what follows it.
#[derive(Debug)]
pub(super) struct Entering {
    client: ClientKey,
    start: crate::replay::Start,
    /// Orders of its user's that may not be in memory.
    owns: Box<[Box<str>]>,
    is_recovered: bool,
    is_expired: bool,
}
