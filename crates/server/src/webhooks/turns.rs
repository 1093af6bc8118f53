//! Which tenants have something for a webhook, in turn, and no tenant twice at once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use foodtrack_contract::TenantId;
use tokio::sync::Notify;

/// Tenants with news. It takes one place for each tenant, however often its log grows.
#[derive(Debug, Default)]
pub(super) struct Turns {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<TenantId>,
    phases: HashMap<TenantId, Phase>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// In `waiting`.
    Waiting,
    /// Its turn is under way.
    Taken,
    /// The same, and there was news since it began.
    TakenAgain,
}

impl Turns {
    /// There is news of a tenant.
    pub(super) fn add(&self, tenant: &TenantId) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.phases.get_mut(tenant) {
            Some(Phase::Waiting) => {}
            Some(phase) => *phase = Phase::TakenAgain,
            None => {
                state.phases.insert(tenant.clone(), Phase::Waiting);
                state.waiting.push_back(tenant.clone());
                self.news.notify_one();
            }
        }
    }

    /// The next tenant; waits until there is one. Dropping the future loses nothing.
    pub(super) async fn next(&self) -> TenantId {
        loop {
            if let Some(tenant) = self.take() {
                return tenant;
            }
            self.news.notified().await;
        }
    }

    fn take(&self) -> Option<TenantId> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let tenant = state.waiting.pop_front()?;
        state.phases.insert(tenant.clone(), Phase::Taken);
        Some(tenant)
    }

    /// A tenant's turn is over; `has_more` says that there is something left for another one.
    pub(super) fn end(&self, tenant: &TenantId, has_more: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let phase = state.phases.remove(tenant);
        drop(state);
        if has_more || phase == Some(Phase::TakenAgain) {
            self.add(tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_tenant_has_two_turns_at_once_and_news_during_one_gives_another() {
        let turns = Turns::default();
        let [a, b] = ["a", "b"].map(|name| TenantId::parse(name).unwrap());
        for _ in 0..3 {
            turns.add(&a);
        }
        turns.add(&b);
        assert_eq!(turns.next().await, a);
        turns.add(&a);
        assert_eq!(turns.next().await, b);
        assert_eq!(turns.take(), None, "its turn is not over");
        turns.end(&b, false);
        turns.end(&a, false);
        assert_eq!(turns.next().await, a);
        turns.end(&a, true);
        assert_eq!(turns.next().await, a);
        turns.end(&a, false);
        assert_eq!(turns.take(), None);
        assert!(turns.state.lock().unwrap().phases.is_empty());
    }
}
