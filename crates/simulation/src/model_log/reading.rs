//! Reading what is on the disk, and what is on its way there.

use foodtrack_contract::{Cursor, Epoch, Offset, TenantId};
use foodtrack_tenant_log::{
    Assignment, LogAdmin, LogEntry, LogReader, NoteKind, OrderOwner, Outline, OutlinePage, Page,
    PageStart, ReadError, ReadRequest, SubmitError, TailEntries, TailSnapshot, TenantStats,
};
use uuid::Uuid;

use super::records::TenantRecords;
use super::{ModelLog, State, entry_of};

impl State {
    fn known(&self, tenant: &TenantId) -> Result<&TenantRecords, ReadError> {
        self.records.tenant(tenant).ok_or_else(|| ReadError::UnknownTenant(tenant.clone()))
    }

    fn outline_of(&self, entry: &LogEntry) -> Outline {
        let entity = entry.entity.clone().filter(|_| !self.hides_entities);
        Outline { entity, ..Outline::from(entry) }
    }
}

/// Entries that are not known to be on the disk.
#[derive(Debug)]
struct OnTheirWay {
    entries: Vec<LogEntry>,
    outlines: Vec<Outline>,
}

impl TailEntries for OnTheirWay {
    fn outline(&self, after: Offset, through: Offset) -> Vec<Outline> {
        let is_wanted = |it: &&Outline| it.offset > after && it.offset <= through;
        self.outlines.iter().filter(is_wanted).cloned().collect()
    }

    fn read_at(&self, offsets: &[Offset], _bytes_max: u64) -> Vec<LogEntry> {
        let at = |offset: &Offset| self.entries.iter().find(|it| it.offset == *offset).cloned();
        offsets.iter().map_while(at).collect()
    }
}

impl LogReader for ModelLog {
    fn tail(&self, tenant: &TenantId, _: Offset) -> TailSnapshot {
        let state = self.state();
        let waiting = state.in_flight.iter().chain(&state.waiting);
        let entries: Vec<LogEntry> =
            waiting.filter_map(|it| entry_of(it, tenant)).cloned().collect();
        let next = state.open.get(tenant).map_or(Offset::MAX, |open| open.next);
        let first = entries.first().map_or(next, |entry| entry.offset);
        let after = Offset::ZERO.plus(first.get().saturating_sub(1));
        let outlines = entries.iter().map(|entry| state.outline_of(entry)).collect();
        TailSnapshot::new(after, Box::new(OnTheirWay { entries, outlines }))
    }

    fn read(&self, request: &ReadRequest) -> Result<Page, ReadError> {
        let state = self.state();
        let known = state.known(&request.tenant)?;
        let page = Page {
            epoch: known.epoch,
            start: PageStart::Whole,
            entries: Vec::new(),
            next: request.after,
            is_last: true,
        };
        if request.epoch.is_some_and(|epoch| epoch != known.epoch) {
            return Ok(Page { start: PageStart::Reset, next: Offset::ZERO, ..page });
        }
        let after = request.after.next();
        if after > request.through {
            return Ok(page);
        }
        let mut entries: Vec<LogEntry> =
            known.entries.range(after..=request.through).map(|(_, it)| it.clone()).collect();
        let is_last = entries.len() <= request.entries_max;
        entries.truncate(request.entries_max);
        let next = entries.last().map_or(request.after, |last| last.offset);
        Ok(Page { entries, next, is_last, ..page })
    }

    fn outline(
        &self,
        tenant: &TenantId,
        epoch: Option<Epoch>,
        after: Offset,
        through: Offset,
        entries_max: usize,
    ) -> Result<OutlinePage, ReadError> {
        let state = self.state();
        let known = state.known(tenant)?;
        if epoch.is_some_and(|epoch| epoch != known.epoch) {
            return Err(ReadError::OtherEpoch { tenant: tenant.clone(), epoch: known.epoch });
        }
        let trimmed_through = Offset::ZERO;
        if after >= through {
            return Ok(OutlinePage { trimmed_through, entries: Vec::new(), next: through });
        }
        let entries = known.entries.range(after.next()..=through).take(entries_max);
        let entries: Vec<Outline> = entries.map(|(_, it)| state.outline_of(it)).collect();
        let last = entries.last().filter(|_| entries.len() >= entries_max);
        let next = last.map_or(through, |last| last.offset);
        Ok(OutlinePage { trimmed_through, entries, next })
    }

    fn read_at(&self, tenant: &TenantId, offsets: &[Offset]) -> Result<Vec<LogEntry>, ReadError> {
        let state = self.state();
        let known = state.known(tenant)?;
        let mut offsets = offsets.to_vec();
        offsets.sort_unstable();
        offsets.dedup();
        Ok(offsets.iter().filter_map(|offset| known.entries.get(offset).cloned()).collect())
    }

    fn entity_history(
        &self,
        tenant: &TenantId,
        entity: &str,
        entries_max: usize,
    ) -> Result<Vec<LogEntry>, ReadError> {
        let state = self.state();
        let about = |it: &&LogEntry| it.entity.as_deref() == Some(entity);
        let newest_first = state.known(tenant)?.entries.values().rev().filter(about);
        let mut history: Vec<LogEntry> = newest_first.take(entries_max).cloned().collect();
        history.reverse();
        Ok(history)
    }

    fn find(&self, tenant: &TenantId, id: Uuid) -> Result<Option<Offset>, ReadError> {
        let mut state = self.state();
        state.counts.looked_for += 1;
        let known = state.known(tenant)?;
        Ok(known.entries.values().rev().find(|it| it.id == id).map(|it| it.offset))
    }

    fn order_owner(&self, tenant: &TenantId, order: &str) -> Result<Option<OrderOwner>, ReadError> {
        let state = self.state();
        let customer = state.known(tenant)?.orders.get(order).cloned();
        Ok(customer.map(|customer| OrderOwner { customer }))
    }

    fn assignment(&self, tenant: &TenantId, order: &str) -> Result<Option<Assignment>, ReadError> {
        Ok(self.state().known(tenant)?.assignments.get(order).cloned())
    }
}

impl LogAdmin for ModelLog {
    fn tenants(&self) -> Result<Vec<TenantId>, ReadError> {
        Ok(self.state().records.tenants().cloned().collect())
    }

    fn tenants_noted(&self, _kind: NoteKind) -> Result<Vec<TenantId>, ReadError> {
        // The simulator's hubs are asked by nobody.
        Ok(Vec::new())
    }

    fn stats(&self, tenant: &TenantId) -> Result<TenantStats, ReadError> {
        let state = self.state();
        let known = state.known(tenant)?;
        Ok(TenantStats {
            last: Cursor::new(known.epoch, known.last()),
            trimmed_through: Offset::ZERO,
            entries: known.entries.len() as u64,
            bytes: known.entries.values().map(LogEntry::bytes).sum(),
            dead_letters: known.letters.len() as u64,
        })
    }

    fn trim(&self, _now_ms: u64) -> Result<(), SubmitError> {
        Ok(())
    }
}
