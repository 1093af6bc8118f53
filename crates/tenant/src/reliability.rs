//! What was sent and is not known to have arrived: how far each subscriber has confirmed, what waits for an acknowledgement,
//! what is watched, and when something of it is due.

mod acknowledged;
mod retries;
mod subscribers;
mod watches;

use std::sync::Arc;

use ahash::AHashMap;
use foodtrack_contract::{ApplicationType, Epoch, Offset};
use foodtrack_tenant_log::{LogEntry, Note, NoteKind, SubscriberKey, parse_delivery_key};
use foodtrack_wire::Sid;

use crate::connection_slot::ConnectionSlot;

use retries::Retries;
use subscribers::{GONE_MAX, Subscribers};
use watches::Watches;

pub(crate) use retries::Retry;
pub use subscribers::read_subscriber_key;
pub(crate) use subscribers::{Subscriber, SubscriberId, subscriber_key};
pub(crate) use watches::{Timeline, Watched};

/// What one tenant has sent and is not sure of.
#[derive(Debug, Default)]
pub(crate) struct Reliability {
    subscribers: Subscribers,
    retries: Retries,
    watches: Watches,
    /// What was given up for subscribers and is to be sent to them once more, when they are here.
    redeliveries: AHashMap<SubscriberKey, Vec<Offset>>,
}

/// Something whose time has come.
#[derive(Debug)]
pub(crate) enum Due {
    /// An event that nobody has acknowledged.
    Retry(Retry),
    /// An event that was to be confirmed by now.
    Watch(Watched),
}

/// What follows from an acknowledgement, or from giving an event up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    /// It had been given up before, and has a dead letter.
    pub(crate) has_letter: bool,
    /// The subscriber has confirmed more than before.
    pub(crate) has_confirmed: bool,
}

impl Reliability {
    /// When something is due next, on the shard's clock.
    pub(crate) fn next_due_ms(&self) -> Option<u64> {
        let (retry, watch) = (self.retries.next_due_ms(), self.watches.next_due_ms());
        retry.into_iter().chain(watch).min()
    }

    /// Whether nothing is due, now or later, and what was acknowledged is noted.
    pub(crate) fn is_at_rest(&self, now_ms: u64) -> bool {
        self.next_due_ms().is_none()
            && self.watches.is_at_rest(now_ms)
            && self.subscribers.are_saved()
    }

    /// Takes out something that is due by now.
    pub(crate) fn take_due(&mut self, now_ms: u64) -> Option<Due> {
        let retry = self.retries.take_due(now_ms).map(Due::Retry);
        retry.or_else(|| self.watches.take_due(now_ms).map(Due::Watch))
    }

    /// One more connection of a subscriber.
    pub(crate) fn enter(
        &mut self,
        key: SubscriberKey,
        application: Option<ApplicationType>,
    ) -> SubscriberId {
        self.subscribers.enter(key, application)
    }

    /// One connection less.
    pub(crate) fn leave(&mut self, id: SubscriberId) {
        self.subscribers.leave(id);
    }

    /// Forgets what is known of a subscriber that is not here. Returns false where it is here.
    pub(crate) fn forget(&mut self, key: &SubscriberKey) -> bool {
        self.redeliveries.remove(key);
        self.subscribers.forget(key)
    }

    pub(crate) fn subscriber(&self, id: SubscriberId) -> Option<&Subscriber> {
        self.subscribers.get(id)
    }

    pub(crate) fn find(&self, key: &SubscriberKey) -> Option<SubscriberId> {
        self.subscribers.find(key)
    }

    /// Notes that a subscriber is here while everything was delivered up to `through`. Returns where that was when it was
    /// first here, as far as is known: it may have been gone before the store had said anything.
    pub(crate) fn here_since(&mut self, id: SubscriberId, through: Offset) -> Offset {
        self.subscribers.here_since(id, through)
    }

    /// Notes how far the store said that a subscriber had confirmed, unless more is known by now.
    pub(crate) fn known(&mut self, id: SubscriberId, confirmed: Offset) {
        self.subscribers.known(id, confirmed);
    }

    /// Everything up to `through` arrived, but for what is to be acknowledged. Returns whether more is confirmed than before.
    pub(crate) fn arrived(&mut self, id: SubscriberId, through: Offset) -> bool {
        self.subscribers.arrived(id, through).is_some()
    }

    /// Events up to `through` that a subscriber has yet to acknowledge, ascending.
    pub(crate) fn owed(&self, id: SubscriberId, through: Offset) -> Vec<Offset> {
        self.subscribers.owed(id, through)
    }

    /// Whether a subscriber has yet to acknowledge an event.
    pub(crate) fn owes(&self, id: SubscriberId, offset: Offset) -> bool {
        self.subscribers.get(id).is_some_and(|it| it.owes(offset))
    }

    /// Waits for a connection's acknowledgement of an entry that was sent to it `attempts` times, until `due_ms`.
    pub(crate) fn ask(
        &mut self,
        to: ConnectionSlot,
        id: SubscriberId,
        entry: &Arc<LogEntry>,
        attempts: u32,
        due_ms: u64,
    ) {
        self.subscribers.asked(id, entry.offset);
        self.retries.push(Retry { due_ms, to, entry: Arc::clone(entry), attempts });
    }

    /// An event that was given up before is sent again: it is owed, wherever its subscriber stands.
    pub(crate) fn owe_again(&mut self, id: SubscriberId, offset: Offset) {
        self.subscribers.asked_again(id, offset);
    }

    /// A subscriber acknowledged an event. `None` where it did not owe that.
    pub(crate) fn acknowledge(&mut self, id: SubscriberId, offset: Offset) -> Option<Settled> {
        self.owes(id, offset).then(|| self.settle(id, offset))
    }

    /// A session acknowledged an event that its connection was sent: that arrived, whatever is before it.
    pub(crate) fn acknowledged_by(&mut self, id: SubscriberId, sid: Sid, offset: Offset) {
        self.subscribers.acknowledged_by(id, sid, offset);
    }

    /// Events that were acknowledged last, ascending: by a session, or by any.
    pub(crate) fn acknowledged(&self, id: SubscriberId, by: Option<&Sid>) -> Vec<Offset> {
        self.subscribers.acknowledged(id, by)
    }

    /// Who acknowledged an event, and by which sessions.
    pub(crate) fn who_acknowledged(&self, offset: Offset) -> Vec<(SubscriberId, &[Sid])> {
        self.subscribers.who_acknowledged(offset)
    }

    /// A subscriber need not acknowledge an event any more.
    pub(crate) fn settle(&mut self, id: SubscriberId, offset: Offset) -> Settled {
        let has_letter = self.subscribers.take_redelivered(id, offset);
        let has_confirmed = self.subscribers.settled(id, offset).is_some();
        Settled { has_letter, has_confirmed }
    }

    /// Has an event looked at when `due_ms` has come.
    pub(crate) fn watch(&mut self, due_ms: u64, watched: Watched) {
        self.watches.push(due_ms, watched);
    }

    /// Whether nothing is watched.
    pub(crate) fn watches_nothing(&self) -> bool {
        self.watches.is_empty()
    }

    /// Another node noted what was done about an event. Returns it where there is something to do here: it is not watched any more
    /// until it is put back.
    pub(crate) fn hear_of_watch(&mut self, note: &Note) -> Option<Watched> {
        let (offset, by) = parse_delivery_key(&note.key)?;
        let timeline = serde_json::from_str(note.value.as_deref()?).ok()?;
        self.watches.heard(offset, ApplicationType::from_wire(by.as_str())?, timeline)
    }

    /// A subscriber of an application that an event has reached, as far as is known.
    pub(crate) fn has_reached(&self, by: ApplicationType, offset: Offset) -> Option<&Subscriber> {
        self.subscribers.iter().find(|it| it.application == Some(by) && it.has(offset))
    }

    /// The note that says what a subscriber acknowledged last, if none does yet.
    pub(crate) fn to_save(
        &self,
        id: SubscriberId,
        epoch: Epoch,
        expires_at_ms: u64,
    ) -> Option<Note> {
        self.subscribers.to_save(id, epoch, expires_at_ms)
    }

    /// That note was taken.
    pub(crate) fn set_saved(&mut self, id: SubscriberId) {
        self.subscribers.set_saved(id);
    }

    /// Takes up what was noted in this incarnation of the log: what subscribers acknowledged who were here before, and what is
    /// to be sent once more.
    pub(crate) fn restore(&mut self, notes: &[Note], epoch: Epoch) {
        let of_kind = |kind| notes.iter().filter(move |note| note.kind == kind);
        let mut acknowledged: Vec<&Note> = of_kind(NoteKind::Acknowledged).collect();
        acknowledged.sort_by_key(|note| note.expires_at_ms);
        // The newest: no more are remembered.
        let first = acknowledged.len().saturating_sub(GONE_MAX);
        acknowledged[first..].iter().for_each(|note| self.subscribers.restore(note, epoch));
        self.redeliveries.clear();
        let asked = of_kind(NoteKind::Redelivery);
        for (offset, subscriber) in asked.filter_map(|note| parse_delivery_key(&note.key)) {
            self.send_later(subscriber, [offset]);
        }
    }

    /// Takes up what other nodes noted of what subscribers acknowledged.
    pub(crate) fn hear(&mut self, notes: &[Note], epoch: Epoch) {
        let acknowledged =
            |note: &&Note| note.kind == NoteKind::Acknowledged && note.value.is_some();
        notes.iter().filter(acknowledged).for_each(|note| self.subscribers.restore(note, epoch));
    }

    /// Notes what is to be sent to a subscriber once more when it is here.
    pub(crate) fn send_later(
        &mut self,
        subscriber: SubscriberKey,
        offsets: impl IntoIterator<Item = Offset>,
    ) {
        self.redeliveries.entry(subscriber).or_default().extend(offsets);
    }

    /// Takes out what is to be sent to a subscriber once more.
    pub(crate) fn take_redeliveries(&mut self, id: SubscriberId) -> Option<Vec<Offset>> {
        self.redeliveries.remove(&self.subscribers.get(id)?.key)
    }
}

#[cfg(test)]
mod tests {
    use crate::connection_slot::ConnectionSlot;
    use foodtrack_contract::Watch;

    use super::*;
    use crate::samples::log_entry;

    const KITCHEN: ApplicationType = ApplicationType::KitchenApp;

    fn offset(n: u64) -> Offset {
        Offset::new(n).unwrap()
    }

    fn entry(n: u64) -> Arc<LogEntry> {
        Arc::new(log_entry(offset(n)))
    }

    fn to(place: u32) -> ConnectionSlot {
        crate::samples::slot(place)
    }

    fn enter(all: &mut Reliability, name: &str) -> SubscriberId {
        let id = all.enter(SubscriberKey::new(name).unwrap(), Some(KITCHEN));
        all.known(id, Offset::ZERO);
        id
    }

    #[test]
    fn the_earliest_of_all_that_waits_is_the_one_deadline_and_each_is_due_once() {
        let mut all = Reliability::default();
        assert_eq!(all.next_due_ms(), None);
        let id = enter(&mut all, "a");
        let watch = Watch { by: KITCHEN, within_ms: 10 };
        all.watch(30, Watched::new(entry(2), watch, false));
        all.ask(to(0), id, &entry(1), 1, 50);
        all.ask(to(0), id, &entry(3), 1, 20);
        let mut due = Vec::new();
        for now_ms in 0..100 {
            while let Some(next) = all.take_due(now_ms) {
                let offset = match next {
                    Due::Retry(retry) => retry.entry.offset,
                    Due::Watch(watched) => watched.entry.offset,
                };
                due.push((now_ms, offset.get()));
            }
            let next_ms = all.next_due_ms();
            assert!(next_ms.is_none_or(|due_ms| due_ms > now_ms), "{next_ms:?} at {now_ms}");
        }
        assert_eq!(due, [(20, 3), (30, 2), (50, 1)]);
    }

    #[test]
    fn an_acknowledgement_counts_once_and_moves_what_is_confirmed() {
        let mut all = Reliability::default();
        let id = enter(&mut all, "a");
        all.ask(to(0), id, &entry(3), 1, 10);
        assert!(all.arrived(id, offset(5)));
        assert!(all.has_reached(KITCHEN, offset(3)).is_none());
        assert_eq!(all.acknowledge(id, offset(4)), None, "nobody asked for it");
        let settled = all.acknowledge(id, offset(3)).unwrap();
        assert_eq!(settled, Settled { has_letter: false, has_confirmed: true });
        assert_eq!(all.acknowledge(id, offset(3)), None);
        assert!(all.has_reached(KITCHEN, offset(3)).is_some());
        all.owe_again(id, offset(2));
        assert_eq!(all.owed(id, offset(9)), [offset(2)]);
        assert!(all.acknowledge(id, offset(2)).unwrap().has_letter);
    }

    #[test]
    fn what_is_to_be_sent_once_more_is_taken_once() {
        let mut all = Reliability::default();
        let id = enter(&mut all, "a");
        all.send_later(SubscriberKey::new("a").unwrap(), [offset(1), offset(2)]);
        assert_eq!(all.take_redeliveries(id), Some(vec![offset(1), offset(2)]));
        assert_eq!(all.take_redeliveries(id), None);
    }

    #[test]
    fn what_another_node_did_about_an_event_is_not_done_here_and_what_it_confirmed_is_over() {
        let mut all = Reliability::default();
        let watch = Watch { by: KITCHEN, within_ms: 10 };
        for n in 1..=3 {
            all.watch(10, Watched::new(entry(n), watch, true));
        }
        let note = |n: u64, by: &str, timeline: &Timeline| Note {
            kind: NoteKind::Watch,
            key: format!("{n} {by}").into(),
            value: serde_json::to_string(timeline).ok().map(Box::from),
            expires_at_ms: None,
        };
        let mut timeline = Watched::new(entry(1), watch, true).timeline;
        assert!(all.hear_of_watch(&note(1, "kitchen_app", &timeline)).is_none(), "no news");
        timeline.note(String::new(), "sent again");
        assert!(all.hear_of_watch(&note(1, "client_app", &timeline)).is_none(), "another's");
        let watched = all.hear_of_watch(&note(1, "kitchen_app", &timeline)).unwrap();
        assert_eq!(watched.timeline, timeline);
        all.watch(30, watched);
        timeline.confirm();
        assert!(all.hear_of_watch(&note(2, "kitchen_app", &timeline)).is_none());
        let strange = Note { value: Some("[]".into()), ..note(3, "kitchen_app", &timeline) };
        assert!(all.hear_of_watch(&strange).is_none());
        let mut due = Vec::new();
        for now_ms in [10, 29, 30] {
            while let Some(Due::Watch(watched)) = all.take_due(now_ms) {
                due.push((now_ms, watched.entry.offset.get()));
            }
        }
        assert_eq!(due, [(10, 3), (30, 1)], "the first is looked at when it was put back for");
        assert!(all.watches_nothing());
    }

    #[test]
    fn a_timeline_is_over_after_its_second_step() {
        let watch = Watch { by: KITCHEN, within_ms: 10 };
        let mut timeline = Watched::new(entry(1), watch, false).timeline;
        assert!(timeline.is_empty() && !timeline.is_over());
        timeline.note(String::new(), "sent again");
        assert!(!timeline.is_empty() && !timeline.is_over());
        let kept = serde_json::to_string(&timeline).unwrap();
        timeline = serde_json::from_str(&kept).unwrap();
        timeline.note(String::new(), "whatever people are told");
        assert!(timeline.is_over());
    }
}
