//! Events of back ends and of the server itself.

use foodtrack_contract::{Principal, Refusal, TenantId};

use foodtrack_tenant::{Accepted, Answer, Broadcast, DirectEvent, Request, Sent};
use uuid::Uuid;

use crate::shards::Shards;

/// An event of a back end.
pub struct NewEvent {
    /// Its name.
    pub event: String,
    /// Its payload, or the whole message, as JSON text.
    pub argument: String,
    /// Which id it gets where it says none itself: its sender wants to know that before. It is no name of the event: what is
    /// the same again without an id is a repeat still.
    pub spare_id: Option<Uuid>,
}

impl NewEvent {
    fn by(self, principal: Principal) -> Request {
        let Self { event, argument, spare_id } = self;
        Request::Publish { principal, event, argument, spare_id }
    }
}

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
        self.publish_event(principal, NewEvent { event, argument, spare_id: None }).await
    }

    /// The same.
    ///
    /// # Errors
    /// The refusal that a client would get.
    pub async fn publish_event(
        &self,
        principal: Principal,
        event: NewEvent,
    ) -> Result<Accepted, Refusal> {
        let tenant = principal.tenant().clone();
        self.shards.ask(&tenant, event.by(principal), |answer| accepted(&answer)).await
    }

    /// Publishes several events in their order, each as [`EventBroadcaster::publish`] does. Their answers are in the same order.
    pub async fn publish_all(
        &self,
        principal: &Principal,
        events: Vec<NewEvent>,
    ) -> Vec<Result<Accepted, Refusal>> {
        let requests = events.into_iter().map(|event| event.by(principal.clone()));
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
