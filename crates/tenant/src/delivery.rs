//! From the log to everyone: what is released is delivered in the log's order, each message encoded once, whoever gets it.

use std::sync::Arc;

use foodtrack_contract::{DeliveryClass, EventName, Offset, Refusal};
use foodtrack_router::EventRedactions;
use foodtrack_tenant_log::{Durability, EntryRef, LogEntry, LoggedAudience, RefusedReason};
use foodtrack_wire::FrameMeta;

use crate::appending::{accepted, away};
use crate::cursor_suffix::CursorSuffix;
use crate::delivery_news::DeliveryNews;
use crate::effects::Effects;
use crate::event_frame::EventFrame;
use crate::ledger::Pending;
use crate::members::{Connection, Recipients};
use crate::model::Accepted;
use crate::reply_to::ReplyTo;
use crate::shared_frame::SharedFrame;
use crate::tenant::Tenant;
use crate::translating::Frames;
use crate::turn::Turn;

/// Deliveries of a tenant before others have their turn, where others are at work.
pub(crate) const TURN_DELIVERIES_MAX: usize = 8_192;

impl Tenant {
    /// What ends an event to somebody who got everything.
    pub(crate) fn cursor_suffix(&self) -> CursorSuffix {
        let position = self.ledger.position();
        position.map_or(CursorSuffix::None, |it| CursorSuffix::At(it.epoch, it.delivered_through))
    }

    /// Whether the tenant had its turn, where others are at work.
    pub(crate) fn is_turn_over(&self, has_others: bool) -> bool {
        has_others && self.turn_deliveries > TURN_DELIVERIES_MAX
    }

    /// Delivers what is released, as much as fits into the tenant's turn.
    pub(crate) fn deliver_released(&mut self, turn: &mut Turn<'_, impl Effects>) {
        while self.ledger.has_released() {
            if self.is_turn_over(turn.has_others) {
                return;
            }
            if let Some(pending) = self.ledger.next_released() {
                self.deliver_pending(turn, pending);
            }
        }
    }

    fn deliver_pending(&mut self, turn: &mut Turn<'_, impl Effects>, pending: Pending) {
        let Pending { entry, meta, asks_ack, watch, submitted_ms, replies } = pending;
        if self.ledger.is_shared() {
            self.take_in(turn, &entry);
            self.devices.is_known(entry.id);
        }
        let recipients = match asks_ack {
            true => self.deliver_asking(turn, &entry, meta),
            false => self.deliver_entry(turn, &entry.by_ref(), meta),
        };
        if let Some(submitted_ms) = submitted_ms {
            let waited_ms = turn.now.monotonic_ms.saturating_sub(submitted_ms);
            turn.counters.times.publish_to_commit.observe_ms(waited_ms);
            turn.effects.trace(&DeliveryNews {
                tenant: &self.id,
                id: entry.id,
                event: &entry.event,
                offset: Some(entry.offset),
                recipients,
                waited_ms,
            });
        }
        if let Some(watch) = watch {
            self.watch(turn, &entry, watch);
        }
        for (reply, duplicate) in replies {
            self.answer(turn, reply, Ok(accepted(entry.id, entry.offset, duplicate)));
        }
    }

    /// Delivers the next entry. Returns to how many.
    pub(crate) fn deliver_entry(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        entry: &EntryRef<'_>,
        meta: FrameMeta,
    ) -> usize {
        let Some(epoch) = self.ledger.deliver(entry.offset) else { return 0 };
        let suffix = CursorSuffix::At(epoch, entry.offset);
        let frame = EventFrame {
            event: entry.event,
            message: entry.message,
            retries: 0,
            attachments: entry.attachments,
            meta,
            suffix: &suffix,
            ack_id: None,
            words: None,
        };
        let class = class_of(entry.durability);
        let delivered = self.fan_out(turn, &frame, class, entry.audience);
        self.note_unsayable(turn, entry.event, Some((entry.offset, entry.id)));
        delivered
    }

    /// Delivers the next entry, which asks for an acknowledgement. Returns to how many.
    fn deliver_asking(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        entry: &Arc<LogEntry>,
        meta: FrameMeta,
    ) -> usize {
        let epoch = self.ledger.deliver(entry.offset);
        let have_it = self.who_has_acknowledged(entry.offset);
        let Some(recipients) = self.members.recipients(&entry.audience) else { return 0 };
        let frame = EventFrame::asking(entry, meta, 0);
        // Who never acknowledges gets it as any other.
        let suffix =
            epoch.map_or(CursorSuffix::None, |epoch| CursorSuffix::At(epoch, entry.offset));
        let plain = EventFrame::of(entry, meta, &suffix);
        let redactions = turn.policies.redactions.of(&self.id, &entry.event);
        let mut frames = Frames::of(&frame, redactions.clone());
        let mut plain = Frames::of(&plain, redactions);
        let mut asked: Vec<u32> = Vec::new();
        let delivered = recipients.send_views(|place, client, view| {
            let asks = view.dialect.acknowledges();
            if asks && have_it.contains(&place) {
                return false;
            }
            let frames = if asks { &mut frames } else { &mut plain };
            let is_sent = frames.send(turn, client, view);
            asked.extend((asks && is_sent).then_some(place));
            is_sent
        });
        self.count_deliveries(turn, &entry.event, class_of(entry.durability), delivered);
        if !asked.is_empty() {
            self.asked_at.note(entry.offset, turn.now.monotonic_ms);
        }
        for place in asked {
            self.asked(turn, place, entry, 1);
        }
        // Retries give it up.
        self.note_unsayable(turn, &entry.event, None);
        delivered
    }

    /// The connections whose device, or session, acknowledged an entry before it was delivered here: on another node, which had
    /// heard of it earlier.
    fn who_has_acknowledged(&self, offset: Offset) -> Vec<u32> {
        if !self.ledger.is_shared() {
            return Vec::new();
        }
        let subscribers = self.reliability.who_acknowledged(offset);
        let has_it = |connection: &Connection| {
            subscribers.iter().any(|(subscriber, sids)| {
                connection.subscriber == *subscriber
                    && (connection.device.is_some() || sids.contains(&connection.id))
            })
        };
        match subscribers.is_empty() {
            true => Vec::new(),
            false => self.members.iter().filter(|it| has_it(it.1)).map(|it| it.0).collect(),
        }
    }

    /// Sends an event to everyone here whom it is for. Returns to how many.
    pub(crate) fn fan_out(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        event: &EventFrame<'_>,
        class: DeliveryClass,
        audience: &LoggedAudience,
    ) -> usize {
        let Some(recipients) = self.members.recipients(audience) else { return 0 };
        let redactions = turn.policies.redactions.of(&self.id, event.event);
        let delivered = send_to_each(turn, recipients, event, redactions);
        self.count_deliveries(turn, event.event, class, delivered);
        delivered
    }

    pub(crate) fn count_deliveries(
        &mut self,
        turn: &Turn<'_, impl Effects>,
        event: &EventName,
        class: DeliveryClass,
        delivered: usize,
    ) {
        self.turn_deliveries += delivered;
        self.tally.deliver(delivered);
        turn.counters.deliveries.add(delivered as u64);
        turn.counters.delivered.add(event, class, delivered as u64);
    }

    /// The store kept what was submitted up to here.
    pub(crate) fn committed(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        through: Offset,
        reserved_through: Offset,
    ) {
        self.ledger.committed(through, reserved_through);
        self.intake.committed(through);
        self.deliver_released(turn);
    }

    /// The store did not keep these, or nobody knows. What may be lost was delivered already; the others' publishers are told.
    pub(crate) fn refused(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        from: Offset,
        through: Offset,
        reason: RefusedReason,
    ) {
        let is_unknown = reason == RefusedReason::Unknown;
        let refused = match is_unknown {
            true => self.ledger.doubt(from, through),
            false => self.ledger.refused(from, through),
        };
        for pending in refused {
            // Who sends again what may be there repeats it.
            if !is_unknown {
                self.intake.refused(&pending.entry);
            }
            let refusal = away(reason).of_event(pending.entry.event.as_str());
            for (reply, _) in pending.replies {
                self.answer(turn, reply, Err(refusal.clone()));
            }
        }
        self.deliver_released(turn);
        if reason == RefusedReason::Fenced {
            self.log_is_lost(turn);
        }
    }

    /// Tells who published a message what became of it.
    pub(crate) fn answer(
        &self,
        turn: &mut Turn<'_, impl Effects>,
        reply: ReplyTo,
        result: Result<Accepted, Refusal>,
    ) {
        if let Err(refusal) = &result {
            self.tally.refuse();
            turn.counters.events_refused.add(1);
            // Who hears of it by a reply counts it by its code where the reply is told.
            if !matches!(reply, ReplyTo::Request(_)) {
                turn.counters.refusals.add(refusal.code());
            }
        }
        match (reply, result) {
            (ReplyTo::Request(id), result) => turn.effects.reply(id, result.into()),
            (ReplyTo::Silent(_) | ReplyTo::Nobody, Ok(_)) => {}
            (ReplyTo::Nobody, Err(refusal)) => {
                tracing::error!(tenant = self.id.as_str(), %refusal, "an event of the server's own was not published");
            }
            (ReplyTo::Client { client, ack_id }, Ok(accepted)) => {
                if self.present(client).is_some() {
                    turn.effects.acknowledge(client, ack_id, |out| write_accepted(out, accepted));
                }
            }
            (ReplyTo::Client { client, ack_id }, Err(refusal)) => {
                if self.present(client).is_some() {
                    self.say_refused(turn, client, Some(ack_id), &refusal);
                }
            }
            (ReplyTo::Silent(client), Err(refusal)) => {
                if self.present(client).is_some() {
                    self.say_refused(turn, client, None, &refusal);
                }
            }
        }
    }
}

/// How an entry travelled: one that did not wait for the disk, since there is none, as a recoverable one.
fn class_of(durability: Durability) -> DeliveryClass {
    match durability {
        Durability::Durable => DeliveryClass::Durable,
        Durability::Recoverable => DeliveryClass::Recoverable,
    }
}

/// Sends an event to everyone it is for: encoded once, or once for each way in which it looks to some of them.
pub(crate) fn send_to_each(
    turn: &mut Turn<'_, impl Effects>,
    recipients: Recipients<'_>,
    event: &EventFrame<'_>,
    redactions: EventRedactions<'_>,
) -> usize {
    if !recipients.are_mixed() && redactions.is_empty() {
        let mut frame = SharedFrame::new(event);
        return recipients.send(|_, client| frame.send(turn.effects, client));
    }
    let mut frames = Frames::of(event, redactions);
    recipients.send_views(|_, client, view| frames.send(turn, client, view))
}

pub(crate) fn write_accepted(out: &mut Vec<u8>, accepted: Accepted) {
    out.extend_from_slice(b"{\"success\":true,\"data\":{\"id\":\"");
    let mut buffer = uuid::Uuid::encode_buffer();
    out.extend_from_slice(accepted.id.hyphenated().encode_lower(&mut buffer).as_bytes());
    out.push(b'"');
    if let Some(offset) = accepted.offset {
        out.extend_from_slice(b",\"offset\":");
        out.extend_from_slice(itoa::Buffer::new().format(offset).as_bytes());
    }
    if accepted.duplicate {
        out.extend_from_slice(b",\"duplicate\":true");
    }
    if accepted.spooled {
        out.extend_from_slice(b",\"spooled\":true");
    }
    out.extend_from_slice(b"}}");
}
