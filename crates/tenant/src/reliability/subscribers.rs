//! How far each subscriber of one tenant has confirmed: the offline queue is everything behind that.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ahash::AHashMap;
use foodtrack_contract::{ApplicationType, Cursor, DeviceId, Epoch, Offset, UserId};
use foodtrack_tenant_log::SubscriberKey;
use foodtrack_wire::Sid;
use slab::Slab;

/// How many subscribers without a connection are remembered: what they confirmed last may not be on disk yet.
const GONE_MAX: usize = 256;
/// How many events that were acknowledged last are remembered of a subscriber: a client that comes back with a cursor from before
/// them has them all the same.
const ACKNOWLEDGED_MAX: usize = 256;
/// How many of the sessions that acknowledged an event are remembered: those that did it last.
const ACKNOWLEDGED_BY_MAX: usize = 16;

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
    /// What was acknowledged last, and by which sessions: that arrived, whatever is before it.
    acknowledged: BTreeMap<Offset, Vec<Sid>>,
    connections: u32,
}

/// One tenant's subscribers: those with a connection, and some who have just gone.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    slots: Slab<Subscriber>,
    by_key: AHashMap<SubscriberKey, u32>,
    /// Those who have gone, oldest first; some may be back.
    gone: VecDeque<u32>,
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
            self.slots[id.0 as usize].connections += 1;
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
            acknowledged: BTreeMap::new(),
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
        let Some(subscriber) = self.slots.get_mut(id.0 as usize) else { return };
        let sids = subscriber.acknowledged.entry(offset).or_default();
        sids.retain(|other| *other != sid);
        if sids.len() >= ACKNOWLEDGED_BY_MAX {
            sids.remove(0);
        }
        sids.push(sid);
        if subscriber.acknowledged.len() > ACKNOWLEDGED_MAX {
            subscriber.acknowledged.pop_first();
        }
    }

    /// Events that were acknowledged last, ascending: by a session, or by any.
    pub(super) fn acknowledged(&self, id: SubscriberId, by: Option<&Sid>) -> Vec<Offset> {
        let Some(subscriber) = self.get(id) else { return Vec::new() };
        let counts = |sids: &Vec<Sid>| by.is_none_or(|sid| sids.contains(sid));
        let acknowledged = subscriber.acknowledged.iter().filter(|(_, sids)| counts(sids));
        acknowledged.map(|(offset, _)| *offset).collect()
    }

    /// An event is sent that was given up before: it is to be acknowledged though all around it may be confirmed.
    pub(super) fn asked_again(&mut self, id: SubscriberId, offset: Offset) {
        if let Some(subscriber) = self.slots.get_mut(id.0 as usize) {
            subscriber.acknowledged.remove(&offset);
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
        (offset <= through || self.acknowledged.contains_key(&offset)) && !self.owes(offset)
    }

    /// The cursor that is saved.
    pub(crate) fn cursor(&self, epoch: Epoch) -> Option<Cursor> {
        self.confirmed.map(|through| Cursor::new(epoch, through))
    }

    fn confirm(&mut self) -> Option<Offset> {
        let mut through = self.arrived.max(self.confirmed.unwrap_or(Offset::ZERO));
        while self.acknowledged.contains_key(&through.next()) && !self.owes(through.next()) {
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
    fn the_acknowledged_events_that_are_remembered_are_bounded() {
        let mut all = Subscribers::default();
        let sid = Sid::parse(&format!("{:0>20}", 1)).unwrap();
        let id = all.enter(key("a"), None);
        for n in 0..2 * ACKNOWLEDGED_MAX as u64 {
            all.acknowledged_by(id, sid, offset(2 + 2 * n));
        }
        let acknowledged = all.acknowledged(id, None);
        assert_eq!(acknowledged.len(), ACKNOWLEDGED_MAX);
        assert_eq!(acknowledged.last(), Some(&offset(4 * ACKNOWLEDGED_MAX as u64)), "the last");
    }

    #[test]
    fn of_the_sessions_that_acknowledged_an_event_the_newest_are_remembered() {
        let mut all = Subscribers::default();
        let sid = |n: usize| Sid::parse(&format!("{n:0>20}")).unwrap();
        let id = all.enter(key("a"), None);
        (1..=ACKNOWLEDGED_BY_MAX).for_each(|n| all.acknowledged_by(id, sid(n), offset(5)));
        // The first one says it again, and is the newest by that.
        all.acknowledged_by(id, sid(1), offset(5));
        all.acknowledged_by(id, sid(99), offset(5));
        assert_eq!(all.get(id).unwrap().acknowledged[&offset(5)].len(), ACKNOWLEDGED_BY_MAX);
        assert_eq!(all.acknowledged(id, Some(&sid(2))), [], "it was the oldest");
        for n in [1, 3, ACKNOWLEDGED_BY_MAX, 99] {
            assert_eq!(all.acknowledged(id, Some(&sid(n))), [offset(5)], "{n}");
        }
        assert_eq!(all.acknowledged(id, None), [offset(5)]);
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
