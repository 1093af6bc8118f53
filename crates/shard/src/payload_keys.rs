//! Who has tenants' keys of payloads.

use foodtrack_contract::TenantId;
use foodtrack_tenant::PayloadKey;

/// Tenants' keys of payloads. A shard asks while it handles an event, so the answer must be at hand, or nearly so.
pub trait PayloadKeys: Send + Sync {
    /// The newest key of a tenant, or the one of this name; `None` where there is none.
    fn payload_key(&self, tenant: &TenantId, kid: Option<&str>) -> Option<PayloadKey>;
}
