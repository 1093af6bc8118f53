//! What the audit log has, and how much of it is kept.

use serde::{Deserialize, Serialize};

use super::problems::ConfigErrors;

/// The fewest bytes that are kept.
const BYTES_MIN: u64 = 1 << 20;
/// The longest that records are kept, in days.
const DAYS_MAX: u32 = 3_660;

/// The audit log: who did what on this node. It needs a data directory.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AuditConfig {
    /// Whether there is one. Default: yes.
    pub enabled: bool,
    /// Whether it has each client that comes and goes, and not only those that are refused or sent away. Default: no.
    pub connections: bool,
    /// Whether it has each event that a back end publishes over HTTP. Default: no.
    pub publishes: bool,
    /// No more bytes than this. Default: 512 MiB.
    pub bytes_max: u64,
    /// No record is older than so many days, about. Default: 365.
    pub days: u32,
    /// So many records a tenant makes in a minute; what is more is counted. Default: 240.
    pub records_per_minute_per_tenant: u32,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            connections: false,
            publishes: false,
            bytes_max: 512 << 20,
            days: 365,
            records_per_minute_per_tenant: 240,
        }
    }
}

impl AuditConfig {
    pub(super) fn check(&self, errors: &mut ConfigErrors) {
        if self.bytes_max < BYTES_MIN {
            errors.add("audit.bytesMax", format!("at least {BYTES_MIN} (1 MiB)"));
        }
        if !(1..=DAYS_MAX).contains(&self.days) {
            errors.add("audit.days", format!("from 1 to {DAYS_MAX}"));
        }
        if self.records_per_minute_per_tenant == 0 {
            let sentence = "0 would let nothing through; at least 1, or audit.enabled = false";
            errors.add("audit.recordsPerMinutePerTenant", sentence);
        }
    }
}
