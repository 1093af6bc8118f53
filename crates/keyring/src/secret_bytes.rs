//! Bytes of a key.

use std::fmt;

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use zeroize::ZeroizeOnDrop;

use crate::KeyError;

/// How long every key is.
pub const KEY_BYTES: usize = 32;

/// A key: overwritten when it goes, and never seen in `Debug`.
#[derive(Clone, ZeroizeOnDrop)]
pub struct SecretBytes([u8; KEY_BYTES]);

impl SecretBytes {
    /// These bytes as a key.
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// A key that nobody knows.
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`]
    pub fn random() -> Result<Self, KeyError> {
        let mut bytes = [0; KEY_BYTES];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| KeyError::NoRandomness)?;
        Ok(Self(bytes))
    }

    /// The bytes themselves, for who encrypts with them or gives them to their owner.
    pub fn reveal(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// Another key, for one purpose: HKDF-SHA-256 without a salt, and with `purpose` as its info.
    pub(crate) fn derive(&self, purpose: &[u8]) -> Result<Self, KeyError> {
        let mut derived = Self([0; KEY_BYTES]);
        let salt = Salt::new(HKDF_SHA256, &[]);
        let key = salt.extract(&self.0);
        key.expand(&[purpose], Length)
            .and_then(|okm| okm.fill(&mut derived.0))
            .map_err(|_| KeyError::Derivation)?;
        Ok(derived)
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(redacted)")
    }
}

/// How much is derived.
struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}
