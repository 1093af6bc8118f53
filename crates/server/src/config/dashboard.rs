//! The section `dashboard`.

use serde::{Deserialize, Serialize};

use super::problems::ConfigErrors;
use super::secret::Secret;

/// A shorter one could be guessed.
const OPERATOR_TOKEN_BYTES_MIN: usize = 32;

/// The hub's own pages, and who sees all tenants there.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DashboardConfig {
    /// Whether they are served at `/dashboard`. They hold no data. Default: yes.
    pub enabled: bool,
    /// The token of who runs the hub: it may administer every tenant. Default: none.
    pub operator_token: Option<Secret>,
}

impl Default for DashboardConfig {
    fn default() -> Self {
        Self { enabled: true, operator_token: None }
    }
}

impl DashboardConfig {
    pub(super) fn check(&self, errors: &mut ConfigErrors) {
        let Some(token) = self.operator_token.as_ref().map(Secret::reveal) else { return };
        let is_sayable = token.bytes().all(|byte| byte.is_ascii_graphic());
        if token.len() < OPERATOR_TOKEN_BYTES_MIN || !is_sayable {
            let sentence = format!(
                "at least {OPERATOR_TOKEN_BYTES_MIN} visible ASCII characters without spaces, such as 64 random hexadecimal digits; without it nobody sees all tenants"
            );
            errors.add("dashboard.operatorToken", sentence);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::WebSocketConfig;

    use super::*;

    #[test]
    fn an_operators_token_is_long_and_fits_a_header() {
        let check = |token: &str| {
            let mut said = WebSocketConfig::default()
                .jwt_secret("no secret at all: for examples and tests alone");
            said.dashboard.operator_token = Some(Secret::new(token));
            said.check().is_ok()
        };
        assert!(check(&"0f".repeat(32)));
        for bad in ["short", "", &"with spaces ".repeat(9), &"é".repeat(32)] {
            assert!(!check(bad), "{bad}");
        }
    }
}
