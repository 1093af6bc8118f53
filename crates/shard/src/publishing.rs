//! A tenant's events: checked, routed, and given to the log or, where their type is volatile, straight to everyone they
//! are for.

use foodtrack_contract::{
    DeliveryClass, DeliveryPolicy, ErrorCode, EventName, EventType, Incoming, Message,
    PermissionSet, Priority, Refusal, Source, UserRole, read_envelope,
};
use foodtrack_router::About;
use foodtrack_tenant_log::{Durability, EntryRef, LoggedAudience, LoggedRoom, OrderOwner};
use foodtrack_transport::{FrameMeta, LogPlace, Urgency};
use std::sync::Arc;
use uuid::Uuid;

use crate::cursor_suffix::CursorSuffix;
use crate::event_frame::EventFrame;
use crate::model::Accepted;
use crate::open_log::{LogState, Pending, accepted};
use crate::repeats::Emission;
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

/// What became of an event that was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It means what its class promises.
    Done(Accepted),
    /// The log has yet to say so; who published it is told then.
    Waits { offset: foodtrack_contract::Offset, is_repeat: bool },
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

/// A message that passed every check, with whom it is for.
pub(crate) struct Checked<'a> {
    pub(crate) id: Uuid,
    pub(crate) event: EventName,
    pub(crate) policy: DeliveryPolicy,
    pub(crate) priority: Priority,
    pub(crate) audience: LoggedAudience,
    pub(crate) entity: Option<&'a str>,
    /// The same as [`crate::repeats::EmissionKey::order`] says it.
    pub(crate) entity_hash: u64,
    pub(crate) creates_order: Option<OrderOwner>,
    /// As in [`foodtrack_tenant_log::LogEntry::fingerprint`].
    pub(crate) fingerprint: Option<u64>,
    /// The whole of it as JSON, as [`Message::to_json`] made it.
    pub(crate) message: Vec<u8>,
    /// Whether a later state may take its place at replay.
    pub(crate) compacts: bool,
    pub(crate) attachments: &'a [Vec<u8>],
}

impl Tenant {
    /// Takes an event, or says why not. `argument` is the event's first argument as raw JSON.
    pub(crate) fn publish(
        &mut self,
        turn: &mut Turn<'_>,
        publisher: Publisher<'_>,
        name: &str,
        argument: &str,
        attachments: &[Vec<u8>],
    ) -> Result<Taken, Stopped> {
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
        if let Some(id) = incoming.id
            && self.recent.get(&id).is_some()
        {
            turn.counters.duplicates.add(1);
            return Ok(Taken::Done(Accepted { id, offset: None, duplicate: true }));
        }
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
        if let Some(emission) = emission
            && let Some((id, offset)) = self.repeats.repeated(emission, turn.clock.steady_ms())
        {
            turn.counters.duplicates.add(1);
            return Ok(self.taken(id, offset, true));
        }
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
        let checked = Checked {
            id,
            priority: incoming.priority,
            audience,
            entity: order,
            entity_hash,
            creates_order,
            fingerprint: emission.map(|it| it.fingerprint),
            message: message.to_json(),
            compacts: policy.compacts && !tells_a_cancel(incoming.payload),
            attachments,
            policy,
            event,
        };
        let taken = self.take(turn, &checked, incoming.id.is_some())?;
        self.spare_rooms = checked.audience.rooms;
        self.spare_rooms.clear();
        if let (Some(emission), Some(offset)) = (emission, self.last_offset(taken)) {
            self.repeats.note(emission, id, offset, turn.clock.steady_ms());
        }
        Ok(taken)
    }

    fn last_offset(&self, taken: Taken) -> Option<foodtrack_contract::Offset> {
        match taken {
            Taken::Waits { offset, .. } => Some(offset),
            Taken::Done(accepted) => accepted.offset.and_then(foodtrack_contract::Offset::new),
        }
    }

    /// What is known of a message that the log has taken.
    fn taken(&self, id: Uuid, offset: foodtrack_contract::Offset, is_repeat: bool) -> Taken {
        match self.log.open() {
            Some(log) if offset > log.shown => Taken::Waits { offset, is_repeat },
            _ => Taken::Done(Accepted { duplicate: is_repeat, ..accepted(id, offset) }),
        }
    }

    /// Gives a message that passed every check to the log, or straight to its audience.
    pub(crate) fn take(
        &mut self,
        turn: &mut Turn<'_>,
        checked: &Checked<'_>,
        has_own_id: bool,
    ) -> Result<Taken, Refusal> {
        let (id, event, class) = (checked.id, &checked.event, checked.policy.class);
        match (class, &self.log) {
            (DeliveryClass::Volatile, _) => {}
            (_, LogState::Open(_)) => match self.append(turn, checked, has_own_id) {
                Ok(taken) => return Ok(taken),
                // What need not be kept goes on without the log.
                Err(_)
                    if class == DeliveryClass::Recoverable && checked.creates_order.is_none() => {}
                Err(refusal) => return Err(refusal.of_event(event.as_str())),
            },
            (_, LogState::Away { .. }) if class == DeliveryClass::Recoverable => {}
            (_, LogState::Away { reason, .. }) => {
                return Err(away(*reason).of_event(event.as_str()));
            }
            (_, LogState::Closed | LogState::Opening) => {
                let message = "the tenant's log is being opened: try again in a moment";
                let refusal = Refusal::new(ErrorCode::Overloaded, message).retry_after_ms(200);
                return Err(refusal.of_event(event.as_str()));
            }
        }
        self.send_unlogged(turn, checked);
        // Only a sender's own id can come twice.
        if has_own_id {
            self.recent.insert(id, ());
        }
        turn.counters.events_accepted.add(1);
        Ok(Taken::Done(Accepted { id, offset: None, duplicate: false }))
    }

    /// Appends to the open log, or says why the log does not take it.
    fn append(
        &mut self,
        turn: &mut Turn<'_>,
        checked: &Checked<'_>,
        has_own_id: bool,
    ) -> Result<Taken, Refusal> {
        use foodtrack_tenant_log::Admission;
        let durability = match checked.policy.class {
            DeliveryClass::Durable if !turn.log.is_in_memory => Durability::Durable,
            _ => Durability::Recoverable,
        };
        let now_ms = turn.clock.unix_ms();
        let Some(log) = self.log.open_mut() else {
            return Err(away(foodtrack_tenant_log::RefusedReason::OutOfSequence));
        };
        let offset = if has_own_id {
            match log.sequence.admit(checked.id, durability) {
                Admission::New(offset) => offset,
                Admission::Repeat(offset) => {
                    turn.counters.duplicates.add(1);
                    return Ok(self.taken(checked.id, offset, true));
                }
            }
        } else {
            log.sequence.admit_made(checked.id, durability)
        };
        let entry = checked.entry(offset, durability, now_ms);
        if let Err(error) = turn.log.submit(&self.id, &entry) {
            log.sequence.withdraw(checked.id, offset);
            return Err(not_submitted(error));
        }
        if let (Some(owner), Some(order)) = (&checked.creates_order, checked.entity) {
            self.orders.made(order, owner.customer.as_deref(), offset);
        }
        let (asks_ack, watch) = (checked.policy.acknowledge, checked.policy.watch);
        let place = LogPlace { offset: offset.get(), is_entry: true, is_stamped: !asks_ack };
        let (id, meta) = (checked.id, checked.meta(Some(place)));
        turn.counters.events_accepted.add(1);
        if !asks_ack && watch.is_none() && self.show_at_once(turn, &entry, meta) {
            return Ok(Taken::Done(accepted(id, offset)));
        }
        let (entry, answers) = (Arc::new(entry.to_entry()), smallvec::SmallVec::new());
        if let Some(log) = self.log.open_mut() {
            log.pending.push_back(Pending { entry, meta, asks_ack, watch, answers });
        }
        self.show(turn);
        Ok(self.taken(id, offset, false))
    }

    fn send_unlogged(&mut self, turn: &mut Turn<'_>, checked: &Checked<'_>) {
        let suffix = self.cursor_suffix();
        let meta = checked.meta(suffix.place());
        self.fan_out(turn, &checked.frame(meta, &suffix), &checked.audience);
        self.note_unsayable(turn, &checked.event, None);
        // What should have been in the log is no place of the log's: who catches up gets it now, or never.
        if checked.policy.is_logged() {
            for client in self.members.behind(&checked.audience) {
                let suffix = self.cursor_suffix_for(turn, client);
                checked.frame(checked.meta(suffix.place()), &suffix).send(turn.io, client);
            }
        }
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

impl Checked<'_> {
    /// The entry that it is in the log.
    fn entry(
        &self,
        offset: foodtrack_contract::Offset,
        durability: Durability,
        now_ms: u64,
    ) -> EntryRef<'_> {
        EntryRef {
            offset,
            id: self.id,
            event: &self.event,
            durability,
            priority: self.priority,
            at_ms: now_ms,
            expires_at_ms: self.policy.time_to_live_ms.map(|ms| now_ms.saturating_add(ms)),
            audience: &self.audience,
            entity: self.entity,
            compacts: self.compacts,
            creates_order: self.creates_order.as_ref(),
            fingerprint: self.fingerprint,
            message: &self.message,
            is_message_as_made: true,
            attachments: self.attachments,
        }
    }

    /// It as it goes out where it is no entry of the log.
    pub(crate) fn frame<'c>(&'c self, meta: FrameMeta, suffix: &'c CursorSuffix) -> EventFrame<'c> {
        EventFrame {
            event: &self.event,
            message: &self.message,
            retries: 0,
            attachments: self.attachments,
            meta,
            suffix,
            ack_id: None,
        }
    }

    pub(crate) fn meta(&self, place: Option<LogPlace>) -> FrameMeta {
        let class = self.policy.class;
        FrameMeta {
            urgency: urgency(self.priority),
            entity: self.entity_hash,
            droppable: match class {
                DeliveryClass::Volatile => true,
                DeliveryClass::Recoverable => self.priority == Priority::Low,
                DeliveryClass::Durable => false,
            },
            conflates: class == DeliveryClass::Volatile
                && self.event == EventName::Builtin(EventType::DeliveryLocationUpdated),
            place,
        }
    }
}

pub(crate) fn urgency(priority: Priority) -> Urgency {
    match priority {
        Priority::Low => Urgency::Low,
        Priority::Medium => Urgency::Medium,
        Priority::High => Urgency::High,
        Priority::Urgent => Urgency::Urgent,
    }
}

/// Why a log that is away does not take what must be kept.
pub(crate) fn away(reason: foodtrack_tenant_log::RefusedReason) -> Refusal {
    use foodtrack_tenant_log::RefusedReason;
    let code = match reason {
        RefusedReason::DiskFull => ErrorCode::StorageFull,
        RefusedReason::Poisoned => ErrorCode::StorageFailed,
        RefusedReason::OutOfSequence => ErrorCode::Degraded,
    };
    let refusal = Refusal::new(code, reason.to_string());
    if code == ErrorCode::StorageFailed { refusal } else { refusal.retry_after_ms(1_000) }
}

fn not_submitted(error: foodtrack_tenant_log::SubmitError) -> Refusal {
    use foodtrack_tenant_log::SubmitError;
    match error {
        SubmitError::Overloaded => {
            Refusal::new(ErrorCode::Overloaded, error.to_string()).retry_after_ms(100)
        }
        SubmitError::Poisoned => away(foodtrack_tenant_log::RefusedReason::Poisoned),
        SubmitError::Stopped => Refusal::new(ErrorCode::Draining, error.to_string()),
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
