//! The outcome of a transaction, and its report to those who submitted the entries.

use std::sync::Arc;

use crate::storage_status::StorageWatch;
use ahash::AHashMap;
use foodtrack_contract::{Offset, TenantId};

use super::queue::Request;
use super::side_notes::Ticketed;
use super::tenants::OpenTenants;
use crate::{Completion, Head, NotedMeanwhile, OnCompletion, RefusedReason};

/// What a transaction will have to report.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) appended: AHashMap<TenantId, Appended>,
    pub(super) opened: Vec<(TenantId, Option<Head>)>,
    pub(super) out_of_sequence: Vec<(TenantId, Offset, Offset)>,
    pub(super) ticketed: Ticketed,
    pub(super) bytes: u64,
    pub(super) maintained: bool,
}

/// What it appends to a tenant.
#[derive(Clone, Copy)]
pub(super) struct Appended {
    pub(super) from: Offset,
    pub(super) through: Offset,
    /// As in [`Completion::Committed`].
    pub(super) is_awaited: bool,
}

/// Reports to submitters, as completions, what became of their entries.
pub(super) struct CompletionSink(OnCompletion, Arc<StorageWatch>);

impl CompletionSink {
    pub(super) fn new(on_completion: OnCompletion, watch: Arc<StorageWatch>) -> Self {
        Self(on_completion, watch)
    }

    /// Where it is noted how the disk is doing.
    pub(super) fn watch(&self) -> &StorageWatch {
        &self.1
    }

    /// The transaction is durable. `tenants` are as it left them.
    pub(super) fn committed(&self, outcome: Outcome, tenants: &OpenTenants) {
        for (tenant, Appended { through, is_awaited, .. }) in outcome.appended {
            // A tenant that was closed since reserves nothing.
            let open = tenants.get(&tenant);
            let reserved_through = open.map_or(through, |open| open.now.reserved_through);
            (self.0)(Completion::Committed { tenant, through, reserved_through, is_awaited });
        }
        self.opened(outcome.opened, RefusedReason::Poisoned);
        self.out_of_sequence(outcome.out_of_sequence);
        for (tenant, ticket) in outcome.ticketed.noted {
            (self.0)(Completion::Noted { tenant, ticket });
        }
        self.not_noted(outcome.ticketed.refused, RefusedReason::OutOfSequence);
    }

    /// The transaction never was, or nobody knows.
    pub(super) fn refused(&self, outcome: Outcome, reason: RefusedReason) {
        for (tenant, Appended { from, through, .. }) in outcome.appended {
            self.1.note_refused(through.get() - from.get() + 1, reason);
            (self.0)(Completion::Refused { tenant, from, through, reason });
        }
        let failed = outcome.opened.into_iter().map(|(tenant, _)| (tenant, None)).collect();
        // To be open is nothing that a disk could have kept.
        let is_unknown = reason == RefusedReason::Unknown;
        self.opened(failed, if is_unknown { RefusedReason::Poisoned } else { reason });
        self.out_of_sequence(outcome.out_of_sequence);
    }

    fn opened(&self, opened: Vec<(TenantId, Option<Head>)>, reason: RefusedReason) {
        for (tenant, head) in opened {
            (self.0)(match head {
                Some(head) => {
                    let noted_meanwhile = NotedMeanwhile::default();
                    Completion::Opened { tenant, head, noted_meanwhile }
                }
                None => Completion::OpenFailed { tenant, reason },
            });
        }
    }

    fn out_of_sequence(&self, batches: Vec<(TenantId, Offset, Offset)>) {
        let reason = RefusedReason::OutOfSequence;
        for (tenant, from, through) in batches {
            (self.0)(Completion::Refused { tenant, from, through, reason });
        }
    }

    /// These notes are not kept.
    pub(super) fn not_noted(&self, tickets: Vec<(TenantId, u64)>, reason: RefusedReason) {
        for (tenant, ticket) in tickets {
            (self.0)(Completion::NoteRefused { tenant, ticket, reason });
        }
    }

    /// What came before everyone knew that the disk had failed.
    pub(super) fn refuse_all(&self, requests: impl Iterator<Item = Request>) {
        let reason = RefusedReason::Poisoned;
        for request in requests {
            match request {
                Request::Append(tenant, batch) => {
                    let (from, through) = (batch.first, batch.last());
                    self.1.note_refused(through.get() - from.get() + 1, reason);
                    (self.0)(Completion::Refused { tenant, from, through, reason });
                }
                Request::Open(tenant, _) => {
                    (self.0)(Completion::OpenFailed { tenant, reason });
                }
                Request::SaveNote(tenant, _, Some(ticket)) => {
                    (self.0)(Completion::NoteRefused { tenant, ticket, reason });
                }
                _ => {}
            }
        }
    }
}
