//! Which other origins' pages may use the API, by configuration.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::config::CorsConfig;
use crate::hub::Hub;

/// How long a browser may remember a preflight's answer, in seconds.
const PREFLIGHT_MAX_AGE_S: &str = "600";

/// Answers preflights, and lets allowed origins read the other answers.
pub(crate) async fn answer(State(hub): State<Arc<Hub>>, request: Request, next: Next) -> Response {
    let cors = &hub.config.said().cors;
    let allowed = headers(cors, request.headers());
    let is_preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response =
        if is_preflight { preflight(cors, allowed.is_some()) } else { next.run(request).await };
    response.headers_mut().append(header::VARY, HeaderValue::from_static("origin"));
    response.headers_mut().extend(allowed.unwrap_or_default());
    response
}

/// What an allowed origin's page may see; `None` for other origins, and for requests of no page.
fn headers(cors: &CorsConfig, request: &HeaderMap) -> Option<HeaderMap> {
    let origin = request.get(header::ORIGIN)?;
    let any = cors.origin.iter().any(|allowed| allowed == "*");
    if !any && !cors.origin.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()) {
        return None;
    }
    let mut headers = HeaderMap::new();
    let shown = if any { HeaderValue::from_static("*") } else { origin.clone() };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, shown);
    if cors.credentials {
        let yes = HeaderValue::from_static("true");
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
    }
    Some(headers)
}

fn preflight(cors: &CorsConfig, is_allowed: bool) -> Response {
    if !is_allowed {
        return StatusCode::FORBIDDEN.into_response();
    }
    let methods = cors.methods.join(", ");
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, methods.as_str()),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type"),
        (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_MAX_AGE_S),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked_from(origin: &'static str, cors: &CorsConfig) -> Option<HeaderMap> {
        let mut request = HeaderMap::new();
        request.insert(header::ORIGIN, HeaderValue::from_static(origin));
        headers(cors, &request)
    }

    #[test]
    fn only_an_origin_that_is_named_whole_may_read() {
        let cors = CorsConfig::default();
        let allowed = asked_from("http://localhost:3000", &cors).unwrap();
        assert_eq!(allowed[header::ACCESS_CONTROL_ALLOW_ORIGIN], "http://localhost:3000");
        assert_eq!(allowed[header::ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
        for other in ["http://localhost:30000", "http://localhost:3000.evil.example", "null"] {
            assert!(asked_from(other, &cors).is_none(), "{other}");
        }
    }

    #[test]
    fn any_origin_is_allowed_by_a_star_and_then_without_credentials() {
        let cors =
            CorsConfig { origin: vec!["*".into()], credentials: false, ..CorsConfig::default() };
        let allowed = asked_from("https://anyone.example", &cors).unwrap();
        assert_eq!(allowed[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert!(!allowed.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
    }
}
