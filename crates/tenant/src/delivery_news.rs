//! What became of an event, for who traces events.

use foodtrack_contract::{EventName, Offset, TenantId};
use uuid::Uuid;

/// An event that came to this node was sent to everyone here whom it is for.
#[derive(Clone, Copy, Debug)]
pub struct DeliveryNews<'a> {
    /// Whose it is.
    pub tenant: &'a TenantId,
    /// The message's id.
    pub id: Uuid,
    /// What it is called.
    pub event: &'a EventName,
    /// Its place in the log; `None` where it is in no log.
    pub offset: Option<Offset>,
    /// The connections here that were sent it.
    pub recipients: usize,
    /// How long it waited for the log.
    pub waited_ms: u64,
}
