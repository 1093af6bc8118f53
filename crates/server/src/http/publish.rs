//! `POST /api/v1/publish`: an event from a backend service, checked and routed like a client's.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use foodtrack_contract::ErrorCode;
use foodtrack_shard::Accepted;
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::ApiError;
use super::caller::Backend;
use super::error::Data;
use super::extract::{self, Text};
use super::idempotency;
use crate::hub::Hub;

/// What must be there; the other fields of a whole message are read with the envelope.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type", borrow)]
    event: Cow<'a, str>,
    #[serde(rename = "payload", borrow)]
    _payload: &'a RawValue,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

pub(crate) async fn publish(
    State(hub): State<Arc<Hub>>,
    Backend(principal): Backend,
    headers: HeaderMap,
    Text(message): Text,
) -> Result<Data<Accepted>, ApiError> {
    let head: Head<'_> = extract::read(&message)?;
    let event = head.event.clone().into_owned();
    let Some(key) = idempotency::key(&headers)? else {
        return Ok(Data(hub.broadcaster.publish(principal, event, message).await?));
    };
    if head.id.is_some() {
        let sentence = "an Idempotency-Key is the message's id; leave `id` or the header out";
        return Err(extract::malformed(sentence).at("/id", "type").into());
    }
    let id = idempotency::id_of(principal.tenant(), key);
    let is_new = hub.idempotency.claim(id, &message)?;
    let published = hub.broadcaster.publish(principal, event, with_id(&message, id)?).await;
    // Where nobody knows what became of it, the key stays: the same request may be sent again.
    if let Err(refusal) = &published
        && is_new
        && refusal.code() != ErrorCode::Timeout
    {
        hub.idempotency.forget(id);
    }
    Ok(Data(published?))
}

/// The message with this id. It is an object with fields already: it was read as one.
fn with_id(message: &str, id: Uuid) -> Result<String, ApiError> {
    match message.trim_start().strip_prefix('{') {
        Some(fields) => Ok(format!("{{\"id\":\"{id}\",{fields}")),
        None => Err(extract::malformed("the body is not a JSON object").into()),
    }
}
