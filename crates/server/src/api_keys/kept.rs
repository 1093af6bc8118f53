//! A tenant's API keys, as they are kept: never a secret, only its hash.

use foodtrack_auth::{ApiKeyGrant, SecretDigest, SecretGrant};
use foodtrack_contract::{ErrorCode, Permission, PermissionSet, Refusal};
use foodtrack_tenant_log::DocumentKind;
use serde::{Deserialize, Serialize};

use super::WantedApiKey;
use crate::data::TenantRecord;

/// API keys of one tenant at once.
const API_KEYS_MAX: usize = 100;
/// Secrets of one key that are good at once: the one in use, and the one before it.
const SECRETS_MAX: usize = 2;

/// What is kept of a secret.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeptSecret {
    digest: String,
    /// Seconds since the Unix epoch.
    made_at_s: u64,
    /// Seconds since the Unix epoch.
    expires_at_s: u64,
}

/// An API key.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeptApiKey {
    pub(crate) id: String,
    /// For people.
    pub(crate) name: String,
    pub(crate) permissions: Vec<String>,
    secrets: Vec<KeptSecret>,
    pub(crate) created_at_s: u64,
    pub(crate) created_by: String,
    /// When it was used last, to the minute; seconds since the Unix epoch, 0 for never.
    #[serde(default)]
    pub(crate) last_used_s: u64,
}

impl KeptSecret {
    pub(super) fn new(digest: SecretDigest, made_at_s: u64, expires_at_s: u64) -> Self {
        Self { digest: digest.to_text(), made_at_s, expires_at_s }
    }

    /// `None` where the digest is none: then it opens nothing.
    fn grant(&self) -> Option<SecretGrant> {
        let digest = SecretDigest::parse(&self.digest)?;
        let (made_at_s, expires_at_s) = (self.made_at_s, self.expires_at_s);
        Some(SecretGrant { digest, made_at_s, expires_at_s })
    }
}

impl KeptApiKey {
    pub(super) fn new(id: String, wanted: WantedApiKey, secret: KeptSecret) -> Self {
        let WantedApiKey { name, permissions, created_by, .. } = wanted;
        let created_at_s = secret.made_at_s;
        let secrets = vec![secret];
        Self { id, name, permissions, secrets, created_at_s, created_by, last_used_s: 0 }
    }

    /// When its newest secret expires.
    pub(crate) fn expires_at_s(&self) -> u64 {
        self.secrets.last().map_or(0, |secret| secret.expires_at_s)
    }

    fn grant(&self) -> ApiKeyGrant {
        let permissions = self.permissions.iter().filter_map(|name| Permission::from_wire(name));
        ApiKeyGrant {
            id: self.id.clone(),
            permissions: PermissionSet::of(&permissions.collect::<Vec<_>>()),
            secrets: self.secrets.iter().filter_map(KeptSecret::grant).collect(),
        }
    }
}

/// A tenant's API keys.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct KeptApiKeys(Vec<KeptApiKey>);

impl KeptApiKeys {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &KeptApiKey> {
        self.0.iter()
    }

    /// # Errors
    /// `conflict`: there are too many.
    pub(super) fn add(&mut self, key: KeptApiKey) -> Result<(), Refusal> {
        if self.0.len() >= API_KEYS_MAX {
            let sentence =
                format!("the tenant has {API_KEYS_MAX} API keys; revoke one that nobody uses");
            return Err(Refusal::new(ErrorCode::Conflict, sentence));
        }
        self.0.push(key);
        Ok(())
    }

    /// Gives a key another secret; the one before is good until `until_s` at most.
    ///
    /// # Errors
    /// `not_found`.
    pub(super) fn rotate(
        &mut self,
        id: &str,
        secret: KeptSecret,
        until_s: u64,
    ) -> Result<KeptApiKey, Refusal> {
        let key = self.0.iter_mut().find(|key| key.id == id).ok_or_else(unknown)?;
        for before in &mut key.secrets {
            before.expires_at_s = before.expires_at_s.min(until_s);
        }
        // Without a time of grace it is as though it never was.
        key.secrets.retain(|before| before.expires_at_s > secret.made_at_s);
        key.secrets.push(secret);
        let surplus = key.secrets.len().saturating_sub(SECRETS_MAX);
        key.secrets.drain(..surplus);
        Ok(key.clone())
    }

    /// # Errors
    /// `not_found`.
    pub(super) fn remove(&mut self, id: &str) -> Result<(), Refusal> {
        let count = self.0.len();
        self.0.retain(|key| key.id != id);
        if self.0.len() == count { Err(unknown()) } else { Ok(()) }
    }

    /// Notes when keys were used.
    pub(super) fn note_used(&mut self, used: &[(String, u64)]) {
        for (id, used_s) in used {
            for key in self.0.iter_mut().filter(|key| key.id == *id) {
                key.last_used_s = key.last_used_s.max(*used_s);
            }
        }
    }

    /// What they open.
    pub(super) fn grants(&self) -> Vec<ApiKeyGrant> {
        self.0.iter().map(KeptApiKey::grant).collect()
    }
}

fn unknown() -> Refusal {
    Refusal::new(ErrorCode::NotFound, "the tenant has no API key of this id")
}

impl TenantRecord for KeptApiKeys {
    const FOLDER: &'static str = "api-keys";
    const KIND: DocumentKind = DocumentKind::ApiKeys;

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn merge(&mut self, other: Self) {
        for key in other.0 {
            if !self.0.iter().any(|known| known.id == key.id) {
                self.0.push(key);
            }
        }
    }
}
