//! The API's own thread: requests come from the shards, which own the sockets, and answers go back to them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use foodtrack_contract::{ErrorCode, Refusal};
use foodtrack_shard::{HttpService, Responder};
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::sync::{mpsc, oneshot};
use tower::ServiceExt;

use super::error::ApiError;
use crate::demo::Demo;
use crate::hub::Hub;
use crate::performance::SAMPLE_INTERVAL;

/// Requests that wait for the API's thread; more are told to come back.
const REQUESTS_WAITING_MAX: usize = 1_024;

/// One request, and where its answer goes. Lost: the shard closes the connection.
struct Job {
    request: Request<Bytes>,
    respond: Responder,
}

/// The way into the API for the shards.
struct ApiService {
    jobs: mpsc::Sender<Job>,
}

impl HttpService for ApiService {
    fn call(
        &self,
        request: Request<Bytes>,
        _peer: SocketAddr,
        respond: Responder,
    ) -> Result<(), Box<Response<Bytes>>> {
        self.jobs.try_send(Job { request, respond }).map_err(|error| {
            let (mpsc::error::TrySendError::Full(job) | mpsc::error::TrySendError::Closed(job)) =
                error;
            job.respond.release();
            Box::new(busy())
        })
    }
}

fn busy() -> Response<Bytes> {
    let sentence = "too many requests wait for the HTTP API; try again shortly";
    let error = ApiError::from(Refusal::new(ErrorCode::Overloaded, sentence));
    error.into_whole_response()
}

/// The thread that the API runs on.
pub(crate) struct ApiThread {
    hub: oneshot::Sender<Arc<Hub>>,
    thread: JoinHandle<()>,
}

/// The thread once it answers.
pub(crate) struct OpenApiThread {
    thread: JoinHandle<()>,
}

impl ApiThread {
    /// Starts the thread. Requests wait until [`ApiThread::open`] tells it of the server that they ask about.
    ///
    /// # Errors
    /// The system gave no thread or no runtime.
    pub(crate) fn start(demo: Option<Demo>) -> io::Result<(Self, Arc<dyn HttpService>)> {
        let (jobs, queue) = mpsc::channel(REQUESTS_WAITING_MAX);
        let (hub, opened) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let thread = std::thread::Builder::new().name("http-api".into()).spawn(move || {
            runtime.block_on(async {
                if let Ok(hub) = opened.await {
                    run(hub, demo, queue).await;
                }
            });
        })?;
        Ok((Self { hub, thread }, Arc::new(ApiService { jobs })))
    }

    /// Begins to answer.
    pub(crate) fn open(self, hub: Arc<Hub>) -> OpenApiThread {
        // Refused only where the thread has died, and then every request is answered `overloaded`.
        let _ = self.hub.send(hub);
        OpenApiThread { thread: self.thread }
    }
}

impl OpenApiThread {
    /// Waits for the thread, which ends when the shards have.
    pub(crate) fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("the HTTP API's thread had panicked");
        }
    }
}

/// Answers until nobody can ask any more.
async fn run(hub: Arc<Hub>, demo: Option<Demo>, mut queue: mpsc::Receiver<Job>) {
    let routes = super::routes(Arc::clone(&hub), demo);
    let mut samples = tokio::time::interval(SAMPLE_INTERVAL);
    loop {
        tokio::select! {
            _ = samples.tick() => {
                hub.performance.sample(Instant::now());
                hub.look();
            }
            job = queue.recv() => match job {
                Some(job) => drop(tokio::spawn(answer(routes.clone(), job))),
                None => return,
            },
        }
    }
}

async fn answer(routes: Router, job: Job) {
    let request = job.request.map(Body::from);
    let Ok(response) = routes.oneshot(request).await;
    job.respond.send(whole(response).await);
}

/// The answer with its body in one piece; bodies of this API are in memory already.
async fn whole(response: Response<Body>) -> Response<Bytes> {
    let (parts, body) = response.into_parts();
    // `Body` of this API is made from memory, which does not fail to read.
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    Response::from_parts(parts, body)
}
