//! Reading the stream, where it can be reached.

use foodtrack_contract::{Epoch, Offset, TenantId};
use foodtrack_tenant_log::{
    Assignment, LogAdmin, LogEntry, LogReader, NoteKind, OrderOwner, OutlinePage, Page, ReadError,
    ReadRequest, SubmitError, TailSnapshot, TenantStats,
};
use uuid::Uuid;

use super::NodeLog;
use crate::Fault;

impl NodeLog {
    /// The last entry's place.
    pub(super) fn last_of(&self, tenant: &TenantId) -> Offset {
        self.log.stats(tenant).map_or(Offset::ZERO, |stats| stats.last.through())
    }
}

impl LogReader for NodeLog {
    fn tail(&self, tenant: &TenantId, through: Offset) -> TailSnapshot {
        self.log.tail(tenant, through)
    }

    fn read(&self, request: &ReadRequest) -> Result<Page, ReadError> {
        self.reach()?;
        let mut page = self.log.read(request)?;
        if self.fault == Some(Fault::SkipsOthers) && page.entries.len() > 1 {
            page.entries.remove(0);
        }
        Ok(page)
    }

    fn follow(&self, tenant: &TenantId) -> Result<(), ReadError> {
        self.reach()?;
        self.log.follow(tenant)
    }

    fn outline(
        &self,
        tenant: &TenantId,
        epoch: Option<Epoch>,
        after: Offset,
        through: Offset,
        entries_max: usize,
    ) -> Result<OutlinePage, ReadError> {
        self.reach()?;
        self.log.outline(tenant, epoch, after, through, entries_max)
    }

    fn read_at(&self, tenant: &TenantId, offsets: &[Offset]) -> Result<Vec<LogEntry>, ReadError> {
        self.reach()?;
        self.log.read_at(tenant, offsets)
    }

    fn entity_history(
        &self,
        tenant: &TenantId,
        entity: &str,
        entries_max: usize,
    ) -> Result<Vec<LogEntry>, ReadError> {
        self.reach()?;
        self.log.entity_history(tenant, entity, entries_max)
    }

    fn find(&self, tenant: &TenantId, id: Uuid) -> Result<Option<Offset>, ReadError> {
        self.reach()?;
        self.log.find(tenant, id)
    }

    fn order_owner(&self, tenant: &TenantId, order: &str) -> Result<Option<OrderOwner>, ReadError> {
        self.reach()?;
        self.log.order_owner(tenant, order)
    }

    fn assignment(&self, tenant: &TenantId, order: &str) -> Result<Option<Assignment>, ReadError> {
        self.reach()?;
        self.log.assignment(tenant, order)
    }
}

impl LogAdmin for NodeLog {
    fn tenants(&self) -> Result<Vec<TenantId>, ReadError> {
        self.log.tenants()
    }

    fn tenants_noted(&self, kind: NoteKind) -> Result<Vec<TenantId>, ReadError> {
        self.log.tenants_noted(kind)
    }

    fn stats(&self, tenant: &TenantId) -> Result<TenantStats, ReadError> {
        self.log.stats(tenant)
    }

    fn trim(&self, _now_ms: u64) -> Result<(), SubmitError> {
        Ok(())
    }
}
