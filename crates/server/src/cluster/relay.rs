//! Passing requests on to the nodes whose sessions they are about, over pooled connections, each request by itself.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use foodtrack_shard::Responder;
use foodtrack_transport::{PassOn, PassedParts, PassedSocket};
use http::header;
use http::{Request, Response, StatusCode};
use reqwest::Client;
use tokio::io::{AsyncWriteExt as _, copy_bidirectional};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};

use super::node_book::NodeBook;
use super::node_client::NODE_ANSWER_BYTES_MAX;
use super::passed_stream::PassedStream;
use crate::posting;

/// Requests that wait for the thread; more are told to come back.
const WAITING_MAX: usize = 1_024;
/// Requests that other nodes answer at once, most of them polls.
const REQUESTS_MAX: usize = 8_192;
/// WebSockets of other nodes' sessions that are here at once.
const SOCKETS_MAX: usize = 16_384;
/// Connections to one node that are kept for the next requests.
const IDLE_CONNECTIONS_MAX: usize = 64;
/// How long they are kept: shorter than the other node keeps them, which may be about to close them otherwise.
const IDLE_FOR: Duration = Duration::from_secs(4);
/// How long it may take to connect to a node.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// How long an answer waits before it asks a full mailbox again.
const MAILBOX_FULL_WAIT: Duration = Duration::from_millis(1);

/// What of a request is for the other node.
const PASSED: [&str; 7] = [
    "host",
    "origin",
    "content-type",
    "upgrade",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-protocol",
];

/// A request to be passed on. Lost: the shard answers, or the socket closes.
enum Job {
    Request(Request<Bytes>, Responder),
    Socket(Request<Bytes>, PassedSocket),
}

/// The way to other nodes for the shards. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Relay {
    jobs: mpsc::Sender<Job>,
}

/// The relay's thread.
pub(crate) struct RelayThread {
    book: oneshot::Sender<Arc<NodeBook>>,
    stop: Arc<Notify>,
    thread: JoinHandle<()>,
    counts: Arc<RelayCounts>,
}

/// How much was passed on.
#[derive(Debug, Default)]
struct RelayCounts {
    /// Polls and posts.
    requests: AtomicU64,
    /// WebSockets.
    sockets: AtomicU64,
}

impl Relay {
    /// Starts the thread. Requests wait until [`RelayThread::open`] tells it of the nodes. An answer of another node is waited for
    /// `patience`: longer than a poll may take. `authorities` sign the nodes' certificates, as PEM; `None`: those of the system.
    ///
    /// # Errors
    /// The system gave no thread or no runtime, or TLS cannot be set up.
    pub(crate) fn start(
        patience: Duration,
        authorities: Option<&[u8]>,
    ) -> io::Result<(Self, RelayThread)> {
        let (jobs, queue) = mpsc::channel(WAITING_MAX);
        let (book, opened) = oneshot::channel();
        let (stop, counts) = (Arc::new(Notify::new()), Arc::new(RelayCounts::default()));
        let client = posting::client(patience, IDLE_CONNECTIONS_MAX)
            .connect_timeout(CONNECT_WITHIN)
            .pool_idle_timeout(IDLE_FOR)
            .tcp_nodelay(true)
            .tcp_keepalive(Duration::from_secs(30));
        let http = posting::trusting(client, authorities)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&counts));
        let thread = std::thread::Builder::new().name("relay".into()).spawn(move || {
            runtime.block_on(async {
                let Ok(book) = opened.await else { return };
                let passing = Passing {
                    http,
                    book,
                    counts: counted,
                    requests: Arc::new(Semaphore::new(REQUESTS_MAX)),
                    sockets: Arc::new(Semaphore::new(SOCKETS_MAX)),
                };
                tokio::select! {
                    () = passing.pass_all(queue) => {}
                    () = stopped.notified() => {}
                }
            });
        })?;
        Ok((Self { jobs }, RelayThread { book, stop, thread, counts }))
    }

    /// Takes a request that is about another node's session.
    ///
    /// # Errors
    /// The answer, where there is no room; `respond` was released.
    pub(crate) fn pass_on(
        &self,
        request: Request<Bytes>,
        respond: Responder,
    ) -> Result<(), Box<Response<Bytes>>> {
        self.jobs.try_send(Job::Request(request, respond)).map_err(|error| {
            let (mpsc::error::TrySendError::Full(job) | mpsc::error::TrySendError::Closed(job)) =
                error;
            if let Job::Request(_, respond) = job {
                respond.release();
            }
            Box::new(plain(Fault::Busy))
        })
    }

    /// Takes a request for the WebSocket of another node's session. Where there is no room the socket closes.
    pub(crate) fn pass_socket(&self, request: Request<Bytes>, socket: PassedSocket) {
        // Dropped, it closes.
        let _ = self.jobs.try_send(Job::Socket(request, socket));
    }
}

impl RelayThread {
    /// Begins to pass on.
    pub(crate) fn open(self, book: Arc<NodeBook>) -> OpenRelay {
        // Refused only where the thread has died: then nothing is passed on.
        let _ = self.book.send(book);
        OpenRelay { stop: self.stop, thread: Mutex::new(Some(self.thread)), counts: self.counts }
    }
}

/// The thread once it passes on.
pub(crate) struct OpenRelay {
    stop: Arc<Notify>,
    thread: Mutex<Option<JoinHandle<()>>>,
    counts: Arc<RelayCounts>,
}

impl OpenRelay {
    /// How much was passed on, by what it was.
    pub(super) fn counts(&self) -> [(&'static str, u64); 2] {
        let RelayCounts { requests, sockets } = &*self.counts;
        [("request", requests), ("socket", sockets)]
            .map(|(kind, count)| (kind, count.load(Ordering::Relaxed)))
    }

    /// Whatever is passed on ends, and so does the thread: clients come back elsewhere.
    pub(crate) fn stop(&self) {
        self.stop.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the relay's thread had panicked");
        }
    }
}

/// Why a request was not answered by the node whose session it is about.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// There is no such node, or it does not answer: the client begins anew, at any node, and is recovered there.
    Gone,
    /// Too much is passed on.
    Busy,
}

/// The answer of this node.
fn plain(fault: Fault) -> Response<Bytes> {
    let (status, body) = match fault {
        Fault::Gone => (StatusCode::BAD_REQUEST, r#"{"code":1,"message":"Session ID unknown"}"#),
        Fault::Busy => (
            StatusCode::SERVICE_UNAVAILABLE,
            r#"{"code":"overloaded","message":"too many requests are about sessions of other nodes","retryAfterMs":1000}"#,
        ),
    };
    let mut response = Response::new(Bytes::from_static(body.as_bytes()));
    *response.status_mut() = status;
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// What passes requests on, on the relay's thread.
#[derive(Clone)]
struct Passing {
    http: Client,
    book: Arc<NodeBook>,
    counts: Arc<RelayCounts>,
    requests: Arc<Semaphore>,
    sockets: Arc<Semaphore>,
}

impl Passing {
    async fn pass_all(self, mut queue: mpsc::Receiver<Job>) {
        while let Some(job) = queue.recv().await {
            let passing = self.clone();
            match job {
                Job::Request(request, respond) => {
                    let place = Arc::clone(&self.requests).try_acquire_owned();
                    tokio::spawn(async move {
                        let answer = match place {
                            Ok(_place) => passing.answer(&request).await,
                            Err(_) => Err(Fault::Busy),
                        };
                        give(respond, answer.unwrap_or_else(plain)).await;
                    });
                }
                Job::Socket(request, socket) => {
                    let place = Arc::clone(&self.sockets).try_acquire_owned();
                    tokio::spawn(async move {
                        // Without a place the socket closes.
                        if let Ok(_place) = place
                            && let Err(error) = passing.join(&request, socket).await
                        {
                            tracing::debug!(%error, "a WebSocket that was passed on has ended");
                        }
                    });
                }
            }
        }
    }

    /// Asks the node whose session a request is about.
    async fn ask(&self, request: &Request<Bytes>) -> Result<reqwest::Response, Fault> {
        let pass_on = request.extensions().get::<PassOn>().ok_or(Fault::Gone)?;
        let Some(address) = self.book.address_of_tag(pass_on.node) else {
            // It may have started a moment ago.
            self.book.look_again();
            return Err(Fault::Gone);
        };
        let url = format!("{}{}", address.trim_end_matches('/'), request.uri());
        let mut asked = self.http.request(request.method().clone(), url);
        for name in PASSED {
            if let Some(value) = request.headers().get(name) {
                asked = asked.header(name, value);
            }
        }
        if request.headers().contains_key(header::UPGRADE) {
            asked = asked.header(header::CONNECTION, "upgrade");
        }
        asked = asked.header(PassOn::HEADER, &pass_on.vouched).body(request.body().clone());
        asked.send().await.map_err(|error| {
            tracing::debug!(error = %error.without_url(), "the node of a session does not answer");
            Fault::Gone
        })
    }

    async fn answer(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, Fault> {
        let answered = self.ask(request).await?;
        self.counts.requests.fetch_add(1, Ordering::Relaxed);
        whole(answered).await
    }

    /// Has a client's socket and another node speak with each other, until one of them ends.
    async fn join(&self, request: &Request<Bytes>, socket: PassedSocket) -> io::Result<()> {
        let PassedParts { stream, seal, unread, unsent } = socket.into_parts();
        let mut client = PassedStream::new(stream, seal, unsent)?;
        let answered = match self.ask(request).await {
            Ok(answered) if answered.status() == StatusCode::SWITCHING_PROTOCOLS => answered,
            answered => {
                let answer = match answered {
                    Ok(answered) => whole(answered).await,
                    Err(fault) => Err(fault),
                };
                return refuse(&mut client, &answer.unwrap_or_else(plain)).await;
            }
        };
        self.counts.sockets.fetch_add(1, Ordering::Relaxed);
        client.write_all(&switching(&answered)).await?;
        let mut node = answered.upgrade().await.map_err(io::Error::other)?;
        node.write_all(&unread).await?;
        copy_bidirectional(&mut client, &mut node).await.map(drop)
    }
}

/// The head of an answer that the socket speaks WebSocket from now on.
fn switching(answered: &reqwest::Response) -> Vec<u8> {
    let mut head = Vec::from(
        &b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"[..],
    );
    for name in [header::SEC_WEBSOCKET_ACCEPT, header::SEC_WEBSOCKET_PROTOCOL] {
        if let Some(value) = answered.headers().get(&name) {
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// Answers a request for a WebSocket that is none, and closes.
async fn refuse(client: &mut PassedStream, answer: &Response<Bytes>) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 {}\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        answer.status(),
        answer.body().len()
    );
    client.write_all(head.as_bytes()).await?;
    client.write_all(answer.body()).await?;
    client.shutdown().await
}

/// Another node's answer in one piece. What pages may do with it, this node says.
async fn whole(mut answered: reqwest::Response) -> Result<Response<Bytes>, Fault> {
    let mut body = BytesMut::new();
    while let Some(piece) = answered.chunk().await.map_err(|_| Fault::Gone)? {
        if body.len() + piece.len() > NODE_ANSWER_BYTES_MAX {
            return Err(Fault::Gone);
        }
        body.extend_from_slice(&piece);
    }
    let mut response = Response::new(body.freeze());
    *response.status_mut() = answered.status();
    for name in [header::CONTENT_TYPE, header::RETRY_AFTER] {
        if let Some(value) = answered.headers().get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    Ok(response)
}

async fn give(respond: Responder, response: Response<Bytes>) {
    let mut unsent = respond.try_send(response);
    // This answer waits for a shard that has too much to do; the others do not.
    while let Err(again) = unsent {
        tokio::time::sleep(MAILBOX_FULL_WAIT).await;
        let (respond, response) = *again;
        unsent = respond.try_send(response);
    }
}
