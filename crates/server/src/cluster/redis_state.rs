//! How a node stands towards the Redis that it shares with others: healthy, degraded or fenced. This is the one place that says so;
//! `docs/operating/redis-states.md` says what each means to whom.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use foodtrack_tenant_log::StorageState;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::health_book::HealthCondition;

/// How a node stands towards its Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RedisState {
    /// Redis answers and takes what is written, and the node's lease holds.
    Healthy,
    /// Redis does not answer, takes nothing, or has too few replicas. The others still take the node for one that lives.
    Degraded,
    /// The node's lease is over: the others take it for ended, and do what it did.
    Fenced,
}

impl RedisState {
    pub(crate) const ALL: [Self; 3] = [Self::Healthy, Self::Degraded, Self::Fenced];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Fenced => "fenced",
        }
    }
}

/// What it is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RedisSigns {
    /// What became of what was written last.
    pub(crate) storage: StorageState,
    /// How many durable events wait on this node's disk for Redis.
    pub(crate) spooled: u64,
    /// Whether the node's lease was not renewed for as long as it holds.
    pub(crate) has_lost_lease: bool,
}

impl RedisSigns {
    /// The state that they mean. Who is fenced is so whatever else holds: that is what the other nodes go by.
    fn state(self) -> RedisState {
        match self.storage {
            _ if self.has_lost_lease => RedisState::Fenced,
            StorageState::Well if self.spooled == 0 => RedisState::Healthy,
            StorageState::Well
            | StorageState::Away
            | StorageState::Unreplicated
            | StorageState::Full
            | StorageState::Failed => RedisState::Degraded,
        }
    }

    /// What of `/health` they raise or clear, each with what to do.
    pub(crate) fn conditions(self) -> [(HealthCondition, bool, &'static str); 4] {
        [
            (
                HealthCondition::RedisAway,
                self.storage == StorageState::Away,
                "the cluster's Redis does not answer: durable events are refused, or kept on this node's disk where redis.spool is on, and others go on among this node's own clients; see that it runs and can be reached",
            ),
            (
                HealthCondition::RedisSpooled,
                self.spooled > 0,
                "durable events wait on this node's disk until the cluster's Redis has them: do not take this node's data directory away; log lines say what holds them up",
            ),
            (
                HealthCondition::RedisUnreplicated,
                self.storage == StorageState::Unreplicated,
                "fewer replicas of the cluster's Redis than redis.waitReplicas have what is written: durable events are answered with timeout; see that the replicas run",
            ),
            (
                HealthCondition::NodeLeaseLost,
                self.has_lost_lease,
                "this node's lease in Redis is not renewed: other nodes take it for ended; see the log lines about it",
            ),
        ]
    }
}

/// A state, and since when; as `/health` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct RedisReport {
    /// How the node stands.
    pub state: RedisState,
    /// Since when; RFC 3339.
    pub since: String,
}

/// The state of a node.
#[derive(Debug)]
pub(crate) struct RedisWatch {
    current: Mutex<RedisReport>,
    /// Whether the state is to be told to clients, some of whom may not have heard of it.
    is_untold: AtomicBool,
    /// How often each was entered, in the order of [`RedisState::ALL`].
    entered: [AtomicU64; 3],
}

impl RedisWatch {
    /// A node is started only where its Redis answers.
    pub(crate) fn new() -> Self {
        let current = RedisReport { state: RedisState::Healthy, since: now() };
        let is_untold = AtomicBool::new(false);
        Self { current: Mutex::new(current), is_untold, entered: Default::default() }
    }

    /// Looks at the signs. Returns the state that the node is in from now on, where clients are to be told of it.
    pub(crate) fn observe(&self, signs: RedisSigns) -> Option<RedisReport> {
        let state = signs.state();
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.state == state {
            return self.is_untold.swap(false, Ordering::Relaxed).then(|| current.clone());
        }
        let before = std::mem::replace(&mut *current, RedisReport { state, since: now() }).state;
        self.entered[state as usize].fetch_add(1, Ordering::Relaxed);
        let (from, to) = (before.as_str(), state.as_str());
        match state {
            RedisState::Healthy => {
                tracing::info!(from, to, "this node's state towards Redis has changed");
            }
            _ => tracing::warn!(
                from,
                to,
                ?signs,
                "this node's state towards Redis has changed: docs/operating/redis-states.md says what it means"
            ),
        }
        Some(current.clone())
    }

    /// Not all clients could be told: the next look has them told.
    pub(crate) fn tell_again(&self) {
        self.is_untold.store(true, Ordering::Relaxed);
    }

    /// The state as of the last look.
    pub(crate) fn report(&self) -> RedisReport {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often each state was entered.
    pub(crate) fn entered(&self) -> [(RedisState, u64); 3] {
        RedisState::ALL.map(|it| (it, self.entered[it as usize].load(Ordering::Relaxed)))
    }
}

fn now() -> String {
    OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signs(storage: StorageState, has_lost_lease: bool) -> RedisSigns {
        RedisSigns { storage, spooled: 0, has_lost_lease }
    }

    #[test]
    fn every_state_is_left_for_every_other_one_as_the_signs_say_and_each_change_is_told_once() {
        use StorageState::{Away, Unreplicated, Well};
        let watch = RedisWatch::new();
        let told = |signs| watch.observe(signs).map(|report| report.state);
        assert_eq!(told(signs(Well, false)), None);
        for (storage, has_lost_lease, state) in [
            (Away, false, RedisState::Degraded),
            (Away, true, RedisState::Fenced),
            (Well, true, RedisState::Fenced),
            (Well, false, RedisState::Healthy),
            (Well, true, RedisState::Fenced),
            (Unreplicated, false, RedisState::Degraded),
            (Away, false, RedisState::Degraded),
            (Well, false, RedisState::Healthy),
        ] {
            let before = watch.report().state;
            let expected = (before != state).then_some(state);
            assert_eq!(told(signs(storage, has_lost_lease)), expected, "{storage:?}");
            assert_eq!(told(signs(storage, has_lost_lease)), None, "once");
        }
        let entered = watch.entered().map(|(_, count)| count);
        assert_eq!(entered, [2, 2, 2]);
    }

    #[test]
    fn each_sign_raises_its_own_condition() {
        let raised = |signs: RedisSigns| {
            let raised = signs.conditions().into_iter().filter(|(_, holds, _)| *holds);
            raised.map(|(condition, ..)| condition).collect::<Vec<_>>()
        };
        assert_eq!(raised(signs(StorageState::Well, false)), []);
        assert_eq!(raised(signs(StorageState::Away, false)), [HealthCondition::RedisAway]);
        let both = [HealthCondition::RedisAway, HealthCondition::NodeLeaseLost];
        assert_eq!(raised(signs(StorageState::Away, true)), both);
        let spooled = RedisSigns { spooled: 1, ..signs(StorageState::Well, false) };
        assert_eq!(raised(spooled), [HealthCondition::RedisSpooled]);
        assert_eq!(spooled.state(), RedisState::Degraded, "what waits is not with the others yet");
        let unreplicated = [HealthCondition::RedisUnreplicated];
        assert_eq!(raised(signs(StorageState::Unreplicated, false)), unreplicated);
    }
}
