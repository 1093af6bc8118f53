//! Refusals as HTTP answers.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use foodtrack_contract::{ErrorCode, Refusal};
use serde::Serialize;

use super::problem::{CONTENT_TYPE, Problem};
use super::refusals::RefusedWith;

/// When to try again where a refusal does not say.
const RETRY_AFTER_S: u64 = 1;

/// `{"success":true,"data":..}`
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Success<T> {
    /// Always `true`.
    success: bool,
    data: T,
}

impl<T> Success<T> {
    pub(crate) fn of(data: T) -> Self {
        Self { success: true, data }
    }
}

/// `{"success":true,"data":..,"nextCursor":..,"missingNodes":..}`, the last two where there is more.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListSuccess<T> {
    /// Always `true`.
    success: bool,
    data: T,
    /// The `cursor` of the next request; absent where this part is the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// Nodes of the cluster that did not answer in time: what they have is not among the data.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing_nodes: Vec<String>,
}

/// What a request gave, as the body of a 200.
pub(crate) struct Data<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Data<T> {
    fn into_response(self) -> Response {
        Json(Success::of(self.0)).into_response()
    }
}

/// A part of a list, as the body of a 200.
pub(crate) struct Part<T> {
    pub(crate) data: T,
    /// Where the next part begins.
    pub(crate) next_cursor: Option<String>,
    /// Nodes that did not answer.
    pub(crate) missing_nodes: Vec<String>,
}

impl<T: Serialize> IntoResponse for Part<T> {
    fn into_response(self) -> Response {
        let Self { data, next_cursor, missing_nodes } = self;
        Json(ListSuccess { success: true, data, next_cursor, missing_nodes }).into_response()
    }
}

/// A request was refused.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    refusal: Refusal,
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self { status: status_of(refusal.code()), refusal }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.into_whole_response().map(Into::into)
    }
}

impl ApiError {
    /// The answer with its body in one piece.
    pub(crate) fn into_whole_response(self) -> Response<Bytes> {
        let Self { status, refusal } = self;
        let code = refusal.code();
        let retry_after_s = refusal.retry_after().map(|ms| ms.div_ceil(1_000).max(1));
        // Texts and numbers only: it cannot fail to be JSON.
        let body = serde_json::to_vec(&Problem::new(status, &refusal)).unwrap_or_default();
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = status;
        response.extensions_mut().insert(RefusedWith(code));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                let seconds = retry_after_s.unwrap_or(RETRY_AFTER_S);
                headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        response
    }
}

/// The status that says the same as the code.
pub(crate) fn status_of(code: ErrorCode) -> StatusCode {
    use ErrorCode as E;
    match code {
        E::MessageMalformed
        | E::EventUnknown
        | E::PayloadInvalid
        | E::RoomMalformed
        | E::DeclarationInvalid
        | E::ApplicationRequired
        | E::ApplicationUnknown => StatusCode::BAD_REQUEST,
        E::TokenExpired
        | E::TokenNotYetValid
        | E::TokenMissing
        | E::TokenMalformed
        | E::TokenAlgorithm
        | E::TokenSignature
        | E::TokenClaims
        | E::TokenRevoked
        | E::TokenSubject => StatusCode::UNAUTHORIZED,
        E::ApplicationForbidden
        | E::EventReserved
        | E::TenantMismatch
        | E::SourceForbidden
        | E::PermissionDenied
        | E::OrderForbidden
        | E::RoomForbidden
        | E::UpstreamRefused => StatusCode::FORBIDDEN,
        E::NotFound | E::NamespaceUnknown => StatusCode::NOT_FOUND,
        E::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        E::IdempotencyConflict => StatusCode::UNPROCESSABLE_ENTITY,
        E::Conflict | E::OrderTaken | E::RoomFull | E::RoomsTooMany => StatusCode::CONFLICT,
        E::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        E::RateLimited | E::TenantRateLimited | E::HandshakeRateLimited | E::TooManyConnections => {
            StatusCode::TOO_MANY_REQUESTS
        }
        E::Overloaded | E::Draining | E::Degraded | E::StorageFull | E::StorageFailed => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        E::DeviceReplaced => StatusCode::CONFLICT,
        E::Timeout => StatusCode::GATEWAY_TIMEOUT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foodtrack_contract::Reaction;

    fn answer(refusal: Refusal) -> Response {
        ApiError::from(refusal).into_response()
    }

    #[test]
    fn a_code_that_says_try_again_has_a_status_that_says_so_too() {
        for code in ErrorCode::ALL {
            let status = status_of(*code);
            let again = [429, 503, 504].contains(&status.as_u16());
            assert_eq!(code.reaction() == Reaction::Retry, again, "{code:?} is {status}");
        }
    }

    #[test]
    fn every_code_about_a_token_is_401_and_names_the_scheme() {
        for code in ErrorCode::ALL {
            let response = answer(Refusal::new(*code, "no"));
            let about_token = code.as_str().starts_with("token_");
            assert_eq!(response.status() == StatusCode::UNAUTHORIZED, about_token, "{code:?}");
            assert_eq!(response.headers().contains_key(header::WWW_AUTHENTICATE), about_token);
        }
    }

    #[test]
    fn the_table_of_statuses() {
        let cases = [
            (ErrorCode::MessageMalformed, 400),
            (ErrorCode::PayloadInvalid, 400),
            (ErrorCode::EventUnknown, 400),
            (ErrorCode::EventReserved, 403),
            (ErrorCode::TenantMismatch, 403),
            (ErrorCode::PermissionDenied, 403),
            (ErrorCode::NotFound, 404),
            (ErrorCode::MethodNotAllowed, 405),
            (ErrorCode::IdempotencyConflict, 422),
            (ErrorCode::Conflict, 409),
            (ErrorCode::PayloadTooLarge, 413),
            (ErrorCode::TenantRateLimited, 429),
            (ErrorCode::Degraded, 503),
        ];
        for (code, status) in cases {
            assert_eq!(status_of(code).as_u16(), status, "{code:?}");
        }
    }

    #[test]
    fn retry_after_is_in_whole_seconds_and_never_too_early() {
        let after = |refusal: Refusal| {
            answer(refusal).headers()[header::RETRY_AFTER].to_str().unwrap().to_owned()
        };
        let limited = || Refusal::new(ErrorCode::RateLimited, "slower");
        assert_eq!(after(limited().retry_after_ms(1_001)), "2");
        assert_eq!(after(limited().retry_after_ms(20)), "1");
        assert_eq!(after(limited()), "1");
        assert_eq!(after(Refusal::new(ErrorCode::Overloaded, "full")), "1");
    }
}
