//! Erasing something of a tenant: what it has in memory goes, its log is closed, and is opened again for whoever comes next, once all is
//! erased.

use foodtrack_contract::TenantId;
use foodtrack_tenant_log::{EraseError, Erasure, OnErased};
use foodtrack_transport::Reactor;

use super::Shard;

impl Shard {
    pub(super) fn erase(
        &mut self,
        io: &mut Reactor,
        id: &TenantId,
        erasure: Erasure,
        on_erased: OnErased,
    ) {
        if let Some(tenant) = self.by_name.get(id).copied() {
            let resident = self.tenants.get(tenant as usize);
            // What is told of the log when it is open would be from before.
            if resident.is_some_and(|resident| resident.tenant.awaits_log()) {
                return on_erased.tell(Err(EraseError::Busy));
            }
            self.begin_anew(io, tenant);
        }
        let log = self.parts.log.log();
        if log.close(id).is_ok() {
            log.erase(id, erasure, on_erased);
        }
    }
}
