//! A tenant's events: whether they may come in, and what they are.

use foodtrack_contract::{
    DeliveryClass, ErrorCode, Incoming, Message, Offset, PermissionSet, Refusal, Source, UserRole,
    read_envelope,
};
use foodtrack_router::About;
use foodtrack_tenant_log::{LoggedAudience, LoggedRoom};
use uuid::Uuid;

use crate::appending::Checked;
use crate::repeats::Emission;
use crate::reply_to::ReplyTo;
use crate::shared_rate::Party;
use crate::tenant::Tenant;
use crate::turn::Turn;

/// Who publishes: a connection, or a back end over HTTP.
#[derive(Clone, Copy)]
pub(crate) struct Publisher<'a> {
    pub(crate) user: &'a str,
    /// Who that is on which device, as [`crate::repeats::EmissionKey::sender`] says it.
    pub(crate) sender: u64,
    pub(crate) role: UserRole,
    pub(crate) source: Source,
    pub(crate) permissions: PermissionSet,
}

/// An event as its sender emitted it.
#[derive(Clone, Copy)]
pub(crate) struct Emitted<'a> {
    pub(crate) name: &'a str,
    /// Its first argument as raw JSON.
    pub(crate) argument: &'a str,
    pub(crate) attachments: &'a [Vec<u8>],
}

/// An event that cannot be published before the log has said whose an order is. Nothing was done.
#[derive(Debug)]
pub(crate) struct WaitsForOwner {
    pub(crate) order: Box<str>,
    pub(crate) reply: ReplyTo,
}

/// Why an event was not taken.
#[derive(Debug)]
pub(crate) enum Stopped {
    Refused(Refusal),
    /// Not yet: the log must say first whose this order is. Nothing was done.
    Asks(Box<str>),
}

impl From<Refusal> for Stopped {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Tenant {
    /// Takes an event, and tells who sent it what became of it, now or when the log has said so.
    ///
    /// # Errors
    /// [`WaitsForOwner`]: nothing was done, and nobody was told.
    pub(crate) fn publish(
        &mut self,
        turn: &mut Turn<'_>,
        publisher: Publisher<'_>,
        emitted: Emitted<'_>,
        reply: ReplyTo,
    ) -> Result<(), WaitsForOwner> {
        match self.check(turn, publisher, emitted) {
            Ok(checked) => {
                match self.first_of(turn, &checked) {
                    Some((id, offset)) => self.answer_repeat(turn, id, offset, reply),
                    None => self.take(turn, &checked, reply),
                }
                self.spare_rooms = checked.audience.rooms;
                self.spare_rooms.clear();
            }
            Err(Stopped::Refused(refusal)) => self.answer(turn, reply, Err(refusal)),
            Err(Stopped::Asks(order)) => return Err(WaitsForOwner { order, reply }),
        }
        Ok(())
    }

    /// Whether an event may come in, and what it is.
    fn check<'a>(
        &mut self,
        turn: &mut Turn<'_>,
        publisher: Publisher<'_>,
        emitted: Emitted<'a>,
    ) -> Result<Checked<'a>, Stopped> {
        let Emitted { name, argument, attachments } = emitted;
        let policies = turn.policies;
        let event = policies.schemas.resolve(&self.id, name)?;
        self.at_work = None;
        let incoming = read_envelope(name, argument)?;
        self.at_work = incoming.id;
        #[cfg(test)]
        crate::shard::panic_if_planted(argument);
        self.check_claims(&incoming, &publisher).map_err(|refusal| refusal.of_event(name))?;
        let source = incoming.source.unwrap_or(publisher.source);
        let sender = foodtrack_router::Sender { source, permissions: publisher.permissions };
        policies.router.authorize(&self.id, &event, sender)?;
        check_attachments(&incoming, attachments).map_err(|refusal| refusal.of_event(name))?;
        let now_ms = turn.io.now_ms();
        let (schemas, party) = (&policies.schemas, Party::of(publisher.role, publisher.source));
        let entities = self.validate(schemas, &event, incoming.payload, party, now_ms)?;
        let order = entities.order_id.as_deref();
        if let Some(order) = order
            && let Err(stopped) = self.find_owner(turn, order)
        {
            self.give_back_check(schemas, &event, incoming.payload, party);
            return Err(stopped);
        }
        self.check_order(turn, &event, &publisher, &entities)
            .map_err(|refusal| refusal.of_event(name))?;
        let mut policy = policies.delivery.of(&policies.schemas, &self.id, &event);
        let entity_hash = turn.emission_key.order(order);
        let emission = Emission::of(
            turn.emission_key,
            &publisher,
            &event,
            &policy,
            &incoming,
            entity_hash,
            attachments,
        );
        let creates_order = self.new_order(&event, &publisher, &entities);
        let customer = match &creates_order {
            Some(owner) => owner.customer.clone(),
            None => order.and_then(|order| self.orders.whose(order).customer()).map(Box::from),
        };
        // What says whose an order is must be there again after a restart.
        if creates_order.is_some() && policy.class == DeliveryClass::Volatile {
            policy.class = DeliveryClass::Recoverable;
        }
        let about = About {
            order,
            customer: customer.as_deref(),
            station: entities.station_id.as_deref(),
            route: entities.route_id.as_deref(),
            assignee: entities.assignee_id.as_deref(),
        };
        let audience = policies.router.audience(&self.id, &event, source, incoming.target, &about);
        let mut rooms = std::mem::take(&mut self.spare_rooms);
        rooms.extend(audience.rooms.iter().copied().map(LoggedRoom::from));
        let audience = LoggedAudience {
            applications: audience.applications,
            rooms,
            only: audience.only,
            read: audience.read,
        };
        let id = incoming.id.unwrap_or_else(Uuid::now_v7);
        let message = Message {
            id,
            event: name,
            tenant: &self.id,
            timestamp: turn.clock.text(),
            source,
            target: incoming.target,
            payload: incoming.payload,
            priority: incoming.priority,
            retry_count: 0,
            encrypted: false,
        };
        Ok(Checked {
            id,
            is_named: incoming.id.is_some(),
            priority: incoming.priority,
            audience,
            entity_hash,
            creates_order,
            emission,
            message: message.to_json(),
            compacts: policy.compacts && !tells_a_cancel(incoming.payload),
            attachments,
            policy,
            event,
            entity: entities.order_id.clone(),
        })
    }

    /// The id of the message that this one repeats, and its offset where it is in the log, if memory knows of one.
    fn first_of(
        &mut self,
        turn: &Turn<'_>,
        checked: &Checked<'_>,
    ) -> Option<(Uuid, Option<Offset>)> {
        if checked.is_named && self.recent.get(&checked.id).is_some() {
            return Some((checked.id, None));
        }
        let (id, offset) = self.repeats.repeated(checked.emission?, turn.clock.steady_ms())?;
        Some((id, Some(offset)))
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
}

/// A cancel is never left out for a later state. Errs on the side of keeping.
pub(crate) fn tells_a_cancel(payload: &str) -> bool {
    payload.as_bytes().windows(6).any(|word| word.eq_ignore_ascii_case(b"cancel"))
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
