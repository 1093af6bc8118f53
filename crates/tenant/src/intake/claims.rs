//! What a message may say of itself.

use foodtrack_contract::{ErrorCode, Incoming, Refusal, Source, TenantId, UserRole};

use super::Publisher;

/// What a client may not decide: its tenant, and a source beyond its own. What it encrypts must have an id, and be taken.
pub(super) fn check_claims(
    (tenant, takes_encrypted): (&TenantId, bool),
    incoming: &Incoming<'_>,
    publisher: &Publisher<'_>,
) -> Result<(), Refusal> {
    if incoming.tenant.as_deref().is_some_and(|named| named != tenant.as_str()) {
        let message = "the message names another tenant than the token's";
        return Err(Refusal::new(ErrorCode::TenantMismatch, message).at("/tenantId", "const"));
    }
    let foreign = |source: Source| source != publisher.source;
    if publisher.role != UserRole::System && incoming.source.is_some_and(foreign) {
        let message = format!("the message must come from {}, its sender", publisher.source);
        return Err(Refusal::new(ErrorCode::SourceForbidden, message).at("/source", "const"));
    }
    if incoming.encrypted && !takes_encrypted {
        let message = "payload encryption is off on this server: send the payload in clear";
        return Err(Refusal::new(ErrorCode::MessageMalformed, message).at("/encrypted", "const"));
    }
    if incoming.encrypted && incoming.id.is_none() {
        let message =
            "an encrypted message has an id of its sender's: its ciphertext is bound to it";
        return Err(Refusal::new(ErrorCode::MessageMalformed, message).at("/id", "required"));
    }
    Ok(())
}

/// Binary must be part of the payload: elsewhere in the message it would be lost on the way.
pub(super) fn check_attachments(
    incoming: &Incoming<'_>,
    attachments: &[Vec<u8>],
) -> Result<(), Refusal> {
    if attachments.is_empty() {
        return Ok(());
    }
    if incoming.encrypted {
        let message = "binary cannot stand in an encrypted payload: encrypt it with the rest";
        return Err(Refusal::new(ErrorCode::MessageMalformed, message).at("/payload", "binary"));
    }
    let placeholders = incoming.payload.matches("\"_placeholder\"").count();
    if placeholders == attachments.len() {
        return Ok(());
    }
    let message = "binary may stand in the payload of the event's first argument alone";
    Err(Refusal::new(ErrorCode::MessageMalformed, message).at("/payload", "binary"))
}
