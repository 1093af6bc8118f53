//! What other nodes ask this one: HTTP on the same port, below [`NODE_PATHS`], signed; no token opens it.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use foodtrack_contract::{ErrorCode, Refusal, TenantId};
use foodtrack_shard::ConnectionManager;
use foodtrack_transport::DoorRefusal;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use tokio::sync::{Semaphore, oneshot};

use super::cluster_connections::no_tenant;
use super::node_book::NodeBook;
use super::node_gate::{IncomingRequest, NodeGate, NodeRefusal};
use super::node_question::{AskedOfTenant, NodeQuestion, answer_here};
use super::node_signature::ANSWER_HEADER;
use crate::data::Follow;

/// Where nodes ask each other.
pub(crate) const NODE_PATHS: &str = "/cluster/";
/// Has the nodes read again: somebody has come or gone.
pub(super) const LOOK: &str = "/cluster/v1/look";
/// Has what all nodes have alike read again: what tenants declare, and what they revoke.
pub(super) const DECLARED: &str = "/cluster/v1/declared";
/// How the node is, which [`routes`] is given an answer to.
pub(crate) const STATUS: &str = "/cluster/v1/status";
/// What is asked about a tenant.
pub(super) const ASK: &str = "/cluster/v1/ask";
/// Requests of other nodes that are answered at once; further ones are told to come again.
const REQUESTS_MAX: usize = 256;

/// What the answers are made of.
pub(crate) struct NodeAnswers {
    pub(super) book: Arc<NodeBook>,
    pub(super) gate: Arc<NodeGate>,
    connections: ConnectionManager,
    declared: Sender<Follow>,
    places: Semaphore,
}

impl NodeAnswers {
    pub(super) fn new(
        book: Arc<NodeBook>,
        gate: Arc<NodeGate>,
        connections: ConnectionManager,
        declared: Sender<Follow>,
    ) -> Self {
        Self { book, gate, connections, declared, places: Semaphore::new(REQUESTS_MAX) }
    }
}

/// What a node answers another one.
pub(super) type Answer = (StatusCode, Vec<u8>);

/// Every path between nodes; `more` answers those that this module knows nothing of.
pub(crate) fn routes(answers: Arc<NodeAnswers>, more: Router) -> Router {
    let nothing = || async { (StatusCode::NOT_FOUND, Vec::new()) };
    let own = Router::new()
        .route(LOOK, post(look))
        .route(ASK, post(ask))
        .route(DECLARED, post(declared))
        .with_state(Arc::clone(&answers));
    own.merge(more).fallback(nothing).layer(axum::middleware::from_fn_with_state(answers, admit))
}

async fn look(State(answers): State<Arc<NodeAnswers>>) -> Answer {
    answers.book.look_again();
    (StatusCode::OK, b"{}".to_vec())
}

/// Answers when what other nodes kept is in force here.
async fn declared(State(answers): State<Arc<NodeAnswers>>) -> Answer {
    let (done, is_done) = oneshot::channel();
    let is_told = answers.declared.send(Follow::Now(done)).is_ok();
    if is_told && is_done.await.is_ok() {
        return (StatusCode::OK, b"{}".to_vec());
    }
    (StatusCode::SERVICE_UNAVAILABLE, Vec::new())
}

/// Answers for this node alone, within the tenant that the question names.
async fn ask(State(answers): State<Arc<NodeAnswers>>, body: Bytes) -> Answer {
    match answer(&answers, &body).await {
        Ok(answer) => (StatusCode::OK, answer),
        Err(refusal) => {
            tracing::warn!(code = refusal.code().as_str(), "another node's question has no answer");
            let status = match refusal.code() {
                ErrorCode::MessageMalformed => StatusCode::BAD_REQUEST,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            };
            (status, refusal.code().as_str().into())
        }
    }
}

async fn answer(answers: &NodeAnswers, body: &[u8]) -> Result<Vec<u8>, Refusal> {
    let malformed = |_| Refusal::new(ErrorCode::MessageMalformed, "the question cannot be read");
    let asked: AskedOfTenant<NodeQuestion> = serde_json::from_slice(body).map_err(malformed)?;
    let tenant = TenantId::parse(&asked.tenant).map_err(|_| no_tenant())?;
    let about = answer_here(&answers.connections, &tenant, asked.about).await?;
    // Texts and numbers only: it cannot fail.
    Ok(serde_json::to_vec(&AskedOfTenant { tenant: asked.tenant, about }).unwrap_or_default())
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
