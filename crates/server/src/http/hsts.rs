//! Pages that came over TLS are to be asked for over TLS from then on.

use axum::Router;
use axum::middleware::map_response;
use axum::response::Response;
use http::{HeaderValue, header};

use crate::config::CheckedConfig;

/// Has pages say so, where the port speaks TLS and the configuration does not forbid it.
pub(super) fn announce(routes: Router, config: &CheckedConfig) -> Router {
    let seconds = config.said().tls.hsts_seconds;
    if config.tls().is_none() || seconds == 0 {
        return routes;
    }
    let Ok(value) = HeaderValue::try_from(format!("max-age={seconds}")) else { return routes };
    routes.layer(map_response(move |mut response: Response| {
        let kind = response.headers().get(header::CONTENT_TYPE);
        if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html")) {
            let headers = response.headers_mut();
            headers.insert(header::STRICT_TRANSPORT_SECURITY, value.clone());
        }
        std::future::ready(response)
    }))
}
