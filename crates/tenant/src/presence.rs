//! Which devices of a tenant are here: one that has gone is away only when it has not come back in time.

use std::collections::BTreeSet;

use ahash::AHashMap;
use foodtrack_tenant_log::SubscriberKey;

/// So many devices are followed; further ones are not told of. Each costs about 200 bytes.
pub(crate) const DEVICES_MAX: usize = 100_000;

/// Devices that are here, or went a moment ago.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    /// When one that has gone is away, on the shard's clock; `None` for one that is here.
    devices: AHashMap<SubscriberKey, Option<u64>>,
    due: BTreeSet<(u64, SubscriberKey)>,
}

impl Presence {
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

    /// When the next device is away.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        self.due.first().map(|(due_ms, _)| *due_ms)
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
        let mut all = Presence::default();
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
        let mut all = Presence::default();
        all.restore([key("a"), key("b")].into_iter(), 100);
        assert!(!all.came(&key("a")), "it was here all the time");
        all.put_off(100, 200);
        assert_eq!(all.take_due(199), None);
        assert_eq!((all.take_due(200), all.take_due(u64::MAX)), (Some(key("b")), None));
    }

    #[test]
    fn the_devices_that_are_followed_are_bounded() {
        let mut all = Presence::default();
        (0..DEVICES_MAX).for_each(|n| assert!(all.came(&key(&n.to_string()))));
        assert!(!all.came(&key("one more")));
        all.went(&key("one more"), 0);
        assert_eq!(all.due_ms(), None);
    }
}
