//! What seals rows, with one key of a tenant.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, MAX_TAG_LEN, NONCE_LEN, Nonce, UnboundKey};

use crate::nonces::Nonces;
use crate::{Context, KeyError, KeyId, SecretBytes};

const ID_BYTES: usize = 4;
const HEAD_BYTES: usize = ID_BYTES + NONCE_LEN;
/// How many bytes a sealed value has more than what is in it: the key's id, the nonce and the tag.
pub const SEALED_BYTES_MORE: usize = HEAD_BYTES + MAX_TAG_LEN;

/// Seals and opens rows: AES-256-GCM. A sealed value is the key's id (4 bytes, big-endian), the nonce (12), the ciphertext and
/// the tag (16).
pub struct RowKey {
    id: KeyId,
    cipher: LessSafeKey,
    nonces: Nonces,
}

impl fmt::Debug for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The id of the key that sealed a value.
///
/// # Errors
/// [`KeyError::Malformed`]
pub fn sealed_with(sealed: &[u8]) -> Result<KeyId, KeyError> {
    let id = sealed.first_chunk::<ID_BYTES>().ok_or(KeyError::Malformed)?;
    Ok(KeyId::new(u32::from_be_bytes(*id)))
}

impl RowKey {
    pub(crate) fn new(id: KeyId, secret: &SecretBytes) -> Result<Self, KeyError> {
        let key = UnboundKey::new(&AES_256_GCM, secret.reveal());
        let cipher = key.map(LessSafeKey::new).map_err(|_| KeyError::Derivation)?;
        Ok(Self { id, cipher, nonces: Nonces::new()? })
    }

    /// Which of the tenant's.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Appends what `plain` becomes at this place: [`SEALED_BYTES_MORE`] bytes more.
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`]; `out` is as it was.
    pub fn seal(
        &self,
        context: &Context<'_>,
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), KeyError> {
        self.seal_with(self.nonces.next()?, context, plain, out)
    }

    pub(crate) fn seal_with(
        &self,
        nonce: [u8; NONCE_LEN],
        context: &Context<'_>,
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), KeyError> {
        let start = out.len();
        out.reserve(SEALED_BYTES_MORE + plain.len());
        out.extend_from_slice(&self.id.get().to_be_bytes());
        out.extend_from_slice(&nonce);
        out.extend_from_slice(plain);
        let sealed = self.cipher.seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(context.additional()),
            &mut out[start + HEAD_BYTES..],
        );
        match sealed {
            Ok(tag) => {
                out.extend_from_slice(tag.as_ref());
                Ok(())
            }
            Err(_) => {
                out.truncate(start);
                Err(KeyError::Malformed)
            }
        }
    }

    /// What a sealed value was, which stands at this place.
    ///
    /// # Errors
    /// [`KeyError::Foreign`] where it was changed or was sealed elsewhere, [`KeyError::Malformed`].
    pub fn open(&self, context: &Context<'_>, sealed: &[u8]) -> Result<Vec<u8>, KeyError> {
        let (head, rest) = sealed.split_at_checked(HEAD_BYTES).ok_or(KeyError::Malformed)?;
        let (_, nonce) = head.split_last_chunk::<NONCE_LEN>().ok_or(KeyError::Malformed)?;
        let mut plain = rest.to_vec();
        let opened = self.cipher.open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(context.additional()),
            &mut plain,
        );
        let bytes = opened.map_err(|_| KeyError::Foreign)?.len();
        plain.truncate(bytes);
        Ok(plain)
    }
}
