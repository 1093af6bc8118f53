//! Tenants' logs: opening them for those who come, and hearing what became of what was written.

use std::collections::VecDeque;

use foodtrack_contract::{ErrorCode, Refusal, TenantId};
use foodtrack_tenant_log::{Completion, RefusedReason};
use foodtrack_transport::{Handover, Reactor};

use super::Shard;
use crate::handshake::Admission;
use crate::log_link::LogNews;
use crate::mailbox::TenantRequest;

/// How much news is heard in a turn, before sockets have theirs.
const NEWS_PER_TURN: usize = 4_096;
/// How soon a log that is away is asked for again.
const REOPEN_MS: u64 = 1_000;
/// Requests of back ends that wait for one tenant's log.
const REQUESTS_MAX: usize = 1_024;

/// Who waits for a tenant's log to be opened.
#[derive(Default)]
pub(super) struct Waiting {
    clients: VecDeque<Handover<Admission>>,
    requests: VecDeque<TenantRequest>,
}

impl Shard {
    /// Has a tenant's log opened, if nobody has yet. Returns whether the tenant can take somebody in: a log that is away counts,
    /// for its tenant goes on without it.
    pub(super) fn open_log(&mut self, io: &mut Reactor, tenant: &TenantId) -> bool {
        let tenant = self.open_tenant(tenant);
        if self.tenants[tenant as usize].ledger.is_closed() {
            self.ask_for_log(io, tenant);
        }
        let ledger = &self.tenants[tenant as usize].ledger;
        ledger.is_open() || ledger.away().is_some()
    }

    /// Asks the store for a tenant's log.
    pub(super) fn ask_for_log(&mut self, io: &mut Reactor, tenant: u32) {
        let Some(state) = self.tenants.get_mut(tenant as usize) else { return };
        if state.ledger.is_open() || state.ledger.is_opening() {
            return;
        }
        match self.parts.log.log().open(&state.id, self.clock.unix_ms()) {
            Ok(()) => state.ledger.asked(),
            Err(error) => {
                let reason = match error {
                    foodtrack_tenant_log::SubmitError::Overloaded => RefusedReason::DiskFull,
                    _ => RefusedReason::Poisoned,
                };
                self.log_is_away(io, tenant, reason);
            }
        }
    }

    fn log_is_away(&mut self, io: &mut Reactor, tenant: u32, reason: RefusedReason) {
        let was_away = self.with_tenant(io, tenant, |tenant, turn| {
            let was_away = tenant.ledger.away().is_some();
            tenant.ledger.failed(reason, turn.now.monotonic_ms + REOPEN_MS);
            was_away
        });
        if was_away == Some(false) {
            self.parts.counters.logs_away.add(1);
            let tenant = self.tenants[tenant as usize].id.as_str();
            tracing::error!(tenant, %reason, "a tenant goes on without its log");
        }
    }

    /// Keeps a client until its tenant's log is open. Its socket is not read meanwhile.
    pub(super) fn wait_for_log(&mut self, handover: Handover<Admission>) {
        let Some(admission) = handover.transfer() else { return };
        let tenant = self.open_tenant(admission.principal.tenant());
        self.waiting.entry(tenant).or_default().clients.push_back(handover);
    }

    /// Keeps a back end's request until its tenant's log is open.
    pub(super) fn request_later(&mut self, tenant: u32, request: TenantRequest) {
        let waiting = self.waiting.entry(tenant).or_default();
        if waiting.requests.len() < REQUESTS_MAX {
            waiting.requests.push_back(request);
        } else if let TenantRequest::Publish { reply, .. } = request {
            let message = "the tenant's log is being opened: try again in a moment";
            let refusal = Refusal::new(ErrorCode::Overloaded, message).retry_after_ms(500);
            // A reply that nobody waits for any more is no loss. Others' replies close, which says the same.
            let _ = reply.send(Err(refusal));
        }
    }

    /// Hears what became of what was written and read, and lets tenants go on that were interrupted.
    pub(super) fn hear_of_logs(&mut self, io: &mut Reactor) {
        for tenant in std::mem::take(&mut self.unfinished) {
            self.with_tenant(io, tenant, |tenant, turn| {
                tenant.deliver_released(turn);
                tenant.go_on_with_lines(turn);
            });
        }
        for _ in 0..NEWS_PER_TURN {
            let Ok(news) = self.parts.news.try_recv() else { break };
            self.hear(io, news);
            io.flush_when_large();
        }
        if !self.unfinished.is_empty() {
            io.waker().wake();
        }
    }

    fn hear(&mut self, io: &mut Reactor, news: LogNews) {
        match news {
            LogNews::Read { tenant, asker, answer } => {
                if let Some(tenant) = self.by_name.get(&tenant).copied() {
                    self.with_tenant(io, tenant, |tenant, turn| {
                        tenant.read_for(turn, asker, answer);
                    });
                }
            }
            LogNews::Owners { tenant, asker, orders, owners } => {
                if let Some(tenant) = self.by_name.get(&tenant).copied() {
                    self.hear_of_owners(io, tenant, asker, orders, owners);
                }
            }
            LogNews::Completion(completion) => {
                let Some(tenant) = self.by_name.get(completion.tenant()).copied() else { return };
                self.hear_completion(io, tenant, completion);
            }
        }
    }

    fn hear_completion(&mut self, io: &mut Reactor, tenant: u32, completion: Completion) {
        match completion {
            Completion::Opened { head, .. } => {
                if self.tenants[tenant as usize].ledger.away().is_some() {
                    self.parts.counters.logs_away.sub(1);
                }
                self.with_tenant(io, tenant, |tenant, turn| tenant.opened(turn, head));
                self.let_waiting_go_on(io, tenant);
            }
            Completion::OpenFailed { reason, .. } => {
                self.log_is_away(io, tenant, reason);
                self.let_waiting_go_on(io, tenant);
            }
            Completion::Committed { through, reserved_through, .. } => {
                self.with_tenant(io, tenant, |tenant, turn| {
                    tenant.committed(turn, through, reserved_through);
                });
            }
            Completion::Refused { from, through, reason, .. } => {
                if reason == RefusedReason::Poisoned && self.parts.counters.log_failed.get() == 0 {
                    self.parts.counters.log_failed.add(1);
                    tracing::error!(
                        "{reason}: durable events are refused; start the server anew once the disk is well"
                    );
                }
                self.with_tenant(io, tenant, |tenant, turn| {
                    tenant.refused(turn, from, through, reason);
                });
            }
            // Of logs that others write to as well, which `start` does not take.
            Completion::Answered { .. } | Completion::Grown { .. } => {}
            Completion::Noted { ticket, .. } => {
                self.with_tenant(io, tenant, |tenant, turn| tenant.noted(turn, ticket));
            }
            Completion::NoteRefused { ticket, reason, .. } => {
                self.with_tenant(io, tenant, |tenant, turn| {
                    tenant.not_noted(turn, ticket, reason);
                });
            }
        }
    }

    fn let_waiting_go_on(&mut self, io: &mut Reactor, tenant: u32) {
        let Some(waiting) = self.waiting.remove(&tenant) else { return };
        for request in waiting.requests {
            self.do_request(io, tenant, request);
        }
        for handover in waiting.clients {
            // It may have to ask whose the orders are that it comes back to.
            self.receive(io, handover);
        }
    }
}
