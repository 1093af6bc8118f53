//! What operators ask of a log in memory.

use foodtrack_contract::{Cursor, TenantId};

use super::tenant::Tenant;
use super::{MemoryLog, lock};
use crate::{
    Erased, Erasure, Leases, LogAdmin, NoteKind, OnErased, ReadError, SubmitError, TenantStats,
};

impl Leases for MemoryLog {}

impl LogAdmin for MemoryLog {
    fn tenants(&self) -> Result<Vec<TenantId>, ReadError> {
        let mut tenants: Vec<_> = lock(&self.store.tenants).keys().cloned().collect();
        tenants.sort_unstable();
        Ok(tenants)
    }

    fn tenants_noted(&self, kind: NoteKind) -> Result<Vec<TenantId>, ReadError> {
        let tenants = lock(&self.store.tenants);
        let is_noted = |tenant: &Tenant| tenant.notes.keys().any(|(it, _)| *it == kind);
        let noted = tenants.iter().filter(|(_, tenant)| is_noted(tenant));
        let mut names: Vec<_> = noted.map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn stats(&self, tenant: &TenantId) -> Result<TenantStats, ReadError> {
        self.with(tenant, |tenant| {
            let last = tenant.entries.back().map_or(tenant.trimmed_through, |(it, _)| it.offset);
            TenantStats {
                last: Cursor::new(tenant.epoch, last),
                trimmed_through: tenant.trimmed_through,
                entries: tenant.entries.len() as u64,
                bytes: tenant.entries.iter().map(|(entry, _)| entry.bytes()).sum(),
                dead_letters: tenant.dead_letters.len() as u64,
            }
        })
    }

    fn erases(&self) -> bool {
        // What others write to they would have to let go of, too.
        !self.is_shared
    }

    fn erase(&self, tenant: &TenantId, erasure: Erasure, on_erased: OnErased) {
        let mut tenants = lock(&self.store.tenants);
        let erased = match erasure.person() {
            None => tenants.remove(tenant).map(|gone| Erased {
                entries: gone.entries.len() as u64,
                others: gone.others(),
                ..Erased::default()
            }),
            Some(person) => tenants.get_mut(tenant).map(|it| it.erase_person(tenant, person)),
        };
        drop(tenants);
        on_erased.tell(Ok(Erased { is_rewritten: true, ..erased.unwrap_or_default() }));
    }

    fn trim(&self, now_ms: u64) -> Result<(), SubmitError> {
        let mut tenants = lock(&self.store.tenants);
        for tenant in tenants.values_mut() {
            tenant.trim(self.retention, now_ms);
            tenant.notes.retain(|_, note| note.is_alive(now_ms));
        }
        Ok(())
    }
}
