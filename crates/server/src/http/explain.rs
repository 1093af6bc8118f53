//! `POST /api/v1/explain`: where an event would go, and why.

use std::sync::Arc;

use axum::extract::State;
use foodtrack_contract::{ErrorCode, Refusal};
use foodtrack_router::Explanation;

use super::ApiError;
use super::caller::Administrator;
use super::error::{Data, Success};
use super::extract::Body;
use crate::explain::{ExplainError, Question};
use crate::hub::Hub;

/// Says where an event would go, and why; sends nothing.
#[utoipa::path(post, path = "/api/v1/explain", operation_id = "explain", tag = "rules", request_body = Question,
    responses((status = 200, body = Success<Explanation>)))]
pub(crate) async fn explain(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Body(question): Body<Question>,
) -> Result<Data<Explanation>, ApiError> {
    match question.answer(caller.tenant(), &hub.policies.current()) {
        Ok(explanation) => Ok(Data(explanation)),
        Err(ExplainError::Event(refusal)) => Err(refusal.into()),
        Err(error @ ExplainError::Source(_)) => {
            let refusal = Refusal::new(ErrorCode::MessageMalformed, error.to_string());
            Err(refusal.at("/source", "enum").into())
        }
    }
}
