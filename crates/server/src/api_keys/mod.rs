//! API keys of back ends: made, replaced and taken away; kept in the data directory, or in the cluster's Redis, where they hold on all nodes.

mod kept;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foodtrack_auth::{API_KEY_ID_BYTES, API_KEY_SECRET_BYTES, Gate, NewApiKey, api_key_id};
use foodtrack_contract::{ErrorCode, Refusal, TenantId};
use foodtrack_tenant_log::DocumentError;

use crate::data::{Followed, TenantRecords};
use crate::revocations::now_s;
use kept::KeptSecret;
pub(crate) use kept::{KeptApiKey, KeptApiKeys};

/// How much newer a use is than what is kept of it before it is kept, in seconds.
const USE_S: u64 = 60;
/// Of how many tenants uses are kept at each look: others wait for it.
const USES_PER_LOOK: usize = 16;

/// The one place where API keys change. Each call may block for the disk or for Redis.
pub(crate) struct ApiKeyBook {
    records: Mutex<TenantRecords<KeptApiKeys>>,
    gate: Arc<Gate>,
}

/// What is wanted of a key.
#[derive(Clone)]
pub(crate) struct WantedApiKey {
    pub(crate) name: String,
    pub(crate) permissions: Vec<String>,
    /// Seconds since the Unix epoch.
    pub(crate) expires_at_s: u64,
    pub(crate) created_by: String,
}

/// What a key's next secret is like.
#[derive(Clone, Copy)]
pub(crate) struct WantedSecret {
    /// Seconds since the Unix epoch.
    pub(crate) expires_at_s: u64,
    /// How long the one before is good beside it.
    pub(crate) grace_s: u64,
}

impl ApiKeyBook {
    /// Puts them in force.
    pub(crate) fn new(records: TenantRecords<KeptApiKeys>, gate: Arc<Gate>) -> Self {
        records.all().for_each(|(tenant, kept)| gate.set_api_keys(tenant, kept.grants()));
        Self { records: Mutex::new(records), gate }
    }

    /// A tenant's keys, oldest first, with when they were used last as far as this node knows.
    pub(crate) fn of(&self, tenant: &TenantId) -> Vec<KeptApiKey> {
        let records = self.records();
        let kept = records.of(tenant).into_iter().flat_map(KeptApiKeys::iter).cloned();
        let seen = |mut key: KeptApiKey| {
            key.last_used_s = key.last_used_s.max(self.gate.api_key_last_used_s(&key.id));
            key
        };
        kept.map(seen).collect()
    }

    /// Makes a key. What is returned beside it is shown once.
    ///
    /// # Errors
    /// `conflict`: there are too many; `degraded`: it cannot be kept; `timeout`: nobody knows.
    pub(crate) fn create(
        &self,
        tenant: &TenantId,
        wanted: WantedApiKey,
    ) -> Result<(KeptApiKey, String), Refusal> {
        let id = api_key_id(random::<API_KEY_ID_BYTES>()?);
        let NewApiKey { key, digest } = NewApiKey::new(&id, random::<API_KEY_SECRET_BYTES>()?);
        let secret = KeptSecret::new(digest, now_s(), wanted.expires_at_s);
        let kept = KeptApiKey::new(id, wanted, secret);
        self.change(tenant, |all| all.add(kept.clone()))?;
        Ok((kept, key))
    }

    /// Gives a key another secret.
    ///
    /// # Errors
    /// `not_found`, and those of [`ApiKeyBook::create`].
    pub(crate) fn rotate(
        &self,
        tenant: &TenantId,
        id: &str,
        wanted: WantedSecret,
    ) -> Result<(KeptApiKey, String), Refusal> {
        let NewApiKey { key, digest } = NewApiKey::new(id, random::<API_KEY_SECRET_BYTES>()?);
        let now_s = now_s();
        let secret = KeptSecret::new(digest, now_s, wanted.expires_at_s);
        let until_s = now_s.saturating_add(wanted.grace_s);
        let kept = self.change(tenant, |all| all.rotate(id, secret.clone(), until_s))?;
        Ok((kept, key))
    }

    /// Takes a key away: it opens nothing from now on.
    ///
    /// # Errors
    /// `not_found`, and those of [`ApiKeyBook::create`].
    pub(crate) fn revoke(&self, tenant: &TenantId, id: &str) -> Result<(), Refusal> {
        self.change(tenant, |all| all.remove(id))
    }

    /// Takes all keys of a tenant away.
    ///
    /// # Errors
    /// Those of [`ApiKeyBook::create`], but for `conflict`.
    pub(crate) fn forget(&self, tenant: &TenantId) -> Result<(), Refusal> {
        let mut records = self.records();
        let result = records.forget(tenant);
        self.put_in_force(&mut records);
        result
    }

    fn change<R>(
        &self,
        tenant: &TenantId,
        change: impl Fn(&mut KeptApiKeys) -> Result<R, Refusal>,
    ) -> Result<R, Refusal> {
        let mut records = self.records();
        let result = records.change(tenant, change);
        self.put_in_force(&mut records);
        result
    }

    fn put_in_force(&self, records: &mut TenantRecords<KeptApiKeys>) {
        for (tenant, _) in records.take_changed() {
            let grants = records.of(&tenant).map(KeptApiKeys::grants).unwrap_or_default();
            self.gate.set_api_keys(&tenant, grants);
        }
    }

    /// Keeps when keys were used, of some tenants.
    fn keep_used(&self, records: &mut TenantRecords<KeptApiKeys>) {
        let used_of = |kept: &KeptApiKeys| -> Vec<(String, u64)> {
            let used = kept.iter().map(|key| (key, self.gate.api_key_last_used_s(&key.id)));
            let news = used.filter(|(key, used_s)| *used_s >= key.last_used_s + USE_S);
            news.map(|(key, used_s)| (key.id.clone(), used_s)).collect()
        };
        let used: Vec<(TenantId, Vec<(String, u64)>)> = records
            .all()
            .map(|(tenant, kept)| (tenant.clone(), used_of(kept)))
            .filter(|(_, used)| !used.is_empty())
            .take(USES_PER_LOOK)
            .collect();
        for (tenant, used) in used {
            // What cannot be kept now is kept at another look.
            _ = records.change(&tenant, |all| {
                all.note_used(&used);
                Ok(())
            });
        }
        self.put_in_force(records);
    }

    fn records(&self) -> MutexGuard<'_, TenantRecords<KeptApiKeys>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Followed for ApiKeyBook {
    fn take_over(&self) -> Result<(), DocumentError> {
        let mut records = self.records();
        let looked = records.take_over();
        self.put_in_force(&mut records);
        looked?;
        self.keep_used(&mut records);
        Ok(())
    }
}

fn random<const BYTES: usize>() -> Result<[u8; BYTES], Refusal> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|_| {
        let sentence = "the system has no random numbers; try again shortly";
        Refusal::new(ErrorCode::Overloaded, sentence)
    })?;
    Ok(bytes)
}
