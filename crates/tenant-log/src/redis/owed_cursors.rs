//! Where subscribers begin, as far as Redis did not take that yet.

use std::time::{Duration, Instant};

use ahash::AHashMap;
use foodtrack_contract::TenantId;

use super::batch::{SAVED_TOGETHER_MAX, Step};
use crate::{SavedCursor, SubscriberKey};

/// How many are kept. Further ones are lost: their subscribers begin where they are when they come back.
const OWED_CURSORS_MAX: usize = 65_536;
/// How long to wait before Redis is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(300);

/// First cursors that Redis is still to save. Somebody who came while Redis was away, and left, may come back to another node, which
/// must know since when there is something to be sent.
#[derive(Default)]
pub(super) struct OwedCursors {
    by_tenant: AHashMap<TenantId, AHashMap<SubscriberKey, SavedCursor>>,
    count: usize,
    ask_at: Option<Instant>,
}

impl OwedCursors {
    /// Redis did not save these. Of a subscriber the earliest counts.
    pub(super) fn keep(
        &mut self,
        tenant: &TenantId,
        cursors: Vec<(SubscriberKey, SavedCursor, bool)>,
        now: Instant,
    ) {
        for (subscriber, saved, _) in cursors.into_iter().filter(|(.., is_first)| *is_first) {
            if self.count >= OWED_CURSORS_MAX {
                return;
            }
            let of_tenant = self.by_tenant.entry(tenant.clone()).or_default();
            let before = of_tenant.len();
            of_tenant.entry(subscriber).or_insert(saved);
            self.count += of_tenant.len() - before;
            self.ask_at = Some(now + ASK_AGAIN);
        }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.ask_at.is_some_and(|at| at <= now)
    }

    /// Takes them out, to be saved.
    pub(super) fn take(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        for (tenant, cursors) in std::mem::take(self).by_tenant {
            let mut cursors = cursors.into_iter().map(|(key, saved)| (key, saved, true)).peekable();
            while cursors.peek().is_some() {
                let cursors = cursors.by_ref().take(SAVED_TOGETHER_MAX).collect();
                steps.push(Step::SaveCursors { tenant: tenant.clone(), cursors });
            }
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use foodtrack_contract::{Cursor, Epoch, Offset};

    use super::*;

    fn at(offset: u64) -> SavedCursor {
        let cursor = Cursor::new(Epoch::new(1), Offset::new(offset).unwrap());
        SavedCursor { cursor, updated_at_ms: 0 }
    }

    fn key(name: &str) -> SubscriberKey {
        SubscriberKey::new(name).unwrap()
    }

    #[test]
    fn the_earliest_beginning_of_each_is_kept_until_it_is_taken() {
        let (now, tenant) = (Instant::now(), TenantId::parse("t").unwrap());
        let mut owed = OwedCursors::default();
        owed.keep(&tenant, vec![(key("a"), at(9), false)], now);
        assert!(!owed.is_due(now + ASK_AGAIN), "how far somebody has confirmed is found by itself");
        owed.keep(&tenant, vec![(key("a"), at(1), true), (key("b"), at(3), true)], now);
        owed.keep(&tenant, vec![(key("a"), at(2), true)], now);
        assert!(!owed.is_due(now) && owed.is_due(now + ASK_AGAIN));
        let steps = owed.take();
        let [Step::SaveCursors { cursors, .. }] = &*steps else { panic!("{steps:?}") };
        let mut begun: Vec<_> = cursors.iter().map(|(key, it, _)| (key.as_str(), it)).collect();
        begun.sort_unstable_by_key(|it| it.0);
        assert_eq!(begun, [("a", &at(1)), ("b", &at(3))]);
        assert!(!owed.is_due(now + ASK_AGAIN));
    }

    #[test]
    fn no_more_are_kept_than_memory_is_meant_for() {
        let (now, tenant) = (Instant::now(), TenantId::parse("t").unwrap());
        let mut owed = OwedCursors::default();
        let many = (0..=OWED_CURSORS_MAX).map(|n| (key(&n.to_string()), at(1), true)).collect();
        owed.keep(&tenant, many, now);
        assert_eq!(owed.count, OWED_CURSORS_MAX);
        // One call of the script holds up all of Redis.
        let sizes = owed.take().into_iter().map(|step| match step {
            Step::SaveCursors { cursors, .. } => cursors.len(),
            other => panic!("{other:?}"),
        });
        let sizes: Vec<usize> = sizes.collect();
        assert_eq!(sizes, vec![SAVED_TOGETHER_MAX; OWED_CURSORS_MAX / SAVED_TOGETHER_MAX]);
    }
}
