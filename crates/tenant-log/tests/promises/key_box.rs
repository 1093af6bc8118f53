//! Keys in memory, and a store that they seal.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use foodtrack_contract::TenantId;
use foodtrack_keyring::{KeyId, SecretBytes, TenantKey, TenantKeys};
use foodtrack_tenant_log::{
    KeySource, KeySourceError, OnCompletion, Retention, SqliteLog, SqliteOptions, TenantLog,
};

use crate::support::Store;

/// Keys that outlive logs. Each tenant's are made of a number that counts up, so that no two tenants have the same.
#[derive(Default)]
pub(crate) struct KeyBox(Mutex<BTreeMap<TenantId, Vec<TenantKey>>>);

impl KeyBox {
    /// A newer key for a tenant.
    pub(crate) fn rotate(&self, tenant: &TenantId) {
        let mut all = self.0.lock().unwrap();
        let keys = all.entry(tenant.clone()).or_default();
        let id = keys.last().map_or(KeyId::FIRST, |key| key.id().next().unwrap());
        keys.push(TenantKey::new(id, 0, SecretBytes::random().unwrap()));
    }

    /// Destroys a tenant's keys.
    pub(crate) fn forget(&self, tenant: &TenantId) {
        self.0.lock().unwrap().remove(tenant);
    }

    fn keys(&self, tenant: &TenantId) -> Option<Arc<TenantKeys>> {
        let keys = self.0.lock().unwrap().get(tenant)?.clone();
        Some(Arc::new(TenantKeys::new(tenant.clone(), keys).unwrap()))
    }
}

impl KeySource for KeyBox {
    fn id(&self) -> &str {
        "the box"
    }

    fn to_seal(&self, tenant: &TenantId) -> Result<Arc<TenantKeys>, KeySourceError> {
        if self.keys(tenant).is_none() {
            self.rotate(tenant);
        }
        Ok(self.keys(tenant).unwrap())
    }

    fn to_open(
        &self,
        tenant: &TenantId,
        _: KeyId,
    ) -> Result<Option<Arc<TenantKeys>>, KeySourceError> {
        Ok(self.keys(tenant))
    }

    fn destroy(&self, tenant: &TenantId) -> Result<(), KeySourceError> {
        self.forget(tenant);
        Ok(())
    }
}

pub(crate) struct InSealedSqlite(tempfile::TempDir, Arc<KeyBox>);

impl Store for InSealedSqlite {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap(), Arc::default())
    }

    fn open_with(&self, retention: Retention, on_completion: OnCompletion) -> Box<dyn TenantLog> {
        let keys: Arc<dyn KeySource> = self.1.clone();
        let options = SqliteOptions { retention, keys: Some(keys), ..SqliteOptions::default() };
        Box::new(SqliteLog::open(self.0.path(), options, on_completion).unwrap())
    }
}
