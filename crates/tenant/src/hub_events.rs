//! What the hub tells back ends of itself: entries of the log that no client gets, and only those that somebody wants.

use foodtrack_contract::{
    ApplicationSet, Cursor, DeliveryClass, DeliveryPolicy, HubEvent, Offset, Priority,
};
use foodtrack_tenant_log::{Fact, LogEntry, LoggedAudience, Note, NoteKind, SubscriberKey};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::appending::Checked;
use crate::effects::Effects;
use crate::members::Connection;
use crate::now::rfc3339;
use crate::reliability::{SubscriberId, Timeline, read_subscriber_key};
use crate::reply_to::ReplyTo;
use crate::tenant::Tenant;
use crate::turn::Turn;

/// While the log is away, devices that have gone are looked at again after so long.
pub(crate) const AGAIN_MS: u64 = 5_000;

impl Tenant {
    /// Logs an event of the hub's own, about an order where it is about one. If the log does not take it, nobody is told.
    fn tell_back_ends(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        (event, id): (HubEvent, Uuid),
        order: Option<&str>,
        payload: &Value,
    ) {
        if turn.policies.hub_events.has(&self.id, event) {
            self.log_for_back_ends(turn, (event, id), (order, None), payload);
        }
    }

    /// Logs that a device came or went, where that is news. In a log that several nodes write to, both are logged where either is
    /// wanted: what is news of the one depends on the other.
    pub(crate) fn tell_of_device(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        event: (HubEvent, Uuid),
        fact: Fact<'_>,
        payload: &Value,
    ) {
        if turn.policies.hub_events.has_devices(&self.id) {
            self.log_for_back_ends(turn, event, (None, Some(fact)), payload);
            if !self.ledger.waits_for(event.1) {
                self.device_not_told(turn, event.1);
            }
        }
    }

    fn log_for_back_ends(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        (event, id): (HubEvent, Uuid),
        (order, fact): (Option<&str>, Option<Fact<'_>>),
        payload: &Value,
    ) {
        let payload = payload.to_string();
        let message = self.own_message(turn.now, id, event.as_str(), &payload, Priority::Medium);
        let nobody = LoggedAudience {
            applications: ApplicationSet::EMPTY,
            rooms: Vec::new(),
            only: ApplicationSet::EMPTY,
            read: None,
        };
        let checked = Checked {
            id,
            is_named: false,
            event: event.into(),
            policy: DeliveryPolicy::of_class(DeliveryClass::Durable),
            priority: Priority::Medium,
            audience: nobody,
            entity_hash: turn.emission_key.order(order),
            entity: order.map(Into::into),
            creates_order: None,
            assigns: None,
            said_before: None,
            emission: None,
            message: message.to_json(),
            compacts: false,
            fact,
            attachments: &[],
        };
        self.take(turn, &checked, ReplyTo::Nobody);
    }

    /// The id of a message that says this. Where several nodes may say the same, it is the same on all of them: the log has it once.
    pub(crate) fn id_of_fact(&self, turn: &mut Turn<'_, impl Effects>, said: &[&str]) -> Uuid {
        match self.ledger.is_shared() {
            true => turn.emission_key.fact_id(&self.id, said),
            false => turn.effects.new_message_id(),
        }
    }

    /// Which entry of which log something is about.
    pub(crate) fn place_text(&self, offset: Offset) -> String {
        let position = self.ledger.position();
        position.map_or_else(String::new, |it| Cursor::new(it.epoch, offset).to_string())
    }

    /// An event was given up for a subscriber. `is_again`: it was given up before, and sent once more.
    pub(crate) fn tell_failed(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        subscriber: SubscriberId,
        (offset, id): (Offset, uuid::Uuid),
        (reason, attempts, is_again): (&'static str, u32, bool),
    ) {
        let Some(known) = self.reliability.subscriber(subscriber) else { return };
        let place = self.place_text(offset);
        let said = ["failed", known.key.as_str(), &place];
        let own_id = match is_again {
            true => turn.effects.new_message_id(),
            false => self.id_of_fact(turn, &said),
        };
        let mut payload = device(&known.key);
        payload["messageId"] = json!(id);
        payload["offset"] = json!(offset.get());
        payload["reason"] = json!(reason);
        payload["attempts"] = json!(attempts);
        self.tell_back_ends(turn, (HubEvent::MessageFailed, own_id), None, &payload);
    }

    /// Nobody has confirmed an event.
    pub(crate) fn tell_unconfirmed(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        entry: &LogEntry,
        by: &str,
        timeline: &Timeline,
    ) {
        let payload = json!({
            "messageId": entry.id,
            "event": entry.event.as_str(),
            "orderId": entry.entity,
            "applicationType": by,
            "timeline": timeline,
        });
        let id = self.id_of_fact(turn, &["unconfirmed", &self.place_text(entry.offset), by]);
        let event = (HubEvent::OrderUnconfirmed, id);
        self.tell_back_ends(turn, event, entry.entity.as_deref(), &payload);
    }

    /// A connection has come in.
    pub(crate) fn device_came(&mut self, turn: &mut Turn<'_, impl Effects>, place: u32) {
        if !turn.policies.hub_events.has_devices(&self.id) || !self.ledger.is_open() {
            return;
        }
        // A back end is no device.
        let connection = self.members.get(place).filter(|it| it.application.is_some());
        let known = connection.and_then(|it| self.reliability.subscriber(it.subscriber));
        let Some(key) = known.map(|known| known.key.clone()) else { return };
        if !self.devices.came(&key) {
            return;
        }
        if self.ledger.is_shared() {
            return self.say_device_came(turn, &key);
        }
        // First the note: if the server is killed now, nobody is here for ever.
        self.note_device(turn, &key, Some("1".into()));
        let payload = at(turn, device(&key));
        let id = turn.effects.new_message_id();
        self.tell_back_ends(turn, (HubEvent::DeviceOnline, id), None, &payload);
    }

    /// A connection has gone, perhaps the last one of its device.
    pub(crate) fn device_went(&mut self, turn: &Turn<'_, impl Effects>, gone: &Connection) {
        if let Some(known) = self.reliability.subscriber(gone.subscriber)
            && !known.is_here()
        {
            let due_ms = turn.now.monotonic_ms + turn.recovery.offline_after_ms;
            self.devices.went(&known.key, due_ms);
        }
    }

    /// Tells of devices that have gone and not come back.
    pub(crate) fn look_at_devices(&mut self, turn: &mut Turn<'_, impl Effects>) {
        let now_ms = turn.now.monotonic_ms;
        if !self.ledger.is_open() {
            return self.devices.put_off(now_ms, now_ms + AGAIN_MS);
        }
        if self.devices.takes_time_to_ask(now_ms) {
            self.ask_for_left_devices(turn);
            self.say_who_is_here(turn);
        }
        while let Some(key) = self.devices.take_due(now_ms) {
            if self.ledger.is_shared() {
                self.say_device_went(turn, &key);
                continue;
            }
            let payload = at(turn, device(&key));
            let id = turn.effects.new_message_id();
            self.tell_back_ends(turn, (HubEvent::DeviceOffline, id), None, &payload);
            // Behind what it says is done: if that is not kept, it is said after the next start.
            self.note_device(turn, &key, None);
        }
    }

    /// Goes on, after a restart, with the devices that were here before it, and with those that came before the log.
    pub(crate) fn restore_devices(&mut self, turn: &mut Turn<'_, impl Effects>, notes: &[Note]) {
        let noted = notes.iter().filter(|note| note.kind == NoteKind::Presence);
        let keys: Vec<_> = noted.filter_map(|note| SubscriberKey::new(&note.key)).collect();
        if !turn.policies.hub_events.has_devices(&self.id) {
            // Nobody wants to know any more.
            return keys.iter().for_each(|key| self.note_device(turn, key, None));
        }
        let due_ms = turn.now.monotonic_ms + turn.recovery.offline_after_ms;
        self.devices.restore(keys.into_iter(), due_ms);
        let places: Vec<u32> = self.members.iter().map(|(place, _)| place).collect();
        places.into_iter().for_each(|place| self.device_came(turn, place));
    }

    fn note_device(
        &self,
        turn: &mut Turn<'_, impl Effects>,
        key: &SubscriberKey,
        value: Option<Box<str>>,
    ) {
        let note =
            Note { kind: NoteKind::Presence, key: key.as_str().into(), value, expires_at_ms: None };
        if let Err(error) = turn.effects.save_note(&self.id, note, None) {
            tracing::warn!(tenant = self.id.as_str(), %error, "whether a device is here was not noted");
        }
    }
}

/// Whose device it is.
pub(crate) fn device(key: &SubscriberKey) -> Value {
    let (user, application, device) = read_subscriber_key(key);
    json!({ "userId": user, "applicationType": application, "deviceId": device })
}

/// With the time of it.
pub(crate) fn at(turn: &Turn<'_, impl Effects>, mut payload: Value) -> Value {
    payload["at"] = json!(rfc3339(turn.now.wall_ms));
    payload
}
