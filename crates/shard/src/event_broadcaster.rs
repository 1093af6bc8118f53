//! Events of back ends and of the server itself.

use foodtrack_contract::{Principal, Refusal, TenantId};

use foodtrack_tenant::{Accepted, Answer, Broadcast, DirectEvent, Request, Sent};

use crate::shards::Shards;

/// Sends events to a tenant's connections.
#[derive(Clone)]
pub struct EventBroadcaster {
    shards: Shards,
}

impl EventBroadcaster {
    /// A handle to the fan-out of these shards.
    pub fn new(shards: Shards) -> Self {
        Self { shards }
    }

    /// Publishes for a backend service: validated, authorised and routed like a client's event. `argument` is the
    /// payload, or the whole message, as JSON text.
    ///
    /// # Errors
    /// The refusal that a client would get.
    pub async fn publish(
        &self,
        principal: Principal,
        event: String,
        argument: String,
    ) -> Result<Accepted, Refusal> {
        let tenant = principal.tenant().clone();
        let request = Request::Publish { principal, event, argument };
        self.shards.ask(&tenant, request, |answer| accepted(&answer)).await
    }

    /// Publishes several events in their order, each as [`EventBroadcaster::publish`] does: `(event, argument)`. Their answers
    /// are in the same order.
    pub async fn publish_all(
        &self,
        principal: &Principal,
        events: Vec<(String, String)>,
    ) -> Vec<Result<Accepted, Refusal>> {
        let requests = events.into_iter().map(|(event, argument)| {
            let principal = principal.clone();
            Request::Publish { principal, event, argument }
        });
        let mut answers = Vec::with_capacity(requests.len());
        // All are asked before the first is awaited.
        let asked: Vec<_> = self.shards.ask_all(principal.tenant(), requests).collect();
        for asked in asked {
            answers.push(match asked {
                Ok(asked) => asked.answer(|answer| accepted(&answer)).await,
                Err(refusal) => Err(refusal),
            });
        }
        answers
    }

    /// Sends a back end's event to one connection, past the rules: at most once, and only while it is here. It must be of a type that
    /// the connection's token may read.
    ///
    /// # Errors
    /// A refusal that names what is wrong with the event, or says that there is no such connection or that it catches up. Nothing was
    /// sent.
    pub async fn send_to(&self, tenant: &TenantId, event: DirectEvent) -> Result<Sent, Refusal> {
        let sent = |answer: Answer| if let Answer::Sent(sent) = answer { Some(sent) } else { None };
        self.shards.ask(tenant, Request::SendTo(event), sent).await
    }

    /// Sends an event of the server's own to recipients it names, past the rules; its payload is still validated.
    ///
    /// # Errors
    /// A refusal that names what is wrong with the event or its recipients.
    pub async fn broadcast(
        &self,
        tenant: &TenantId,
        broadcast: Broadcast,
    ) -> Result<Accepted, Refusal> {
        self.shards.ask(tenant, Request::Broadcast(broadcast), |answer| accepted(&answer)).await
    }
}

fn accepted(answer: &Answer) -> Option<Accepted> {
    if let Answer::Accepted(accepted) = answer { Some(*accepted) } else { None }
}
