//! What a client sends: within its rates, a control event or an event of the tenant's.

use std::time::Instant;

use foodtrack_contract::{ErrorCode, Refusal};
use foodtrack_session::Event;
use foodtrack_transport::{ClientKey, Flow, Reactor};
use serde::Deserialize;

use super::Shard;
use crate::client_events::Said;
use crate::control_events::ControlEvent;
use crate::shared_rate::Party;
use crate::tag::Tag;

/// How often a connection is told, without being asked, that it is over its rate.
const OVER_RATE_TELL_MS: u64 = 1_000;
/// How long a connection over its rate is not read.
const OVER_RATE_PAUSE_MS: u32 = 50;

/// How long a connection is not read of which much waits for the log.
const LINE_PAUSE_MS: u32 = 10;

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
            Some(tenant) if tenant.lookups.is_long(tag.place) => Flow::PauseMs(LINE_PAUSE_MS),
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
        let Some((connection, user)) = tenant.members.with_user(tag.place) else {
            return Ok(());
        };
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let party = Party::of(connection.principal.role(), connection.source);
        let of_connection = connection
            .messages
            .spend(limits.messages_per_connection, 1, now_ms)
            .and_then(|()| connection.bytes.spend(limits.bytes_per_connection, bytes, now_ms));
        // A back end speaks for its whole tenant.
        let mut of_user = || match party {
            Party::BackEnds => Ok(()),
            _ => user
                .messages
                .spend(limits.messages_per_user, 1, now_ms)
                .and_then(|()| user.bytes.spend(limits.bytes_per_user, bytes, now_ms)),
        };
        let mut of_tenant =
            || tenant.intake.spend_message(party, limits.messages_per_tenant, now_ms);
        let (code, what, after_ms) = if let Err(after_ms) = of_connection {
            (ErrorCode::RateLimited, "connection", after_ms)
        } else if let Err(after_ms) = of_user() {
            (ErrorCode::RateLimited, "user, over all connections,", after_ms)
        } else if let Err(after_ms) = of_tenant() {
            (ErrorCode::TenantRateLimited, party.whose(), after_ms)
        } else {
            return Ok(());
        };
        let tell = now_ms.saturating_sub(connection.told_ms) >= OVER_RATE_TELL_MS;
        if tell {
            connection.told_ms = now_ms;
        }
        let message = format!("the {what} sends more than the limit allows");
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
        let said = Said::read(&event.data)?;
        if ControlEvent::from_wire(&said.name) == Some(ControlEvent::Authenticate) {
            return self.renew_token(io, tag, client, said.control_argument(), event.id);
        }
        self.with_tenant(io, tag.tenant, |tenant, turn| tenant.take_event(turn, tag.place, event))
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
            let Some(connection) = tenant.members.get(tag.place) else { return Ok(()) };
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
