//! Tenants where nobody has been for a while: what they have in memory is dropped, and their logs are closed. Whoever comes next
//! has them opened again, as after a start.

use foodtrack_tenant_log::StorageState;
use foodtrack_transport::Reactor;

use super::Shard;
use super::containing::caught;
use super::resident::Resident;

/// Tenants that are closed in one sweep: the others wait for the next one, and clients for none of them.
const CLOSED_PER_SWEEP_MAX: usize = 1_024;

/// What keeps a tenant in memory beside what it knows itself.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// When it was told something last, on the shard's clock; a sweep is nothing.
    pub(super) used_ms: u64,
    /// The log did not take something that its memory has.
    pub(super) knows_more: bool,
}

impl Held {
    /// Notes whether the log took something that would be read back when it is opened.
    pub(super) fn note<E>(&mut self, taken: Result<(), E>) -> Result<(), E> {
        self.knows_more |= taken.is_err();
        taken
    }
}

impl Shard {
    /// Closes tenants where nobody has been for as long as the configuration says.
    pub(super) fn close_quiet_tenants(&mut self, io: &Reactor) {
        let close_after_ms = self.parts.settings.recovery.close_after_ms;
        // On a disk without room a log could not be opened again.
        if close_after_ms == 0 || self.parts.log.log().storage().state != StorageState::Well {
            return;
        }
        let is_quiet = |held: &Held| {
            let idle_ms = io.now_ms().saturating_sub(held.used_ms);
            idle_ms >= close_after_ms && !held.knows_more
        };
        let now = self.clock.now(io.now_ms(), self.turn, false);
        let (settings, waiting) = (&self.parts.settings, &self.waiting);
        let may_close = |(place, resident): (usize, &Resident)| {
            let place = u32::try_from(place).ok()?;
            let is_at_rest = || {
                let rate = settings.limits.arrivals_per_tenant;
                resident.arrivals.is_full(rate, now.monotonic_ms)
                    && resident.tenant.is_at_rest(now, settings)
            };
            let may_close = is_quiet(&resident.held)
                && !waiting.contains_key(&place)
                && caught(is_at_rest).is_ok_and(|it| it);
            may_close.then_some(place)
        };
        let quiet = self.tenants.iter().filter_map(may_close).take(CLOSED_PER_SWEEP_MAX);
        for tenant in quiet.collect::<Vec<_>>() {
            self.close_tenant(tenant);
        }
    }

    fn close_tenant(&mut self, tenant: u32) {
        let Some(resident) = self.tenants.get(tenant as usize) else { return };
        let id = resident.tenant.id().clone();
        // Whoever comes next has it opened behind this. Where the log has no room for the request, the next sweep tries again.
        if self.parts.log.log().close(&id).is_err() {
            return;
        }
        let closed = self.tenants.remove(tenant as usize);
        // What somebody who has left had asked for may still be on its way.
        self.serials_from = self.serials_from.max(closed.tenant.last_serial());
        self.by_name.remove(&id);
        self.unfinished.retain(|it| *it != tenant);
        self.tables.touched(tenant);
        self.parts.settings.counters.tenants_closed.add(1);
        if caught(|| drop(closed)).is_err() {
            tracing::error!("what was left of a tenant could not be dropped whole");
        }
    }
}
