//! Shards with a log of the test's choice, and no HTTP API.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use bytes::Bytes;
use foodtrack_auth::{AuthConfig, Authenticator};
use foodtrack_contract::{Authenticate, DeliveryPolicy, EventType, Refusal};
use foodtrack_server::TenantId;
use foodtrack_session::{HeartbeatConfig, Namespaces};
use foodtrack_shard::{
    Clock, ConnectionManager, EventBroadcaster, HttpService, Policies, Rate, RecoveryConfig,
    Responder, RetryPolicy, Running, Services, SessionKey, ShardsConfig, TenantLimits, start,
};
use foodtrack_tenant_log::{
    Commit, CommitError, CommitGate, MemoryLog, MemoryStore, OnCompletion, Retention, SqliteLog,
    SqliteOptions, TenantLog,
};
use foodtrack_transport::{
    Endpoint, Limits, OriginPolicy, Protocol, ReactorConfig, TrustedProxies,
};

use super::token::SECRET;
use super::{Address, table_bytes_max};
use test_support::wait_until;

/// The secret that private ids are made with.
pub(crate) const SESSION_SECRET: [u8; 32] = [7; 32];

pub(crate) const KEEPS_ALL: Retention =
    Retention { age_ms_max: u64::MAX, entries_max: u64::MAX, bytes_max: u64::MAX, entries_min: 0 };

/// Shards that run, stopped when the test is over.
pub(crate) struct Hub {
    running: Running,
    clock: Clock,
}

impl Address for Hub {
    fn address(&self) -> SocketAddr {
        self.running.address
    }
}

impl Hub {
    /// Starts two shards.
    pub(crate) fn start(
        log: impl FnOnce(OnCompletion) -> Arc<dyn TenantLog> + 'static,
        policies: &[(EventType, DeliveryPolicy)],
    ) -> Self {
        Self::start_with(log, policies, shards_config())
    }

    fn start_with(
        log: impl FnOnce(OnCompletion) -> Arc<dyn TenantLog> + 'static,
        policies: &[(EventType, DeliveryPolicy)],
        config: ShardsConfig,
    ) -> Self {
        let authenticator: Arc<dyn Authenticate> =
            Arc::new(Authenticator::new(AuthConfig::hs256(SECRET)).unwrap());
        let mut all = Policies::default();
        for (event, policy) in policies {
            all.delivery.set(event.as_str(), *policy);
        }
        let http: Arc<dyn HttpService> = Arc::new(NoHttp);
        let open = Box::new(move |on_completion: OnCompletion| Ok(log(on_completion)));
        let services = Services {
            http,
            upstream: None,
            payload_keys: None,
            audit: None,
            tracer: None,
            desk: None,
        };
        let running = start(&config, &authenticator, &Arc::new(all), &services, open).unwrap();
        Self { running, clock: config.clock }
    }

    /// With an embedded log in a directory.
    pub(crate) fn on_disk(directory: &tempfile::TempDir, options: SqliteOptions) -> Self {
        let path = directory.path().to_owned();
        let open = move |on_completion| -> Arc<dyn TenantLog> {
            Arc::new(SqliteLog::open(&path, options, on_completion).unwrap())
        };
        Self::start(open, &[])
    }

    /// The same by a clock of the test's, and what has expired is let go every few milliseconds.
    pub(crate) fn on_disk_by(directory: &Path, options: SqliteOptions, clock: Clock) -> Self {
        let path = directory.to_owned();
        let open = move |on_completion| -> Arc<dyn TenantLog> {
            Arc::new(SqliteLog::open(&path, options, on_completion).unwrap())
        };
        let mut config = shards_config();
        (config.clock, config.recovery.sweep_ms) = (clock, 10);
        Self::start_with(open, &[], config)
    }

    /// The same, and tenants are closed as soon as they are at rest.
    pub(crate) fn on_disk_closing(directory: &Path, options: SqliteOptions, clock: Clock) -> Self {
        let path = directory.to_owned();
        let open = move |on_completion| -> Arc<dyn TenantLog> {
            Arc::new(SqliteLog::open(&path, options, on_completion).unwrap())
        };
        let mut config = shards_config();
        (config.clock, config.recovery.sweep_ms) = (clock, 10);
        config.recovery.close_after_ms = 1;
        // It soon knows who has gone.
        let (interval_ms, timeout_ms) = (1_500, 3_000);
        config.reactor.heartbeat = HeartbeatConfig { interval_ms, timeout_ms, missed_max: 1 };
        Self::start_with(open, &[], config)
    }

    /// The same, with so few orders in memory that the log is asked whose most of them are.
    pub(crate) fn on_disk_remembering(
        orders: usize,
        directory: &Path,
        options: SqliteOptions,
    ) -> Self {
        let path = directory.to_owned();
        let open = move |on_completion| -> Arc<dyn TenantLog> {
            Arc::new(SqliteLog::open(&path, options, on_completion).unwrap())
        };
        let mut config = shards_config();
        config.limits.orders_in_memory_max = orders;
        Self::start_with(open, &[], config)
    }

    /// The same in memory alone.
    pub(crate) fn in_memory_remembering(orders: usize, retention: Retention) -> Self {
        let open = move |on_completion| -> Arc<dyn TenantLog> {
            Arc::new(MemoryLog::new(MemoryStore::default(), retention, on_completion))
        };
        let mut config = shards_config();
        config.limits.orders_in_memory_max = orders;
        Self::start_with(open, &[], config)
    }

    /// What it measures time with.
    pub(crate) fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// A tenant's connections.
    pub(crate) fn count(&self, tenant: &str) -> usize {
        let tenant = TenantId::parse(tenant).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let connections = ConnectionManager::new(self.running.shards.clone());
        runtime.block_on(connections.counts(&tenant)).unwrap().total
    }

    /// The way of a back end to its tenants' clients.
    pub(crate) fn broadcaster(&self) -> EventBroadcaster {
        EventBroadcaster::new(self.running.shards.clone())
    }

    /// Tells it to stop, without waiting until it has.
    pub(crate) fn begin_to_stop(&self) {
        self.running.shards.stop();
    }

    /// How many tenants were closed because nobody was there.
    pub(crate) fn tenants_closed(&self) -> u64 {
        self.running.counters.iter().map(|counters| counters.tenants_closed.get()).sum()
    }

    /// Whether the disk is known to have failed: by this /health knows.
    pub(crate) fn log_has_failed(&self) -> bool {
        self.running.counters.iter().any(|counters| counters.log_failed.get() > 0)
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.running.shards.stop();
        self.running.join();
    }
}

fn shards_config() -> ShardsConfig {
    let unlimited = Rate { per_second: 0, burst: 0 };
    ShardsConfig {
        listener: None,
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        shards: 2,
        reactor: ReactorConfig {
            endpoints: vec![
                Endpoint { path: "/socket.io/".into(), protocol: Protocol::SocketIo },
                Endpoint { path: "/ws".into(), protocol: Protocol::PlainJson },
                Endpoint { path: "/events".into(), protocol: Protocol::EventStream },
            ],
            namespaces: Namespaces::new(&["/"]),
            heartbeat: HeartbeatConfig::default(),
            limits: Limits::default(),
            origins: OriginPolicy::new::<&str>(&[], true),
            handshakes_per_minute: 0,
            proxies: TrustedProxies::default(),
            proxy_protocol: false,
            batched_sends: true,
            node: None,
            tls: None,
        },
        limits: TenantLimits {
            messages_per_connection: unlimited,
            bytes_per_connection: unlimited,
            messages_per_user: unlimited,
            bytes_per_user: unlimited,
            messages_per_tenant: unlimited,
            table_bytes_max: table_bytes_max() as usize,
            ..TenantLimits::default()
        },
        retry: RetryPolicy::default(),
        recovery: RecoveryConfig::default(),
        session_key: SessionKey::new(&SESSION_SECRET),
        cookie_name: "token".into(),
        clock: Clock::system(),
    }
}

struct NoHttp;

impl HttpService for NoHttp {
    fn call(
        &self,
        _request: http::Request<Bytes>,
        _peer: SocketAddr,
        respond: Responder,
    ) -> Result<(), Box<http::Response<Bytes>>> {
        respond.release();
        Err(Box::new(http::Response::new(Bytes::new())))
    }

    fn refusal(&self, _refusal: &Refusal) -> http::Response<Bytes> {
        http::Response::new(Bytes::new())
    }
}

/// Holds commits up while it is shut, and may fail them.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<GateState>, Condvar)>);

#[derive(Default)]
struct GateState {
    is_shut: bool,
    is_waited_for: bool,
    error: Option<CommitError>,
}

impl Gate {
    /// Shuts it until what is returned is dropped; that must be before the hub is, which waits for its log.
    #[must_use]
    pub(crate) fn shut(&self) -> Shut {
        self.0.0.lock().unwrap().is_shut = true;
        Shut(self.clone())
    }

    /// Waits until a commit waits for it to open.
    pub(crate) fn wait_until_somebody_waits(&self) {
        wait_until("a commit waits", || self.0.0.lock().unwrap().is_waited_for);
    }

    /// Fails commits from now on, or no more.
    pub(crate) fn fail(&self, error: Option<CommitError>) {
        self.0.0.lock().unwrap().error = error;
    }
}

/// A gate that is shut.
pub(crate) struct Shut(Gate);

impl Drop for Shut {
    fn drop(&mut self) {
        let (state, opened) = &*self.0.0;
        state.lock().unwrap().is_shut = false;
        opened.notify_all();
    }
}

impl CommitGate for Gate {
    fn pass(&mut self, commit: &mut Commit<'_>) -> Result<(), CommitError> {
        let (state, opened) = &*self.0;
        let is_held_up = |state: &mut GateState| {
            state.is_waited_for = state.is_shut;
            state.is_shut
        };
        let state = opened.wait_while(state.lock().unwrap(), is_held_up).unwrap();
        match &state.error {
            Some(error) => Err(error.clone()),
            None => commit(),
        }
    }
}
