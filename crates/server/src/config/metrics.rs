//! What the page of metrics has of tenants.

use serde::{Deserialize, Serialize};

use super::problems::ConfigErrors;

/// A page with more would be large.
const TENANTS_MAX: u32 = 100;

/// What the page of metrics has beside what is told of the node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// How many tenants are named, those with the most connections. Anybody may read the page. Default: 0, none.
    pub tenants_max: u32,
}

impl MetricsConfig {
    /// Says what is wrong with it.
    pub(super) fn check(&self, errors: &mut ConfigErrors) {
        if self.tenants_max > TENANTS_MAX {
            errors.add("metrics.tenantsMax", format!("at most {TENANTS_MAX}"));
        }
    }
}
