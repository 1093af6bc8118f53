//! Which duties this node has, or wants.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ahash::{AHashMap, AHashSet};
use foodtrack_contract::TenantId;
use tokio::sync::Notify;

use crate::{Duty, Lease};

/// How long a duty is kept of a tenant that is open, and that nothing is to be done for.
const RESTS_FOR: Duration = Duration::from_secs(30);

/// Shared by who claims duties and the task that keeps them.
#[derive(Debug, Default)]
pub(super) struct LeaseTable {
    state: Mutex<State>,
    /// There is something to do before the next round.
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    duties: AHashMap<TenantId, AHashMap<Duty, Entry>>,
    /// Nodes that lived at the last roll call; `None` before the first.
    nodes: Option<AHashSet<String>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    lease: Option<Lease>,
    is_wanted: bool,
    /// When it is given back, unless there is something to do.
    gives_back_at: Option<Instant>,
}

/// A duty of a tenant.
pub(super) type DutyOf = (TenantId, Duty);

/// What is to be done in a round.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// To be claimed, or, where this node has it, kept for longer.
    pub(super) claims: Vec<(DutyOf, Option<Lease>)>,
    /// To be given back, since there is nothing to do.
    pub(super) gives_back: Vec<(DutyOf, Lease)>,
}

impl LeaseTable {
    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        // Each change is one step: a panic elsewhere leaves it whole.
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The lease of a duty, where it is this node's.
    pub(super) fn lease(&self, tenant: &TenantId, duty: &Duty) -> Option<Lease> {
        let now = Instant::now();
        self.with(|state| state.entry(tenant, duty)?.lease).filter(|it| it.is_valid_at(now))
    }

    /// The same, and there is something to do.
    pub(super) fn in_use(&self, tenant: &TenantId, duty: &Duty) -> Option<Lease> {
        let lease = self.lease(tenant, duty)?;
        self.with(|state| {
            if let Some(entry) = state.entry_mut(tenant, duty) {
                entry.gives_back_at = None;
            }
        });
        Some(lease)
    }

    /// Has a duty claimed in each round. Returns whether it is this node's.
    pub(super) fn want(&self, tenant: &TenantId, duty: &Duty) -> bool {
        let is_new = self.with(|state| {
            let duties = state.duties.entry(tenant.clone()).or_default();
            let entry = duties.entry(duty.clone()).or_default();
            entry.gives_back_at = None;
            !std::mem::replace(&mut entry.is_wanted, true)
        });
        let is_ours = self.lease(tenant, duty).is_some();
        if is_new && !is_ours {
            self.news.notify_one();
        }
        is_ours
    }

    /// There is nothing to do for now.
    pub(super) fn rest(&self, tenant: &TenantId, duty: &Duty, is_open: bool) {
        let now = Instant::now();
        self.with(|state| {
            let Some(entry) = state.entry_mut(tenant, duty) else { return };
            entry.is_wanted = false;
            let at = if is_open { now + RESTS_FOR } else { now };
            // It does not rest for longer by being said again.
            entry.gives_back_at = Some(entry.gives_back_at.map_or(at, |before| before.min(at)));
        });
        if !is_open {
            self.news.notify_one();
        }
    }

    /// A tenant is closed here: nothing is wanted for it, and what rests goes back.
    pub(super) fn closed(&self, tenant: &TenantId) {
        let now = Instant::now();
        self.with(|state| {
            let Some(duties) = state.duties.get_mut(tenant) else { return };
            for (duty, entry) in duties {
                entry.is_wanted = false;
                if *duty == Duty::Watch || entry.gives_back_at.is_some() {
                    entry.gives_back_at = Some(now);
                }
            }
        });
        self.news.notify_one();
    }

    /// What was asked under `asked` was claimed, or kept for longer, or (`None`) another node has it. Returns whether it has become
    /// this node's by that.
    pub(super) fn claimed(
        &self,
        (tenant, duty): &DutyOf,
        asked: Option<Lease>,
        lease: Option<Lease>,
    ) -> bool {
        let token = |lease: Option<Lease>| lease.map_or(0, Lease::token);
        self.with(|state| {
            let duties = state.duties.entry(tenant.clone()).or_default();
            let entry = duties.entry(duty.clone()).or_default();
            let before = entry.lease;
            // It was claimed anew while this was asked.
            if token(before) > token(asked) && token(before) > token(lease) {
                return false;
            }
            entry.lease = lease;
            let is_new = token(lease) > token(before);
            if lease.is_none() && !entry.is_wanted {
                duties.remove(duty);
            }
            if state.duties.get(tenant).is_some_and(|it| it.is_empty()) {
                state.duties.remove(tenant);
            }
            is_new
        })
    }

    /// Whether a duty is wanted whenever it can be had.
    pub(super) fn is_wanted(&self, (tenant, duty): &DutyOf) -> bool {
        self.with(|state| state.entry(tenant, duty).is_some_and(|it| it.is_wanted))
    }

    /// What is to be done now. What is given back is not this node's any more.
    pub(super) fn round(&self) -> Round {
        let now = Instant::now();
        self.with(|state| {
            let mut round = Round::default();
            for (tenant, duties) in &mut state.duties {
                duties.retain(|duty, entry| {
                    let of = || (tenant.clone(), duty.clone());
                    if entry.gives_back_at.is_some_and(|at| at <= now) {
                        round.gives_back.extend(entry.lease.map(|lease| (of(), lease)));
                        return false;
                    }
                    if entry.lease.is_some() || entry.is_wanted {
                        round.claims.push((of(), entry.lease));
                    }
                    true
                });
            }
            state.duties.retain(|_, duties| !duties.is_empty());
            round
        })
    }

    /// Takes out all that this node has, since it ends.
    pub(super) fn take_all(&self) -> Vec<(DutyOf, Lease)> {
        let all = self.with(|state| std::mem::take(&mut state.duties)).into_iter();
        let all = all.flat_map(|(tenant, duties)| {
            duties.into_iter().map(move |(duty, entry)| ((tenant.clone(), duty), entry.lease))
        });
        all.filter_map(|(of, lease)| Some((of, lease?))).collect()
    }

    /// What this node holds.
    pub(super) fn held(&self) -> Vec<DutyOf> {
        let now = Instant::now();
        self.with(|state| {
            let all = state.duties.iter().flat_map(|(tenant, duties)| {
                duties.iter().map(move |(duty, entry)| (tenant, duty, entry))
            });
            let held = all.filter(|(_, _, it)| it.lease.is_some_and(|it| it.is_valid_at(now)));
            held.map(|(tenant, duty, _)| (tenant.clone(), duty.clone())).collect()
        })
    }

    /// These nodes live. Returns whether one has gone since the last time.
    pub(super) fn nodes_live(&self, nodes: AHashSet<String>) -> bool {
        self.with(|state| {
            let before = state.nodes.replace(nodes).unwrap_or_default();
            let now = state.nodes.as_ref();
            before.iter().any(|node| now.is_some_and(|now| !now.contains(node)))
        })
    }

    /// Whether a node lives, as of the last roll call; `None` before the first.
    pub(super) fn is_alive(&self, node: &str) -> Option<bool> {
        self.with(|state| state.nodes.as_ref().map(|nodes| nodes.contains(node)))
    }

    /// Waits until there is something to do before the next round.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }
}

impl State {
    fn entry(&self, tenant: &TenantId, duty: &Duty) -> Option<&Entry> {
        self.duties.get(tenant)?.get(duty)
    }

    fn entry_mut(&mut self, tenant: &TenantId, duty: &Duty) -> Option<&mut Entry> {
        self.duties.get_mut(tenant)?.get_mut(duty)
    }
}
