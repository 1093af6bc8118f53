//! Refusals as problem documents (RFC 9457): the standard's members, and beside them those of the one table of codes.

use foodtrack_contract::{ErrorCode, Reaction, Refusal};
use http::StatusCode;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use utoipa::openapi::{Ref, RefOr, Schema};

use super::ApiError;
use super::error::{Data, Success, status_of};
use super::extract::Segments;

/// The media type of a refusal's body.
pub(crate) const CONTENT_TYPE: &str = "application/problem+json";

/// Where the codes are explained.
const ERRORS_PATH: &str = "/api/v1/errors";

/// A request was refused.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Problem<'a> {
    /// Where the code is explained, on this server.
    #[serde(rename = "type")]
    type_uri: String,
    /// What the code means.
    title: &'static str,
    /// The answer's HTTP status.
    status: u16,
    /// What was refused, and what to do about it.
    detail: &'a str,
    /// Always `false`, as `success` of other answers is `true`.
    success: bool,
    /// The code.
    code: &'static str,
    /// The code's number; its range says whether the same request may succeed later.
    number: u16,
    /// The event that was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
    /// The JSON pointer of what breaks the rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<&'a str>,
    /// The rule that is broken, by its JSON Schema keyword.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    /// When the same request may succeed, in milliseconds from now.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

impl<'a> Problem<'a> {
    pub(crate) fn new(status: StatusCode, refusal: &'a Refusal) -> Self {
        let code = refusal.code();
        Self {
            type_uri: format!("{ERRORS_PATH}/{}", code.as_str()),
            title: code.about(),
            status: status.as_u16(),
            detail: refusal.message(),
            success: false,
            code: code.as_str(),
            number: code.number(),
            event: refusal.event(),
            pointer: refusal.pointer(),
            rule: refusal.rule(),
            retry_after_ms: refusal.retry_after(),
        }
    }
}

/// A refusal among other answers, as a problem.
pub(crate) struct OwnedProblem(pub(crate) Refusal);

impl Serialize for OwnedProblem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Problem::new(status_of(self.0.code()), &self.0).serialize(serializer)
    }
}

impl utoipa::PartialSchema for OwnedProblem {
    fn schema() -> RefOr<Schema> {
        Ref::from_schema_name(Problem::name()).into()
    }
}

impl ToSchema for OwnedProblem {}

/// What a code means.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorInfo {
    /// The code.
    code: &'static str,
    /// Its number on the wire.
    number: u16,
    /// What it means.
    about: &'static str,
    /// What to do: `retry` (later), `reconnect`, or `stop` (change the request first).
    reaction: &'static str,
    /// The status of an HTTP answer with it.
    status: u16,
}

impl From<ErrorCode> for ErrorInfo {
    fn from(code: ErrorCode) -> Self {
        let reaction = match code.reaction() {
            Reaction::Retry => "retry",
            Reaction::Reconnect => "reconnect",
            Reaction::Stop => "stop",
        };
        let status = status_of(code).as_u16();
        Self { code: code.as_str(), number: code.number(), about: code.about(), reaction, status }
    }
}

/// Every code of a refusal, by number.
#[utoipa::path(get, path = "/api/v1/errors", operation_id = "listErrors", tag = "errors",
    responses((status = 200, body = Success<Vec<ErrorInfo>>)))]
pub(crate) async fn list() -> Data<Vec<ErrorInfo>> {
    Data(ErrorCode::ALL.iter().map(|code| (*code).into()).collect())
}

/// What one code means: where a problem's `type` points.
#[utoipa::path(get, path = "/api/v1/errors/{code}", operation_id = "explainError", tag = "errors", params(("code" = String, Path, description = "The code")),
    responses((status = 200, body = Success<ErrorInfo>)))]
pub(crate) async fn explain(Segments(name): Segments<String>) -> Result<Data<ErrorInfo>, ApiError> {
    let code = ErrorCode::ALL.iter().find(|code| code.as_str() == name);
    let Some(code) = code else {
        let sentence = format!("there is no such code; {ERRORS_PATH} lists all of them");
        return Err(Refusal::new(ErrorCode::NotFound, sentence).into());
    };
    Ok(Data((*code).into()))
}
