//! One key of a tenant.

use crate::{KeyError, KeyId, RowKey, SecretBytes};

const ROWS: &[u8] = b"foodtrack-websocket rows 1";
const PAYLOADS: &[u8] = b"foodtrack-websocket payloads 1";

/// One key of a tenant: random, so that once it is destroyed nothing brings it back, the master key neither.
#[derive(Clone, Debug)]
pub struct TenantKey {
    id: KeyId,
    /// In milliseconds since the Unix epoch.
    made_at_ms: u64,
    secret: SecretBytes,
}

impl TenantKey {
    /// A key of this secret, made at a time in milliseconds since the Unix epoch.
    pub fn new(id: KeyId, made_at_ms: u64, secret: SecretBytes) -> Self {
        Self { id, made_at_ms, secret }
    }

    /// A new one.
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`]
    pub fn random(id: KeyId, made_at_ms: u64) -> Result<Self, KeyError> {
        Ok(Self::new(id, made_at_ms, SecretBytes::random()?))
    }

    /// Which of the tenant's.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// When it was made, in milliseconds since the Unix epoch.
    pub fn made_at_ms(&self) -> u64 {
        self.made_at_ms
    }

    /// The key of payloads on the wire, for who encrypts and decrypts them. It does not open what is kept.
    ///
    /// # Errors
    /// [`KeyError::Derivation`]
    pub fn payload_key(&self) -> Result<SecretBytes, KeyError> {
        self.secret.derive(PAYLOADS)
    }

    /// The key of rows at rest.
    pub(crate) fn row_key(&self) -> Result<RowKey, KeyError> {
        RowKey::new(self.id, &self.secret.derive(ROWS)?)
    }

    pub(crate) fn secret(&self) -> &SecretBytes {
        &self.secret
    }
}
