//! What sealing costs an append: the same log with keys and without, in turns.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use foodtrack_contract::TenantId;
use foodtrack_keyring::{KeyId, TenantKey, TenantKeys};
use foodtrack_tenant_log::{KeySource, KeySourceError};

use super::{Error, ROUNDS, Setting, middle, ours};

/// A key of each tenant, in memory.
#[derive(Default)]
struct Keys(Mutex<BTreeMap<TenantId, Arc<TenantKeys>>>);

impl KeySource for Keys {
    fn id(&self) -> &str {
        "bench"
    }

    fn to_seal(&self, tenant: &TenantId) -> Result<Arc<TenantKeys>, KeySourceError> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = all.get(tenant) {
            return Ok(Arc::clone(keys));
        }
        let made = TenantKey::random(KeyId::FIRST, 0)
            .and_then(|key| TenantKeys::new(tenant.clone(), vec![key]))
            .map_err(|error| KeySourceError(error.to_string()))?;
        let made = Arc::new(made);
        all.insert(tenant.clone(), Arc::clone(&made));
        Ok(made)
    }

    fn to_open(
        &self,
        tenant: &TenantId,
        _: KeyId,
    ) -> Result<Option<Arc<TenantKeys>>, KeySourceError> {
        self.to_seal(tenant).map(Some)
    }
}

pub(super) fn compare() -> Result<(), Error> {
    println!(
        "| tenants | in flight | plain /s | sealed /s | plain CPU us | sealed CPU us | more CPU |"
    );
    println!("|{}", " --- |".repeat(7));
    for tenants in [1, 100] {
        for in_flight in [1, 50, 500] {
            let (mut plain, mut sealed) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                for is_sealed in [false, true] {
                    let directory = tempfile::tempdir()?;
                    let keys: Option<Arc<dyn KeySource>> =
                        if is_sealed { Some(Arc::new(Keys::default())) } else { None };
                    let setting = Setting { tenants, in_flight };
                    let run = ours::append(&directory.path().join("log"), setting, keys)?;
                    let runs = if is_sealed { &mut sealed } else { &mut plain };
                    runs.push(run);
                }
            }
            let (Some(plain), Some(sealed)) = (middle(plain), middle(sealed)) else { continue };
            println!(
                "| {tenants} | {in_flight} | {:.0} | {:.0} | {:.1} | {:.1} | {:.0} % |",
                plain.per_s,
                sealed.per_s,
                plain.cpu_us,
                sealed.cpu_us,
                (sealed.cpu_us / plain.cpu_us - 1.0) * 100.0,
            );
        }
    }
    Ok(())
}
