//! A client's question for its tenant's key of payloads.

use foodtrack_contract::{ErrorCode, PAYLOAD_ALGORITHM, PAYLOAD_KEY_ID_BYTES_MAX, Refusal};
use serde::Deserialize;

use crate::effects::Effects;
use crate::intake::Stopped;
use crate::payload_key::PayloadKey;
use crate::tenant::Tenant;
use crate::turn::Turn;

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
        if let Err(wait_ms) = self.key_requests.take(turn.now.monotonic_ms) {
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
