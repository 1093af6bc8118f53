//! Clients' requests to the business back end: answered elsewhere, on another thread, and brought back to who asked.

use foodtrack_contract::{ErrorCode, Refusal, TenantId};
use foodtrack_tenant::{Forwarded, Requester, UpstreamAnswer};

use crate::mailbox::{ShardMessage, ShardSender};

/// Asks the business back end. Called on a shard's thread: it must hand the request on and return at once.
pub trait Upstream: Send + Sync {
    /// Takes a request; `relay` takes the answer, whenever it is there, on any thread but the shard's own.
    ///
    /// # Errors
    /// Why the back end is not asked.
    fn forward(&self, request: Forwarded, relay: Relay) -> Result<(), Refusal>;
}

/// The way back to the client that asked. Dropped without an answer it says that nobody knows.
pub struct Relay {
    shard: ShardSender,
    to: Option<(TenantId, Requester)>,
}

impl Relay {
    pub(crate) fn new(shard: ShardSender, tenant: TenantId, requester: Requester) -> Self {
        Self { shard, to: Some((tenant, requester)) }
    }

    /// Sends the answer, without waiting for the shard.
    ///
    /// # Errors
    /// The shard's mailbox is full: both are given back, to try again shortly.
    pub fn try_send(mut self, answer: UpstreamAnswer) -> Result<(), Box<(Self, UpstreamAnswer)>> {
        let Some((tenant, requester)) = self.to.take() else { return Ok(()) };
        let message = ShardMessage::Answered(tenant, requester, answer);
        match self.shard.offer(message).map_err(|message| *message) {
            Err(ShardMessage::Answered(tenant, requester, answer)) => {
                self.to = Some((tenant, requester));
                Err(Box::new((self, answer)))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Gives the way back up: the client is refused at once.
    pub fn release(mut self) {
        self.to = None;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let Some((tenant, requester)) = self.to.take() else { return };
        let sentence =
            "the server stopped asking the back end; whether it did what was asked, nobody knows";
        let refusal = Refusal::new(ErrorCode::Timeout, sentence);
        // With a full mailbox the client is left to its own timeout.
        let _ = self.shard.try_send(ShardMessage::Answered(tenant, requester, Err(refusal)));
    }
}
