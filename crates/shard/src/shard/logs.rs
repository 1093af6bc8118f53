//! Tenants' logs: opening them for those who come, and hearing what became of what was written.

use foodtrack_contract::TenantId;
use foodtrack_tenant::Input;
use foodtrack_tenant_log::{Answer, Completion, Duty, RefusedReason};
use foodtrack_transport::{Handover, Reactor};

use super::Shard;
use crate::entrant::Entrant;
use crate::log_link::LogNews;

/// How much news is heard in a turn, before sockets have theirs.
const NEWS_PER_TURN: usize = 4_096;

impl Shard {
    /// Has a tenant's log opened, if nobody has yet. Returns whether the tenant can take somebody in: a log that is away counts,
    /// for its tenant goes on without it.
    pub(super) fn open_log(&mut self, io: &mut Reactor, tenant: &TenantId) -> bool {
        let tenant = self.open_tenant(tenant);
        self.handle(io, tenant, Input::OpenLog);
        self.tenants.get(tenant as usize).is_some_and(|resident| resident.tenant.takes_clients())
    }

    /// Keeps a client until its tenant's log is open. Its socket is not read meanwhile.
    pub(super) fn wait_for_log(&mut self, handover: Handover<Entrant>) {
        let Some(entrant) = handover.transfer() else { return };
        let tenant = self.open_tenant(entrant.admission.principal.tenant());
        self.waiting.entry(tenant).or_default().push_back(handover);
    }

    /// Hears what became of what was written and read, and lets tenants go on that were interrupted.
    pub(super) fn hear_of_logs(&mut self, io: &mut Reactor) {
        for tenant in std::mem::take(&mut self.unfinished) {
            self.handle(io, tenant, Input::GoOn);
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
                    self.handle(io, tenant, Input::Read(asker, answer));
                }
            }
            LogNews::NotesHeard { serial, is_all } => self.heard_notes(io, serial, is_all),
            LogNews::Owners { serial, orders, owners } => {
                self.hear_of_owners(io, serial, orders, owners);
            }
            // What tells webhooks hears of theirs.
            LogNews::Completion(Completion::Abandoned { duty: Duty::Webhook(_), .. }) => {}
            LogNews::Completion(completion @ Completion::Abandoned { .. }) => {
                let tenant = self.open_tenant(completion.tenant());
                self.hear_completion(io, tenant, completion);
            }
            LogNews::Completion(completion) => {
                let Some(tenant) = self.by_name.get(completion.tenant()).copied() else { return };
                self.hear_completion(io, tenant, completion);
            }
        }
    }

    fn hear_completion(&mut self, io: &mut Reactor, tenant: u32, completion: Completion) {
        if let Completion::Refused { reason, .. }
        | Completion::Answered { answer: Answer::Refused(reason), .. } = &completion
            && matches!(reason, RefusedReason::Poisoned | RefusedReason::Unknown)
            // One that others write to as well mends itself.
            && !self.parts.log.is_shared
            && self.parts.settings.counters.log_failed.get() == 0
        {
            self.parts.settings.counters.log_failed.add(1);
            tracing::error!(
                "{reason}: durable events are refused; start the server anew once the disk is well"
            );
        }
        let lets_in =
            matches!(completion, Completion::Opened { .. } | Completion::OpenFailed { .. });
        self.handle(io, tenant, Input::Log(completion));
        if lets_in {
            self.let_waiting_go_on(io, tenant);
        }
    }

    fn let_waiting_go_on(&mut self, io: &mut Reactor, tenant: u32) {
        for handover in self.waiting.remove(&tenant).unwrap_or_default() {
            // It may have to ask whose the orders are that it comes back to.
            self.receive(io, handover);
        }
    }
}
