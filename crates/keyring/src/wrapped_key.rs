//! A tenant's key as it is kept.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use foodtrack_contract::TenantId;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{KEY_BYTES, KeyError, KeyId, MasterKey, MasterKeyId, SecretBytes, TenantKey};

/// A tenant's key, encrypted with the master key: nonce, ciphertext and tag, bound to the tenant, the key's id and its time.
///
/// The nonces are random: the keys that one master key ever wraps are far fewer than the 2^32 for which that is safe.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WrappedKey {
    /// Which of the tenant's keys.
    pub kid: KeyId,
    /// When it was made, in milliseconds since the Unix epoch.
    pub made_at_ms: u64,
    /// Which master key opens it, as [`MasterKeyId`] writes itself.
    pub master: String,
    /// As base64.
    pub wrapped: String,
}

/// Says which it is.
impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrappedKey")
            .field("kid", &self.kid)
            .field("master", &self.master)
            .finish_non_exhaustive()
    }
}

impl WrappedKey {
    /// Wraps a tenant's key.
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn wrap(master: &MasterKey, tenant: &TenantId, key: &TenantKey) -> Result<Self, KeyError> {
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| KeyError::NoRandomness)?;
        let mut bytes = Zeroizing::new(key.secret().reveal().to_vec());
        let additional = additional(tenant, key.id(), key.made_at_ms());
        let tag = cipher(master)?
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(&additional),
                &mut bytes,
            )
            .map_err(|_| KeyError::Malformed)?;
        let wrapped = [&nonce[..], &bytes, tag.as_ref()].concat();
        Ok(Self {
            kid: key.id(),
            made_at_ms: key.made_at_ms(),
            master: master.id().to_string(),
            wrapped: STANDARD.encode(wrapped),
        })
    }

    /// Which master key opens it; `None` where that cannot be read.
    pub fn master(&self) -> Option<MasterKeyId> {
        MasterKeyId::parse(&self.master)
    }

    /// The key.
    ///
    /// # Errors
    /// [`KeyError::OtherMasterKey`], [`KeyError::Foreign`] where it was changed or is another tenant's,
    /// [`KeyError::Malformed`].
    pub fn unwrap(&self, master: &MasterKey, tenant: &TenantId) -> Result<TenantKey, KeyError> {
        let found = self.master().ok_or(KeyError::Malformed)?;
        if found != master.id() {
            return Err(KeyError::OtherMasterKey { found, expected: master.id() });
        }
        let wrapped = STANDARD.decode(&self.wrapped).map_err(|_| KeyError::Malformed)?;
        let (nonce, sealed) =
            wrapped.split_first_chunk::<NONCE_LEN>().ok_or(KeyError::Malformed)?;
        let mut bytes = Zeroizing::new(sealed.to_vec());
        let additional = additional(tenant, self.kid, self.made_at_ms);
        let opened = cipher(master)?
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(&additional), &mut bytes)
            .map_err(|_| KeyError::Foreign)?;
        let secret: [u8; KEY_BYTES] = (&*opened).try_into().map_err(|_| KeyError::Malformed)?;
        Ok(TenantKey::new(self.kid, self.made_at_ms, SecretBytes::new(secret)))
    }
}

fn cipher(master: &MasterKey) -> Result<LessSafeKey, KeyError> {
    let key = UnboundKey::new(&AES_256_GCM, master.wrapping().reveal());
    key.map(LessSafeKey::new).map_err(|_| KeyError::Derivation)
}

fn additional(tenant: &TenantId, id: KeyId, made_at_ms: u64) -> Vec<u8> {
    let parts = [
        b"foodtrack-websocket tenant key 1 ".as_slice(),
        &id.get().to_be_bytes(),
        &made_at_ms.to_be_bytes(),
        tenant.as_str().as_bytes(),
    ];
    parts.concat()
}
