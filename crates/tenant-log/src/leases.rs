//! What must be done by one node at a time, where several share a log: a duty is claimed for a while, with a token that only grows.

use std::time::Instant;

use foodtrack_contract::TenantId;

use crate::{LeftDevice, ReadError, SubscriberKey};

/// Something that is done for a tenant by one node at a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Duty {
    /// Telling a webhook of the tenant's events; with the key of its place.
    Webhook(SubscriberKey),
    /// Watching who is here, and what is to be confirmed.
    Watch,
}

/// What a webhook's duty is called before its key.
const WEBHOOK: &str = "webhooks:";

impl Duty {
    /// As a store keeps it.
    pub fn name(&self) -> String {
        match self {
            Self::Webhook(key) => format!("{WEBHOOK}{}", key.as_str()),
            Self::Watch => String::from("watch"),
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name.strip_prefix(WEBHOOK) {
            Some(key) => Some(Self::Webhook(SubscriberKey::new(key)?)),
            None => (name == "watch").then_some(Self::Watch),
        }
    }
}

/// A node's right to a duty, for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    token: u64,
    /// `None` where nobody else could claim it.
    until: Option<Instant>,
}

impl Lease {
    /// Of a node that is alone with its log.
    pub const ALONE: Self = Self { token: 0, until: None };

    pub(crate) fn new(token: u64, until: Instant) -> Self {
        Self { token, until: Some(until) }
    }

    /// Greater than that of everybody who had the duty before.
    pub fn token(self) -> u64 {
        self.token
    }

    /// Whether nobody else can have it yet.
    pub fn is_valid_at(self, now: Instant) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// Claims duties. Where nobody else writes to the log, every duty is this node's.
///
/// A duty that a node has is kept by it until it gives it back, ends, or cannot say for a lease's time that it lives. What a store
/// keeps under a lease it refuses from a node whose token is not the last that was given out.
pub trait Leases: Send + Sync {
    /// Claims a duty, or says that this node has it. `None`: another one has it. Waits for the store.
    ///
    /// # Errors
    /// [`ReadError`]: nobody knows who has it.
    fn claim(&self, _tenant: &TenantId, _duty: &Duty) -> Result<Option<Lease>, ReadError> {
        Ok(Some(Lease::ALONE))
    }

    /// Has a duty claimed until [`Leases::rest`] takes that back; each time that it becomes this node's, it is told by
    /// [`Completion::Claimed`](crate::Completion::Claimed). Returns whether it is this node's already. Does not wait.
    fn want(&self, _tenant: &TenantId, _duty: &Duty) -> bool {
        true
    }

    /// The lease that this node has of a duty, without asking anybody.
    fn lease(&self, _tenant: &TenantId, _duty: &Duty) -> Option<Lease> {
        Some(Lease::ALONE)
    }

    /// There is nothing to do for now: the duty is given back, soon where the tenant is open, so that it need not be claimed for
    /// each event, and at once where it is not. Does not wait.
    fn rest(&self, _tenant: &TenantId, _duty: &Duty) {}

    /// Devices of a tenant that are noted at nodes that have gone. Waits for the store.
    ///
    /// # Errors
    /// [`ReadError`]: it is not known.
    fn left_devices(&self, _tenant: &TenantId) -> Result<Vec<LeftDevice>, ReadError> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duty_is_read_back_from_its_name_and_nothing_else_is_one() {
        let webhook = SubscriberKey::new("webhook/billing").unwrap();
        for duty in [Duty::Webhook(webhook), Duty::Watch] {
            assert_eq!(Duty::from_name(&duty.name()), Some(duty));
        }
        assert_eq!(["webhooks:", "watches", ""].map(Duty::from_name), [None, None, None]);
    }
}
