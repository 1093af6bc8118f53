//! The parts of a server, each as it is opened or started.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use foodtrack_auth::Gate;
use foodtrack_contract::Authenticate;
use foodtrack_shard::{
    ConnectionAudit, ConnectionManager, DeliveryTracer, EventBroadcaster, HttpService,
    ObserverDesk, OpensLog, PayloadKeys, Policies, Running, Services, SessionKey, ShardsConfig,
    StartError as ShardsError,
};
use foodtrack_tenant_log::{
    KeySource, MemoryLog, MemoryStore, OnCompletion, OpenError, RedisLog, RedisOptions,
    RedisPersistence, SqliteLog, SqliteOptions, TenantLog, first_look,
};

use crate::admin_ui::Desk;
use crate::audit::AuditLog;
use crate::cluster::{Cluster, ClusterOptions, ClusterSecret, NodeId, Relay, RelayThread};
use crate::config::CheckedConfig;
use crate::data::{DataDir, DataDirError, DocumentFollower, KeyStore, fresh_secret, session_key};
use crate::emitters::Emitters;
use crate::kept_of_tenants::Books;
use crate::shards_config::{disk_budget, retention};
use crate::start_error::StartError;
use crate::telemetry::Telemetry;
use crate::upstream::{self, UpstreamCounts};
use crate::webhooks::{Surroundings, Webhooks};

/// Starts the shards: from then on there are clients.
pub(crate) fn start_shards(
    config: &CheckedConfig,
    shards: &ShardsConfig,
    (policies, gate): (&Arc<Policies>, &Arc<Gate>),
    services: &Services,
    (webhooks, keys): (&Arc<Webhooks>, Option<Arc<KeyStore>>),
) -> Result<Running, StartError> {
    let keys = keys.filter(|it| it.is_kept()).map(|it| it as Arc<dyn KeySource>);
    let log = open_log(config, webhooks, keys);
    let gate: Arc<dyn Authenticate> = Arc::clone(gate) as _;
    let started = foodtrack_shard::start(shards, &gate, policies, services, log);
    started.map_err(|error| match error {
        ShardsError::Io(source) => StartError::Bind { address: config.address(), source },
        ShardsError::Log(error) => StartError::Log(error),
    })
}

/// Who lets the admin UI in, where there is one.
pub(crate) fn desk(config: &CheckedConfig) -> Option<Arc<Desk>> {
    let said = &config.said().admin_ui;
    said.enabled.then(|| Arc::new(Desk::new(said.read_only)))
}

/// Says what listens where.
pub(crate) fn log_start(config: &CheckedConfig, address: SocketAddr) {
    let said = config.said();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        address = %address,
        tls = config.tls().is_some(),
        data_dir = said.data_dir.as_deref().unwrap_or("(none: in memory)"),
        shards = config.shards(),
        payload_bytes_max = said.limits.payload_bytes_max,
        connections_per_tenant_max = said.limits.connections_per_tenant_max,
        handshakes_per_minute = said.security.rate_limiting.handshakes_per_minute,
        "listening"
    );
}

/// Says what an acknowledgement is worth where Redis has the logs.
fn log_cluster(persistence: RedisPersistence) {
    let promise = persistence.as_str();
    if persistence.is_safe() {
        tracing::info!(promise, "the tenants' logs are in Redis");
    } else {
        tracing::warn!(promise, "the tenants' logs are in Redis, which may lose durable events");
    }
}

/// How much longer another node's answer to a poll may take than the poll waits there.
const RELAY_PATIENCE: Duration = Duration::from_secs(10);

/// Hears the back ends that publish through Redis.
pub(crate) fn start_emitters(
    config: &CheckedConfig,
    running: &Running,
) -> Result<Emitters, StartError> {
    let said = config.said();
    let url = said.redis.fixed_address();
    let broadcaster = EventBroadcaster::new(running.shards.clone());
    Emitters::start(&said.emitters, (url.as_deref(), &said.redis.prefix), &broadcaster)
        .map_err(StartError::Thread)
}

/// The thread that asks the business back end, where there is one.
pub(crate) fn start_upstream(
    config: &CheckedConfig,
    telemetry: &Arc<Telemetry>,
) -> io::Result<Option<upstream::Started>> {
    let said = config.said();
    let Some(url) = &said.upstream.url else { return Ok(None) };
    let bytes_max = usize::try_from(said.limits.payload_bytes_max).unwrap_or(usize::MAX);
    upstream::start(&said.upstream, url, bytes_max, telemetry).map(Some)
}

/// Gives the thread that asks the back end the way to its answers. Returns it, and what it counts.
pub(crate) fn begin_to_ask(
    started: upstream::Started,
    running: &Running,
) -> (JoinHandle<()>, Arc<UpstreamCounts>) {
    // It is set once.
    let _ = started.broadcaster.set(EventBroadcaster::new(running.shards.clone()));
    (started.thread, started.counts)
}

/// The log where the configuration says: in Redis, in the data directory, or in memory.
fn open_log(
    config: &CheckedConfig,
    webhooks: &Arc<Webhooks>,
    keys: Option<Arc<dyn KeySource>>,
) -> OpensLog {
    let (retention, budget) = (retention(config), disk_budget(config));
    let directory = config.said().data_dir.as_ref().map(PathBuf::from);
    let overwrites = config.said().log.erase_after_hours.is_some();
    let webhooks = Arc::clone(webhooks);
    let redis = config.redis(retention);
    Box::new(move |on_completion: OnCompletion| -> Result<Arc<dyn TenantLog>, OpenError> {
        let on_completion = webhooks.listen(on_completion);
        let log: Arc<dyn TenantLog> = match (redis, directory) {
            (Some(options), _) => Arc::new(RedisLog::open(&options, on_completion)?),
            (None, Some(directory)) => {
                let options = SqliteOptions {
                    retention,
                    budget,
                    overwrites,
                    keys,
                    ..SqliteOptions::default()
                };
                Arc::new(SqliteLog::open(&directory, options, on_completion)?)
            }
            (None, None) => {
                Arc::new(MemoryLog::new(MemoryStore::default(), retention, on_completion))
            }
        };
        webhooks.begin(&*log);
        Ok(log)
    })
}

/// The audit log in the data directory, where there is one.
pub(crate) fn open_audit(config: &CheckedConfig) -> Result<Arc<AuditLog>, StartError> {
    let said = config.said();
    let data_dir = said.data_dir.as_deref().map(Path::new);
    let audit = AuditLog::start(&said.audit, data_dir).map_err(|source| {
        let path = data_dir.map(|it| it.join("audit")).unwrap_or_default();
        DataDirError::Unusable { path, source }
    })?;
    Ok(Arc::new(audit))
}

/// What shards ask others for.
pub(crate) fn services(
    http: Arc<dyn HttpService>,
    upstream: Option<&upstream::Started>,
    keys: Option<&Arc<KeyStore>>,
    (audit, telemetry): (&Arc<AuditLog>, &Arc<Telemetry>),
    desk: Option<Arc<Desk>>,
) -> Services {
    Services {
        http,
        upstream: upstream.map(|it| Arc::clone(&it.upstream)),
        payload_keys: keys.map(|it| Arc::clone(it) as Arc<dyn PayloadKeys>),
        audit: audit.is_on().then(|| Arc::clone(audit) as Arc<dyn ConnectionAudit>),
        tracer: telemetry.is_on().then(|| Arc::clone(telemetry) as Arc<dyn DeliveryTracer>),
        desk: desk.map(|it| it as Arc<dyn ObserverDesk>),
    }
}

/// What the cluster's Redis says at the start, where there is one.
pub(crate) fn look_at_redis(
    config: &CheckedConfig,
) -> Result<Option<(RedisOptions, ClusterSecret)>, StartError> {
    let Some(options) = config.redis(retention(config)) else { return Ok(None) };
    let look = first_look(&options, fresh_secret()?)?;
    log_cluster(look.persistence);
    Ok(Some((options, ClusterSecret::new(look.secret))))
}

/// What private ids of sessions are made with: a session goes on at whichever node.
pub(crate) fn key_of_sessions(
    redis: Option<&(RedisOptions, ClusterSecret)>,
    directory: Option<&DataDir>,
) -> Result<SessionKey, StartError> {
    match redis {
        Some((_, secret)) => Ok(SessionKey::new(&secret.bytes())),
        None => Ok(session_key(directory)?),
    }
}

/// What passes on requests about sessions of other nodes, where there are any.
pub(crate) fn start_relay(
    config: &CheckedConfig,
    has_others: bool,
) -> Result<(Option<Relay>, Option<RelayThread>), StartError> {
    let heartbeat = &config.said().heartbeat;
    // A poll waits until the next ping at the latest.
    let poll_ms = u64::from(heartbeat.interval_ms) + u64::from(heartbeat.timeout_ms);
    let patience = Duration::from_millis(poll_ms) + RELAY_PATIENCE;
    let start = || Relay::start(patience, config.node_authorities());
    let started = has_others.then(start).transpose().map_err(StartError::Thread)?;
    Ok(started.unzip())
}

/// Has webhooks told, where there are any.
pub(crate) fn start_webhooks(
    webhooks: &Arc<Webhooks>,
    running: &Running,
    books: &Books,
) -> Result<(), StartError> {
    let around = Surroundings {
        log: Arc::clone(&running.log),
        connections: ConnectionManager::new(running.shards.clone()),
        policies: Arc::clone(&books.policies),
    };
    webhooks.start(&around).map_err(StartError::Thread)
}

/// What traces and where to.
pub(crate) fn start_telemetry(
    config: &CheckedConfig,
    id: &NodeId,
) -> Result<Arc<Telemetry>, StartError> {
    let started = Telemetry::start(&config.said().tracing, id.as_str());
    started.map(Arc::new).map_err(StartError::Thread)
}

/// Makes this node one of its cluster.
pub(crate) fn start_cluster(
    config: &CheckedConfig,
    redis: Option<(RedisOptions, ClusterSecret)>,
    (id, relay): (NodeId, Option<RelayThread>),
    running: &Running,
    follower: &DocumentFollower,
) -> Result<Arc<Cluster>, StartError> {
    let said = &config.said().redis;
    let started = Cluster::start(ClusterOptions {
        redis,
        id,
        relay,
        advertise: said.advertise.clone(),
        lease: Duration::from_millis(said.node_lease_ms.into()),
        listens_at: running.address,
        is_encrypted: config.tls().is_some(),
        authorities: config.node_authorities().map(<[u8]>::to_vec),
        counters: running.counters.clone(),
        crowds: running.crowds.clone(),
        connections: ConnectionManager::new(running.shards.clone()),
        declared: follower.way(),
    });
    Ok(Arc::new(started?))
}
