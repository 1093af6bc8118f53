//! Tokens that are refused before their end.

use serde::{Deserialize, Serialize};

use crate::{DeviceId, Principal};

/// Whose tokens are refused, within one tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "camelCase")]
pub enum RevocationTarget {
    /// One token, by its `jti`.
    Token(String),
    /// A user's.
    User(String),
    /// Those that a device shows, by the id that its token or its handshake names.
    Device(String),
    /// What comes back to a session, by its public id.
    Session(String),
    /// All of the tenant.
    Tenant,
}

/// What is refused of a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Revocation {
    /// Whose tokens.
    pub target: RevocationTarget,
    /// Tokens that were made up to this second since the Unix epoch, and those that do not say when; later ones are good. A token or a
    /// session is refused whenever it was made.
    pub issued_through_s: u64,
}

impl Revocation {
    /// Whether it refuses somebody, who came as this device and in this session.
    pub fn covers(
        &self,
        principal: &Principal,
        device: Option<&DeviceId>,
        session: Option<&str>,
    ) -> bool {
        let is_old = principal.issued_at_s() <= self.issued_through_s;
        match &self.target {
            RevocationTarget::Token(id) => principal.token_id().is_some_and(|it| it.as_str() == id),
            RevocationTarget::User(user) => is_old && principal.user().as_str() == user,
            RevocationTarget::Device(id) => {
                let is_it = |device: &DeviceId| device.as_str() == id;
                is_old && (device.is_some_and(is_it) || principal.device().is_some_and(is_it))
            }
            RevocationTarget::Session(id) => session.is_some_and(|it| it == id),
            RevocationTarget::Tenant => is_old,
        }
    }
}
