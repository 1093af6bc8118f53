//! Whose keys seal what a store keeps.

use std::sync::Arc;

use foodtrack_contract::TenantId;
use foodtrack_keyring::{KeyId, TenantKeys};

/// The keys of all tenants, wherever they are kept. Asked by the writer's thread and by readers.
pub trait KeySource: Send + Sync {
    /// Which keys these are, as text: a store remembers it, and refuses others.
    fn id(&self) -> &str;

    /// The keys of a tenant to seal with. Where there is none yet, the first is made, and is kept for good before this returns.
    ///
    /// # Errors
    /// [`KeySourceError`]
    fn to_seal(&self, tenant: &TenantId) -> Result<Arc<TenantKeys>, KeySourceError>;

    /// The keys of a tenant, with the one of this id among them if there is one. Makes none; `None` where the tenant has none.
    ///
    /// # Errors
    /// [`KeySourceError`]
    fn to_open(
        &self,
        tenant: &TenantId,
        id: KeyId,
    ) -> Result<Option<Arc<TenantKeys>>, KeySourceError>;

    /// Destroys the keys of a tenant: what they sealed is closed for good. The next one to seal is a new one.
    ///
    /// # Errors
    /// [`KeySourceError`]: they are there still.
    fn destroy(&self, _tenant: &TenantId) -> Result<(), KeySourceError> {
        Err(KeySourceError("these keys cannot be destroyed here".into()))
    }

    /// From now on keys are looked for again where they are kept: others may have made new ones.
    fn refresh(&self) {}
}

/// Why keys cannot be had, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeySourceError(pub String);
