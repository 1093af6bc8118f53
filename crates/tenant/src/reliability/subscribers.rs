//! How far each subscriber of one tenant has confirmed: the offline queue is everything behind that.

use std::collections::{BTreeSet, VecDeque};

use ahash::AHashMap;
use foodtrack_contract::{ApplicationType, Cursor, DeviceId, Epoch, Offset, UserId};
use foodtrack_tenant_log::{Note, SubscriberKey};
use foodtrack_wire::Sid;
use slab::Slab;

use super::acknowledged::Acknowledged;

/// How many subscribers without a connection are remembered: what they confirmed last may not be on disk yet.
pub(super) const GONE_MAX: usize = 256;

/// A subscriber's place among its tenant's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SubscriberId(u32);

/// Who reads: a user of an application, and the device where it is named.
#[derive(Debug)]
pub(crate) struct Subscriber {
    pub(crate) key: SubscriberKey,
    pub(crate) application: Option<ApplicationType>,
    /// Everything up to here was confirmed; `None` until the store has said how far that was.
    confirmed: Option<Offset>,
    /// Events that asked for an acknowledgement and are neither acknowledged nor given up.
    unacknowledged: BTreeSet<Offset>,
    /// Those of them that were given up before, and have a dead letter until they are acknowledged.
    redelivered: BTreeSet<Offset>,
    /// It was here when the log ended here, and has missed what came since; `None` if it was found in the store at once.
    since: Option<Offset>,
    /// Up to here something arrived, though not all of it may be acknowledged.
    arrived: Offset,
    acknowledged: Acknowledged,
    connections: u32,
}

/// One tenant's subscribers: those with a connection, and some who have just gone.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    slots: Slab<Subscriber>,
    by_key: AHashMap<SubscriberKey, u32>,
    /// Those who have gone, oldest first; some may be back.
    gone: VecDeque<u32>,
    /// Nothing behind it was acknowledged by anybody.
    acknowledged_through: Offset,
}

/// A subscriber's name in the store, and in private ids. Unambiguous whatever the parts hold.
pub(crate) fn subscriber_key(
    user: &UserId,
    application: Option<ApplicationType>,
    device: Option<&DeviceId>,
) -> Option<SubscriberKey> {
    let user = user.as_str();
    let application = application.map_or("system", ApplicationType::as_str);
    let device = device.map_or("", DeviceId::as_str);
    // The separator may be part of a name: of the user's it is escaped, and the device is all that follows.
    if user.contains([':', '%']) {
        let user = user.replace('%', "%25").replace(':', "%3A");
        return SubscriberKey::new(&format!("{user}:{application}:{device}"));
    }
    SubscriberKey::new(&format!("{user}:{application}:{device}"))
}

/// Who a subscriber is: the user, the application, and the device where it is named.
pub fn read_subscriber_key(key: &SubscriberKey) -> (String, &str, Option<&str>) {
    let (user, rest) = key.as_str().split_once(':').unwrap_or((key.as_str(), ""));
    let (application, device) = rest.split_once(':').unwrap_or((rest, ""));
    let user = user.replace("%3A", ":").replace("%25", "%");
    (user, application, Some(device).filter(|device| !device.is_empty()))
}

impl Subscriber {
    /// Whether it has a single connection.
    pub(crate) fn is_alone(&self) -> bool {
        self.connections == 1
    }

    /// Whether it has a connection.
    pub(crate) fn is_here(&self) -> bool {
        self.connections > 0
    }
}

impl Subscribers {
    pub(super) fn get(&self, id: SubscriberId) -> Option<&Subscriber> {
        self.slots.get(id.0 as usize)
    }

    pub(super) fn find(&self, key: &SubscriberKey) -> Option<SubscriberId> {
        self.by_key.get(key).copied().map(SubscriberId)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Subscriber> {
        self.slots.iter().map(|(_, subscriber)| subscriber)
    }

    /// One more connection of a subscriber.
    pub(super) fn enter(
        &mut self,
        key: SubscriberKey,
        application: Option<ApplicationType>,
    ) -> SubscriberId {
        if let Some(id) = self.find(&key) {
            let subscriber = &mut self.slots[id.0 as usize];
            subscriber.connections += 1;
            subscriber.application = subscriber.application.or(application);
            return id;
        }
        let place = self.slots.insert(Subscriber {
            key: key.clone(),
            application,
            confirmed: None,
            unacknowledged: BTreeSet::new(),
            redelivered: BTreeSet::new(),
            since: None,
            arrived: Offset::ZERO,
            acknowledged: Acknowledged::default(),
            connections: 1,
        });
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        self.by_key.insert(key, place);
        SubscriberId(place)
    }

    /// One connection less.
    pub(super) fn leave(&mut self, id: SubscriberId) {
        let Some(subscriber) = self.slots.get_mut(id.0 as usize) else { return };
        subscriber.connections = subscriber.connections.saturating_sub(1);
        if subscriber.connections > 0 {
            return;
        }
        self.gone.push_back(id.0);
        while self.gone.len() > GONE_MAX
            && let Some(oldest) = self.gone.pop_front()
        {
            let is_gone = self.slots.get(oldest as usize).is_some_and(|it| it.connections == 0);
            // Who came back and went again is listed once more behind.
            if is_gone && !self.gone.contains(&oldest) {
                let subscriber = self.slots.remove(oldest as usize);
                self.by_key.remove(&subscriber.key);
            }
        }
    }

    /// Forgets a subscriber that is not here. Returns false where it is here.
    pub(super) fn forget(&mut self, key: &SubscriberKey) -> bool {
        let Some(place) = self.by_key.get(key).copied() else { return true };
        if self.slots.get(place as usize).is_some_and(Subscriber::is_here) {
            return false;
        }
        self.gone.retain(|gone| *gone != place);
        self.slots.try_remove(place as usize);
        self.by_key.remove(key);
        true
    }

    /// Notes that a subscriber is here while the log ends at `shown`. Returns where it ended when it was first here, as far
    /// as is known: it may have been gone before the store had said anything.
    pub(super) fn here_since(&mut self, id: SubscriberId, shown: Offset) -> Offset {
        let subscriber = self.slots.get_mut(id.0 as usize);
        subscriber.map_or(shown, |it| {
            let since = it.since.map_or(shown, |since| since.min(shown));
            *it.since.insert(since)
        })
    }

    /// Notes what the store said, unless more is known by now.
    pub(super) fn known(&mut self, id: SubscriberId, confirmed: Offset) {
        if let Some(subscriber) = self.slots.get_mut(id.0 as usize) {
            subscriber.confirmed = subscriber.confirmed.max(Some(confirmed));
        }
    }

    /// Everything up to `through` arrived, but for what is to be acknowledged. Returns how far it is confirmed, if that is
    /// further than before.
    pub(super) fn arrived(&mut self, id: SubscriberId, through: Offset) -> Option<Offset> {
        let subscriber = self.slots.get_mut(id.0 as usize)?;
        subscriber.arrived = subscriber.arrived.max(through);
        subscriber.confirm()
    }

    /// An event was sent that is to be acknowledged.
    pub(super) fn asked(&mut self, id: SubscriberId, offset: Offset) {
        if let Some(subscriber) = self.slots.get_mut(id.0 as usize)
            && subscriber.confirmed.is_none_or(|confirmed| confirmed < offset)
        {
            subscriber.unacknowledged.insert(offset);
        }
    }

    /// Events up to `through` that still wait for an acknowledgement, ascending.
    pub(super) fn owed(&self, id: SubscriberId, through: Offset) -> Vec<Offset> {
        let owed = self.get(id).map(|it| it.unacknowledged.range(..=through).copied().collect());
        owed.unwrap_or_default()
    }

    /// A session acknowledged an event.
    pub(super) fn acknowledged_by(&mut self, id: SubscriberId, sid: Sid, offset: Offset) {
        if let Some(subscriber) = self.slots.get_mut(id.0 as usize) {
            subscriber.acknowledged.add(sid, offset);
            self.acknowledged_through = self.acknowledged_through.max(offset);
        }
    }

    /// Events that were acknowledged last, ascending: by a session, or by any.
    pub(super) fn acknowledged(&self, id: SubscriberId, by: Option<&Sid>) -> Vec<Offset> {
        self.get(id).map(|it| it.acknowledged.offsets(by)).unwrap_or_default()
    }

    /// Who acknowledged an event, and by which sessions.
    pub(super) fn who_acknowledged(&self, offset: Offset) -> Vec<(SubscriberId, &[Sid])> {
        // Most are delivered before anybody acknowledges them.
        if offset > self.acknowledged_through {
            return Vec::new();
        }
        let all = self.slots.iter();
        all.filter_map(|(place, it)| {
            Some((SubscriberId(u32::try_from(place).ok()?), it.acknowledged.by(offset)?))
        })
        .collect()
    }

    /// The note that says what a subscriber acknowledged last, if none does yet.
    pub(super) fn to_save(
        &self,
        id: SubscriberId,
        epoch: Epoch,
        expires_at_ms: u64,
    ) -> Option<Note> {
        let subscriber = self.get(id)?;
        subscriber.acknowledged.to_save(&subscriber.key, epoch, expires_at_ms)
    }

    /// That note was taken.
    pub(super) fn set_saved(&mut self, id: SubscriberId) {
        if let Some(subscriber) = self.slots.get_mut(id.0 as usize) {
            subscriber.acknowledged.set_saved();
        }
    }

    /// Whether notes say what everybody acknowledged last.
    pub(super) fn are_saved(&self) -> bool {
        self.iter().all(|it| it.acknowledged.is_saved())
    }

    /// Takes up such a note: its subscriber was here before this tenant was.
    pub(super) fn restore(&mut self, note: &Note, epoch: Epoch) {
        let Some(key) = SubscriberKey::new(&note.key) else { return };
        let id = self.enter(key, None);
        let acknowledged = &mut self.slots[id.0 as usize].acknowledged;
        acknowledged.restore(note, epoch);
        self.acknowledged_through = self.acknowledged_through.max(acknowledged.last());
        self.leave(id);
    }

    /// An event is sent that was given up before: it is to be acknowledged though all around it may be confirmed.
    pub(super) fn asked_again(&mut self, id: SubscriberId, offset: Offset) {
        if let Some(subscriber) = self.slots.get_mut(id.0 as usize) {
            subscriber.acknowledged.remove(offset);
            subscriber.unacknowledged.insert(offset);
            subscriber.redelivered.insert(offset);
        }
    }

    /// Whether an event that is settled now has a dead letter. Asked once.
    pub(super) fn take_redelivered(&mut self, id: SubscriberId, offset: Offset) -> bool {
        self.slots.get_mut(id.0 as usize).is_some_and(|it| it.redelivered.remove(&offset))
    }

    /// An event was acknowledged, or given up. Returns as [`Subscribers::arrived`].
    pub(super) fn settled(&mut self, id: SubscriberId, offset: Offset) -> Option<Offset> {
        let subscriber = self.slots.get_mut(id.0 as usize)?;
        subscriber.unacknowledged.remove(&offset);
        subscriber.confirm()
    }
}

impl Subscriber {
    /// How far everything is confirmed; `None` while the store has not said.
    pub(crate) fn confirmed(&self) -> Option<Offset> {
        self.confirmed
    }

    /// Up to where everything arrived, be it to be acknowledged or not.
    pub(crate) fn arrived(&self) -> Offset {
        self.arrived
    }

    /// Whether the event still waits for an acknowledgement.
    pub(crate) fn owes(&self, offset: Offset) -> bool {
        self.unacknowledged.contains(&offset)
    }

    /// Whether the event at `offset` reached a device of this subscriber, as far as is known.
    pub(crate) fn has(&self, offset: Offset) -> bool {
        let through = self.confirmed.unwrap_or(Offset::ZERO).max(self.arrived);
        (offset <= through || self.acknowledged.contains(offset)) && !self.owes(offset)
    }

    /// The cursor that is saved.
    pub(crate) fn cursor(&self, epoch: Epoch) -> Option<Cursor> {
        self.confirmed.map(|through| Cursor::new(epoch, through))
    }

    fn confirm(&mut self) -> Option<Offset> {
        let mut through = self.arrived.max(self.confirmed.unwrap_or(Offset::ZERO));
        while self.acknowledged.contains(through.next()) && !self.owes(through.next()) {
            through = through.next();
        }
        self.arrived = self.arrived.max(through);
        let before = |offset: &Offset| Offset::ZERO.plus(offset.get() - 1);
        let bound = self.unacknowledged.first().map_or(Offset::MAX, before);
        let through = self.arrived.min(bound);
        // Until the store has said how far it was, nothing is: it may have been less than what this connection got.
        let confirmed = self.confirmed?;
        (through > confirmed).then(|| *self.confirmed.insert(through))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(n: u64) -> Offset {
        Offset::new(n).unwrap()
    }

    fn key(text: &str) -> SubscriberKey {
        SubscriberKey::new(text).unwrap()
    }

    #[test]
    fn a_subscribers_name_is_nobody_elses() {
        let name = |user: &str, device: Option<&str>| {
            let device = device.map(|device| DeviceId::parse(device).unwrap());
            let user = UserId::parse(user).unwrap();
            subscriber_key(&user, Some(ApplicationType::KitchenApp), device.as_ref()).unwrap()
        };
        assert_eq!(name("ada", Some("t1")).as_str(), "ada:kitchen_app:t1");
        assert_ne!(name("x:kitchen_app:y", Some("z")), name("x", Some("y:kitchen_app:z")));
        assert_ne!(name("a%3Ab", None), name("a:b", None));
    }

    #[test]
    fn what_is_not_acknowledged_holds_the_cursor_back() {
        let mut all = Subscribers::default();
        let id = all.enter(key("a"), None);
        all.known(id, offset(1));
        all.asked(id, offset(3));
        assert_eq!(all.arrived(id, offset(5)), Some(offset(2)));
        assert!(!all.get(id).unwrap().has(offset(3)) && all.get(id).unwrap().has(offset(4)));
        assert_eq!(all.settled(id, offset(3)), Some(offset(5)));
        assert_eq!(all.arrived(id, offset(4)), None);
    }

    #[test]
    fn what_was_acknowledged_has_arrived_whatever_is_before_it() {
        let mut all = Subscribers::default();
        let sid = |n: u64| Sid::parse(&format!("{n:0>20}")).unwrap();
        let id = all.enter(key("a"), None);
        all.known(id, offset(4));
        let acknowledge = |all: &mut Subscribers, n: u64, by: u64| {
            all.asked(id, offset(n));
            all.acknowledged_by(id, sid(by), offset(n));
            all.settled(id, offset(n))
        };
        assert_eq!(acknowledge(&mut all, 7, 1), None, "5 and 6 may be on their way");
        assert_eq!(acknowledge(&mut all, 9, 2), None);
        assert_eq!(all.acknowledged(id, None), [offset(7), offset(9)]);
        assert_eq!(all.acknowledged(id, Some(&sid(1))), [offset(7)], "the other socket lacks 9");
        assert!(all.get(id).unwrap().has(offset(7)) && !all.get(id).unwrap().has(offset(6)));
        assert_eq!(acknowledge(&mut all, 5, 1), Some(offset(5)));
        assert_eq!(all.arrived(id, offset(6)), Some(offset(7)), "and 7 is behind it");
        all.asked_again(id, offset(9));
        assert_eq!(all.acknowledged(id, None), [5, 7].map(offset), "9 is to be sent once more");
    }

    #[test]
    fn an_event_that_is_sent_after_all_is_owed_whatever_is_confirmed() {
        let mut all = Subscribers::default();
        let id = all.enter(key("a"), None);
        all.known(id, offset(9));
        all.asked(id, offset(4));
        assert!(!all.get(id).unwrap().owes(offset(4)), "it was confirmed long ago");
        all.asked_again(id, offset(4));
        assert_eq!(all.owed(id, offset(9)), [offset(4)]);
        assert_eq!(all.arrived(id, offset(12)), None, "it holds the cursor where it is");
        assert_eq!(all.settled(id, offset(4)), Some(offset(12)));
    }

    #[test]
    fn a_subscriber_was_here_since_it_was_first_here() {
        let mut all = Subscribers::default();
        let id = all.enter(key("a"), None);
        assert_eq!(all.here_since(id, offset(3)), offset(3));
        all.leave(id);
        let id = all.enter(key("a"), None);
        assert_eq!(all.here_since(id, offset(8)), offset(3));
    }

    #[test]
    fn nothing_is_confirmed_before_the_store_has_said_how_far_it_was() {
        let mut all = Subscribers::default();
        let id = all.enter(key("a"), None);
        assert_eq!(all.arrived(id, offset(5)), None);
        all.known(id, offset(2));
        assert_eq!(all.arrived(id, offset(5)), Some(offset(5)));
    }

    #[test]
    fn those_who_have_gone_are_forgotten_after_a_while_and_those_who_are_back_are_not() {
        let mut all = Subscribers::default();
        let first = all.enter(key("first"), None);
        all.leave(first);
        assert_eq!(all.enter(key("first"), None), first);
        for n in 0..2 * GONE_MAX {
            let id = all.enter(key(&n.to_string()), None);
            all.leave(id);
        }
        assert!(all.find(&key("first")).is_some() && all.find(&key("0")).is_none());
        assert_eq!(all.slots.len(), GONE_MAX + 1);
        all.leave(first);
        assert!(all.find(&key("first")).is_some());
    }
}
