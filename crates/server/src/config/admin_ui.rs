//! The section `adminUi`.

use serde::{Deserialize, Serialize};

/// The namespace that the public page `@socket.io/admin-ui` connects to.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AdminUiConfig {
    /// Whether there is the namespace `/admin`. Default: no.
    pub enabled: bool,
    /// Whether its clients may look alone; or else disconnect others too. Default: yes.
    pub read_only: bool,
}

impl Default for AdminUiConfig {
    fn default() -> Self {
        Self { enabled: false, read_only: true }
    }
}
