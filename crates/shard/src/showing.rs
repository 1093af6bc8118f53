//! From the log to everyone: what is safe is shown in the log's order, each message encoded once, whoever gets it.

use std::sync::Arc;

use foodtrack_contract::{Offset, Refusal};
use foodtrack_tenant_log::{EntryRef, LogEntry, LoggedAudience, RefusedReason};
use foodtrack_transport::FrameMeta;

use crate::cursor_suffix::CursorSuffix;
use crate::event_frame::EventFrame;
use crate::model::Accepted;
use crate::open_log::{Addressee, Answer, Pending, accepted};
use crate::publishing::{Taken, away};
use crate::tenant::Tenant;
use crate::turn::Turn;

/// Deliveries of a tenant before others have their turn, where others are at work.
pub(crate) const TURN_DELIVERIES_MAX: usize = 8_192;

impl Tenant {
    /// Where somebody stands who got everything.
    pub(crate) fn cursor_suffix(&self) -> CursorSuffix {
        self.log.open().map_or(CursorSuffix::None, |log| CursorSuffix::At(log.epoch(), log.shown))
    }

    /// Whether the tenant had its turn, where others are at work.
    pub(crate) fn is_turn_over(&self, has_others: bool) -> bool {
        has_others && self.turn_deliveries > TURN_DELIVERIES_MAX
    }

    /// Shows what may be shown, as much as fits into the tenant's turn.
    pub(crate) fn show(&mut self, turn: &mut Turn<'_>) {
        let Some(log) = self.log.open_mut() else { return };
        let released = log.sequence.release();
        loop {
            let is_over = self.is_turn_over(turn.has_others);
            let Some(log) = self.log.open_mut() else { return };
            if is_over && log.shown < released {
                *turn.has_more = true;
                return;
            }
            let Some(pending) = log.next_shown() else {
                // What lies between was refused.
                log.shown = log.shown.max(released);
                return;
            };
            self.show_one(turn, pending);
        }
    }

    fn show_one(&mut self, turn: &mut Turn<'_>, pending: Pending) {
        let Pending { entry, meta, asks_ack, watch, answers } = pending;
        if asks_ack {
            self.show_asking(turn, &entry, meta);
        } else {
            self.show_entry(turn, &entry.by_ref(), meta);
        }
        if let Some(watch) = watch {
            self.watch(turn, &entry, watch);
        }
        for (answer, duplicate) in answers {
            let accepted = Accepted { duplicate, ..accepted(entry.id, entry.offset) };
            self.answer(turn, answer, Ok(accepted));
        }
    }

    /// Shows an entry that was submitted a moment ago, if it need not wait, and nobody is to acknowledge or confirm it.
    /// Returns whether it was shown.
    pub(crate) fn show_at_once(
        &mut self,
        turn: &mut Turn<'_>,
        entry: &EntryRef<'_>,
        meta: FrameMeta,
    ) -> bool {
        let is_over = self.is_turn_over(turn.has_others);
        let Some(log) = self.log.open_mut() else { return false };
        if is_over || !log.pending.is_empty() || log.sequence.release() < entry.offset {
            return false;
        }
        self.show_entry(turn, entry, meta);
        true
    }

    /// Shows the next entry.
    fn show_entry(&mut self, turn: &mut Turn<'_>, entry: &EntryRef<'_>, meta: FrameMeta) {
        let Some(log) = self.log.open_mut() else { return };
        log.shown = entry.offset;
        let suffix = CursorSuffix::At(log.epoch(), entry.offset);
        let frame = EventFrame {
            event: entry.event,
            message: entry.message,
            retries: 0,
            attachments: entry.attachments,
            meta,
            suffix: &suffix,
            ack_id: None,
        };
        self.fan_out(turn, &frame, entry.audience);
        self.note_unsayable(turn, entry.event, Some((entry.offset, entry.id)));
    }

    /// Shows the next entry, which asks for an acknowledgement.
    fn show_asking(&mut self, turn: &mut Turn<'_>, entry: &Arc<LogEntry>, meta: FrameMeta) {
        let Some(log) = self.log.open_mut() else { return };
        log.shown = entry.offset;
        let Some(recipients) = self.members.recipients(&entry.audience) else { return };
        let frame = EventFrame::asking(entry, meta, 0).encode(turn.io);
        let mut asked: Vec<u32> = Vec::new();
        recipients.send(|place, client| {
            let is_sent = turn.io.send(client, frame);
            asked.extend(is_sent.then_some(place));
            is_sent
        });
        self.count_deliveries(turn, asked.len());
        for place in asked {
            self.asked(turn, place, entry, 1);
        }
        // Retries give it up.
        self.note_unsayable(turn, &entry.event, None);
    }

    /// Encodes an event, where anybody is here, and sends it to everyone it is for.
    pub(crate) fn fan_out(
        &mut self,
        turn: &mut Turn<'_>,
        frame: &EventFrame<'_>,
        audience: &LoggedAudience,
    ) {
        let Some(recipients) = self.members.recipients(audience) else { return };
        let frame = frame.encode(turn.io);
        let delivered = recipients.send(|_, client| turn.io.send(client, frame));
        self.count_deliveries(turn, delivered);
    }

    pub(crate) fn count_deliveries(&mut self, turn: &Turn<'_>, delivered: usize) {
        self.turn_deliveries += delivered;
        turn.counters.deliveries.add(delivered as u64);
    }

    /// The store kept what was submitted up to here.
    pub(crate) fn committed(
        &mut self,
        turn: &mut Turn<'_>,
        through: Offset,
        reserved_through: Offset,
    ) {
        if let Some(log) = self.log.open_mut() {
            log.sequence.committed(through, reserved_through);
        }
        self.orders.committed(through);
        self.show(turn);
    }

    /// The store did not keep these. What may be lost was shown already; the others' publishers are told.
    pub(crate) fn refused(
        &mut self,
        turn: &mut Turn<'_>,
        from: Offset,
        through: Offset,
        reason: RefusedReason,
    ) {
        let Some(log) = self.log.open_mut() else { return };
        for pending in log.refused(from, through) {
            if let (Some(_), Some(order)) = (&pending.entry.creates_order, &pending.entry.entity) {
                self.orders.withdraw(order);
            }
            self.repeats.forget(pending.entry.offset);
            let refusal = away(reason).of_event(pending.entry.event.as_str());
            for (answer, _) in pending.answers {
                self.answer(turn, answer, Err(refusal.clone()));
            }
        }
        self.show(turn);
    }

    /// Tells who published what became of it, now or when the log has said so.
    pub(crate) fn answer_when_done(&mut self, turn: &mut Turn<'_>, taken: Taken, answer: Answer) {
        match taken {
            Taken::Done(accepted) => self.answer(turn, answer, Ok(accepted)),
            Taken::Waits { offset, is_repeat } => {
                if let Some(pending) = self.log.open_mut().and_then(|log| log.pending_mut(offset)) {
                    pending.answers.push((answer, is_repeat));
                }
            }
        }
    }

    pub(crate) fn answer(
        &self,
        turn: &mut Turn<'_>,
        answer: Answer,
        result: Result<Accepted, Refusal>,
    ) {
        if let Err(refusal) = &result {
            turn.counters.events_refused.add(1);
            // Who hears of it by a reply counts it by its code where the reply is told.
            if !matches!(answer, Answer::Reply(_)) {
                turn.counters.refusals.add(refusal.code());
            }
        }
        match (answer, result) {
            // A reply that nobody waits for any more is no loss.
            (Answer::Reply(reply), result) => _ = reply.send(result),
            (Answer::Silent(_), Ok(_)) => {}
            (Answer::Client { client, ack_id }, Ok(accepted)) => {
                if let Some(client) = self.present(client) {
                    Self::acknowledge(turn, client, ack_id, |out| write_accepted(out, accepted));
                }
            }
            (Answer::Client { client, ack_id }, Err(refusal)) => {
                if let Some(client) = self.present(client) {
                    self.say_refused(turn, client, Some(ack_id), &refusal);
                }
            }
            (Answer::Silent(client), Err(refusal)) => {
                if let Some(client) = self.present(client) {
                    self.say_refused(turn, client, None, &refusal);
                }
            }
        }
    }

    /// The client, if it is still the same connection.
    pub(crate) fn present(&self, to: Addressee) -> Option<foodtrack_transport::ClientKey> {
        let connection = self.members.get(to.place)?;
        (connection.id == to.sid && connection.client == to.client).then_some(to.client)
    }

    pub(crate) fn addressee(&self, place: u32) -> Option<Addressee> {
        let connection = self.members.get(place)?;
        Some(Addressee { client: connection.client, place, sid: connection.id })
    }
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
    out.extend_from_slice(b"}}");
}
