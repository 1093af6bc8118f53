//! What the configuration says of a webhook, ready to be gone by.

use std::collections::BTreeSet;
use std::io;

use foodtrack_contract::TenantId;
use foodtrack_transport::CidrBlocks;

use super::event_filter::EventFilter;
use super::receiver::Receiver;
use crate::config::WebhookConfig;

/// How a webhook is told. They may change while it is: a turn goes by those that it began with.
pub(super) struct Terms {
    pub(super) said: WebhookConfig,
    pub(super) receiver: Receiver,
    pub(super) filter: EventFilter,
    pub(super) events_max: usize,
    /// Empty: all.
    tenants: BTreeSet<String>,
}

impl Terms {
    /// # Errors
    /// The URL is none, or TLS cannot be set up.
    pub(super) fn new(said: &WebhookConfig, allowed: CidrBlocks) -> io::Result<Self> {
        Ok(Self {
            receiver: Receiver::new(said, allowed)?,
            filter: EventFilter::new(&said.events),
            events_max: usize::try_from(said.batch_max).unwrap_or(usize::MAX),
            tenants: said.tenants.iter().cloned().collect(),
            said: said.clone(),
        })
    }

    /// Whether the webhook is told of this tenant's events.
    pub(super) fn covers(&self, tenant: &TenantId) -> bool {
        self.tenants.is_empty() || self.tenants.contains(tenant.as_str())
    }
}
