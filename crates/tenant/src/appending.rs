//! What became of a message that passed every check: the log's next entry, or straight to everyone it is for.

use std::borrow::Cow;
use std::sync::Arc;

use foodtrack_contract::{
    DeliveryClass, DeliveryPolicy, ErrorCode, EventName, EventType, Offset, Priority, Refusal,
    TenantId,
};
use foodtrack_tenant_log::{
    Durability, EntryRef, Fact, LogEntry, LoggedAudience, OrderOwner, RefusedReason, SubmitError,
    Submitted,
};
use foodtrack_wire::{FrameMeta, LogPlace, Urgency};
use uuid::Uuid;

use crate::cursor_suffix::CursorSuffix;
use crate::delivery_news::DeliveryNews;
use crate::effects::Effects;
use crate::event_frame::EventFrame;
use crate::intake::Emission;
use crate::ledger::{Admitted, Pending, Unavailable};
use crate::model::Accepted;
use crate::reply_to::ReplyTo;
use crate::tenant::Tenant;
use crate::turn::Turn;

/// A message that passed every check, with whom it is for.
pub(crate) struct Checked<'a> {
    pub(crate) id: Uuid,
    /// Whether its sender gave it its id: then it can come twice.
    pub(crate) is_named: bool,
    pub(crate) event: EventName,
    pub(crate) policy: DeliveryPolicy,
    pub(crate) priority: Priority,
    pub(crate) audience: LoggedAudience,
    pub(crate) entity: Option<Cow<'a, str>>,
    /// The same as [`crate::intake::EmissionKey::order`] says it.
    pub(crate) entity_hash: u64,
    pub(crate) creates_order: Option<OrderOwner>,
    /// Who it assigns its order to.
    pub(crate) assigns: Option<Cow<'a, str>>,
    /// The message that said the same before, and its place.
    pub(crate) said_before: Option<(Uuid, Offset)>,
    /// What its repeat would be known by.
    pub(crate) emission: Option<Emission>,
    /// The whole of it as JSON, as [`Message::to_json`] made it.
    pub(crate) message: Vec<u8>,
    /// Whether a later state may take its place at replay.
    pub(crate) compacts: bool,
    /// What it is told for: it is left out of a log that several nodes write to where that is known there.
    pub(crate) fact: Option<Fact<'a>>,
    pub(crate) attachments: &'a [Vec<u8>],
}

impl Tenant {
    /// Tells who sent a message again what became of it the first time, now or when that is known.
    pub(crate) fn answer_repeat(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        id: Uuid,
        offset: Option<Offset>,
        reply: ReplyTo,
    ) {
        turn.counters.duplicates.add(1);
        if offset.is_some_and(|offset| self.ledger.is_in_doubt(offset)) {
            return self.answer(turn, reply, Err(away(RefusedReason::Unknown)));
        }
        let reply = match offset {
            Some(offset) => self.ledger.join(offset, reply),
            None => self.ledger.join_submitted(id, reply),
        };
        if let Some(reply) = reply {
            let offset = offset.map(Offset::get);
            self.answer(turn, reply, Ok(Accepted { id, offset, duplicate: true, spooled: false }));
        }
    }

    /// Gives a message that passed every check to the log, or straight to its audience.
    pub(crate) fn take(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        checked: &Checked<'_>,
        reply: ReplyTo,
    ) {
        let class = checked.policy.class;
        if class != DeliveryClass::Volatile {
            let may_be_lost = class == DeliveryClass::Recoverable;
            match self.append(turn, checked) {
                Ok(Appended::At(offset)) => {
                    return self.deliver_or_wait(turn, checked, offset, reply);
                }
                Ok(Appended::Later(ticket)) => {
                    self.tally.accept();
                    turn.counters.accepted(&checked.event, class);
                    let pending = checked.pending(turn, Offset::ZERO, reply);
                    return self.ledger.wait_for_answer(ticket, pending);
                }
                Ok(Appended::Repeats(offset)) => {
                    return self.answer_repeat(turn, checked.id, offset, reply);
                }
                // What need not be kept goes on without the log.
                Err(NotAppended::Away(_)) if may_be_lost => {}
                Err(NotAppended::Submit(_)) if may_be_lost && checked.creates_order.is_none() => {}
                Err(error) => {
                    let refusal = error.refusal().of_event(checked.event.as_str());
                    return self.answer(turn, reply, Err(refusal));
                }
            }
        }
        match checked.event {
            EventName::Builtin(EventType::TenantMetrics) => self.send_at_pace(turn, checked),
            _ => self.send_unlogged(turn, checked),
        }
        self.intake.seen_unlogged(checked);
        self.tally.accept();
        turn.counters.accepted(&checked.event, class);
        self.answer(turn, reply, Ok(unlogged(checked.id)));
    }

    /// Submits a message to the log.
    fn append(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        checked: &Checked<'_>,
    ) -> Result<Appended, NotAppended> {
        let durability = checked.durability(turn);
        let offset = match self.ledger.admit(checked.id, checked.is_named, durability)? {
            Admitted::At(offset) => offset,
            Admitted::Unplaced => return self.append_unplaced(turn, checked),
            Admitted::Repeat(offset) => {
                self.intake.seen(checked, offset, turn.now.steady_ms);
                return Ok(Appended::Repeats(Some(offset)));
            }
            Admitted::Submitted => return Ok(Appended::Repeats(None)),
        };
        let entry = checked.entry(offset, durability, turn.now.believed_ms);
        match turn.effects.submit(&self.id, &entry) {
            Ok(Submitted::Later(_)) => unreachable!("the log said that nobody else writes to it"),
            Ok(Submitted::At(_)) => {
                self.intake.submitted(checked, offset);
                self.intake.seen(checked, offset, turn.now.steady_ms);
                Ok(Appended::At(offset))
            }
            Err(error) => {
                self.ledger.withdraw(checked.id, offset);
                Err(NotAppended::Submit(error))
            }
        }
    }

    /// Submits a message to a log that says later where it is.
    fn append_unplaced(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        checked: &Checked<'_>,
    ) -> Result<Appended, NotAppended> {
        let entry = checked.entry(Offset::ZERO, checked.durability(turn), turn.now.believed_ms);
        match turn.effects.submit(&self.id, &entry).map_err(NotAppended::Submit)? {
            Submitted::Later(ticket) => {
                self.intake.submitted_unplaced(checked, turn.now.steady_ms);
                Ok(Appended::Later(ticket))
            }
            Submitted::At(_) => unreachable!("the log said that others write to it"),
        }
    }

    /// Delivers a message that was submitted a moment ago, or has it wait for the log.
    fn deliver_or_wait(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        checked: &Checked<'_>,
        offset: Offset,
        reply: ReplyTo,
    ) {
        self.tally.accept();
        turn.counters.accepted(&checked.event, checked.policy.class);
        let entry = checked.entry(offset, checked.durability(turn), turn.now.believed_ms);
        let is_plain = !checked.policy.acknowledge && checked.policy.watch.is_none();
        if is_plain && !self.is_turn_over(turn.has_others) && self.ledger.is_next(offset) {
            let place = LogPlace { offset: offset.get(), is_entry: true };
            let recipients = self.deliver_entry(turn, &entry, checked.meta(Some(place)));
            turn.effects.trace(&checked.news(&self.id, Some(offset), recipients));
            return self.answer(turn, reply, Ok(accepted(checked.id, offset, false)));
        }
        self.ledger.wait(checked.pending(turn, offset, reply));
        self.deliver_released(turn);
    }

    pub(crate) fn send_unlogged(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        checked: &Checked<'_>,
    ) {
        let suffix = self.cursor_suffix();
        let meta = checked.meta(suffix.place());
        let class = checked.policy.class;
        let frame = checked.frame(meta, &suffix);
        let recipients = self.fan_out(turn, &frame, class, &checked.audience);
        turn.effects.trace(&checked.news(&self.id, None, recipients));
        self.note_unsayable(turn, &checked.event, None);
        // What should have been in the log is no place of the log's: who catches up gets it now, or never.
        if checked.policy.is_logged() {
            for client in self.members.behind(&checked.audience) {
                let suffix = self.cursor_suffix_for(client);
                let event = checked.frame(checked.meta(suffix.place()), &suffix);
                self.send_to(turn, client, &event);
            }
        }
        if self.ledger.is_shared() {
            let now_ms = turn.now.believed_ms;
            let entry = checked.entry(Offset::ZERO, Durability::Recoverable, now_ms);
            // Only a sender's own id can come again through another node.
            let id = if checked.is_named { entry.id } else { Uuid::nil() };
            // The message has its own id all the same.
            let is_message_as_made = entry.is_message_as_made && checked.is_named;
            turn.effects.pass_on(&self.id, &EntryRef { id, is_message_as_made, ..entry });
        }
    }

    /// Another node passed an event on that is in no log. Its id is nil where nobody can send it again.
    pub(crate) fn passed_on(&mut self, turn: &mut Turn<'_, impl Effects>, entry: &LogEntry) {
        if self.intake.passed_on(entry.id) {
            turn.counters.duplicates.add(1);
            return;
        }
        let suffix = self.cursor_suffix();
        let policy = turn.policies.delivery.of(&turn.policies.schemas, &self.id, &entry.event);
        let entity = turn.emission_key.order(entry.entity.as_deref());
        let meta = meta_of((policy.class, entry.priority), &entry.event, entity, suffix.place());
        let frame = EventFrame::of(entry, meta, &suffix);
        self.fan_out(turn, &frame, policy.class, &entry.audience);
        self.note_unsayable(turn, &entry.event, None);
    }
}

impl Checked<'_> {
    /// What became of it at once.
    fn news<'n>(
        &'n self,
        tenant: &'n TenantId,
        offset: Option<Offset>,
        recipients: usize,
    ) -> DeliveryNews<'n> {
        DeliveryNews { tenant, id: self.id, event: &self.event, offset, recipients, waited_ms: 0 }
    }

    fn durability(&self, turn: &Turn<'_, impl Effects>) -> Durability {
        match self.policy.class {
            DeliveryClass::Durable if !turn.effects.is_log_in_memory() => Durability::Durable,
            _ => Durability::Recoverable,
        }
    }

    /// Whether replicas must have it before its sender is told that it is kept. Of an acceptance that says again what was said the
    /// log has the first one alone.
    pub(crate) fn must_be_replicated(&self, turn: &Turn<'_, impl Effects>) -> bool {
        turn.effects.waits_for_replicas()
            && self.policy.class == DeliveryClass::Durable
            && self.said_before.is_none()
    }

    /// The entry that it is in the log.
    fn entry(&self, offset: Offset, durability: Durability, now_ms: u64) -> EntryRef<'_> {
        EntryRef {
            offset,
            id: self.id,
            event: &self.event,
            durability,
            priority: self.priority,
            at_ms: now_ms,
            expires_at_ms: self.policy.time_to_live_ms.map(|ms| now_ms.saturating_add(ms)),
            audience: &self.audience,
            entity: self.entity.as_deref(),
            compacts: self.compacts,
            creates_order: self.creates_order.as_ref(),
            fingerprint: self.emission.map(|it| it.fingerprint),
            message: &self.message,
            is_message_as_made: true,
            fact: self.fact,
            attachments: self.attachments,
        }
    }

    /// It as it waits for the log.
    fn pending(&self, turn: &Turn<'_, impl Effects>, offset: Offset, reply: ReplyTo) -> Pending {
        let entry = self.entry(offset, self.durability(turn), turn.now.believed_ms);
        Pending {
            entry: Arc::new(entry.to_entry()),
            meta: self.meta(Some(LogPlace { offset: offset.get(), is_entry: true })),
            asks_ack: self.policy.acknowledge,
            watch: self.policy.watch,
            submitted_ms: Some(turn.now.monotonic_ms),
            replies: smallvec::smallvec![(reply, false)],
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
            words: None,
        }
    }

    pub(crate) fn meta(&self, place: Option<LogPlace>) -> FrameMeta {
        meta_of((self.policy.class, self.priority), &self.event, self.entity_hash, place)
    }
}

/// What a queue must know of an event of this class and priority, about an entity as a hash.
pub(crate) fn meta_of(
    (class, priority): (DeliveryClass, Priority),
    event: &EventName,
    entity: u64,
    place: Option<LogPlace>,
) -> FrameMeta {
    FrameMeta {
        urgency: urgency(priority),
        entity,
        droppable: match class {
            DeliveryClass::Volatile => true,
            DeliveryClass::Recoverable => priority == Priority::Low,
            DeliveryClass::Durable => false,
        },
        conflates: class == DeliveryClass::Volatile
            && *event == EventName::Builtin(EventType::DeliveryLocationUpdated),
        place,
    }
}

/// What is answered to who published a message that is in the log.
pub(crate) fn accepted(id: Uuid, offset: Offset, duplicate: bool) -> Accepted {
    Accepted { id, offset: Some(offset.get()), duplicate, spooled: false }
}

/// What is answered to who published a message that is in no log.
pub(crate) fn unlogged(id: Uuid) -> Accepted {
    Accepted { id, offset: None, duplicate: false, spooled: false }
}

pub(crate) fn urgency(priority: Priority) -> Urgency {
    match priority {
        Priority::Low => Urgency::Low,
        Priority::Medium => Urgency::Medium,
        Priority::High => Urgency::High,
        Priority::Urgent => Urgency::Urgent,
    }
}

/// Why a log did not take what must be kept, or that nobody knows whether it has.
pub(crate) fn away(reason: RefusedReason) -> Refusal {
    let code = match reason {
        RefusedReason::DiskFull => ErrorCode::StorageFull,
        RefusedReason::Poisoned => ErrorCode::StorageFailed,
        RefusedReason::Unknown => ErrorCode::Timeout,
        RefusedReason::OutOfSequence | RefusedReason::Away | RefusedReason::Fenced => {
            ErrorCode::Degraded
        }
        RefusedReason::OthersOrder => ErrorCode::OrderForbidden,
    };
    let refusal = Refusal::new(code, reason.to_string());
    match code {
        ErrorCode::StorageFailed | ErrorCode::OrderForbidden => refusal,
        _ => refusal.retry_after_ms(1_000),
    }
}

/// Why what must be kept was not taken.
pub(crate) fn not_taken(error: SubmitError) -> Refusal {
    NotAppended::Submit(error).refusal()
}

/// What became of a message that was given to the log.
#[derive(Clone, Copy, Debug)]
enum Appended {
    /// It was submitted, and this is its offset.
    At(Offset),
    /// It was submitted with this ticket, and the store will say where it is.
    Later(u64),
    /// It came before, at this offset, where that is known.
    Repeats(Option<Offset>),
}

/// Why a message is not in the log.
#[derive(Debug)]
enum NotAppended {
    /// The log is away.
    Away(RefusedReason),
    /// The log is being opened.
    NotYet,
    /// The log does not take it.
    Submit(SubmitError),
}

impl From<Unavailable> for NotAppended {
    fn from(unavailable: Unavailable) -> Self {
        match unavailable {
            Unavailable::NotYet => Self::NotYet,
            Unavailable::Away(reason) => Self::Away(reason),
        }
    }
}

impl NotAppended {
    fn refusal(self) -> Refusal {
        match self {
            Self::Away(reason) => away(reason),
            Self::NotYet => {
                let message = "the tenant's log is being opened: try again in a moment";
                Refusal::new(ErrorCode::Overloaded, message).retry_after_ms(200)
            }
            Self::Submit(error @ SubmitError::Overloaded) => {
                Refusal::new(ErrorCode::Overloaded, error.to_string()).retry_after_ms(100)
            }
            Self::Submit(SubmitError::Poisoned) => away(RefusedReason::Poisoned),
            Self::Submit(SubmitError::Away) => away(RefusedReason::Away),
            Self::Submit(error @ SubmitError::Stopped) => {
                Refusal::new(ErrorCode::Draining, error.to_string())
            }
        }
    }
}
