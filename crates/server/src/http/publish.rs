//! `POST /api/v1/publish`: an event from a backend service, checked and routed like a client's.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use foodtrack_shard::Accepted;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::ApiError;
use super::caller::Backend;
use super::error::Data;
use super::extract::{self, Text};
use crate::hub::Hub;

/// What must be there; the other fields of a whole message are read with the envelope.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type", borrow)]
    event: Cow<'a, str>,
    #[serde(rename = "payload", borrow)]
    _payload: &'a RawValue,
}

pub(crate) async fn publish(
    State(hub): State<Arc<Hub>>,
    Backend(principal): Backend,
    Text(message): Text,
) -> Result<Data<Accepted>, ApiError> {
    let head: Head<'_> = extract::read(&message)?;
    let event = head.event.into_owned();
    Ok(Data(hub.broadcaster.publish(principal, event, message).await?))
}
