//! How far webhooks are, where several nodes tell them of one log.

use std::collections::BTreeSet;

use foodtrack_contract::{Cursor, TenantId};

use crate::{DeadLetter, Lease, ReadError, SavedCursor, SubscriberKey};

/// What is kept of a webhook for one tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookPlace {
    /// Its receiver has everything up to here; `None` where it was told nothing yet.
    pub cursor: Option<Cursor>,
    /// Whether it is told nothing for now.
    pub is_paused: bool,
    /// How often somebody moved it but who tells it.
    pub moves: u64,
}

/// A step of who tells a webhook.
#[derive(Clone, Debug)]
pub struct WebhookStep {
    /// Under which [`Duty::Webhook`](crate::Duty::Webhook) it is told.
    pub lease: Lease,
    /// As it was read before.
    pub moves: u64,
    /// Up to where it was told.
    pub to: SavedCursor,
    /// What was given up on the way.
    pub letter: Option<DeadLetter>,
}

/// What all nodes know of webhooks. A webhook is named by the key of its place. All of it waits for the store.
pub trait WebhookPlaces: Send + Sync {
    /// Which webhooks there ever were.
    ///
    /// # Errors
    /// [`ReadError`]
    fn known(&self) -> Result<BTreeSet<String>, ReadError>;

    /// From now on these are known too.
    ///
    /// # Errors
    /// [`ReadError`]: nobody knows whether they are.
    fn add_known(&self, webhooks: &BTreeSet<String>) -> Result<(), ReadError>;

    /// How far a webhook is with a tenant.
    ///
    /// # Errors
    /// [`ReadError`]
    fn place(&self, tenant: &TenantId, webhook: &SubscriberKey) -> Result<WebhookPlace, ReadError>;

    /// Moves a webhook on. Returns whether that was taken: it is not where another node has the duty by now, or somebody moved the
    /// webhook meanwhile.
    ///
    /// # Errors
    /// [`ReadError`]: nobody knows whether it was taken.
    fn step(
        &self,
        tenant: &TenantId,
        webhook: &SubscriberKey,
        step: &WebhookStep,
    ) -> Result<bool, ReadError>;

    /// Has a webhook begin here, where it has no place yet.
    ///
    /// # Errors
    /// [`ReadError`]: nobody knows whether it does.
    fn begin_at(
        &self,
        tenant: &TenantId,
        webhook: &SubscriberKey,
        place: &SavedCursor,
    ) -> Result<(), ReadError>;

    /// Has a webhook go on from here, whoever tells it.
    ///
    /// # Errors
    /// [`ReadError`]: nobody knows whether it does.
    fn move_to(
        &self,
        tenant: &TenantId,
        webhook: &SubscriberKey,
        place: &SavedCursor,
    ) -> Result<(), ReadError>;

    /// Has a webhook told nothing for now, or go on.
    ///
    /// # Errors
    /// [`ReadError`]: nobody knows whether it is.
    fn set_paused(
        &self,
        tenant: &TenantId,
        webhook: &SubscriberKey,
        is_paused: bool,
    ) -> Result<(), ReadError>;
}
