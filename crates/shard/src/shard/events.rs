//! What a client sends: within its rates, a control event or an event of the tenant's.

use std::time::Instant;

use foodtrack_contract::{ErrorCode, Refusal};
use foodtrack_session::Event;
use foodtrack_transport::{ClientKey, Flow, Reactor};
use foodtrack_wire::socket_io;
use serde::Deserialize;

use super::Shard;
use crate::control_events::ControlEvent;
use crate::open_log::Answer;
use crate::publishing::Publisher;
use crate::tag::Tag;

/// How often a connection is told, without being asked, that it is over its rate.
const OVER_RATE_TELL_MS: u64 = 1_000;
/// How long a connection over its rate is not read.
const OVER_RATE_PAUSE_MS: u32 = 50;

/// The argument of `authenticate`: the token, or an object that names it.
#[derive(Deserialize)]
#[serde(untagged)]
enum FreshToken {
    Alone(String),
    Named { token: String },
}

impl Shard {
    /// Takes what a client sends, or tells it why not.
    pub(super) fn take_event(
        &mut self,
        io: &mut Reactor,
        tag: Tag,
        client: ClientKey,
        event: &Event<'_>,
    ) -> Flow {
        let deliveries = &self.parts.counters.deliveries;
        self.read_first.get_or_insert_with(|| (Instant::now(), deliveries.get()));
        if let Err((refusal, tell)) = self.check_rates(io, tag, size_of_event(event)) {
            self.with_tenant(io, tag.tenant, |tenant, turn| match (event.id, tell) {
                (None, false) => {
                    turn.counters.events_refused.add(1);
                    turn.counters.refusals.add(refusal.code());
                    turn.counters.rate_limited.add(1);
                }
                (id, _) => tenant.refuse(turn, client, id, &refusal),
            });
            return Flow::PauseMs(OVER_RATE_PAUSE_MS);
        }
        if let Err(refusal) = self.handle_event(io, tag, client, event) {
            self.with_tenant(io, tag.tenant, |tenant, turn| {
                tenant.refuse(turn, client, event.id, &refusal);
            });
        }
        let others = self.busy.max(self.busy_before) > 1;
        match self.tenants.get(tag.tenant as usize) {
            Some(tenant) if tenant.is_turn_over(others) => Flow::Yield,
            _ => Flow::Continue,
        }
    }

    /// Whether the sender is within its rates; if not, the refusal.
    pub(super) fn check_rates(
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
    pub(super) fn handle_event(
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
                tenant.health(turn, tag.place, ack_id);
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
                    sender: connection.sender,
                    role: connection.principal.role(),
                    source: connection.source,
                    permissions: connection.principal.permissions(),
                };
                let taken = tenant.publish(turn, publisher, &name, argument, &event.attachments)?;
                if let Some(client) = tenant.addressee(tag.place) {
                    let answer = match ack_id {
                        Some(ack_id) => Answer::Client { client, ack_id },
                        None => Answer::Silent(client),
                    };
                    tenant.answer_when_done(turn, taken, answer);
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
        let principal = self.parts.authenticator.principal(&token, self.clock.wall_s())?;
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
}

/// What an event costs of its sender's bytes.
fn size_of_event(event: &Event<'_>) -> usize {
    event.data.len() + event.attachments.iter().map(Vec::len).sum::<usize>()
}
