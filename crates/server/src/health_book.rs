//! What is wrong with the node at the moment, since when, and what was said last.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::last_error::LastError;

/// How long something that happened, and has no end of its own, keeps the node degraded.
const HAPPENED_HOLDS: Duration = Duration::from_secs(300);
/// By how much the wall clock may run ahead of or behind the monotonic one between two looks: what adjusting it slowly does.
const CLOCK_STEP_MAX: Duration = Duration::from_secs(2);

/// A reason for the node to be `degraded`. Each is a name in `/health`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthCondition {
    /// A tenant goes on without its log.
    LogAway,
    /// The disk of the log is full: durable events are refused.
    StorageFull,
    /// The disk's budget for the log is nearly used: the largest tenants' logs yield, oldest first.
    StorageYielding,
    /// The disk of the log has failed: durable events are refused until the server is started anew.
    StorageFailed,
    /// The cluster's Redis does not answer: durable events are refused until it does.
    RedisAway,
    /// Durable events wait on this node's disk until the cluster's Redis has them.
    RedisSpooled,
    /// This node's lease in the cluster's Redis is not renewed: other nodes take it for ended.
    NodeLeaseLost,
    /// Nodes of another cluster are under the same prefix of the same Redis.
    ClusterMixed,
    /// Fewer replicas of it than must have what is written: whether a durable event is kept, nobody is told.
    RedisUnreplicated,
    /// The keys of an issuer could not be fetched, or not be used, when they were looked at last.
    IssuerKeysMissing,
    /// A panic was caught, and its tenant's clients connected again.
    Panic,
    /// The wall clock was set, by more than adjusting it does.
    ClockStep,
    /// The files of the certificate changed into what cannot be used: the one from before stays.
    CertificateInvalid,
    /// The certificate ends soon, or has.
    CertificateExpiresSoon,
    /// Nobody read the log fast enough, so lines of it are lost.
    LogLinesDropped,
    /// The audit log cannot be written.
    AuditFailed,
    /// Records of the audit log are lost.
    AuditLost,
    /// Nearly all descriptors that sockets may take are open.
    DescriptorsShort,
    /// A shard did not let the canary through in time.
    ShardLate,
    /// The log has waited for two seconds, for its disk or for who else has locked its file.
    LogLate,
}

impl HealthCondition {
    /// All of them.
    pub(crate) const ALL: &[Self] = &[
        Self::LogAway,
        Self::StorageFull,
        Self::StorageYielding,
        Self::StorageFailed,
        Self::RedisAway,
        Self::RedisSpooled,
        Self::NodeLeaseLost,
        Self::ClusterMixed,
        Self::RedisUnreplicated,
        Self::IssuerKeysMissing,
        Self::Panic,
        Self::ClockStep,
        Self::CertificateInvalid,
        Self::CertificateExpiresSoon,
        Self::LogLinesDropped,
        Self::AuditFailed,
        Self::AuditLost,
        Self::DescriptorsShort,
        Self::ShardLate,
        Self::LogLate,
    ];

    /// Why `/ready` says no while it holds; `None` where the node should get clients all the same.
    pub(crate) fn unready(self) -> Option<&'static str> {
        match self {
            Self::NodeLeaseLost => Some("fenced"),
            Self::StorageFailed => Some("log_failed"),
            Self::StorageFull => Some("log_full"),
            // Of a Redis that is away no other node has more; and what degrades a node besides serves its clients still.
            _ => None,
        }
    }

    /// As `/health` names it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::LogAway => "log_away",
            Self::StorageFull => "storage_full",
            Self::StorageYielding => "storage_yielding",
            Self::StorageFailed => "storage_failed",
            Self::RedisAway => "redis_away",
            Self::RedisSpooled => "redis_spooled",
            Self::NodeLeaseLost => "node_lease_lost",
            Self::ClusterMixed => "cluster_mixed",
            Self::RedisUnreplicated => "redis_unreplicated",
            Self::IssuerKeysMissing => "issuer_keys_missing",
            Self::Panic => "panic",
            Self::ClockStep => "clock_step",
            Self::CertificateInvalid => "certificate_invalid",
            Self::CertificateExpiresSoon => "certificate_expires_soon",
            Self::LogLinesDropped => "log_lines_dropped",
            Self::AuditFailed => "audit_failed",
            Self::AuditLost => "audit_lost",
            Self::DescriptorsShort => "descriptors_short",
            Self::ShardLate => "shard_late",
            Self::LogLate => "log_late",
        }
    }
}

/// A condition that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConditionReport {
    /// Which one.
    pub condition: HealthCondition,
    /// What is wrong and what to do; never a payload, a token or a tenant.
    pub message: String,
    /// Since when; RFC 3339.
    pub since: String,
}

struct Entry {
    message: String,
    since: String,
    /// `None`: until it is cleared.
    holds_until: Option<Instant>,
}

/// The conditions that hold. A closed set of them, so its size is bounded.
#[derive(Default)]
pub(crate) struct HealthBook {
    entries: Mutex<BTreeMap<HealthCondition, Entry>>,
    last_error: Mutex<Option<LastError>>,
    clocks: Mutex<Option<(Instant, SystemTime)>>,
}

impl HealthBook {
    /// Says whether `condition` holds: raises it, or clears it. Logs each change, once.
    pub(crate) fn set(&self, condition: HealthCondition, holds: bool, message: &str) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if !holds {
            if entries.remove(&condition).is_some() {
                tracing::info!(?condition, "a condition that degraded the node is over");
            }
            return;
        }
        if entries.get(&condition).is_some_and(|entry| entry.message == message) {
            return;
        }
        let since = entries.get(&condition).map_or_else(now, |entry| entry.since.clone());
        self.remember(condition, message);
        entries.insert(condition, Entry { message: message.into(), since, holds_until: None });
    }

    /// Notes something that happened: it degrades the node for five minutes, and again from each time that it happens.
    pub(crate) fn happened(&self, condition: HealthCondition, message: &str, at: Instant) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        self.remember(condition, message);
        let since = entries.get(&condition).map_or_else(now, |entry| entry.since.clone());
        let holds_until = Some(at + HAPPENED_HOLDS);
        entries.insert(condition, Entry { message: message.into(), since, holds_until });
    }

    fn remember(&self, condition: HealthCondition, message: &str) {
        tracing::error!(?condition, "{message}");
        let last = LastError { message: message.into(), timestamp: now() };
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
    }

    /// Looks at both clocks; a step of the wall clock since the last look is noted.
    pub(crate) fn look_at_clocks(&self, monotonic: Instant, wall: SystemTime) {
        let mut clocks = self.clocks.lock().unwrap_or_else(PoisonError::into_inner);
        let before = clocks.replace((monotonic, wall));
        drop(clocks);
        let Some((monotonic_before, wall_before)) = before else { return };
        let expected = wall_before + monotonic.saturating_duration_since(monotonic_before);
        let (step, direction) = match wall.duration_since(expected) {
            Ok(ahead) => (ahead, "forward"),
            Err(behind) => (behind.duration(), "back"),
        };
        if step > CLOCK_STEP_MAX {
            let message = format!(
                "the wall clock went {direction} by {} s at once; check the machine's time service",
                step.as_secs()
            );
            self.happened(HealthCondition::ClockStep, &message, monotonic);
        }
    }

    /// What holds at `at`, in a fixed order.
    pub(crate) fn conditions(&self, at: Instant) -> Vec<ConditionReport> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, entry| entry.holds_until.is_none_or(|until| at < until));
        let report = |(condition, entry): (&HealthCondition, &Entry)| ConditionReport {
            condition: *condition,
            message: entry.message.clone(),
            since: entry.since.clone(),
        };
        entries.iter().map(report).collect()
    }

    /// What was raised last, also after it was cleared.
    pub(crate) fn last_error(&self) -> Option<LastError> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn now() -> String {
    OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(book: &HealthBook, at: Instant) -> Vec<HealthCondition> {
        book.conditions(at).into_iter().map(|report| report.condition).collect()
    }

    #[test]
    fn a_condition_holds_until_it_is_cleared_and_its_error_is_remembered() {
        let (book, start) = (HealthBook::default(), Instant::now());
        book.set(HealthCondition::StorageFull, true, "the disk is full");
        let since = book.conditions(start)[0].since.clone();
        book.set(HealthCondition::StorageFull, true, "the disk is still full");
        let report = book.conditions(start + Duration::from_secs(86_400)).remove(0);
        assert_eq!((report.message.as_str(), report.since), ("the disk is still full", since));
        book.set(HealthCondition::StorageFull, false, "");
        assert_eq!(held(&book, start), []);
        assert_eq!(book.last_error().unwrap().message, "the disk is still full");
    }

    #[test]
    fn every_condition_has_the_name_that_health_tells() {
        for (place, condition) in HealthCondition::ALL.iter().enumerate() {
            assert_eq!(*condition as usize, place, "all of them, in their order");
            assert_eq!(serde_json::json!(condition), condition.as_str());
        }
    }

    #[test]
    fn what_happened_degrades_for_five_minutes_from_the_last_time() {
        let (book, start) = (HealthBook::default(), Instant::now());
        book.happened(HealthCondition::Panic, "a panic", start);
        let again = start + Duration::from_secs(200);
        book.happened(HealthCondition::Panic, "another", again);
        assert_eq!(held(&book, start + Duration::from_secs(400)), [HealthCondition::Panic]);
        assert_eq!(held(&book, again + HAPPENED_HOLDS), []);
    }

    #[test]
    fn a_wall_clock_that_is_set_is_noticed_and_one_that_is_adjusted_is_not() {
        for (step_ms, is_noticed) in
            [(1_500_i64, false), (-1_500, false), (5_000, true), (-3_600_000, true)]
        {
            let (book, start, wall) = (HealthBook::default(), Instant::now(), SystemTime::now());
            book.look_at_clocks(start, wall);
            let later = Duration::from_secs(10);
            let moved = Duration::from_millis(step_ms.unsigned_abs());
            let wall = if step_ms < 0 { wall + later - moved } else { wall + later + moved };
            book.look_at_clocks(start + later, wall);
            let noticed = held(&book, start + later) == [HealthCondition::ClockStep];
            assert_eq!(noticed, is_noticed, "{step_ms} ms");
        }
    }
}
