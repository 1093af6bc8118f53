//! Preflights of the API: what the configuration's one policy says for both halves of the port.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use foodtrack_transport::{OriginPolicy, PageAccess, refused_origin};

use crate::config::CheckedConfig;

/// How long a browser may remember a preflight's answer, in seconds.
const PREFLIGHT_MAX_AGE_S: &str = "600";

/// Who may call, and how. Both may be read anew.
pub(crate) struct Cors {
    /// That of the transport, too.
    origins: OriginPolicy,
    /// Separated by commas.
    methods: ArcSwap<String>,
}

impl Cors {
    pub(crate) fn new(config: &CheckedConfig, origins: OriginPolicy) -> Self {
        Self { origins, methods: ArcSwap::from_pointee(config.said().cors.methods.join(", ")) }
    }

    /// From now on it is as `config` says, on both halves of the port.
    pub(crate) fn set(&self, config: &CheckedConfig) {
        self.origins.replace(&config.origins());
        self.methods.store(Arc::new(config.said().cors.methods.join(", ")));
    }

    fn preflight(&self, origin: Option<&str>, access: PageAccess<'_>) -> Response {
        if let (PageAccess::Refused, Some(origin)) = (access, origin) {
            return (StatusCode::FORBIDDEN, refused_origin(origin)).into_response();
        }
        let methods = self.methods.load();
        let headers = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, methods.as_str()),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, idempotency-key"),
            (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_MAX_AGE_S),
        ];
        (StatusCode::NO_CONTENT, headers).into_response()
    }
}

/// Answers preflights. What an answer says of the page that may read it is the transport's to add: to all answers alike.
pub(crate) async fn answer(
    State(cors): State<Arc<Cors>>,
    request: Request,
    next: Next,
) -> Response {
    let is_preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if !is_preflight {
        return next.run(request).await;
    }
    let (origin, host) =
        (text(request.headers(), header::ORIGIN), text(request.headers(), header::HOST));
    let access = cors.origins.access(origin.as_deref(), host.as_deref());
    cors.preflight(origin.as_deref(), access)
}

/// What is no text is no origin that could be allowed.
fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?").to_owned())
}
