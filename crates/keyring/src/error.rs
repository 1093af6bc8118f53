//! What can go wrong with keys.

use crate::{KeyId, MasterKeyId};

/// Why something was not sealed, or not opened. None of it says what was in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The system gives none.
    #[error("the system gives no randomness")]
    NoRandomness,
    /// HKDF refused, which it does only for lengths that are not used here.
    #[error("a key could not be derived")]
    Derivation,
    /// It is not what a server sealed.
    #[error("not a sealed value")]
    Malformed,
    /// It was sealed with a key that is not among the tenant's: destroyed, or another tenant's.
    #[error("sealed with key {0}, which the tenant does not have")]
    UnknownKey(KeyId),
    /// It was changed, or stood elsewhere when it was sealed, or is another tenant's.
    #[error("changed, or not from this place")]
    Foreign,
    /// A key is wrapped by another master key.
    #[error("wrapped by the master key {found}, and not by this one ({expected})")]
    OtherMasterKey {
        /// Whose it is.
        found: MasterKeyId,
        /// The one that was tried.
        expected: MasterKeyId,
    },
    /// A tenant has no key at all.
    #[error("the tenant has no key")]
    NoKey,
}
