//! A panic in a tenant's turn costs that tenant alone: what it had in memory is dropped, its clients' transports close, and
//! it is opened again from its log when they come back.

use std::panic::{AssertUnwindSafe, catch_unwind};

use foodtrack_tenant::Tenant;
use foodtrack_transport::{CloseReason, Reactor};

use super::Shard;

/// The work panicked. What the panic said is dropped: it may quote a payload.
pub(super) struct Panicked;

/// Does a tenant's work. What the work had borrowed of the tenant is not to be used after a panic.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        // Its destructor may be whatever panicked.
        std::mem::forget(payload);
        Panicked
    })
}

impl Shard {
    /// Asks a tenant something. `None` after a panic: the tenant was dropped.
    pub(super) fn ask<T>(
        &mut self,
        io: &mut Reactor,
        tenant: u32,
        question: impl FnOnce(&Tenant) -> T,
    ) -> Option<T> {
        let state = &self.tenants.get(tenant as usize)?.tenant;
        match caught(|| question(state)) {
            Ok(answer) => Some(answer),
            Err(Panicked) => {
                self.drop_tenant(io, tenant);
                None
            }
        }
    }

    /// Drops what a tenant has in memory, and sends its clients away: they come back by themselves and recover.
    pub(super) fn drop_tenant(&mut self, io: &mut Reactor, tenant: u32) {
        let Some(resident) = self.tenants.get(tenant as usize) else { return };
        let broken = &resident.tenant;
        let message = broken.message_at_work().map(|id| id.to_string());
        tracing::error!(
            tenant = broken.id().as_str(),
            message,
            "a panic in a tenant's turn: its clients are sent away, and it is opened again from its log"
        );
        self.parts.settings.counters.tenant_panics.add(1);
        self.begin_anew(io, tenant);
    }

    /// Puts a tenant that knows nothing in the place of one, and sends its clients away. Who waited for its log comes again, and has it
    /// opened then; who waited for its answer is told that nobody knows.
    pub(super) fn begin_anew(&mut self, io: &mut Reactor, tenant: u32) {
        let Some(resident) = self.tenants.get_mut(tenant as usize) else { return };
        let successor = resident.tenant.successor();
        let before = std::mem::replace(&mut resident.tenant, successor);
        let counters = &self.parts.settings.counters;
        counters.logs_away.sub(u64::from(before.is_log_away()));
        if let Some(crowds) = &self.parts.settings.crowds {
            crowds.set_here(before.id(), None);
        }
        let mut counted = 0;
        for client in resident.clients.take_all() {
            counted += 1;
            io.set_tag(client, 0);
            io.close(client, CloseReason::ServerClosed);
        }
        counters.connections.sub(counted);
        counters.connections_closed.add(counted);
        counters.tenants.sub(u64::from(counted > 0));
        self.waiting.remove(&tenant);
        self.replies.drop_of(tenant);
        self.unfinished.retain(|it| *it != tenant);
        if caught(|| drop(before)).is_err() {
            tracing::error!("what was left of a tenant could not be dropped whole");
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::poller::Poller;
    use crate::server::Server;
    use foodtrack_tenant::TenantLimits;

    /// The value of a field of JSON text, as text.
    fn field<'t>(text: &'t str, name: &str) -> &'t str {
        let start = text.find(&format!("\"{name}\":\"")).unwrap() + name.len() + 4;
        text[start..].split('"').next().unwrap()
    }

    #[test]
    fn a_panic_in_a_tenants_turn_costs_that_tenant_alone_and_it_recovers_without_loss() {
        let server = Server::start(TenantLimits::default());
        let ana = Poller::open(&server);
        let pid = field(&ana.connect("t1 ana customer client_app 60"), "pid").to_owned();
        let greeting = ana.find("42[\"system:connection_established\"");
        let offset = greeting.rsplit('"').nth(1).unwrap().to_owned();
        let bob = Poller::join(&server, "t2 bob customer client_app 60");
        let owner = Poller::join(&server, "t1 olga admin tenant_dashboard 60");
        assert!(owner.ask(r#"["notification:info",{"message":"before"}]"#).contains("true"));
        owner.emit(r#"["notification:info",{"message":"planted panic"}]"#);
        // The other tenant's client is served by the same shard, on the session that it has.
        assert!(bob.ask(r#"["order:created",{"orderId":"1"}]"#).contains("\"success\":true"));
        // The tenant's own come again: ana's session is back, and has what she missed.
        let again = Poller::open(&server);
        let token = "t1 ana customer client_app 60";
        let answer =
            again.connect_with(token, &format!(",\"pid\":\"{pid}\",\"offset\":\"{offset}\""));
        assert_eq!(field(&answer, "pid"), pid, "{answer}");
        assert!(again.find("42[\"notification:info\"").contains("\"before\""));
        let owner = Poller::join(&server, "t1 olga admin tenant_dashboard 60");
        assert!(owner.ask(r#"["notification:info",{"message":"after"}]"#).contains("true"));
        assert!(again.find("42[\"notification:info\"").contains("\"after\""));
        assert_eq!(server.count(|counters| counters.tenant_panics.get()), 1);
        assert_eq!(server.count(|counters| counters.connections.get()), 3);
    }
}
