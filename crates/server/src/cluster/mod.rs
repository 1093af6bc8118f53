//! The nodes of a cluster know each other, and ask each other: a lease each in Redis, with the address at which the others reach it;
//! requests over HTTP, signed with what the cluster's secret gives.

mod cluster_connections;
mod cluster_secret;
mod membership;
mod node_book;
mod node_card;
mod node_client;
mod node_gate;
mod node_id;
mod node_question;
mod node_routes;
mod node_signature;
mod passed_stream;
mod redis_state;
mod relay;
mod replay_guard;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{Sender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use foodtrack_shard::{ConnectionManager, Counters, Crowds};
use foodtrack_tenant_log::{NodeRegistry, RedisOpenError, RedisOptions, StorageStatus};
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::data::Follow;
use cluster_connections::OtherNodes;
pub use cluster_connections::{ClusterConnections, CountedConnections, Gathered};
pub(crate) use cluster_secret::ClusterSecret;
use membership::Membership;
pub(crate) use node_book::NodeBook;
pub use node_book::NodeInfo;
use node_card::OwnNode;
pub(crate) use node_card::parse_address;
use node_client::NodeClient;
use node_gate::{NodeGate, NodeRefusal};
pub(crate) use node_id::NodeId;
pub(crate) use node_id::{NODE_NAME_BYTES_MAX, is_plain};
use node_routes::NodeAnswers;
pub(crate) use node_routes::{NODE_PATHS, STATUS, routes};
use node_signature::NodeKeys;
pub use redis_state::{RedisReport, RedisState};
pub(crate) use redis_state::{RedisSigns, RedisWatch};
use relay::OpenRelay;
pub(crate) use relay::{Relay, RelayThread};

/// How long a stopping node may take to give its lease up, and to say so.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);
/// How long another node may take to hear that one has come or gone; it sees that at its next look by itself.
const TELL_WITHIN: Duration = Duration::from_millis(500);
/// How long another node may take to take over what was declared here before that is answered.
const DECLARED_WITHIN: Duration = Duration::from_secs(1);

/// What a node is started with.
pub(crate) struct ClusterOptions {
    /// The Redis that the nodes share, and the secret that is there; `None`: the node is alone.
    pub(crate) redis: Option<(RedisOptions, ClusterSecret)>,
    /// What it is called.
    pub(crate) id: NodeId,
    /// What passes on requests about other nodes' sessions, where there are any.
    pub(crate) relay: Option<RelayThread>,
    /// Where the configuration says that others reach it.
    pub(crate) advertise: Option<String>,
    /// How long its lease is.
    pub(crate) lease: Duration,
    /// Where it listens.
    pub(crate) listens_at: SocketAddr,
    /// Whether TLS is spoken there.
    pub(crate) is_encrypted: bool,
    /// Who signs the certificates of the other nodes, as PEM; `None`: the authorities of the system.
    pub(crate) authorities: Option<Vec<u8>>,
    /// What its shards count.
    pub(crate) counters: Vec<Arc<Counters>>,
    /// Of which tenants they have many connections.
    pub(crate) crowds: Option<Arc<Crowds>>,
    /// Its own connections.
    pub(crate) connections: ConnectionManager,
    /// The way to have it look at what other nodes changed.
    pub(crate) declared: Sender<Follow>,
}

/// This node among the others.
pub(crate) struct Cluster {
    pub(crate) book: Arc<NodeBook>,
    /// Those of all nodes.
    pub(crate) connections: ClusterConnections,
    lease: Duration,
    /// `None` where the node is alone, by configuration.
    others: Option<Others>,
    relay: Option<OpenRelay>,
}

/// What a node has that has others beside it.
struct Others {
    answers: Arc<NodeAnswers>,
    client: NodeClient,
    gate: Arc<NodeGate>,
    stop: Arc<Notify>,
    thread: Mutex<Option<JoinHandle<()>>>,
    redis: RedisWatch,
}

/// Numbers for Prometheus.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClusterCounts {
    /// Nodes that live, this one among them.
    pub(crate) nodes: usize,
    /// Values among them that are no node's.
    pub(crate) strange: u64,
    /// Requests of other nodes, or of who says to be one, that were refused, by why.
    pub(crate) refused: Vec<(&'static str, u64)>,
    /// Requests about sessions of other nodes that were passed on, by what they are.
    pub(crate) passed_on: [(&'static str, u64); 2],
    /// How the node stands towards its Redis, and how often it came to stand in each way; `None` where it is alone.
    pub(crate) redis: Option<(RedisState, [(RedisState, u64); 3])>,
}

impl Cluster {
    /// Makes the node known to the others, where it is not alone. Waits until it is, but no longer than Redis is waited for.
    ///
    /// # Errors
    /// [`RedisOpenError`]: the address of Redis is none, or there is no thread.
    pub(crate) fn start(options: ClusterOptions) -> Result<Self, RedisOpenError> {
        let address =
            options.advertise.or_else(|| reachable(options.listens_at, options.is_encrypted));
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let secret = options.redis.as_ref().map(|(_, secret)| secret);
        let own = OwnNode {
            mark: secret.map(ClusterSecret::mark).unwrap_or_default(),
            address,
            started_at_ms: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX),
            counters: options.counters,
            crowds: options.crowds,
        };
        if own.address.is_none() && options.redis.is_some() {
            tracing::warn!(
                listens_at = %options.listens_at,
                "other nodes cannot reach this one: it listens on every address and does not know which of them is theirs; set redis.advertise, such as http://10.0.0.7:4001"
            );
        }
        let book = Arc::new(NodeBook::new(options.id, own));
        let here = (options.connections, options.declared);
        let others = match options.redis {
            Some((redis, secret)) => {
                let registry = NodeRegistry::new(&redis, secret.bytes())?;
                let membership = Membership::new(registry, Arc::clone(&book), options.lease);
                let asks = Asks { secret: &secret, authorities: options.authorities.as_deref() };
                Some(Others::start(&book, asks, here.clone(), membership, redis.patience)?)
            }
            None => None,
        };
        let asked = others
            .as_ref()
            .map(|others| OtherNodes { book: Arc::clone(&book), client: others.client.clone() });
        let connections = ClusterConnections::new(here.0, asked);
        let relay = options.relay.map(|relay| relay.open(Arc::clone(&book)));
        Ok(Self { book, connections, lease: options.lease, others, relay })
    }

    /// Whether there are no others, by configuration.
    pub(crate) fn is_alone(&self) -> bool {
        self.others.is_none()
    }

    /// What other nodes are answered; `None` where there are none, by configuration.
    pub(crate) fn answers(&self) -> Option<Arc<NodeAnswers>> {
        self.others.as_ref().map(|others| Arc::clone(&others.answers))
    }

    /// How this node stands towards Redis as of the last look; `None` where it is alone.
    pub(crate) fn redis(&self) -> Option<&RedisWatch> {
        self.others.as_ref().map(|others| &others.redis)
    }

    /// What that is judged by.
    pub(crate) fn redis_signs(&self, storage: &StorageStatus) -> RedisSigns {
        let has_lost_lease = self.book.age().is_none_or(|age| age > self.lease);
        let spooled = storage.spooled.map_or(0, |it| it.events);
        RedisSigns { storage: storage.state, spooled, has_lost_lease }
    }

    /// Has every other node take over what was changed here of what all have alike. Returns when they have, or a second later: they do it
    /// by themselves. Names the nodes that have not said that they did.
    pub(crate) async fn tell_of_changes(&self) -> Vec<String> {
        let Some(others) = &self.others else { return Vec::new() };
        let crier = Crier { book: Arc::clone(&self.book), client: others.client.clone() };
        crier.cry(node_routes::DECLARED, DECLARED_WITHIN).await
    }

    /// How the other nodes are, each as it says itself, by [`STATUS`]; JSON.
    pub(crate) async fn statuses(&self) -> Gathered<BTreeMap<String, serde_json::Value>> {
        let Some(others) = &self.others else {
            return Gathered { found: BTreeMap::new(), missing_nodes: Vec::new() };
        };
        let others = OtherNodes { book: Arc::clone(&self.book), client: others.client.clone() };
        let read = |answer: &[u8]| {
            serde_json::from_slice(answer).map_err(|_| node_client::NodeFault::Unreadable)
        };
        let Gathered { found, mut missing_nodes } =
            others.post_all(STATUS, Bytes::new(), read).await;
        missing_nodes.sort_unstable();
        let found = found.into_iter().map(|(node, status)| (node.as_str().to_owned(), status));
        Gathered { found: found.collect(), missing_nodes }
    }

    /// What is counted of the nodes and their requests.
    pub(crate) fn counts(&self) -> ClusterCounts {
        let refused = match &self.others {
            Some(others) => others.gate.refused(),
            None => NodeRefusal::ALL.map(|why| (why, 0)),
        };
        ClusterCounts {
            nodes: self.book.others().len() + 1,
            strange: self.book.trouble().strange,
            refused: refused.map(|(why, count)| (why.as_str(), count)).into(),
            passed_on: self
                .relay
                .as_ref()
                .map_or([("request", 0), ("socket", 0)], OpenRelay::counts),
            redis: self.redis().map(|redis| (redis.report().state, redis.entered())),
        }
    }

    /// Passes nothing on any more: what is under way ends, and its clients come back elsewhere.
    pub(crate) fn stop_passing_on(&self) {
        if let Some(relay) = &self.relay {
            relay.stop();
        }
    }

    /// Gives the lease up, and ends the thread.
    pub(crate) fn stop(&self) {
        let Some(others) = &self.others else { return };
        others.stop.notify_one();
        let thread = others.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the cluster's thread had panicked");
        }
    }
}

/// The address of a listener that others can reach; `None` of one that listens on every address.
fn reachable(listens_at: SocketAddr, is_encrypted: bool) -> Option<String> {
    let scheme = if is_encrypted { "https" } else { "http" };
    (!listens_at.ip().is_unspecified()).then(|| format!("{scheme}://{listens_at}"))
}

/// What a node proves by that it is one, and believes of others.
#[derive(Clone, Copy)]
struct Asks<'a> {
    secret: &'a ClusterSecret,
    authorities: Option<&'a [u8]>,
}

impl Others {
    /// Starts the thread that renews the lease and asks other nodes. Returns once the lease was had, or could not be.
    fn start(
        book: &Arc<NodeBook>,
        asks: Asks<'_>,
        (connections, declared): (ConnectionManager, Sender<Follow>),
        membership: Membership,
        patience: Duration,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let keys = NodeKeys::new(asks.secret);
        let gate = Arc::new(NodeGate::new(Arc::clone(book), keys.clone()));
        let client =
            NodeClient::new(Arc::clone(book), keys, asks.authorities, runtime.handle().clone())?;
        let answers = NodeAnswers::new(Arc::clone(book), Arc::clone(&gate), connections, declared);
        let answers = Arc::new(answers);
        let stop = Arc::new(Notify::new());
        let crier = Crier { book: Arc::clone(book), client: client.clone() };
        let thread = keep_membership(runtime, membership, crier, Arc::clone(&stop), patience)?;
        let thread = Mutex::new(Some(thread));
        Ok(Self { answers, client, gate, stop, thread, redis: RedisWatch::new() })
    }
}

/// Renews the lease on a thread of its own until the node stops. Returns once it was renewed, or could not be.
fn keep_membership(
    runtime: Runtime,
    mut membership: Membership,
    crier: Crier,
    stop: Arc<Notify>,
    patience: Duration,
) -> io::Result<JoinHandle<()>> {
    let (known, is_known) = sync_channel(1);
    let thread = std::thread::Builder::new().name("cluster".into()).spawn(move || {
        runtime.block_on(async {
            membership.renew().await;
            // Who waits may have lost patience.
            let _ = known.send(());
            let crying = tokio::spawn(crier.clone().cry(node_routes::LOOK, TELL_WITHIN));
            tokio::select! {
                () = membership.run() => {}
                () = stop.notified() => {}
            }
            crying.abort();
            let leaving = async {
                membership.leave().await;
                crier.cry(node_routes::LOOK, TELL_WITHIN).await;
            };
            // The lease ends by itself.
            let _ = tokio::time::timeout(LEAVE_WITHIN, leaving).await;
        });
    })?;
    // It goes on without it, and others know of it later.
    let _ = is_known.recv_timeout(patience);
    Ok(thread)
}

/// Tells the other nodes that something has changed.
#[derive(Clone)]
struct Crier {
    book: Arc<NodeBook>,
    client: NodeClient,
}

impl Crier {
    /// Returns the nodes that did not answer in time.
    async fn cry(self, path: &'static str, within: Duration) -> Vec<String> {
        let mut told = JoinSet::new();
        let deadline = Instant::now() + within;
        for (node, _) in self.book.others() {
            let client = self.client.clone();
            told.spawn(async move {
                let asked = client.post(&node, path, Bytes::new(), deadline).await;
                asked.err().map(|error| {
                    tracing::debug!(node = node.as_str(), %error, "another node is not told");
                    node.as_str().to_owned()
                })
            });
        }
        let mut missing = Vec::new();
        while let Some(answered) = told.join_next().await {
            missing.extend(answered.ok().flatten());
        }
        missing.sort_unstable();
        missing
    }
}
