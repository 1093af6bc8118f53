//! Events that ask clients for an acknowledgement: sent again until it comes, and given up after so many times.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use foodtrack_contract::Offset;
use foodtrack_tenant_log::{DeadLetter, DeadLetterReason, LogEntry};
use foodtrack_transport::{ClientKey, FrameMeta};
use uuid::Uuid;

use crate::event_frame::EventFrame;
use crate::open_log::Addressee;
use crate::subscribers::SubscriberId;
use crate::tenant::Tenant;
use crate::turn::{Deadline, Turn};

/// What waits for acknowledgements, the next to be sent again first.
#[derive(Debug, Default)]
pub(crate) struct Acknowledgements {
    waiting: BinaryHeap<Reverse<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    due_ms: u64,
    to: Addressee,
    entry: Arc<LogEntry>,
    /// How often it was sent.
    attempts: u32,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |it: &Self| (it.due_ms, it.entry.offset, it.to.place);
        key(self).cmp(&key(other))
    }
}

impl Tenant {
    /// As [`Tenant::asked`], of a message that was given up before: it is owed again, wherever its subscriber stands.
    pub(crate) fn asked_again(&mut self, turn: &mut Turn<'_>, place: u32, entry: &Arc<LogEntry>) {
        if let Some(connection) = self.members.get(place) {
            self.subscribers.asked_again(connection.subscriber, entry.offset);
        }
        self.asked(turn, place, entry, 1);
    }

    /// Waits for a connection's acknowledgement of an entry that was sent to it `attempts` times.
    pub(crate) fn asked(
        &mut self,
        turn: &mut Turn<'_>,
        place: u32,
        entry: &Arc<LogEntry>,
        attempts: u32,
    ) {
        let (Some(to), Some(connection)) = (self.addressee(place), self.members.get_mut(place))
        else {
            return;
        };
        connection.note_asked();
        self.subscribers.asked(connection.subscriber, entry.offset);
        let delay_ms = turn.retry.delay_ms(attempts, turn.chance());
        let due_ms = turn.io.now_ms() + delay_ms;
        let entry = Arc::clone(entry);
        self.acknowledgements.waiting.push(Reverse(Waiting { due_ms, to, entry, attempts }));
        turn.schedule(delay_ms, Deadline::Retries);
    }

    /// A client acknowledged the entry at an offset.
    pub(crate) fn acknowledged(&mut self, turn: &mut Turn<'_>, place: u32, id: u64) {
        let (Some(connection), Some(offset)) = (self.members.get(place), Offset::new(id)) else {
            return;
        };
        let subscriber = connection.subscriber;
        // Any of a subscriber's sockets speaks for it; what was not asked for is no answer.
        if !self.subscribers.get(subscriber).is_some_and(|it| it.owes(offset)) {
            return;
        }
        turn.counters.acknowledged.add(1);
        if self.subscribers.take_redelivered(subscriber, offset)
            && let Some(known) = self.subscribers.get(subscriber)
            && let Err(error) = turn.log.log().unbury(&self.id, offset, &known.key)
        {
            tracing::warn!(tenant = self.id.as_str(), %error, "a dead letter was not taken away");
        }
        if self.subscribers.settled(subscriber, offset).is_some() {
            self.save_cursor(turn, subscriber);
        }
    }

    /// Sends again what is due, or gives it up.
    pub(crate) fn retry(&mut self, turn: &mut Turn<'_>) {
        let now_ms = turn.io.now_ms();
        while let Some(Reverse(due)) = self.acknowledgements.waiting.peek() {
            if due.due_ms > now_ms {
                let delay_ms = due.due_ms - now_ms;
                return turn.schedule(delay_ms, Deadline::Retries);
            }
            let Some(Reverse(due)) = self.acknowledgements.waiting.pop() else { return };
            let Some(client) = self.present(due.to) else { continue };
            let Some(connection) = self.members.get(due.to.place) else { continue };
            let (subscriber, offset) = (connection.subscriber, due.entry.offset);
            if !self.subscribers.get(subscriber).is_some_and(|it| it.owes(offset)) {
                continue;
            }
            self.retry_one(turn, client, subscriber, due);
        }
    }

    fn retry_one(
        &mut self,
        turn: &mut Turn<'_>,
        client: ClientKey,
        subscriber: SubscriberId,
        due: Waiting,
    ) {
        let Waiting { to, entry, attempts, .. } = due;
        let (offset, id) = (entry.offset, entry.id);
        let is_expired = entry.expires_at_ms.is_some_and(|end_ms| end_ms <= turn.clock.unix_ms());
        if is_expired {
            self.give_up(turn, subscriber, offset, id, DeadLetterReason::Expired, attempts);
        } else if attempts >= turn.retry.attempts_max {
            self.give_up(turn, subscriber, offset, id, DeadLetterReason::Failed, attempts);
        } else {
            EventFrame::asking(&entry, FrameMeta::default(), attempts).send(turn.io, client);
            // It is given up when it was tried often enough.
            self.note_unsayable(turn, &entry.event, None);
            turn.counters.retries.add(1);
            self.asked(turn, to.place, &entry, attempts + 1);
        }
    }

    /// Notes that a subscriber will not get a message.
    pub(crate) fn give_up(
        &mut self,
        turn: &mut Turn<'_>,
        subscriber: SubscriberId,
        offset: Offset,
        id: Uuid,
        reason: DeadLetterReason,
        attempts: u32,
    ) {
        let Some(known) = self.subscribers.get(subscriber) else { return };
        let at_ms = turn.clock.unix_ms();
        let letter =
            DeadLetter { offset, subscriber: known.key.clone(), id, reason, attempts, at_ms };
        // In place of the one it may have.
        self.subscribers.take_redelivered(subscriber, offset);
        if let Err(error) = turn.log.log().bury(&self.id, letter) {
            tracing::warn!(tenant = self.id.as_str(), %error, "a dead letter was not kept");
        }
        turn.counters.dead_letters.add(1);
        if self.subscribers.settled(subscriber, offset).is_some() {
            self.save_cursor(turn, subscriber);
        }
    }
}
