//! A client's question for its tenant's key of payloads.

use std::fmt;

use foodtrack_contract::{ErrorCode, PAYLOAD_ALGORITHM, PAYLOAD_KEY_ID_BYTES_MAX, Refusal};
use serde::Deserialize;

use crate::effects::Effects;
use crate::intake::Stopped;
use crate::quota::{Bucket, Rate};
use crate::tenant::Tenant;
use crate::turn::Turn;

/// How often all connections of a tenant together may ask: each device once after a restart, and some more.
const RATE: Rate = Rate { per_second: 100, burst: 1_000 };

/// A key of payloads, for clients that encrypt or decrypt.
#[derive(Clone, PartialEq, Eq)]
pub struct PayloadKey {
    /// What it is called on the wire.
    pub kid: Box<str>,
    /// The key itself, as base64url.
    pub key: Box<str>,
}

/// Says nothing of the key.
impl fmt::Debug for PayloadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PayloadKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// How often it was asked lately.
#[derive(Debug, Default)]
pub(crate) struct KeyRequests(Bucket);

impl Tenant {
    /// Answers `payload_key` with the newest key, or the one that the argument names.
    pub(crate) fn payload_key(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        place: u32,
        argument: &str,
        ack_id: Option<u64>,
    ) -> Result<(), Stopped> {
        let Some(connection) = self.members.get(place) else { return Ok(()) };
        let to = connection.slot;
        let policies = turn.policies;
        let may_have_it = match connection.application {
            Some(application) => policies.payload_key_applications.contains(application),
            // A back end's service token.
            None => true,
        };
        if !policies.encrypted_payloads || !may_have_it {
            let message = "this application is not given the key of payloads";
            return Err(Refusal::new(ErrorCode::PermissionDenied, message).into());
        }
        let kid = kid_of(argument)?;
        if let Err(wait_ms) = self.key_requests.0.spend(RATE, 1, turn.now.monotonic_ms) {
            let message = "the tenant's connections ask for its keys too often";
            return Err(Refusal::new(ErrorCode::TenantRateLimited, message)
                .retry_after_ms(wait_ms.into())
                .into());
        }
        let Some(PayloadKey { kid, key }) = turn.effects.payload_key(&self.id, kid.as_deref())
        else {
            let message = match kid {
                Some(_) => "the tenant has no such key of payloads",
                None => "this server has no keys of payloads: bring your own",
            };
            return Err(Refusal::new(ErrorCode::NotFound, message).into());
        };
        let answer = format!(r#"{{"kid":"{kid}","alg":"{PAYLOAD_ALGORITHM}","key":"{key}"}}"#);
        match ack_id {
            Some(id) => Self::acknowledge_success(turn, to, id, &answer),
            None => self.emit(turn, to, "payload_key", &answer),
        }
        Ok(())
    }
}

/// Which key an argument asks for; `None` is the newest.
fn kid_of(argument: &str) -> Result<Option<String>, Refusal> {
    #[derive(Deserialize)]
    struct Which {
        kid: Option<String>,
    }
    let which: Result<Option<Which>, _> = serde_json::from_str(argument);
    let kid = which.map(|which| which.and_then(|it| it.kid));
    kid.ok()
        .filter(|kid| kid.as_ref().is_none_or(|it| it.len() <= PAYLOAD_KEY_ID_BYTES_MAX))
        .ok_or_else(|| {
            let message =
                "name a key by an object with its kid, or ask for the newest without an argument";
            Refusal::new(ErrorCode::MessageMalformed, message).at("/kid", "type")
        })
}
