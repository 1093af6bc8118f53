//! `Idempotency-Key` for publishing: the key and the tenant are the message's id, so a repeat is told by the id as any
//! other, also after a restart. The same key with another body is a mistake, and is refused while it is remembered.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest::{Context, SHA256};
use axum::http::{HeaderMap, HeaderName};
use foodtrack_contract::{ErrorCode, Refusal, TenantId};
use uuid::Uuid;

use super::extract::malformed;

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// The longest key, in bytes.
const KEY_BYTES_MAX: usize = 255;
/// Keys whose bodies are remembered, of all tenants; beyond them the oldest goes, and its id alone tells repeats.
const KEYS_MAX: usize = 65_536;

/// The request's key, where it has one.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().map(str::trim).unwrap_or_default();
    if key.is_empty() || key.len() > KEY_BYTES_MAX || values.next().is_some() {
        let sentence = "an Idempotency-Key is one header of 1 to 255 visible ASCII characters";
        return Err(malformed(sentence));
    }
    Ok(Some(key))
}

/// The id of the message that `tenant` publishes under `key`: the same for ever, another tenant's never.
pub(crate) fn id_of(tenant: &TenantId, key: &str) -> Uuid {
    id(&[b"foodtrack publish", tenant.as_str().as_bytes(), key.as_bytes()])
}

/// The id of the message at this place of the batch that `tenant` publishes under `key`, as [`id_of`] gives it.
pub(crate) fn id_in_batch(tenant: &TenantId, key: &str, place: usize) -> Uuid {
    let place = (place as u64).to_le_bytes();
    id(&[b"foodtrack batch", tenant.as_str().as_bytes(), key.as_bytes(), &place])
}

fn id(parts: &[&[u8]]) -> Uuid {
    let digest = digest(parts);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// What a body says, short enough to be kept.
fn fingerprint(body: &str) -> u64 {
    let digest = digest(&[body.as_bytes()]);
    digest[..8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// A NUL is in no tenant's name and no header, so the parts stay apart; a place is the last.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
        context.update(&[0]);
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}

/// The bodies that came with the latest keys.
#[derive(Default)]
pub(crate) struct IdempotencyKeys(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    bodies: HashMap<Uuid, u64>,
    oldest: VecDeque<Uuid>,
}

impl IdempotencyKeys {
    /// Remembers the body of `id`'s message; gives whether it came for the first time.
    ///
    /// # Errors
    /// [`ErrorCode::IdempotencyConflict`]: the key came with another body.
    pub(crate) fn claim(&self, id: Uuid, body: &str) -> Result<bool, Refusal> {
        let fingerprint = fingerprint(body);
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match keys.bodies.get(&id) {
            Some(known) if *known == fingerprint => return Ok(false),
            Some(_) => {
                let sentence =
                    "this Idempotency-Key came with another body; a new event takes a new key";
                return Err(Refusal::new(ErrorCode::IdempotencyConflict, sentence));
            }
            None => {}
        }
        if keys.oldest.len() == KEYS_MAX
            && let Some(oldest) = keys.oldest.pop_front()
        {
            keys.bodies.remove(&oldest);
        }
        keys.bodies.insert(id, fingerprint);
        keys.oldest.push_back(id);
        Ok(true)
    }

    /// Forgets a key whose message was refused: a corrected body may use it.
    pub(crate) fn forget(&self, id: Uuid) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.bodies.remove(&id).is_some()
            // It is near the end: it was claimed a moment ago.
            && let Some(place) = keys.oldest.iter().rposition(|other| *other == id)
        {
            keys.oldest.remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_id_in_one_tenant_and_another_in_the_next() {
        let tenant = |name| TenantId::parse(name).unwrap();
        let id = id_of(&tenant("t1"), "k1");
        assert_eq!(id, id_of(&tenant("t1"), "k1"));
        assert_eq!(id.get_version_num(), 8);
        for (other, key) in [("t2", "k1"), ("t1", "k2"), ("t", "1k1")] {
            assert_ne!(id, id_of(&tenant(other), key));
        }
    }

    #[test]
    fn keys_are_remembered_up_to_a_bound_and_the_oldest_goes() {
        let keys = IdempotencyKeys::default();
        let id = |number: usize| Uuid::from_u128(number as u128);
        for number in 0..=KEYS_MAX {
            assert!(keys.claim(id(number), "a").unwrap());
        }
        assert_eq!(keys.0.lock().unwrap().bodies.len(), KEYS_MAX);
        assert_eq!(keys.0.lock().unwrap().oldest.len(), KEYS_MAX);
        assert_eq!(keys.claim(id(1), "b").unwrap_err().code(), ErrorCode::IdempotencyConflict);
        assert!(keys.claim(id(0), "b").unwrap());
        keys.forget(id(0));
        assert!(keys.claim(id(0), "c").unwrap());
    }
}
