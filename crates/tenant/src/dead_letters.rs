//! What was given up for somebody and is to be sent to them after all: at once if they are here, or when they are.

use std::sync::Arc;

use foodtrack_contract::Offset;
use foodtrack_tenant_log::{LogEntry, Note, NoteKind, ReadError, SubscriberKey, delivery_key};
use foodtrack_wire::FrameMeta;

use crate::effects::Effects;
use crate::event_frame::EventFrame;
use crate::members::Connection;
use crate::read_job::{Asker, Job, ReadJob};
use crate::tenant::Tenant;
use crate::turn::Turn;

impl Tenant {
    /// A connection is up to date: what is to be sent to its subscriber once more is read.
    pub(crate) fn ask_for_letters(&mut self, turn: &mut Turn<'_, impl Effects>, place: u32) {
        let Some(connection) = self.members.get(place) else { return };
        if let Some(offsets) = self.reliability.take_redeliveries(connection.subscriber) {
            let asker = Asker::Connection(connection.slot, 0);
            turn.effects.read(&self.id, asker, ReadJob(Job::Letters { offsets }));
        }
    }

    /// Sends what was read, and notes that it is done: also of what retention has taken.
    pub(crate) fn redeliver(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        place: u32,
        offsets: Vec<Offset>,
        entries: Result<Vec<LogEntry>, ReadError>,
    ) {
        let Some(connection) = self.members.get(place) else { return };
        let Some(subscriber) = self.reliability.subscriber(connection.subscriber) else { return };
        let key = subscriber.key.clone();
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                tracing::error!(tenant = self.id.as_str(), %error, "cannot deliver dead letters again yet");
                self.reliability.send_later(key, offsets);
                return;
            }
        };
        for entry in entries {
            self.send_letter(turn, &key, entry);
        }
        for offset in offsets {
            let key = delivery_key(offset, &key);
            let done = Note { kind: NoteKind::Redelivery, key, value: None, expires_at_ms: None };
            // If it is lost, the message is sent once more again after the next start.
            let _ = turn.effects.save_note(&self.id, done, None);
        }
    }

    /// Sends a message that was given up for a subscriber once more, to all of its connections. Returns how many those are.
    pub(crate) fn send_letter(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        subscriber: &SubscriberKey,
        entry: LogEntry,
    ) -> usize {
        let Some(id) = self.reliability.find(subscriber) else { return 0 };
        // Applications of the profile acknowledge nothing: what they were sent was never given up.
        let is_own = |connection: &Connection| {
            connection.subscriber == id && connection.dialect.acknowledges()
        };
        let own = self.members.iter().filter(|(_, connection)| is_own(connection));
        let places: Vec<u32> = own.map(|(place, _)| place).collect();
        let entry = Arc::new(entry);
        for place in &places {
            self.send_letter_to(turn, *place, &entry);
        }
        places.len()
    }

    fn send_letter_to(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        place: u32,
        entry: &Arc<LogEntry>,
    ) {
        let Some(connection) = self.members.get(place) else { return };
        let event = EventFrame::asking(entry, FrameMeta::default(), 1);
        turn.effects.send_event(connection.slot, &event);
        self.note_unsayable(turn, &entry.event, None);
        turn.counters.retries.add(1);
        self.asked_again(turn, place, entry);
    }
}
