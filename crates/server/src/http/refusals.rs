//! What the HTTP API answered, and what it refused by its code.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use foodtrack_contract::ErrorCode;
use foodtrack_transport::DoorRefusal;

use crate::hub::Hub;

/// The code of a refusal, beside its answer.
#[derive(Clone, Copy)]
pub(crate) struct RefusedWith(pub(crate) ErrorCode);

/// Counts an answer, by its code where it is a refusal, and marks those of strangers: the shard that sends the answer knows whom.
pub(crate) async fn count(State(hub): State<Arc<Hub>>, request: Request, next: Next) -> Response {
    let (begun, method) = (Instant::now(), request.method().clone());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    let route = route.as_ref().map(MatchedPath::as_str);
    hub.status_pages.http.add(route, &method, response.status(), begun.elapsed());
    if let Some(RefusedWith(code)) = response.extensions().get().copied() {
        hub.status_pages.refusals.add(code);
        if response.status() == StatusCode::UNAUTHORIZED {
            response.extensions_mut().insert(DoorRefusal::Unauthorized);
        }
    }
    response
}
