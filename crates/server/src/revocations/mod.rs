//! Tokens that are refused before their end: kept, put in force for all shards at once, and told to who is connected with one.

mod kept;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use foodtrack_auth::{Gate, RevocationIndex};
use foodtrack_contract::{Refusal, Revocation, TenantId};
use foodtrack_shard::ConnectionManager;
use foodtrack_tenant_log::DocumentError;
use uuid::Uuid;

use crate::data::{Followed, TenantRecords};
pub(crate) use kept::{KEPT_S_MAX, KeptRevocation, KeptRevocations};

/// How often a full mailbox is asked to end connections.
const ATTEMPTS_MAX: u32 = 250;
/// How long between two of them.
const AGAIN: Duration = Duration::from_millis(20);
/// How long a shard may take to end connections.
const END_WITHIN: Duration = Duration::from_secs(5);

/// The one place where tokens are revoked. Each call may block for the disk, for Redis and for shards: not for a thread that answers
/// others.
pub(crate) struct RevocationBook {
    state: Mutex<State>,
    gate: Arc<Gate>,
    connections: ConnectionManager,
}

/// What is kept, and the same in force.
struct State {
    records: TenantRecords<KeptRevocations>,
    index: RevocationIndex,
}

/// What is in force of these records.
pub(crate) fn put_in_force(
    records: &TenantRecords<KeptRevocations>,
    gate: &Gate,
) -> RevocationIndex {
    let mut index = RevocationIndex::default();
    records.all().for_each(|(tenant, kept)| kept.put_in(&mut index, tenant));
    gate.set_revocations(index.clone());
    index
}

impl RevocationBook {
    /// The records must be in force already: before there was anybody.
    pub(crate) fn new(
        records: TenantRecords<KeptRevocations>,
        index: RevocationIndex,
        gate: Arc<Gate>,
        connections: ConnectionManager,
    ) -> Self {
        Self { state: Mutex::new(State { records, index }), gate, connections }
    }

    /// What a tenant has revoked and is in force, oldest first.
    pub(crate) fn of(&self, tenant: &TenantId) -> Vec<KeptRevocation> {
        let now_s = now_s();
        let state = self.state();
        let kept = state.records.of(tenant).into_iter().flat_map(KeptRevocations::iter);
        kept.filter(|it| it.expires_at_s > now_s).cloned().collect()
    }

    /// Revokes: from when this returns, no such token opens anything here, and who was connected with one has been sent away. Returns
    /// what is in force, and how many connections of this node were ended.
    ///
    /// # Errors
    /// `conflict`: there are too many; `degraded`: it cannot be kept, and nothing changed; `timeout`: nobody knows.
    pub(crate) fn revoke(
        &self,
        tenant: &TenantId,
        new: &KeptRevocation,
    ) -> Result<(KeptRevocation, usize), Refusal> {
        self.change(tenant, |kept| kept.add(new.clone()))
    }

    /// Takes a revocation back: tokens that have not ended are good again.
    ///
    /// # Errors
    /// `not_found`, and those of [`RevocationBook::revoke`].
    pub(crate) fn withdraw(&self, tenant: &TenantId, id: Uuid) -> Result<(), Refusal> {
        self.change(tenant, |kept| kept.remove(id)).map(|((), _)| ())
    }

    /// Puts one revocation of all tokens that a tenant has in the place of what it revoked, because the tenant is erased.
    ///
    /// # Errors
    /// Those of [`RevocationBook::revoke`], but for `conflict`.
    pub(crate) fn erase(&self, tenant: &TenantId) -> Result<(), Refusal> {
        let mut state = self.state();
        let now_s = now_s();
        let result = state.records.erase(tenant, |kept| kept.of_erased_tenant(now_s));
        self.end_all(self.put_in_force(state));
        result
    }

    fn change<R>(
        &self,
        tenant: &TenantId,
        change: impl Fn(&mut KeptRevocations) -> Result<R, Refusal>,
    ) -> Result<(R, usize), Refusal> {
        let mut state = self.state();
        let result = state.records.change(tenant, change);
        let ended = self.end_all(self.put_in_force(state));
        Ok((result?, ended))
    }

    /// Puts what was changed in force, for whoever comes from now on. Returns what is new of it.
    fn put_in_force(&self, mut state: MutexGuard<'_, State>) -> Vec<(TenantId, Revocation)> {
        let State { records, index } = &mut *state;
        let changed = records.take_changed();
        if changed.is_empty() {
            return Vec::new();
        }
        let mut new = Vec::new();
        for (tenant, before) in changed {
            let nothing = KeptRevocations::default();
            let kept = records.of(&tenant).unwrap_or(&nothing);
            kept.put_in(index, &tenant);
            new.extend(kept.beyond(&before).into_iter().map(|it| (tenant.clone(), it)));
        }
        self.gate.set_revocations(index.clone());
        new
    }

    /// Sends away who is connected to this node with a revoked token. Who is on the way in is refused by its tenant.
    fn end_all(&self, new: Vec<(TenantId, Revocation)>) -> usize {
        new.into_iter().map(|(tenant, revocation)| self.end(&tenant, &revocation)).sum()
    }

    fn end(&self, tenant: &TenantId, revocation: &Revocation) -> usize {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%tenant, %error, "connections of revoked tokens cannot be ended");
                return 0;
            }
        };
        let end = async {
            for _ in 0..ATTEMPTS_MAX {
                match self.connections.revoke(tenant, revocation.clone()).await {
                    Ok(ended) => return Some(ended),
                    Err(_) => tokio::time::sleep(AGAIN).await,
                }
            }
            None
        };
        // Within the runtime, whose clock it needs.
        let ended = runtime.block_on(async { tokio::time::timeout(END_WITHIN, end).await });
        ended.ok().flatten().unwrap_or_else(|| {
            tracing::error!(%tenant, "the tenant's shard does not end the connections of revoked tokens");
            0
        })
    }

    /// Forgets what refuses no token any more.
    fn forget_expired(&self) {
        let now_s = now_s();
        let mut state = self.state();
        let tenants: Vec<TenantId> = state
            .records
            .all()
            .filter(|(_, kept)| kept.has_expired(now_s))
            .map(|(tenant, _)| tenant.clone())
            .collect();
        for tenant in tenants {
            // What cannot be forgotten now is in force no more in any case, and forgotten with the next look.
            _ = state.records.change(&tenant, |kept| {
                kept.forget_expired(now_s);
                Ok(())
            });
        }
        self.end_all(self.put_in_force(state));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Followed for RevocationBook {
    fn take_over(&self) -> Result<(), DocumentError> {
        let mut state = self.state();
        let looked = state.records.take_over();
        self.end_all(self.put_in_force(state));
        looked?;
        self.forget_expired();
        Ok(())
    }
}

/// Seconds since the Unix epoch.
pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
