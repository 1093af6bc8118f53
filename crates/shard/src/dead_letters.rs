//! What was given up for somebody: to be looked at, and sent after all.

use std::sync::Arc;

use foodtrack_contract::{ErrorCode, Offset, Refusal, TenantId};
use foodtrack_tenant::{Answer, Request};
use foodtrack_tenant_log::{DeadLetter, LogEntry, ReadError, SubscriberKey, TenantLog};

use crate::shards::Shards;

/// A tenant's dead letters. Cheap to clone; reading waits for the disk.
#[derive(Clone)]
pub struct DeadLetters {
    shards: Shards,
    log: Arc<dyn TenantLog>,
}

impl DeadLetters {
    /// A handle to the dead letters of these shards' log.
    pub fn new(shards: Shards, log: Arc<dyn TenantLog>) -> Self {
        Self { shards, log }
    }

    /// Those of messages after an offset, oldest message first: at most `letters_max`, and the rest of the last message's.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn list(
        &self,
        tenant: &TenantId,
        after: Offset,
        letters_max: usize,
    ) -> Result<Vec<DeadLetter>, ReadError> {
        self.log.dead_letters(tenant, after, letters_max)
    }

    /// The message at an offset, as it was delivered to others; `None` once retention has taken it.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn inspect(
        &self,
        tenant: &TenantId,
        offset: Offset,
    ) -> Result<Option<LogEntry>, ReadError> {
        Ok(self.log.read_at(tenant, &[offset])?.pop())
    }

    /// Sends a message to the subscriber who did not get it. It is retried like any other that asks for an acknowledgement;
    /// that takes the letter away, and giving the message up again replaces it. Returns how many connections it went to.
    ///
    /// # Errors
    /// `not_found`: the message is gone. `conflict`: the subscriber is not connected; the letter stays.
    /// `degraded`: the log cannot be read.
    pub async fn replay(
        &self,
        tenant: &TenantId,
        offset: Offset,
        subscriber: &SubscriberKey,
    ) -> Result<usize, Refusal> {
        let entry = self
            .inspect(tenant, offset)
            .map_err(|error| Refusal::new(ErrorCode::Degraded, error.to_string()))?
            .ok_or_else(|| Refusal::new(ErrorCode::NotFound, "retention has taken the message"))?;
        let request =
            Request::ReplayLetter { subscriber: subscriber.clone(), entry: Box::new(entry) };
        let pick = |answer| match answer {
            Answer::LetterSent(connections) => Some(connections),
            _ => None,
        };
        let sent = self.shards.ask(tenant, request, pick).await?;
        if sent == 0 {
            let message = "the subscriber is not connected: try again when it is";
            return Err(Refusal::new(ErrorCode::Conflict, message));
        }
        Ok(sent)
    }

    /// Takes a letter away.
    ///
    /// # Errors
    /// `degraded`: the log does not take it.
    pub fn drop_letter(
        &self,
        tenant: &TenantId,
        offset: Offset,
        subscriber: &SubscriberKey,
    ) -> Result<(), Refusal> {
        self.log
            .remove_dead_letter(tenant, offset, subscriber)
            .map_err(|error| Refusal::new(ErrorCode::Degraded, error.to_string()))
    }
}
