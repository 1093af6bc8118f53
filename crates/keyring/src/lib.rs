//! Keys: one master key, random keys of each tenant that it wraps, and what is sealed with them.
//!
//! A [`MasterKey`] comes from outside. It wraps the [`TenantKey`]s; [`WrappedKey`] is how one is kept. From a tenant's key come
//! two others by HKDF, so that one that is given to clients says nothing of what is kept: [`RowKey`] seals rows at rest, and a
//! payload key is for who encrypts on the wire ([`TenantKey::payload_key`]). [`TenantKeys`] are all of a tenant: the newest
//! seals, every one opens.
//!
//! Nothing here knows a file, a clock or a thread. Randomness is the system's.

mod context;
mod error;
mod key_id;
mod master_key;
mod nonces;
mod row_key;
mod secret_bytes;
mod tenant_key;
mod tenant_keys;
mod wrapped_key;

pub use context::{Context, RowKind};
pub use error::KeyError;
pub use key_id::KeyId;
pub use master_key::{MasterKey, MasterKeyError, MasterKeyId};
pub use row_key::{RowKey, SEALED_BYTES_MORE, sealed_with};
pub use secret_bytes::{KEY_BYTES, SecretBytes};
pub use tenant_key::TenantKey;
pub use tenant_keys::TenantKeys;
pub use wrapped_key::WrappedKey;
