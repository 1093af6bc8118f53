//! Who was here a moment ago, for those who list who is online: a torn line is no absence, and who comes back in time was here all the while.

use std::collections::VecDeque;

use ahash::AHashMap;
use foodtrack_contract::{ApplicationType, DeviceId, UserId};
use foodtrack_tenant_log::SubscriberKey;

/// So many are remembered; of more, those that went first are forgotten. Each costs about 300 bytes.
const KNOWN_MAX: usize = 10_000;

/// Somebody who went, and may have come back since.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) user: UserId,
    pub(crate) application: ApplicationType,
    pub(crate) device: Option<DeviceId>,
    /// Since when without a longer absence, by the wall clock.
    pub(crate) since_ms: u64,
    left: Option<Left>,
}

/// When somebody went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// On the shard's clock.
    at_ms: u64,
    /// By the wall clock.
    pub(crate) wall_ms: u64,
}

impl Left {
    pub(crate) fn new(at_ms: u64, wall_ms: u64) -> Self {
        Self { at_ms, wall_ms }
    }
}

/// Those who went, and are away only once they have not come back in time.
#[derive(Debug, Default)]
pub(crate) struct RecentAbsences {
    known: AHashMap<SubscriberKey, Known>,
    /// In the order in which they went; who has come back since stands here all the same.
    went: VecDeque<(u64, SubscriberKey)>,
}

impl RecentAbsences {
    /// The last connection of somebody has gone, who was here since then.
    pub(crate) fn went(&mut self, key: &SubscriberKey, mut who: Known, left: Left, stays_ms: u64) {
        self.forget_before(left.at_ms.saturating_sub(stays_ms));
        if let Some(known) = self.known.get(key) {
            who.since_ms = who.since_ms.min(known.since_ms);
        }
        who.left = Some(left);
        self.known.insert(key.clone(), who);
        self.went.push_back((left.at_ms, key.clone()));
        while self.went.len() > KNOWN_MAX {
            self.forget_first();
        }
    }

    /// Somebody is here. Who was not away for so long was here all the while.
    pub(crate) fn came(&mut self, key: &SubscriberKey, now_ms: u64, stays_ms: u64) {
        self.forget_before(now_ms.saturating_sub(stays_ms));
        if let Some(known) = self.known.get_mut(key) {
            known.left = None;
        }
    }

    /// Somebody has gone for good.
    pub(crate) fn forget(&mut self, key: &SubscriberKey) {
        self.known.remove(key);
    }

    /// Since when somebody who is here was here before, by the wall clock.
    pub(crate) fn since_ms(&self, key: &SubscriberKey) -> Option<u64> {
        self.known.get(key).map(|known| known.since_ms)
    }

    /// Those who went after that, on the shard's clock, and are not back.
    pub(crate) fn gone_since(
        &self,
        at_ms: Option<u64>,
    ) -> impl Iterator<Item = (&SubscriberKey, &Known, Left)> {
        self.known.iter().filter_map(move |(key, known)| {
            let left = known.left.filter(|left| at_ms.is_none_or(|at_ms| left.at_ms > at_ms))?;
            Some((key, known, left))
        })
    }

    fn forget_before(&mut self, at_ms: u64) {
        while self.went.front().is_some_and(|(went_ms, _)| *went_ms <= at_ms) {
            self.forget_first();
        }
    }

    /// Forgets who went first; not since when somebody is here who is back.
    fn forget_first(&mut self) {
        let Some((at_ms, key)) = self.went.pop_front() else { return };
        let is_gone = |known: &Known| known.left.is_some_and(|left| left.at_ms == at_ms);
        let has_gone = self.known.get(&key).is_some_and(is_gone);
        if has_gone || self.known.len() > KNOWN_MAX {
            self.known.remove(&key);
        }
    }
}

impl Known {
    pub(crate) fn new(
        user: UserId,
        application: ApplicationType,
        device: Option<DeviceId>,
        since_ms: u64,
    ) -> Self {
        Self { user, application, device, since_ms, left: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAYS_MS: u64 = 100;

    fn key(name: &str) -> SubscriberKey {
        SubscriberKey::new(name).unwrap()
    }

    fn went(absences: &mut RecentAbsences, name: &str, since_ms: u64, at_ms: u64) {
        let user = UserId::parse(name).unwrap();
        let who = Known::new(user, ApplicationType::KitchenApp, None, since_ms);
        absences.went(&key(name), who, Left::new(at_ms, at_ms), STAYS_MS);
    }

    fn gone(absences: &RecentAbsences, now_ms: u64) -> usize {
        absences.gone_since(now_ms.checked_sub(STAYS_MS)).count()
    }

    #[test]
    fn who_comes_back_in_time_was_here_all_the_while_and_who_does_not_is_away() {
        let mut absences = RecentAbsences::default();
        went(&mut absences, "ada", 1_000, 1_500);
        assert_eq!(gone(&absences, 1_599), 1);
        absences.came(&key("ada"), 1_599, STAYS_MS);
        assert_eq!((gone(&absences, 1_599), absences.since_ms(&key("ada"))), (0, Some(1_000)));
        went(&mut absences, "ada", 1_599, 1_700);
        assert_eq!(gone(&absences, 1_800), 0, "away");
        absences.came(&key("ada"), 1_801, STAYS_MS);
        assert_eq!(absences.since_ms(&key("ada")), None, "here anew");
        assert!(absences.known.is_empty() && absences.went.is_empty());
    }

    #[test]
    fn who_left_for_good_is_away_at_once() {
        let mut absences = RecentAbsences::default();
        went(&mut absences, "ada", 1_000, 1_500);
        absences.forget(&key("ada"));
        assert_eq!((gone(&absences, 1_501), absences.since_ms(&key("ada"))), (0, None));
    }

    #[test]
    fn memory_is_bounded_also_where_all_come_back() {
        let mut absences = RecentAbsences::default();
        for n in 0..3 * KNOWN_MAX as u64 {
            let name = format!("user-{n}");
            went(&mut absences, &name, n, n / 1_000);
            absences.came(&key(&name), n / 1_000, STAYS_MS);
        }
        assert!(absences.known.len() <= KNOWN_MAX + 1 && absences.went.len() <= KNOWN_MAX);
    }
}
