//! Events that ask clients for an acknowledgement: sent again until it comes, and given up after so many times.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use foodtrack_contract::Offset;
use foodtrack_tenant_log::{DeadLetter, DeadLetterReason, LogEntry};
use foodtrack_transport::{ClientKey, FrameId, FrameMeta};
use uuid::Uuid;

use crate::open_log::Addressee;
use crate::showing::send_entry;
use crate::stamp::Stamp;
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
    /// Sends an event that asks for an acknowledgement to the connections at these places, each once.
    pub(crate) fn send_asking(
        &mut self,
        turn: &mut Turn<'_>,
        entry: &Arc<LogEntry>,
        places: Vec<u32>,
        frame: FrameId,
    ) {
        self.connections.begin_message();
        let mut delivered = 0;
        for place in places {
            let (only, read) = (entry.audience.only, entry.audience.read);
            if let Some(client) = self.connections.take_turn(place, only, read)
                && turn.io.send(client, frame)
            {
                delivered += 1;
                self.asked(turn, place, entry, 1);
            }
        }
        self.count_deliveries(turn, delivered);
    }

    /// As [`Tenant::asked`], of a message that was given up before: it is owed again, wherever its subscriber stands.
    pub(crate) fn asked_again(&mut self, turn: &mut Turn<'_>, place: u32, entry: &Arc<LogEntry>) {
        if let Some(connection) = self.connections.get(place) {
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
        let (Some(to), Some(connection)) = (self.addressee(place), self.connections.get(place))
        else {
            return;
        };
        self.subscribers.asked(connection.subscriber, entry.offset);
        self.connections.note_asked(place);
        let delay_ms = turn.retry.delay_ms(attempts, turn.chance());
        let due_ms = turn.io.now_ms() + delay_ms;
        let entry = Arc::clone(entry);
        self.acknowledgements.waiting.push(Reverse(Waiting { due_ms, to, entry, attempts }));
        turn.schedule(delay_ms, Deadline::Retries);
    }

    /// A client acknowledged the entry at an offset.
    pub(crate) fn acknowledged(&mut self, turn: &mut Turn<'_>, place: u32, id: u64) {
        let (Some(connection), Some(offset)) = (self.connections.get(place), Offset::new(id))
        else {
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
            let Some(connection) = self.connections.get(due.to.place) else { continue };
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
            let message = with_retry_count(&entry.message, attempts);
            let (meta, stamp) = (FrameMeta::default(), Stamp::None);
            send_entry(turn.io, client, &entry, &message, meta, &stamp, Some(offset.get()));
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

/// A message as it is sent for the time after the first `retries`.
pub(crate) fn with_retry_count(message: &[u8], retries: u32) -> Vec<u8> {
    // The server wrote the message, and these are its last fields.
    const FIRST: &[u8] = b"\"retryCount\":0,\"encrypted\":";
    let tail = message.len().saturating_sub(FIRST.len() + b"false}".len());
    match memchr::memmem::find(&message[tail..], FIRST) {
        Some(at) => {
            let digit = tail + at + b"\"retryCount\":".len();
            let count = retries.to_string();
            [&message[..digit], count.as_bytes(), &message[digit + 1..]].concat()
        }
        None => message.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use foodtrack_contract::{Message, Priority, Source, TenantId};

    use super::*;

    #[test]
    fn a_message_that_is_sent_again_says_how_often_it_was() {
        let tenant = TenantId::parse("t").unwrap();
        let mut first = Vec::new();
        let message = Message {
            id: uuid::Uuid::nil(),
            event: "order:created",
            tenant: &tenant,
            timestamp: "2026-11-23T12:00:00.000Z",
            source: Source::System,
            target: None,
            payload: r#"{"orderId":"\"retryCount\":0,\"encrypted\":"}"#,
            priority: Priority::High,
            retry_count: 0,
            encrypted: false,
        };
        message.write_json(&mut first);
        let mut third = Vec::new();
        Message { retry_count: 12, ..message }.write_json(&mut third);
        assert_eq!(with_retry_count(&first, 12), third);
    }
}
