//! What is to be erased while the log is open, one after the other, and the tenants that wait for it.

use std::collections::VecDeque;

use foodtrack_contract::TenantId;

use super::queue::Request;
use crate::tombstone::Concerned;
use crate::{EraseError, Erased, Erasure, OnErased};

/// All that is to be erased.
#[derive(Debug, Default)]
pub(super) struct Erasures {
    waiting: VecDeque<Erasing>,
    /// Openings of tenants of whom something is erased: they come after it.
    opens: Vec<Request>,
}

/// Something that is erased, a few rows at a time.
#[derive(Debug)]
pub(super) struct Erasing {
    pub(super) tenant: TenantId,
    pub(super) erasure: Erasure,
    pub(super) erased: Erased,
    on_erased: OnErased,
    /// `None` until it has begun.
    pub(super) rows: Option<RowsLeft>,
}

/// The rows that are still to be looked at. None is added meanwhile: its tenant is closed.
#[derive(Debug)]
pub(super) struct RowsLeft {
    /// The tenant's number.
    pub(super) no: i64,
    /// The next seq, and the last one.
    pub(super) next: i64,
    pub(super) last: i64,
    /// Whose entries become tombstones; `None` where all rows go.
    pub(super) concerned: Option<Concerned>,
}

impl Erasing {
    /// Tells who asked.
    pub(super) fn tell(self, result: Result<Erased, EraseError>) {
        self.on_erased.tell(result);
    }

    /// Whether there was something to erase, of all that was looked at up to now.
    pub(super) fn has_erased(&self) -> bool {
        // A tenant's name is erased with it, if nothing else is.
        let is_tenant_known = self.erasure == Erasure::Tenant && self.rows.is_some();
        is_tenant_known || self.erased.entries + self.erased.others > 0
    }
}

impl Erasures {
    pub(super) fn add(&mut self, tenant: TenantId, erasure: Erasure, on_erased: OnErased) {
        let erased = Erased::default();
        self.waiting.push_back(Erasing { tenant, erasure, erased, on_erased, rows: None });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether the next one has not begun: what was noted of its tenant is to be in the log before.
    pub(super) fn is_beginning(&self) -> bool {
        self.waiting.front().is_some_and(|erasing| erasing.rows.is_none())
    }

    /// Keeps the opening of a tenant of whom something is erased. Returns other requests.
    pub(super) fn hold(&mut self, request: Request) -> Option<Request> {
        match &request {
            Request::Open(tenant, _) if self.concerns(tenant) => {
                self.opens.push(request);
                None
            }
            _ => Some(request),
        }
    }

    fn concerns(&self, tenant: &TenantId) -> bool {
        self.waiting.iter().any(|erasing| erasing.tenant == *tenant)
    }

    /// Takes out what is erased now.
    pub(super) fn take(&mut self) -> Option<Erasing> {
        self.waiting.pop_front()
    }

    /// Puts it back: there is more to do.
    pub(super) fn put_back(&mut self, erasing: Erasing) {
        self.waiting.push_front(erasing);
    }

    /// Openings that need not wait any more.
    pub(super) fn let_open(&mut self) -> Vec<Request> {
        let opens = std::mem::take(&mut self.opens);
        let (held, free) = opens
            .into_iter()
            .partition(|open| matches!(open, Request::Open(tenant, _) if self.concerns(tenant)));
        self.opens = held;
        free
    }

    /// Gives everything up: who asked is told. Returns the openings that waited.
    pub(super) fn give_up(&mut self) -> Vec<Request> {
        self.waiting.clear();
        std::mem::take(&mut self.opens)
    }
}
