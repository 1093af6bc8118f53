//! Who gets in: whose token verifies, and was not revoked.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use arc_swap::ArcSwap;
use foodtrack_contract::{Authenticate, DeviceId, Principal, Refusal, TenantId};

use crate::api_keys::ApiKeyTable;
use crate::{ApiKeyGrant, Authenticator, RevocationIndex};

/// An authenticator, and what was revoked of what it takes. Threads share it; what is revoked is replaced whole, without a lock for who
/// reads it.
pub struct Gate {
    authenticator: Arc<Authenticator>,
    revocations: ArcSwap<RevocationIndex>,
    /// Asked by requests of the HTTP API alone.
    api_keys: RwLock<ApiKeyTable>,
}

impl Gate {
    /// One where nothing is revoked.
    pub fn new(authenticator: Arc<Authenticator>) -> Self {
        Self { authenticator, revocations: ArcSwap::default(), api_keys: RwLock::default() }
    }

    /// What is revoked from now on. Whoever asks after this returns is answered by it.
    pub fn set_revocations(&self, revocations: RevocationIndex) {
        self.revocations.store(Arc::new(revocations));
    }

    /// Which API keys a tenant has from now on.
    pub fn set_api_keys(&self, tenant: &TenantId, keys: Vec<ApiKeyGrant>) {
        self.api_keys.write().unwrap_or_else(PoisonError::into_inner).set(tenant, keys);
    }

    /// When an API key opened something last, here; seconds since the Unix epoch, 0 for never.
    pub fn api_key_last_used_s(&self, id: &str) -> u64 {
        self.api_keys.read().unwrap_or_else(PoisonError::into_inner).last_used_s(id)
    }

    /// Who has an API key.
    ///
    /// # Errors
    /// `token_signature` where nobody has it, `token_expired`, `token_revoked`.
    pub fn api_key(&self, key: &str, now_s: u64) -> Result<Principal, Refusal> {
        let keys = self.api_keys.read().unwrap_or_else(PoisonError::into_inner);
        let principal = keys.principal(key, now_s)?;
        drop(keys);
        self.check_standing(&principal, None, None, now_s)?;
        Ok(principal)
    }
}

impl Authenticate for Gate {
    fn principal(&self, token: &str, now_s: u64) -> Result<Principal, Refusal> {
        let principal = self.authenticator.principal(token, now_s)?;
        self.check_standing(&principal, None, None, now_s)?;
        Ok(principal)
    }

    fn check_standing(
        &self,
        principal: &Principal,
        device: Option<&DeviceId>,
        session: Option<&str>,
        now_s: u64,
    ) -> Result<(), Refusal> {
        self.revocations.load().check(principal, device, session, now_s)
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("authenticator", &self.authenticator).finish_non_exhaustive()
    }
}
