//! Whether the node is well.

use serde::Serialize;

use crate::cluster::{NodeInfo, RedisReport};
use crate::drain::DrainReport;
use crate::health_book::ConditionReport;
use crate::last_error::LastError;
use crate::process;

/// Above this share of memory the node is degraded, in percent.
const MEMORY_DEGRADED_PERCENT: f64 = 90.0;
/// Above this share of memory the node is unhealthy, in percent.
const MEMORY_UNHEALTHY_PERCENT: f64 = 97.0;

/// How well the node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthState {
    /// All is well.
    Healthy,
    /// It works, and somebody should look.
    Degraded,
    /// Send nobody here: it is stopping, a shard does not answer, or memory is about to end.
    Unhealthy,
}

/// The node's health; nothing in it is any tenant's.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthStatus {
    /// How well it is.
    pub status: HealthState,
    /// Since the start, in seconds.
    pub uptime: f64,
    /// Authenticated connections of all tenants.
    pub connections: usize,
    /// Memory now.
    pub memory_usage: MemoryUsage,
    /// Whether the node is about to stop: clients should be sent elsewhere.
    pub draining: bool,
    /// How far that is; absent where it does not drain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain: Option<DrainReport>,
    /// Why it is degraded; empty where all is well.
    pub conditions: Vec<ConditionReport>,
    /// For how many days the certificate is still good; absent where the port speaks no TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_days_left: Option<u64>,
    /// The nodes of the cluster that live, this one among them; absent where there is no cluster.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeInfo>,
    /// How the node stands towards the cluster's Redis; absent where there is no cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<RedisReport>,
    /// The last error that was logged or raised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
}

/// Memory of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub struct MemoryUsage {
    /// Resident now, in bytes.
    pub used: u64,
    /// What there is: the container's limit, or the machine's memory; in bytes.
    pub total: u64,
    /// The share of it that is used: 0 to 100.
    pub percentage: f64,
}

impl MemoryUsage {
    /// As it is; zeros where the system does not tell.
    pub(crate) fn now() -> Self {
        let used = process::resident_bytes().unwrap_or_default();
        let total = process::memory_bytes().unwrap_or_default();
        Self::of(used, total)
    }

    #[allow(clippy::cast_precision_loss)]
    fn of(used: u64, total: u64) -> Self {
        let percentage = if total == 0 { 0.0 } else { used as f64 * 100.0 / total as f64 };
        Self { used, total, percentage }
    }

    fn state(self) -> HealthState {
        match self.percentage {
            percent if percent > MEMORY_UNHEALTHY_PERCENT => HealthState::Unhealthy,
            percent if percent > MEMORY_DEGRADED_PERCENT => HealthState::Degraded,
            _ => HealthState::Healthy,
        }
    }
}

/// What the state is judged by.
pub(crate) struct Signs {
    pub(crate) uptime_s: f64,
    /// `None`: a shard did not answer in time.
    pub(crate) connections: Option<usize>,
    /// What holds of the health book.
    pub(crate) conditions: Vec<ConditionReport>,
    pub(crate) last_error: Option<LastError>,
    pub(crate) drain: Option<DrainReport>,
    pub(crate) certificate_days_left: Option<u64>,
    pub(crate) nodes: Vec<NodeInfo>,
    pub(crate) redis: Option<RedisReport>,
}

impl HealthStatus {
    pub(crate) fn of(signs: Signs) -> Self {
        let memory_usage = MemoryUsage::now();
        let away = signs.drain.is_some() || signs.connections.is_none();
        let status = match memory_usage.state() {
            _ if away => HealthState::Unhealthy,
            HealthState::Healthy if !signs.conditions.is_empty() => HealthState::Degraded,
            state => state,
        };
        Self {
            status,
            uptime: signs.uptime_s,
            connections: signs.connections.unwrap_or_default(),
            memory_usage,
            draining: signs.drain.is_some(),
            drain: signs.drain,
            conditions: signs.conditions,
            certificate_days_left: signs.certificate_days_left,
            nodes: signs.nodes,
            redis: signs.redis,
            last_error: signs.last_error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drain::{AfterDrain, DrainPhase};
    use crate::health_book::{HealthBook, HealthCondition};

    #[test]
    fn memory_that_runs_out_degrades_the_node_before_it_fells_it() {
        let state = |used| MemoryUsage::of(used, 1_000).state();
        assert_eq!(state(500), HealthState::Healthy);
        assert_eq!(state(950), HealthState::Degraded);
        assert_eq!(state(990), HealthState::Unhealthy);
        assert_eq!(MemoryUsage::of(1, 0).state(), HealthState::Healthy);
    }

    fn signs() -> Signs {
        Signs {
            uptime_s: 2.5,
            connections: Some(3),
            conditions: Vec::new(),
            last_error: None,
            drain: None,
            certificate_days_left: None,
            nodes: Vec::new(),
            redis: None,
        }
    }

    #[test]
    fn a_node_that_stops_or_has_a_silent_shard_is_unhealthy() {
        let drain = DrainReport {
            phase: DrainPhase::Announced,
            then: AfterDrain::Exit,
            since: String::new(),
        };
        let draining = HealthStatus::of(Signs { drain: Some(drain), ..signs() });
        assert_eq!((draining.status, draining.draining), (HealthState::Unhealthy, true));
        let silent = HealthStatus::of(Signs { connections: None, ..signs() });
        assert_eq!((silent.status, silent.draining), (HealthState::Unhealthy, false));
        assert!(HealthStatus::of(signs()).status < HealthState::Unhealthy);
    }

    #[test]
    fn each_condition_that_holds_degrades_the_node_and_is_named() {
        let book = HealthBook::default();
        book.set(HealthCondition::StorageFull, true, "the disk is full");
        let conditions = book.conditions(std::time::Instant::now());
        let health = HealthStatus::of(Signs { conditions, ..signs() });
        assert!(health.status >= HealthState::Degraded);
        let json = serde_json::to_value(health).unwrap();
        assert_eq!(json["conditions"][0]["condition"], "storage_full");
        assert_eq!(json["conditions"][0]["message"], "the disk is full");
    }

    #[test]
    fn health_is_written_as_the_contract_names_it() {
        let json = serde_json::to_value(HealthStatus::of(signs())).unwrap();
        assert_eq!((&json["uptime"], &json["connections"]), (&2.5.into(), &3.into()));
        assert!(json["memoryUsage"]["used"].is_u64() && json["memoryUsage"]["total"].is_u64());
        assert!(json["memoryUsage"]["percentage"].is_f64());
    }
}
