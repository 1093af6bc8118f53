//! A server on a free port of loopback, stopped when the test is over.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use foodtrack_server::{
    ConnectionManager, EventBroadcaster, LimitsConfig, RedisConfig, RoutingRules, Secret, TenantId,
    WebSocketConfig, WebSocketServer,
};

use foodtrack_shard::DeadLetters;

use super::Address;
use super::encryption;
use super::token::SECRET;

/// Two shards, and no rate but those a test sets itself.
pub(crate) fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .host("127.0.0.1")
        .port(0)
        .shards(2)
        .jwt_secret(SECRET)
        .handshakes_per_minute(0)
        .spread(Duration::ZERO)
        .limits(limits())
        .redis(redis())
        .tls(encryption::wanted())
}

/// None, unless the whole suite is to run on one: `FOODTRACK_TEST_REDIS_URL` says where it is, and each server has its own prefix.
fn redis() -> RedisConfig {
    match std::env::var("FOODTRACK_TEST_REDIS_URL") {
        Ok(url) => redis_at(&url),
        Err(_) => RedisConfig::default(),
    }
}

/// A Redis, under a prefix of the test's own.
pub(crate) fn redis_at(url: &str) -> RedisConfig {
    let prefix = format!("test-{}", uuid::Uuid::new_v4());
    RedisConfig { url: Some(Secret::new(url)), prefix, ..RedisConfig::default() }
}

/// No rates and no bound on connections: tests are faster than people.
pub(crate) fn limits() -> LimitsConfig {
    LimitsConfig {
        connections_per_user_max: 0,
        messages_per_second_per_connection: 0,
        messages_per_second_per_tenant: 0,
        bytes_per_second_per_connection: 0,
        sessions_per_second_per_tenant: 0,
        sessions_per_second: 0,
        table_bytes_max: table_bytes_max(),
        ..LimitsConfig::default()
    }
}

/// What tenants may remember: the promises hold also where that is nearly nothing, and the whole suite can be run so.
pub(crate) fn table_bytes_max() -> u32 {
    match std::env::var("FOODTRACK_TEST_TABLE_BYTES_MAX") {
        Ok(bytes) => bytes.parse().unwrap(),
        Err(_) => LimitsConfig::default().table_bytes_max,
    }
}

/// A running server.
pub(crate) struct Server {
    address: SocketAddr,
    server: Option<WebSocketServer>,
    runtime: tokio::runtime::Runtime,
    config: WebSocketConfig,
    directory: Option<tempfile::TempDir>,
}

impl Address for Server {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(config())
    }

    pub(crate) fn with(config: WebSocketConfig) -> Self {
        let server = WebSocketServer::bind(config.clone().check().unwrap()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let address = server.local_addr();
        encryption::expect(address, &config);
        Self { address, server: Some(server), runtime, config, directory: None }
    }

    /// With a directory of its own, which goes with it.
    pub(crate) fn durable(config: WebSocketConfig) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut server = Self::with(config.data_dir(directory.path().to_str().unwrap()));
        server.directory = Some(directory);
        server
    }

    /// Stops, and starts anew on what it left.
    pub(crate) fn restart(&mut self) {
        self.restart_with(|config| config);
    }

    /// As [`Server::restart`], with another configuration.
    pub(crate) fn restart_with(&mut self, change: impl FnOnce(WebSocketConfig) -> WebSocketConfig) {
        self.server.take().unwrap().stop();
        self.config = change(self.config.clone());
        let server = WebSocketServer::bind(self.config.clone().check().unwrap()).unwrap();
        encryption::expect(server.local_addr(), &self.config);
        (self.address, self.server) = (server.local_addr(), Some(server));
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has the certificate read anew.
    pub(crate) fn reload_certificate(&self) {
        self.server().reload_certificate();
    }

    fn server(&self) -> &WebSocketServer {
        self.server.as_ref().unwrap()
    }

    pub(crate) fn connections(&self) -> ConnectionManager {
        self.server().connections()
    }

    pub(crate) fn broadcaster(&self) -> EventBroadcaster {
        self.server().broadcaster()
    }

    pub(crate) fn dead_letters(&self) -> DeadLetters {
        self.server().dead_letters()
    }

    pub(crate) fn router(&self) -> RoutingRules {
        self.server().router()
    }

    /// Waits for an answer of one of the handles.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// A tenant's connections as the server counts them.
    pub(crate) fn count(&self, tenant: &str) -> usize {
        let tenant = TenantId::parse(tenant).unwrap();
        self.wait(self.connections().counts(&tenant)).unwrap().total
    }

    /// The page of metrics as it is now: over HTTP it may be a second old.
    pub(crate) fn metrics_page(&self) -> String {
        self.server().metrics()
    }

    /// Memory resident now, of the test's own process, which the server runs in.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let page = self.server.as_ref().unwrap().metrics();
        let line =
            page.lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
        line.unwrap().parse().unwrap()
    }

    /// A number of the metrics page, of each shard.
    #[track_caller]
    pub(crate) fn metric_by_shard(&self, name: &str) -> Vec<u64> {
        // Over HTTP it may be a second old.
        let page = self.server.as_ref().unwrap().metrics();
        let prefix = format!("foodtrack_{name}{{shard=");
        let found: Vec<u64> = page
            .lines()
            .filter(|line| line.starts_with(&prefix))
            .map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
            .collect();
        assert!(!found.is_empty(), "no {name} in {page}");
        found
    }

    /// A number of the metrics page: of all lines of this name and label.
    pub(crate) fn metric_of(&self, name: &str, label: &str) -> u64 {
        let page = self.metrics_page();
        let (prefix, label) = (format!("foodtrack_{name}{{"), format!("\"{label}\""));
        let lines = page.lines().filter(|line| line.starts_with(&prefix) && line.contains(&label));
        lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
    }

    /// A number of the metrics page, of all shards together.
    #[track_caller]
    pub(crate) fn metric(&self, name: &str) -> u64 {
        self.metric_by_shard(name).iter().sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop();
        }
    }
}
