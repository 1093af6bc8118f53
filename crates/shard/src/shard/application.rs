//! What the reactor tells a shard.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use foodtrack_contract::{Cursor, ErrorCode, Refusal};
use foodtrack_session::{Event, NamespaceId, Parser};
use foodtrack_tenant::{
    Arrival, ClientEvent, ConnectionSlot, Input, Verdict as Decision, stranger_refused,
};
use foodtrack_transport::{
    Application, ClientKey, CloseReason, DoorRefusal, Flow, Handover, HttpRequest, HttpTicket,
    PassedSocket, Reactor, Verdict,
};

use super::Shard;
use super::mail::respond;
use super::shard_effects::Outcome;
use crate::entrant::{Entrant, Stage};
use crate::handshake;
use crate::http_service::{PeerCertificate, Responder};
use crate::mailbox::ShardMessage;
use crate::tag::Tag;

/// Deliveries of a shard's turn before sockets have theirs again.
const TURN_DELIVERIES_MAX: u64 = 8_192;
/// How long messages are taken from the mailbox in a turn: sockets wait meanwhile.
const INBOX_TIME: Duration = Duration::from_millis(4);

impl Application for Shard {
    type Transfer = Entrant;

    fn connect(
        &mut self,
        io: &mut Reactor,
        client: ClientKey,
        namespace: NamespaceId,
        auth: Option<Cow<'_, str>>,
    ) -> Verdict<Entrant> {
        if self.is_for_observers(namespace) {
            return self.observe(io, client, auth.as_deref());
        }
        if Tag::of(io, client).is_some() || self.is_observer(client) {
            let message = "the connection has joined another namespace: use a connection for each";
            let refusal = Refusal::new(ErrorCode::NamespaceUnknown, message);
            return self.turn_away(io, client, &refusal);
        }
        self.clock.tick();
        let info = io.take_handshake(client);
        let admission = handshake::admit(
            auth.as_deref(),
            info.as_deref(),
            self.parts.authenticator(),
            &self.parts.settings.policies.profiles,
            &self.parts.cookie_name,
            self.clock.wall_s(),
        );
        match admission {
            Ok(admission) => {
                let home = self.parts.shards.home(admission.principal.tenant());
                let mut entrant = Entrant { admission, stage: Stage::Turn, has_heard_notes: false };
                // To its home, or to wait here: for its turn, or until its tenant's log is open.
                if home == self.parts.index {
                    self.advance(io, &mut entrant);
                }
                if entrant.stage != Stage::Ready {
                    return Verdict::HandOver { shard: home, transfer: entrant };
                }
                self.adopt(io, client, namespace, entrant)
            }
            Err(refusal) => {
                let address = info.as_ref().map(|info| info.address);
                // The next try on this transport needs what the first one told.
                if let Some(info) = info {
                    io.give_handshake_back(client, info);
                }
                stranger_refused(address, &refusal);
                if let Some(audit) = &self.parts.audit {
                    audit.stranger_refused(refusal.code());
                }
                self.turn_away(io, client, &refusal)
            }
        }
    }

    fn adopt(
        &mut self,
        io: &mut Reactor,
        client: ClientKey,
        namespace: NamespaceId,
        entrant: Entrant,
    ) -> Verdict<Entrant> {
        if self.stops_by_ms.is_some() {
            return self.send_away(io, client);
        }
        let mut admission = entrant.admission;
        let tenant = self.open_tenant(admission.principal.tenant());
        let user_agent = self.intern(admission.about.user_agent.take().as_deref());
        let new_id = io.new_id();
        let arrival = Box::new(Arrival { admission, new_id, namespace, user_agent });
        let outcome = self.handle_arrival(io, tenant, Input::Connect(arrival), Some(client));
        match outcome.and_then(|outcome| outcome.verdict) {
            Some(Decision::Accepted { slot, welcome }) => {
                let answer = match io.parser(client) {
                    Parser::PlainJson => {
                        let said =
                            self.ask(io, tenant, |tenant| tenant.introduction(slot, &welcome));
                        said.flatten().unwrap_or_default()
                    }
                    // The events that follow say it all.
                    Parser::EventStream => String::new(),
                    Parser::Unknown | Parser::Json | Parser::Msgpack => welcome.to_json(),
                };
                Verdict::Accept { answer }
            }
            Some(Decision::Refused(refusal)) => self.turn_away(io, client, &refusal),
            // Its tenant was dropped meanwhile: somebody who comes again has it opened.
            Some(Decision::ComeAgain) | None => self.send_away(io, client),
        }
    }

    fn connected(&mut self, io: &mut Reactor, client: ClientKey, namespace: NamespaceId) {
        self.handle_in(io, client, namespace, Input::Connected);
    }

    fn pinged(&mut self, io: &mut Reactor, client: ClientKey) -> u64 {
        let Some((tenant, slot)) = self.slot_of(io, client) else { return 0 };
        self.ask(io, tenant, |tenant| tenant.ping_mark(slot)).unwrap_or(0)
    }

    fn unconfirmed(&mut self, io: &mut Reactor, client: ClientKey) -> u64 {
        let Some((tenant, slot)) = self.slot_of(io, client) else { return 0 };
        self.ask(io, tenant, |tenant| tenant.unconfirmed(slot)).unwrap_or(0)
    }

    fn ponged(&mut self, io: &mut Reactor, client: ClientKey, mark: u64) {
        self.handle_of(io, client, |slot| Input::Ponged(slot, mark));
    }

    fn confirmed(&mut self, io: &mut Reactor, client: ClientKey, cursor: &str) {
        // What is no cursor of the log's confirms nothing.
        if let Some(cursor) = Cursor::parse(cursor) {
            self.handle_of(io, client, |slot| Input::Confirmed(slot, cursor));
        }
    }

    fn drained(&mut self, io: &mut Reactor, client: ClientKey) {
        self.handle_of(io, client, Input::Drained);
    }

    fn hand_over(&mut self, shard: usize, handover: Handover<Entrant>) {
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
        let deliveries = &self.parts.settings.counters.deliveries;
        self.read_first.get_or_insert_with(|| (Instant::now(), deliveries.get()));
        if self.is_observer(client) {
            self.hear_observer(client, &event);
            return Flow::Continue;
        }
        let Event { namespace, id, data, attachments } = event;
        let event = ClientEvent { id, data, attachments: attachments.into() };
        let outcome = self.handle_in(io, client, namespace, |slot| Input::Event(slot, event));
        outcome.map_or(Flow::Continue, |outcome| outcome.flow)
    }

    fn acknowledged(&mut self, io: &mut Reactor, client: ClientKey, event: Event<'_>) -> bool {
        let Some(id) = event.id else { return false };
        let acknowledged = |slot| Input::Acknowledged(slot, id);
        let outcome = self.handle_in(io, client, event.namespace, acknowledged);
        outcome.is_some_and(|outcome| outcome.was_asked)
    }

    fn left(&mut self, io: &mut Reactor, client: ClientKey, namespace: NamespaceId) {
        self.observer_went(client);
        if self.handle_in(io, client, namespace, Input::Left).is_some() {
            self.depart(io, client, "left");
        }
    }

    fn closed(&mut self, io: &mut Reactor, client: ClientKey, reason: CloseReason) {
        if reason == CloseReason::SlowReader {
            self.parts.settings.counters.slow_readers_closed.add(1);
        }
        self.observer_went(client);
        self.depart(io, client, reason.as_str());
    }

    fn http(&mut self, io: &mut Reactor, request: HttpRequest, ticket: HttpTicket) {
        let peer = request.peer;
        match to_http(request) {
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

    fn pass_on(&mut self, _io: &mut Reactor, request: HttpRequest, socket: PassedSocket) {
        if let Ok(request) = to_http(request) {
            self.parts.http.pass_on(request, socket);
        }
    }

    fn stream_refused(
        &mut self,
        io: &mut Reactor,
        ticket: HttpTicket,
        why: DoorRefusal,
        retry_after_ms: Option<u64>,
    ) {
        let refusal = match (why, retry_after_ms) {
            (DoorRefusal::HandshakeRateLimited, Some(after_ms)) => {
                let message = "this address opens connections too fast";
                Refusal::new(ErrorCode::HandshakeRateLimited, message).retry_after_ms(after_ms)
            }
            _ => {
                let message = "pages of this origin may not connect; cors.origin allows it";
                Refusal::new(ErrorCode::PermissionDenied, message)
            }
        };
        respond(io, ticket, &self.parts.http.refusal(&refusal));
    }

    fn turn(&mut self, io: &mut Reactor) {
        self.take_newest();
        self.hear_of_logs(io);
        self.look_at_waiting(io);
        let (began, deliveries) = (Instant::now(), self.parts.settings.counters.deliveries.get());
        while began.elapsed() < INBOX_TIME
            && self.parts.settings.counters.deliveries.get() - deliveries <= TURN_DELIVERIES_MAX
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
        self.clock.tick();
        self.handle_of(io, client, Input::TokenEnds);
    }

    fn deadline(&mut self, io: &mut Reactor, what: u64) {
        self.clock.tick();
        match what {
            super::SWEEP => return self.sweep(io),
            super::SEND_ELSEWHERE => return self.send_some_elsewhere(io),
            super::pacing::LOOK => return self.let_in(io),
            _ => {}
        }
        let Ok(tenant) = u32::try_from(what) else { return };
        let now_ms = io.now_ms();
        if self.tenants.get_mut(tenant as usize).is_some_and(|it| it.has_come(now_ms)) {
            self.handle(io, tenant, Input::Deadline);
        }
    }
}

impl Shard {
    /// A client's tenant, and its slot there.
    fn slot_of(&self, io: &Reactor, client: ClientKey) -> Option<(u32, ConnectionSlot)> {
        let tag = Tag::of(io, client)?;
        Some((tag.tenant, self.tenants.get(tag.tenant as usize)?.slot(tag)?))
    }

    /// As [`Shard::handle_of`], of a packet that came in a namespace: one of another namespace than its connection's is nobody's.
    fn handle_in<'i>(
        &mut self,
        io: &mut Reactor,
        client: ClientKey,
        namespace: NamespaceId,
        input: impl FnOnce(ConnectionSlot) -> Input<'i>,
    ) -> Option<Outcome> {
        let (tenant, slot) = self.slot_of(io, client)?;
        if slot.namespace() != namespace {
            return None;
        }
        self.handle(io, tenant, input(slot))
    }

    /// Closes a client's transport: then it comes back by itself. An unmodified client that is refused does not.
    fn send_away(&self, io: &mut Reactor, client: ClientKey) -> Verdict<Entrant> {
        if let Some(ticket) = io.refuse_stream(client) {
            let code =
                if self.stops_by_ms.is_some() { ErrorCode::Draining } else { ErrorCode::Degraded };
            let refusal = Refusal::new(code, "come again in a moment");
            respond(io, ticket, &self.parts.http.refusal(&refusal));
        } else {
            io.close(client, CloseReason::ServerClosed);
        }
        Verdict::Refuse { error: String::new() }
    }

    /// Has a client's tenant handle an input that is about the client.
    fn handle_of<'i>(
        &mut self,
        io: &mut Reactor,
        client: ClientKey,
        input: impl FnOnce(ConnectionSlot) -> Input<'i>,
    ) -> Option<Outcome> {
        let (tenant, slot) = self.slot_of(io, client)?;
        self.handle(io, tenant, input(slot))
    }
}

/// A request with what it says in the words of the API; whom it is passed on to is among its extensions.
fn to_http(request: HttpRequest) -> Result<http::Request<bytes::Bytes>, http::Error> {
    let mut built = http::Request::builder().method(request.method.as_str()).uri(&request.target);
    for (name, value) in &request.headers {
        built = built.header(name.as_str(), value.as_slice());
    }
    if let Some(certificate) = request.certificate {
        built = built.extension(PeerCertificate(certificate.into()));
    }
    if let Some(pass_on) = request.pass_on {
        built = built.extension(pass_on);
    }
    built.body(bytes::Bytes::from(request.body))
}
