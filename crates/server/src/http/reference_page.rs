//! `GET /api/v1/reference`: the API's description, drawn for people. Three files in the binary, and nothing from elsewhere.

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

/// What the page may do: run and fetch what this hub serves, and nothing else.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page and its files.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let file = |content_type, body| get(move || async move { answer(content_type, body) });
    Router::new()
        .route(
            "/api/v1/reference",
            file("text/html; charset=utf-8", include_str!("../../reference_page/index.html")),
        )
        .route(
            "/api/v1/reference/style.css",
            file("text/css; charset=utf-8", include_str!("../../reference_page/style.css")),
        )
        .route(
            "/api/v1/reference/page.js",
            file("text/javascript; charset=utf-8", include_str!("../../reference_page/page.js")),
        )
}

fn answer(content_type: &'static str, body: &'static str) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, body)
}
