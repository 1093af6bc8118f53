//! The ids a tenant has seen lately, so that publishing twice publishes once.

use std::collections::VecDeque;

use ahash::AHashSet;
use uuid::Uuid;

/// How many ids are remembered.
pub(crate) const RECENT_IDS_MAX: usize = 65_536;

/// A bounded memory of ids, oldest forgotten first.
#[derive(Debug, Default)]
pub(crate) struct RecentIds {
    seen: AHashSet<Uuid>,
    order: VecDeque<Uuid>,
}

impl RecentIds {
    /// Whether `id` was accepted before.
    pub(crate) fn contains(&self, id: &Uuid) -> bool {
        self.seen.contains(id)
    }

    /// Remembers an accepted id.
    pub(crate) fn insert(&mut self, id: Uuid) {
        if !self.seen.insert(id) {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > RECENT_IDS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_bounded_and_forgets_the_oldest() {
        let mut ids = RecentIds::default();
        (0..=RECENT_IDS_MAX as u128).for_each(|n| ids.insert(Uuid::from_u128(n)));
        assert!(!ids.contains(&Uuid::from_u128(0)));
        assert!(ids.contains(&Uuid::from_u128(1)));
        assert_eq!(ids.order.len(), RECENT_IDS_MAX);
    }
}
