//! A tenant that lives on a shard, with what the shard keeps beside it.

use foodtrack_contract::TenantId;
use foodtrack_tenant::{ConnectionSlot, SharedBucket, Tenant};
use foodtrack_transport::Reactor;

use super::client_table::ClientTable;
use super::closing::Held;
use super::tenant_timer::TenantTimer;
use crate::tag::Tag;

/// A tenant that lives on a shard.
pub(super) struct Resident {
    pub(super) tenant: Tenant,
    pub(super) clients: ClientTable,
    /// Sessions that begin.
    pub(super) arrivals: SharedBucket,
    /// The last turn in which it was at work.
    pub(super) turn: u64,
    pub(super) held: Held,
    timer: TenantTimer,
}

impl Resident {
    /// Its numbers begin after `serial`.
    pub(super) fn new(id: TenantId, serial: u32) -> Self {
        Self {
            tenant: Tenant::numbered_after(id, serial),
            clients: ClientTable::default(),
            arrivals: SharedBucket::default(),
            turn: 0,
            held: Held::default(),
            timer: TenantTimer::default(),
        }
    }

    /// The slot that a client's tag names.
    pub(super) fn slot(&self, tag: Tag) -> Option<ConnectionSlot> {
        self.clients.slot(tag.place)
    }

    /// Sets the timer for what the tenant has to do next; `number` is the tenant's.
    pub(super) fn set_timer(&mut self, io: &mut Reactor, number: u32) {
        if let Some(due_ms) = self.tenant.next_deadline_ms()
            && self.timer.sets(due_ms)
        {
            io.schedule(due_ms.saturating_sub(io.now_ms()), u64::from(number));
        }
    }

    /// Whether the timer that has come is the one that counts.
    pub(super) fn has_come(&mut self, now_ms: u64) -> bool {
        self.timer.has_come(now_ms)
    }
}
