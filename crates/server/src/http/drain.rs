//! `POST /api/v1/drain`: what SIGTERM does, over HTTP, for whoever starts and stops nodes.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use foodtrack_contract::{ErrorCode, Refusal};
use serde::Deserialize;

use super::ApiError;
use super::caller::NodeService;
use super::error::{Data, Success};
use super::extract::{Text, malformed, read};
use crate::config::DRAIN_DELAY_MS_LIMIT;
use crate::drain::{AfterDrain, DrainOrder, DrainReport};
use crate::hub::Hub;

/// How to drain; each field may be left out.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct DrainRequest {
    /// What comes then: `exit`, as after SIGTERM, or `stay`.
    then: AfterDrain,
    /// How long `/ready` and `/health` say it before anything else changes; `shutdown.drainDelayMs` where absent.
    #[schema(maximum = 600_000)]
    delay_ms: Option<u32>,
    /// How long it then takes to send clients elsewhere; `shutdown.spreadMs` where absent, and 5000 where nobody says.
    #[schema(maximum = 600_000)]
    within_ms: Option<u32>,
}

/// Sends the node's clients elsewhere, some at a time.
///
/// `/ready` says no at once, and the listener stays open. A node that drains already goes on as it does; `then` is taken anew.
#[utoipa::path(post, path = "/api/v1/drain", operation_id = "drainNode", tag = "status", request_body(content = DrainRequest, description = "How; may be left out"),
    responses((status = 200, body = Success<DrainReport>)))]
pub(crate) async fn drain(
    State(hub): State<Arc<Hub>>,
    _caller: NodeService,
    Text(body): Text,
) -> Result<Data<DrainReport>, ApiError> {
    let request: DrainRequest = match body.trim_start().chars().next() {
        None => DrainRequest::default(),
        // A list would be one of its fields.
        Some('[') => return Err(malformed("the body is an object, or there is none").into()),
        Some(_) => read(&body)?,
    };
    let shutdown = &hub.config.said().shutdown;
    let delay_ms = request.delay_ms.unwrap_or(shutdown.drain_delay_ms);
    check("/delayMs", delay_ms)?;
    if let Some(within_ms) = request.within_ms {
        check("/withinMs", within_ms)?;
    }
    let millis = |ms: u32| Duration::from_millis(ms.into());
    let order = DrainOrder {
        then: request.then,
        delay: millis(delay_ms),
        within: request.within_ms.map_or_else(|| hub.config.drain_spread(), millis),
    };
    let report = hub.drain(order)?;
    // It has just begun.
    Ok(Data(report.ok_or_else(|| Refusal::new(ErrorCode::Draining, "the node is about to stop"))?))
}

fn check(pointer: &str, ms: u32) -> Result<(), Refusal> {
    if ms <= DRAIN_DELAY_MS_LIMIT {
        return Ok(());
    }
    let sentence = format!("at most {DRAIN_DELAY_MS_LIMIT} (10 minutes)");
    Err(Refusal::new(ErrorCode::PayloadInvalid, sentence).at(pointer, "maximum"))
}
