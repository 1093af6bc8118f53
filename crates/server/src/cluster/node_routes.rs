//! What other nodes ask this one: HTTP on the same port, below [`NODE_PATHS`], signed; no token opens it.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use foodtrack_transport::DoorRefusal;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use tokio::sync::Semaphore;

use super::node_book::NodeBook;
use super::node_gate::{IncomingRequest, NodeGate, NodeRefusal};
use super::node_signature::ANSWER_HEADER;

/// Where nodes ask each other.
pub(crate) const NODE_PATHS: &str = "/cluster/";
/// Has the nodes read again: somebody has come or gone.
pub(super) const LOOK: &str = "/cluster/v1/look";
/// Requests of other nodes that are answered at once; further ones are told to come again.
const REQUESTS_MAX: usize = 256;

/// What the answers are made of.
pub(crate) struct NodeAnswers {
    pub(super) book: Arc<NodeBook>,
    pub(super) gate: Arc<NodeGate>,
    places: Semaphore,
}

impl NodeAnswers {
    pub(super) fn new(book: Arc<NodeBook>, gate: Arc<NodeGate>) -> Self {
        Self { book, gate, places: Semaphore::new(REQUESTS_MAX) }
    }
}

/// What a node answers another one.
pub(super) type Answer = (StatusCode, Vec<u8>);

/// Every path between nodes.
pub(crate) fn routes(answers: Arc<NodeAnswers>) -> Router {
    let nothing = || async { (StatusCode::NOT_FOUND, Vec::new()) };
    Router::new()
        .route(LOOK, post(look))
        .with_state(Arc::clone(&answers))
        .fallback(nothing)
        .layer(axum::middleware::from_fn_with_state(answers, admit))
}

async fn look(State(answers): State<Arc<NodeAnswers>>) -> Answer {
    answers.book.look_again();
    (StatusCode::OK, b"{}".to_vec())
}

/// Lets in what is proven to be another node's, and proves its answer. Nobody else is told what is here.
async fn admit(
    State(answers): State<Arc<NodeAnswers>>,
    request: Request<Body>,
    next: axum::middleware::Next,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    // `Body` of this API is made from memory, which does not fail to read.
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let authorization = parts.headers.get(header::AUTHORIZATION);
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let came = IncomingRequest {
        method: parts.method.as_str(),
        target,
        authorization: authorization.and_then(|value| value.to_str().ok()),
        body: &body,
    };
    let admitted = match answers.gate.admit(came) {
        Ok(admitted) => admitted,
        Err(refusal) => return refused(refusal),
    };
    let Ok(_place) = answers.places.try_acquire() else {
        answers.gate.count(NodeRefusal::Busy);
        return refused(NodeRefusal::Busy);
    };
    let answer = next.run(Request::from_parts(parts, Body::from(body))).await;
    let (mut parts, body) = answer.into_parts();
    let body: Bytes =
        body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let proof = answers.gate.sign_answer(&admitted.nonce, parts.status.as_u16(), &body);
    if let Ok(proof) = HeaderValue::from_str(&proof) {
        parts.headers.insert(ANSWER_HEADER, proof);
    }
    Response::from_parts(parts, Body::from(body))
}

fn refused(refusal: NodeRefusal) -> Response<Body> {
    let mut response =
        Response::new(Body::from(format!("{{\"refused\":\"{}\"}}", refusal.as_str())));
    *response.status_mut() = StatusCode::from_u16(refusal.status()).unwrap_or_default();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.extensions_mut().insert(match refusal {
        NodeRefusal::Oversized => DoorRefusal::BodyTooLarge,
        NodeRefusal::Busy => DoorRefusal::Overloaded,
        NodeRefusal::Forged | NodeRefusal::Late | NodeRefusal::Replayed => {
            DoorRefusal::Unauthorized
        }
    });
    response
}
