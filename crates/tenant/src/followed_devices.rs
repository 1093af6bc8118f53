//! Which devices of a tenant are here, where a webhook is told of that: one that has gone is away only when it has not come back in time.

use std::collections::BTreeSet;

use ahash::AHashMap;
use foodtrack_tenant_log::{LeftDevice, SubscriberKey};
use uuid::Uuid;

/// So many devices are followed; further ones are not told of. Each costs about 200 bytes.
pub(crate) const DEVICES_MAX: usize = 100_000;

/// Devices that are here, or went a moment ago.
#[derive(Debug, Default)]
pub(crate) struct FollowedDevices {
    /// When one that has gone is away, on the shard's clock; `None` for one that is here.
    devices: AHashMap<SubscriberKey, Option<u64>>,
    due: BTreeSet<(u64, SubscriberKey)>,
    /// What was said of devices to a log that several nodes write to, and is not known to be there.
    said: AHashMap<Uuid, SaidOf>,
    /// Devices at nodes that have gone, and when they are away.
    left: AHashMap<LeftDevice, u64>,
    /// When those are to be asked for, on the shard's clock.
    asks_at_ms: Option<u64>,
}

/// What was said of a device.
#[derive(Clone, Debug)]
pub(crate) enum SaidOf {
    Came(SubscriberKey),
    Went(SubscriberKey),
}

impl FollowedDevices {
    /// Takes up, in place of all that is known, devices that were here when the log was last written: they are away at `due_ms`
    /// unless they come.
    pub(crate) fn restore(&mut self, devices: impl Iterator<Item = SubscriberKey>, due_ms: u64) {
        self.devices.clear();
        self.due.clear();
        for device in devices.take(DEVICES_MAX) {
            self.due.insert((due_ms, device.clone()));
            self.devices.insert(device, Some(due_ms));
        }
    }

    /// A device is here. Returns whether it was away, and is followed from now on.
    pub(crate) fn came(&mut self, device: &SubscriberKey) -> bool {
        if let Some(due_ms) = self.devices.get_mut(device) {
            if let Some(due_ms) = due_ms.take() {
                self.due.remove(&(due_ms, device.clone()));
            }
            return false;
        }
        self.devices.len() < DEVICES_MAX && self.devices.insert(device.clone(), None).is_none()
    }

    /// The last connection of a device has gone: it is away at `due_ms` unless it comes back.
    pub(crate) fn went(&mut self, device: &SubscriberKey, due_ms: u64) {
        if let Some(due) = self.devices.get_mut(device)
            && due.is_none()
        {
            *due = Some(due_ms);
            self.due.insert((due_ms, device.clone()));
        }
    }

    /// When the next device is away, or something is to be asked.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        let next = self.due.first().map(|(due_ms, _)| *due_ms);
        next.into_iter().chain(self.asks_at_ms).min()
    }

    /// Whether any device is followed.
    pub(crate) fn is_empty(&self) -> bool {
        self.devices.is_empty() && self.left.is_empty()
    }

    /// Devices that are here, as far as they are followed.
    pub(crate) fn here(&self) -> impl Iterator<Item = &SubscriberKey> {
        self.devices.iter().filter(|(_, due_ms)| due_ms.is_none()).map(|(device, _)| device)
    }

    /// This was said of a device in a message of this id.
    pub(crate) fn said(&mut self, id: Uuid, what: SaidOf) {
        self.said.insert(id, what);
    }

    /// What was said in this message is in the log, or known already.
    pub(crate) fn is_known(&mut self, id: Uuid) {
        self.said.remove(&id);
    }

    /// What was said in this message is not in the log: it is said again at `again_at_ms`, as far as it is true by then.
    pub(crate) fn is_not_known(&mut self, id: Uuid, again_at_ms: u64) {
        match self.said.remove(&id) {
            Some(SaidOf::Came(device)) if self.devices.get(&device) == Some(&None) => {
                // Whoever is here is news once more.
                self.devices.remove(&device);
                self.asks_at_ms =
                    Some(self.asks_at_ms.map_or(again_at_ms, |at| at.min(again_at_ms)));
            }
            Some(SaidOf::Went(device)) if !self.devices.contains_key(&device) => {
                self.due.insert((again_at_ms, device.clone()));
                self.devices.insert(device, Some(again_at_ms));
            }
            _ => {}
        }
    }

    /// Whether it is time to ask for what is left of nodes that have gone, and to see who is here.
    pub(crate) fn takes_time_to_ask(&mut self, now_ms: u64) -> bool {
        self.asks_at_ms.take_if(|at_ms| *at_ms <= now_ms).is_some()
    }

    /// Has that asked at a time.
    pub(crate) fn ask_at(&mut self, at_ms: u64) {
        self.asks_at_ms = Some(self.asks_at_ms.map_or(at_ms, |at| at.min(at_ms)));
    }

    /// These are at nodes that have gone. Returns those that are away by now: they were there for so long. The others are looked at again
    /// when they are.
    pub(crate) fn are_left(
        &mut self,
        left: Vec<LeftDevice>,
        now_ms: u64,
        after_ms: u64,
    ) -> Vec<LeftDevice> {
        let before = std::mem::take(&mut self.left);
        let due_ms = |device: &LeftDevice| before.get(device).copied().unwrap_or(now_ms + after_ms);
        let (away, left): (Vec<_>, Vec<_>) =
            left.into_iter().map(|it| (due_ms(&it), it)).partition(|(due_ms, _)| *due_ms <= now_ms);
        if let Some(next_ms) = left.iter().map(|(due_ms, _)| *due_ms).min() {
            self.ask_at(next_ms);
        }
        self.left.extend(left.into_iter().map(|(due_ms, device)| (device, due_ms)));
        away.into_iter().map(|(_, device)| device).collect()
    }

    /// Devices that went with a node which has gone, and are not away yet; each with when it is, on the shard's clock.
    pub(crate) fn left_with_node(&self) -> impl Iterator<Item = (&SubscriberKey, u64)> {
        self.left.iter().map(|(left, due_ms)| (&left.device, *due_ms))
    }

    /// Takes out a device that is away by now.
    pub(crate) fn take_due(&mut self, now_ms: u64) -> Option<SubscriberKey> {
        self.due.first().filter(|(due_ms, _)| *due_ms <= now_ms)?;
        let (_, device) = self.due.pop_first()?;
        self.devices.remove(&device);
        Some(device)
    }

    /// Nobody could be told that devices are away: they are looked at again at `due_ms`.
    pub(crate) fn put_off(&mut self, now_ms: u64, due_ms: u64) {
        if self.takes_time_to_ask(now_ms) {
            self.ask_at(due_ms);
        }
        while let Some(device) = self.take_due(now_ms) {
            self.due.insert((due_ms, device.clone()));
            self.devices.insert(device, Some(due_ms));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> SubscriberKey {
        SubscriberKey::new(text).unwrap()
    }

    #[test]
    fn a_device_is_away_once_and_only_where_it_did_not_come_back_in_time() {
        let mut all = FollowedDevices::default();
        let (one, two) = (key("ada:client_app:1"), key("ada:client_app:2"));
        assert!(all.came(&one) && !all.came(&one) && all.came(&two));
        all.went(&one, 10);
        all.went(&two, 20);
        assert_eq!((all.due_ms(), all.take_due(9)), (Some(10), None));
        assert!(!all.came(&one), "it was not away");
        assert_eq!(all.take_due(20), Some(two.clone()));
        assert_eq!((all.take_due(u64::MAX), all.due_ms()), (None, None));
        assert!(all.came(&two), "it is news again");
    }

    #[test]
    fn who_was_here_before_a_restart_is_away_unless_it_comes() {
        let mut all = FollowedDevices::default();
        all.restore([key("a"), key("b")].into_iter(), 100);
        assert!(!all.came(&key("a")), "it was here all the time");
        all.put_off(100, 200);
        assert_eq!(all.take_due(199), None);
        assert_eq!((all.take_due(200), all.take_due(u64::MAX)), (Some(key("b")), None));
    }

    #[test]
    fn what_was_said_and_is_not_kept_is_said_again_as_far_as_it_is_true_by_then() {
        let mut all = FollowedDevices::default();
        let [stays, goes, comes_back] = ["stays", "goes", "comes back"].map(key);
        let ids = [1, 2, 3].map(Uuid::from_u128);
        all.came(&stays);
        all.said(ids[0], SaidOf::Came(stays.clone()));
        all.said(ids[1], SaidOf::Went(goes.clone()));
        all.said(ids[2], SaidOf::Went(comes_back.clone()));
        all.came(&comes_back);
        ids.into_iter().for_each(|id| all.is_not_known(id, 50));
        assert_eq!(all.due_ms(), Some(50));
        assert!(!all.takes_time_to_ask(49) && all.takes_time_to_ask(50));
        assert!(all.came(&stays), "it is said once more");
        assert_eq!((all.take_due(50), all.take_due(u64::MAX)), (Some(goes.clone()), None));
        // What is kept is not said again.
        all.said(ids[0], SaidOf::Came(stays.clone()));
        all.is_known(ids[0]);
        all.is_not_known(ids[0], 90);
        assert!(!all.came(&stays) && all.due_ms().is_none());
    }

    #[test]
    fn a_device_at_a_node_that_has_gone_is_away_when_it_is_still_there_after_its_time() {
        let mut all = FollowedDevices::default();
        let left = |name: &str| LeftDevice { device: key(name), node: "a".into() };
        assert_eq!(all.are_left(vec![left("one"), left("two")], 100, 50), []);
        assert_eq!((all.due_ms(), all.is_empty()), (Some(150), false));
        assert!(all.takes_time_to_ask(150));
        // The other one has come to a node that lives.
        assert_eq!(all.are_left(vec![left("one"), left("new")], 150, 50), [left("one")]);
        assert_eq!(all.due_ms(), Some(200));
        assert_eq!(all.are_left(Vec::new(), 200, 50), []);
        assert!(all.is_empty());
    }

    #[test]
    fn the_devices_that_are_followed_are_bounded() {
        let mut all = FollowedDevices::default();
        (0..DEVICES_MAX).for_each(|n| assert!(all.came(&key(&n.to_string()))));
        assert!(!all.came(&key("one more")));
        all.went(&key("one more"), 0);
        assert_eq!(all.due_ms(), None);
    }
}
