//! Events that ask clients for an acknowledgement: sent again until it comes, and given up after so many times.

use std::sync::Arc;

use foodtrack_contract::Offset;
use foodtrack_tenant_log::{DeadLetter, DeadLetterReason, LogEntry};
use foodtrack_wire::FrameMeta;
use uuid::Uuid;

use crate::connection_lines;
use crate::effects::Effects;
use crate::event_frame::EventFrame;
use crate::reliability::{Retry, SubscriberId};
use crate::tenant::Tenant;
use crate::turn::Turn;

impl Tenant {
    /// As [`Tenant::asked`], of a message that was given up before: it is owed again, wherever its subscriber stands.
    pub(crate) fn asked_again(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        place: u32,
        entry: &Arc<LogEntry>,
    ) {
        if let Some(connection) = self.members.get(place) {
            self.reliability.owe_again(connection.subscriber, entry.offset);
        }
        self.asked(turn, place, entry, 1);
    }

    /// Waits for a connection's acknowledgement of an entry that was sent to it `attempts` times.
    pub(crate) fn asked(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        place: u32,
        entry: &Arc<LogEntry>,
        attempts: u32,
    ) {
        let Some(connection) = self.members.get_mut(place) else { return };
        connection.note_asked();
        let (to, subscriber) = (connection.slot, connection.subscriber);
        let due_ms = turn.now.monotonic_ms + turn.retry.delay_ms(attempts, self.chance());
        self.reliability.ask(to, subscriber, entry, attempts, due_ms);
    }

    /// A client acknowledged the entry at an offset.
    pub(crate) fn acknowledged(&mut self, turn: &mut Turn<'_, impl Effects>, place: u32, id: u64) {
        let Some(connection) = self.members.get_mut(place) else { return };
        let (slot, subscriber, sid) = (connection.slot, connection.subscriber, connection.id);
        let was_asked = connection.take_asked();
        if !was_asked {
            turn.effects.note_unasked(slot);
        }
        let Some(offset) = Offset::new(id) else { return };
        if was_asked {
            self.reliability.acknowledged_by(subscriber, sid, offset);
        }
        // Any of a subscriber's sockets speaks for it; what was not asked for is no answer.
        let Some(settled) = self.reliability.acknowledge(subscriber, offset) else { return };
        turn.counters.acknowledged.add(1);
        if let Some(asked_ms) = self.asked_at.of(offset) {
            let took_ms = turn.now.monotonic_ms.saturating_sub(asked_ms);
            turn.counters.times.publish_to_confirm.observe_ms(took_ms);
        }
        if settled.has_letter
            && let Some(known) = self.reliability.subscriber(subscriber)
            && let Err(error) = turn.effects.remove_dead_letter(&self.id, offset, &known.key)
        {
            tracing::warn!(tenant = self.id.as_str(), %error, "a dead letter was not taken away");
        }
        if settled.has_confirmed {
            self.save_cursor(turn, subscriber);
        }
    }

    /// Sends an event again that nobody has acknowledged, or gives it up.
    pub(crate) fn retry(&mut self, turn: &mut Turn<'_, impl Effects>, due: Retry) {
        let Retry { to, entry, attempts, .. } = due;
        let Some(connection) = self.present(to) else { return };
        let (subscriber, offset, id) = (connection.subscriber, entry.offset, entry.id);
        if !self.reliability.owes(subscriber, offset) {
            return;
        }
        let is_expired = entry.expires_at_ms.is_some_and(|end_ms| end_ms <= turn.now.believed_ms);
        if is_expired {
            self.give_up(turn, subscriber, offset, id, DeadLetterReason::Expired, attempts);
        } else if attempts >= turn.retry.attempts_max {
            self.give_up(turn, subscriber, offset, id, DeadLetterReason::Failed, attempts);
        } else {
            let event = EventFrame::asking(&entry, FrameMeta::default(), attempts);
            turn.effects.send_event(to, &event);
            // It is given up when it was tried often enough.
            self.note_unsayable(turn, &entry.event, None);
            turn.counters.retries.add(1);
            self.asked(turn, to.place(), &entry, attempts + 1);
        }
    }

    /// Notes that a subscriber will not get a message.
    pub(crate) fn give_up(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        subscriber: SubscriberId,
        offset: Offset,
        id: Uuid,
        reason: DeadLetterReason,
        attempts: u32,
    ) {
        let Some(known) = self.reliability.subscriber(subscriber) else { return };
        let at_ms = turn.now.believed_ms;
        let letter =
            DeadLetter { offset, subscriber: known.key.clone(), id, reason, attempts, at_ms };
        connection_lines::given_up(&self.id, &known.key, (offset, id), (reason, attempts));
        // In place of the one it may have.
        let settled = self.reliability.settle(subscriber, offset);
        if let Err(error) = turn.effects.put_dead_letter(&self.id, letter) {
            tracing::warn!(tenant = self.id.as_str(), %error, "a dead letter was not kept");
        }
        turn.counters.dead_letters.add(1);
        if settled.has_confirmed {
            self.save_cursor(turn, subscriber);
        }
        self.tell_failed(
            turn,
            subscriber,
            (offset, id),
            (reason.as_str(), attempts, settled.has_letter),
        );
    }
}
