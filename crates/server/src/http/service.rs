//! The API's own threads: requests come from the shards, which own the sockets, and answers go back to them. One thread
//! answers what is asked of a tenant, another what is asked of the node, and in a cluster a third what other nodes ask, so that none
//! waits behind another.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use foodtrack_contract::{ErrorCode, Refusal};
use foodtrack_shard::{HttpService, Responder};
use foodtrack_transport::{DoorRefusal, PassOn, PassedSocket};
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::sync::{mpsc, oneshot};
use tower::ServiceExt;

use super::disk_work;
use super::error::ApiError;
use super::request_line::ClientAddress;
use super::status::{StatusPage, StatusPages};
use crate::admin_ui;
use crate::cluster::{self, NODE_PATHS, Relay};
use crate::demo::Demo;
use crate::hub::Hub;
use crate::performance::SAMPLE_INTERVAL;

/// Requests that wait for one of the API's threads; more are told to come back.
const REQUESTS_WAITING_MAX: usize = 1_024;
/// How long an answer waits before it asks a full mailbox again.
const MAILBOX_FULL_WAIT: Duration = Duration::from_millis(1);

/// One request, and where its answer goes. Lost: the shard closes the connection.
struct Job {
    request: Request<Bytes>,
    respond: Responder,
}

/// The way into the API for the shards.
struct ApiService {
    tenants: mpsc::Sender<Job>,
    status: mpsc::Sender<Job>,
    /// What other nodes ask; `None` where there are none.
    nodes: Option<mpsc::Sender<Job>>,
    /// What is about sessions of other nodes; `None` where there are none.
    relay: Option<Relay>,
    pages: Arc<StatusPages>,
}

impl HttpService for ApiService {
    fn call(
        &self,
        mut request: Request<Bytes>,
        peer: SocketAddr,
        respond: Responder,
    ) -> Result<(), Box<Response<Bytes>>> {
        if request.extensions().get::<PassOn>().is_some()
            && let Some(relay) = &self.relay
        {
            return relay.pass_on(request, respond);
        }
        let page = StatusPage::at(request.uri().path());
        if let Some(answer) = page.and_then(|page| self.pages.made(page, &request)) {
            respond.release();
            return Err(Box::new(answer));
        }
        request.extensions_mut().insert(ClientAddress(peer));
        let queue = match &self.nodes {
            _ if page.is_some() => &self.status,
            Some(nodes) if request.uri().path().starts_with(NODE_PATHS) => nodes,
            _ => &self.tenants,
        };
        queue.try_send(Job { request, respond }).map_err(|error| {
            let (mpsc::error::TrySendError::Full(job) | mpsc::error::TrySendError::Closed(job)) =
                error;
            job.respond.release();
            self.pages.refusals.add(ErrorCode::Overloaded);
            let (method, answer) = (job.request.method(), busy());
            self.pages.http.add(None, method, answer.status(), Duration::ZERO);
            Box::new(answer)
        })
    }

    fn pass_on(&self, request: Request<Bytes>, socket: PassedSocket) {
        if let Some(relay) = &self.relay {
            relay.pass_socket(request, socket);
        }
    }

    fn refusal(&self, refusal: &Refusal) -> Response<Bytes> {
        refusal_response(refusal)
    }
}

fn refusal_response(refusal: &Refusal) -> Response<Bytes> {
    ApiError::from(refusal.clone()).into_whole_response()
}

fn busy() -> Response<Bytes> {
    let sentence = "too many requests wait for the HTTP API; try again shortly";
    let error = ApiError::from(Refusal::new(ErrorCode::Overloaded, sentence));
    let mut response = error.into_whole_response();
    response.extensions_mut().insert(DoorRefusal::Overloaded);
    response
}

/// The threads that the API runs on.
pub(crate) struct ApiThreads {
    hubs: Vec<oneshot::Sender<Arc<Hub>>>,
    threads: Vec<JoinHandle<()>>,
}

/// The threads once they answer.
pub(crate) struct OpenApiThreads {
    threads: Vec<JoinHandle<()>>,
}

impl ApiThreads {
    /// Starts the threads. Requests wait until [`ApiThreads::open`] tells them of the server that they ask about.
    ///
    /// # Errors
    /// The system gave no thread or no runtime.
    pub(crate) fn start(
        demo: Option<Demo>,
        pages: Arc<StatusPages>,
        relay: Option<Relay>,
    ) -> io::Result<(Self, Arc<dyn HttpService>)> {
        let (tenants, queue) = mpsc::channel(REQUESTS_WAITING_MAX);
        let (tenants_hub, opened) = oneshot::channel::<Arc<Hub>>();
        let about_tenants = spawn("http-api", async move {
            if let Ok(hub) = opened.await {
                let desk = hub.desk.clone();
                let feed = desk.map(|it| tokio::spawn(admin_ui::run(it, Arc::clone(&hub))));
                answer_all(super::routes(hub, demo), queue).await;
                if let Some(feed) = feed {
                    feed.abort();
                }
            }
        })?;
        let (status, queue) = mpsc::channel(REQUESTS_WAITING_MAX);
        let (status_hub, opened) = oneshot::channel::<Arc<Hub>>();
        let about_status = spawn("http-status", async move {
            if let Ok(hub) = opened.await {
                let watch = tokio::spawn(watch(Arc::clone(&hub)));
                let tallied = Arc::clone(&hub);
                let tallies = tokio::spawn(async move { tallied.tally_tenants().await });
                let watched = Arc::clone(&hub);
                let canary = tokio::spawn(async move {
                    let (shards, book) = (&watched.connections, &watched.health_book);
                    watched.canary.fly(shards, book, || watched.is_stopping()).await;
                });
                answer_all(super::status_routes(hub), queue).await;
                watch.abort();
                tallies.abort();
                canary.abort();
            }
        })?;
        let mut threads = vec![about_tenants, about_status];
        let mut hubs = vec![tenants_hub, status_hub];
        let nodes = if relay.is_some() {
            let (nodes, queue) = mpsc::channel(REQUESTS_WAITING_MAX);
            let (nodes_hub, opened) = oneshot::channel::<Arc<Hub>>();
            threads.push(spawn("http-nodes", async move {
                if let Ok(hub) = opened.await
                    && let Some(answers) = hub.cluster.answers()
                {
                    answer_all(cluster::routes(answers, super::nodes::status_route(hub)), queue)
                        .await;
                }
            })?);
            hubs.push(nodes_hub);
            Some(nodes)
        } else {
            None
        };
        let service = ApiService { tenants, status, nodes, relay, pages };
        Ok((Self { hubs, threads }, Arc::new(service)))
    }

    /// Begins to answer.
    pub(crate) fn open(self, hub: &Arc<Hub>) -> OpenApiThreads {
        if let Some(desk) = &hub.desk {
            desk.open(hub);
        }
        for opened in self.hubs {
            // Refused only where the thread has died, and then every request is answered `overloaded`.
            let _ = opened.send(Arc::clone(hub));
        }
        OpenApiThreads { threads: self.threads }
    }
}

impl OpenApiThreads {
    /// Waits for the threads, which end when the shards have.
    pub(crate) fn join(self) {
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the HTTP API had panicked");
            }
        }
    }
}

fn spawn(name: &str, run: impl Future<Output = ()> + Send + 'static) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        // What waits for the disk waits on these.
        .max_blocking_threads(disk_work::THREADS)
        .build()?;
    std::thread::Builder::new().name(name.into()).spawn(move || runtime.block_on(run))
}

/// Looks at the node once a second.
async fn watch(hub: Arc<Hub>) {
    let mut samples = tokio::time::interval(SAMPLE_INTERVAL);
    loop {
        samples.tick().await;
        hub.performance.sample(Instant::now());
        hub.look();
    }
}

/// Answers until nobody can ask any more.
async fn answer_all(routes: Router, mut queue: mpsc::Receiver<Job>) {
    while let Some(job) = queue.recv().await {
        tokio::spawn(answer(routes.clone(), job));
    }
}

async fn answer(routes: Router, job: Job) {
    let request = job.request.map(Body::from);
    let Ok(response) = routes.oneshot(request).await;
    let mut unsent = job.respond.try_send(whole(response).await);
    // This answer waits for a shard that has too much to do; the others do not.
    while let Err(again) = unsent {
        tokio::time::sleep(MAILBOX_FULL_WAIT).await;
        let (respond, response) = *again;
        unsent = respond.try_send(response);
    }
}

/// The answer with its body in one piece; bodies of this API are in memory already.
async fn whole(response: Response<Body>) -> Response<Bytes> {
    let (parts, body) = response.into_parts();
    // `Body` of this API is made from memory, which does not fail to read.
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    Response::from_parts(parts, body)
}
