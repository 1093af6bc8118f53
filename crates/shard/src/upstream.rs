//! Clients' requests to the business back end: answered elsewhere, on another thread, and brought back to who asked.

use std::sync::Arc;

use foodtrack_contract::{ErrorCode, Refusal, TenantId};
use foodtrack_tenant::{Forwarded, HookQuestion, Requester, UpstreamAnswer};

use crate::hook_answer::HookAnswer;
use crate::mailbox::{ShardMessage, ShardSender};

/// Asks the business back end. Called on a shard's thread: it must hand the request on and return at once.
pub trait Upstream: Send + Sync {
    /// Takes a request; `relay` takes the answer, whenever it is there, on any thread but the shard's own.
    ///
    /// # Errors
    /// Why the back end is not asked.
    fn forward(&self, request: Forwarded, relay: Relay) -> Result<(), Refusal>;

    /// Which hooks the back end has. Default: none.
    fn hooks(&self) -> Hooks {
        Hooks::default()
    }

    /// Takes a hook's question; `relay` takes the answer, as of [`Upstream::forward`]. Asked only where there is such a hook, and
    /// never more at once than [`Upstream::hooks`] says.
    fn authorize(&self, question: Arc<HookQuestion>, relay: HookRelay);
}

/// What the back end has a say in, and how much it is asked at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// Who comes in.
    pub connect: bool,
    /// Who joins a room.
    pub join: bool,
    /// Questions about one tenant.
    pub at_once_per_tenant: usize,
    /// Questions about all tenants of all shards.
    pub at_once: usize,
}

/// The way back to those who wait for a hook's answer. Dropped without one, they are refused for now.
pub struct HookRelay {
    shard: ShardSender,
    question: Option<Arc<HookQuestion>>,
}

impl HookRelay {
    pub(crate) fn new(shard: ShardSender, question: Arc<HookQuestion>) -> Self {
        Self { shard, question: Some(question) }
    }

    /// Sends the answer, without waiting for the shard.
    ///
    /// # Errors
    /// The shard's mailbox is full: both are given back, to try again shortly.
    pub fn try_send(mut self, answer: HookAnswer) -> Result<(), Box<(Self, HookAnswer)>> {
        let Some(question) = self.question.take() else { return Ok(()) };
        let message = ShardMessage::Permitted(question, answer);
        match self.shard.offer(message).map_err(|message| *message) {
            Err(ShardMessage::Permitted(question, answer)) => {
                self.question = Some(question);
                Err(Box::new((self, answer)))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

impl Drop for HookRelay {
    fn drop(&mut self) {
        let Some(question) = self.question.take() else { return };
        // With a full mailbox those who wait are left to their own timeouts.
        let _ = self.shard.try_send(ShardMessage::Permitted(question, HookAnswer::none(1_000)));
    }
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
