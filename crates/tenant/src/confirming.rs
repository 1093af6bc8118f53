//! What is known to have reached a subscriber, and how: the place behind which its offline queue begins.

use crate::connection_slot::ConnectionSlot;
use foodtrack_contract::{Cursor, Offset};
use foodtrack_tenant_log::SavedCursor;

use crate::effects::Effects;
use crate::pages::NOT_LISTENING;
use crate::reliability::SubscriberId;
use crate::sessions::expires_at_ms;
use crate::tenant::Tenant;
use crate::turn::Turn;

impl Tenant {
    /// Saves how far a subscriber has confirmed.
    pub(crate) fn save_cursor(&self, turn: &mut Turn<'_, impl Effects>, subscriber: SubscriberId) {
        let Some(position) = self.ledger.position() else { return };
        let Some(subscriber) = self.reliability.subscriber(subscriber) else { return };
        let Some(cursor) = subscriber.cursor(position.epoch) else { return };
        let saved = SavedCursor { cursor, updated_at_ms: turn.now.believed_ms };
        // A cursor that is not saved shows somebody again what they had, and nothing is lost.
        let _ = turn.effects.save_cursor(&self.id, &subscriber.key, saved);
    }

    /// Saves what a subscriber acknowledged since that was saved last: its client may come back with a cursor from before.
    pub(crate) fn save_acknowledged(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        subscriber: SubscriberId,
    ) {
        let Some(position) = self.ledger.position() else { return };
        let expires_at_ms = expires_at_ms(turn.now.believed_ms);
        let note = self.reliability.to_save(subscriber, position.epoch, expires_at_ms);
        // What is not saved may be shown to it once more, and nothing is lost.
        if note.is_some_and(|note| turn.effects.save_note(&self.id, note, None).is_ok()) {
            self.reliability.set_saved(subscriber);
        }
    }

    /// Saves where a subscriber stands that may never have been here: what is published from now on is for it, even if it
    /// comes back after a crash with nothing in its hands.
    pub(crate) fn begin_cursor(
        &self,
        turn: &mut Turn<'_, impl Effects>,
        subscriber: SubscriberId,
        cursor: &Cursor,
    ) {
        let Some(subscriber) = self.reliability.subscriber(subscriber) else { return };
        let first = SavedCursor { cursor: cursor.clone(), updated_at_ms: turn.now.believed_ms };
        // Without it the subscriber begins where the store finds it next.
        let _ = turn.effects.begin_cursor(&self.id, &subscriber.key, first);
    }

    /// Notes that everything up to an offset reached a subscriber.
    pub(crate) fn arrived(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        subscriber: SubscriberId,
        through: Offset,
    ) {
        if self.reliability.arrived(subscriber, through) {
            self.save_cursor(turn, subscriber);
        }
    }

    /// What a client has when everything is written that was sent to it so far: the mark of a ping.
    pub fn ping_mark(&self, client: ConnectionSlot) -> u64 {
        let Some(position) = self.ledger.position() else { return 0 };
        let Some(connection) = self.present(client) else { return 0 };
        if self.pages.is_waiting(client.place()) {
            return NOT_LISTENING;
        }
        match &connection.replay {
            // What it brought may be more than was delivered here.
            Some(replay) => replay
                .cursor()
                .map_or(0, |cursor| cursor.through().min(position.delivered_through).get()),
            None => position.delivered_through.get(),
        }
    }

    /// As [`Tenant::ping_mark`], but 0 where all of that is known to have arrived.
    pub fn unconfirmed(&self, client: ConnectionSlot) -> u64 {
        let mark = self.ping_mark(client);
        let subscriber = self.present(client).map(|connection| connection.subscriber);
        let subscriber = subscriber.and_then(|id| self.reliability.subscriber(id));
        if subscriber.is_some_and(|subscriber| subscriber.arrived().get() >= mark) {
            0
        } else {
            mark
        }
    }

    /// A client says that it has dealt with everything through a cursor: its own word, as far as it was sent that much.
    pub(crate) fn confirmed(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        client: ConnectionSlot,
        cursor: &Cursor,
    ) {
        let (Some(position), Some(connection)) = (self.ledger.position(), self.present(client))
        else {
            return;
        };
        let sent = Offset::new(self.ping_mark(client)).filter(|sent| *sent > Offset::ZERO);
        if let Some(sent) = sent.filter(|_| cursor.epoch() == position.epoch) {
            self.arrived(turn, connection.subscriber, cursor.through().min(sent));
        }
    }

    /// Asks a client now whether what it was sent has arrived.
    pub(crate) fn ping(&self, turn: &mut Turn<'_, impl Effects>, client: ConnectionSlot) {
        turn.effects.ping(client, self.ping_mark(client));
    }

    /// A client answered a ping. What it was sent before has reached its process; that its handlers ran is known once it
    /// answers a ping that was sent after that answer (docs/decisions/pong-confirms.md).
    pub(crate) fn ponged(&mut self, turn: &mut Turn<'_, impl Effects>, place: u32, mark: u64) {
        // A page that did not listen then has got nothing by it.
        if self.page_answered(turn, place) || mark == NOT_LISTENING {
            return;
        }
        let Some(connection) = self.members.get_mut(place) else { return };
        let (client, subscriber) = (connection.slot, connection.subscriber);
        let (proven, asks_again) = connection.pongs.take(mark);
        if let Some(through) = Offset::new(proven).filter(|through| *through > Offset::ZERO) {
            self.arrived(turn, subscriber, through);
        }
        // One more answer, and all of it is confirmed: do not wait for the next heartbeat with that. What came meanwhile has
        // its own time: where something comes all the time, pings would follow each other without end.
        if asks_again {
            self.ping(turn, client);
        }
    }
}
