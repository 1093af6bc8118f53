//! What sealing costs an append: the same log with keys and without, in turns.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use foodtrack_contract::TenantId;
use foodtrack_keyring::{KeyId, TenantKey, TenantKeys};
use foodtrack_tenant_log::{KeySource, KeySourceError};

use super::{Error, Run, Setting, is_chosen, ours};

/// Many, since what is compared lies closer together than two runs of the same do.
const SEALED_ROUNDS: usize = 15;

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
        "Medians of {SEALED_ROUNDS} rounds, every second one the sealed log first; more CPU: of the rounds' ratios, and the middle half of them."
    );
    println!();
    println!(
        "| tenants | in flight | plain /s | sealed /s | plain CPU us | sealed CPU us | more CPU | middle half |"
    );
    println!("|{}", " --- |".repeat(8));
    for tenants in [1, 100] {
        for in_flight in [1, 50, 500].into_iter().filter(|it| is_chosen(*it)) {
            let setting = Setting { tenants, in_flight };
            let rounds = (0..SEALED_ROUNDS).map(|round| in_turns(setting, round % 2 == 1));
            let rounds: Vec<[Run; 2]> = rounds.collect::<Result<_, _>>()?;
            let [plain, sealed] = [0, 1].map(|which| {
                let at = |value: fn(&Run) -> f64| {
                    quartiles(rounds.iter().map(|it| value(&it[which])))[1]
                };
                (at(|run| run.per_s), at(|run| run.cpu_us))
            });
            let more = rounds.iter().map(|[plain, sealed]| sealed.cpu_us / plain.cpu_us);
            let [low, more, high] = quartiles(more).map(|it| (it - 1.0) * 100.0);
            println!(
                "| {tenants} | {in_flight} | {:.0} | {:.0} | {:.1} | {:.1} | {more:.0} % | {low:.0} to {high:.0} % |",
                plain.0, sealed.0, plain.1, sealed.1,
            );
        }
    }
    Ok(())
}

/// A plain and a sealed run, the one right after the other.
fn in_turns(setting: Setting, is_sealed_first: bool) -> Result<[Run; 2], Error> {
    let run = |is_sealed: bool| {
        let directory = tempfile::tempdir()?;
        let keys: Option<Arc<dyn KeySource>> =
            if is_sealed { Some(Arc::new(Keys::default())) } else { None };
        ours::append(&directory.path().join("log"), setting, keys)
    };
    let first = run(is_sealed_first)?;
    let second = run(!is_sealed_first)?;
    Ok(if is_sealed_first { [second, first] } else { [first, second] })
}

/// The values at a quarter, a half and three quarters.
fn quartiles(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values.get(values.len() * quarter / 4).copied().unwrap_or(f64::NAN))
}
