//! What may be sent and where it goes: one immutable snapshot, replaced whole.

use std::sync::Arc;

use foodtrack_contract::{ApplicationSet, DeliveryPolicies, Schemas};
use foodtrack_router::{MessageRouter, Redactions};

use crate::dialect::Profiles;
use crate::request_names::RequestNames;
use crate::wanted_hub_events::WantedHubEvents;

/// The rules, schemas and delivery policies in force. A change makes a new snapshot; a message is judged by one of them throughout.
#[derive(Clone)]
pub struct Policies {
    /// Who may send what, and whom it goes to.
    pub router: MessageRouter,
    /// Which fields some of them do not get.
    pub redactions: Arc<Redactions>,
    /// What payloads must look like.
    pub schemas: Schemas,
    /// What is promised of each event type.
    pub delivery: DeliveryPolicies,
    /// Which events are requests to the business back end.
    pub requests: RequestNames,
    /// Which events of the hub's own are logged, for webhooks.
    pub hub_events: WantedHubEvents,
    /// How applications are spoken to that are older than the contract.
    pub profiles: Profiles,
    /// Whether senders may encrypt payloads.
    pub encrypted_payloads: bool,
    /// Which applications may have the tenant's key of payloads.
    pub payload_key_applications: ApplicationSet,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            router: MessageRouter::with_default_rules(),
            redactions: Arc::default(),
            schemas: Schemas::new(),
            delivery: DeliveryPolicies::default(),
            requests: RequestNames::default(),
            hub_events: WantedHubEvents::default(),
            profiles: Profiles::default(),
            encrypted_payloads: false,
            payload_key_applications: ApplicationSet::default(),
        }
    }
}
