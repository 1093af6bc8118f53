//! The cluster's Redis in the configuration.

use std::fmt::Write as _;
use std::time::Duration;

use foodtrack_tenant_log::{RedisOptions, RedisSentinels, RedisSpool, RedisTls, Retention};
use serde::{Deserialize, Serialize};

use super::problems::ConfigErrors;
use super::secret::Secret;
use crate::cluster::{NODE_NAME_BYTES_MAX, is_plain as is_plain_name, parse_address};

/// The Redis that keeps the tenants' logs of a cluster: nodes that name the same one, with the same prefix, are one hub.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RedisConfig {
    /// Where it is, in one line; a password may stand in it. Default: none, and this node is alone.
    pub url: Option<Secret>,
    /// Its host, where there is no URL. Default: none.
    pub host: Option<String>,
    /// Its port. Default: 6379.
    pub port: u16,
    /// The ACL user. Default: none, which is Redis's own default user.
    pub username: Option<String>,
    /// The password. Default: none.
    pub password: Option<Secret>,
    /// The database's number. Default: 0.
    pub db: u16,
    /// Whether the host is spoken to with TLS. Default: false.
    pub tls: bool,
    /// A file with the authorities that are trusted to sign Redis's certificate, as PEM. Default: none, which is those of the system.
    pub ca_file: Option<String>,
    /// A file with the certificate that Redis is shown, as PEM. Default: none.
    pub cert_file: Option<String>,
    /// A file with its key. Default: none.
    pub key_file: Option<String>,
    /// Sentinels that say which server is the master, as `host:port`. Default: none.
    pub sentinels: Vec<String>,
    /// What they call the master. Default: none.
    pub master: Option<String>,
    /// The user that they want. Default: none.
    pub sentinel_username: Option<String>,
    /// The password that they want. Default: none.
    pub sentinel_password: Option<Secret>,
    /// Nodes of a Redis Cluster, as `host:port`. Default: none.
    pub cluster: Vec<String>,
    /// What every key begins with. Default: `foodtrack`.
    pub prefix: String,
    /// How long an answer is waited for, and how long what cannot be sent waits before it is refused. Default: 3 000 ms.
    pub timeout_ms: u32,
    /// How many replicas must have a durable event before it is answered. Default: 0.
    pub wait_replicas: u16,
    /// Of how many orders of a tenant it is known whose they are. Default: one million.
    pub orders_max: u64,
    /// Where the other nodes reach this one, such as `http://10.0.0.7:4001`. Default: where it listens, unless that is every address.
    pub advertise: Option<String>,
    /// What this node is called; its id begins with it. Default: none, and its id is random.
    pub node_name: Option<String>,
    /// How long the others take a node to live that they hear nothing of. Default: 10 000 ms.
    pub node_lease_ms: u32,
    /// How long it takes until others go on with what a node did for tenants that was killed. Default: 10 000 ms.
    pub lease_ms: u32,
    /// Whether durable events are kept in the data directory while Redis is away, and appended when it is back. Default: false.
    pub spool: bool,
    /// How many bytes of them, of all tenants together. Default: 64 MiB.
    pub spool_bytes_max: u64,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            url: None,
            host: None,
            port: 6_379,
            username: None,
            password: None,
            db: 0,
            tls: false,
            ca_file: None,
            cert_file: None,
            key_file: None,
            sentinels: Vec::new(),
            master: None,
            sentinel_username: None,
            sentinel_password: None,
            cluster: Vec::new(),
            prefix: String::from("foodtrack"),
            timeout_ms: 3_000,
            wait_replicas: 0,
            orders_max: 1_000_000,
            advertise: None,
            node_name: None,
            node_lease_ms: 10_000,
            lease_ms: 10_000,
            spool: false,
            spool_bytes_max: 64 << 20,
        }
    }
}

/// The longest that Redis may be waited for.
const TIMEOUT_MS_LIMIT: u32 = 60_000;
/// More replicas than anybody has of one master.
const REPLICAS_LIMIT: u16 = 100;
/// A shorter time would be over before a node that is busy has said that it lives.
const LEASE_MS_MIN: u32 = 1_000;
/// And a longer one would leave restaurants alone for too long.
const LEASE_MS_LIMIT: u32 = 300_000;
/// How many sentinels, or nodes of a cluster, are asked.
const ASKED_MAX: usize = 16;
/// The usual ports.
const SENTINEL_PORT: u16 = 26_379;
const NODE_PORT: u16 = 6_379;
/// The longest prefix.
const PREFIX_BYTES_MAX: usize = 64;
/// How much may wait on disk for Redis: one large event, and what a disk has.
const SPOOL_BYTES: std::ops::RangeInclusive<u64> = 1 << 20..=1 << 40;
/// How long a node's lease may be.
const NODE_LEASE_MS: std::ops::RangeInclusive<u32> = 1_000..=300_000;

impl RedisConfig {
    /// How Redis is used, with what its files have; `None` where the node is alone.
    pub(crate) fn options(&self, retention: Retention, files: &RedisTls) -> Option<RedisOptions> {
        Some(RedisOptions {
            url: self.address()?,
            tls: files.clone(),
            sentinels: self.sentinels(),
            cluster: (!self.cluster.is_empty()).then(|| {
                self.cluster.iter().filter_map(|it| host_and_port(it, NODE_PORT)).collect()
            }),
            prefix: self.prefix.clone(),
            retention,
            orders_max: self.orders_max,
            patience: Duration::from_millis(self.timeout_ms.into()),
            wait_replicas: self.wait_replicas,
            lease: Duration::from_millis(self.lease_ms.into()),
            spool: None,
        })
    }

    /// What is kept in a data directory while Redis is away.
    pub(crate) fn spool_in(&self, data_dir: &str) -> RedisSpool {
        RedisSpool {
            directory: data_dir.into(),
            takes_entries: self.spool,
            bytes_max: self.spool_bytes_max,
        }
    }

    /// Whether the node is one of a cluster.
    pub(crate) fn is_on(&self) -> bool {
        self.url.is_some()
            || self.host.is_some()
            || !self.sentinels.is_empty()
            || !self.cluster.is_empty()
    }

    fn sentinels(&self) -> Option<RedisSentinels> {
        let addresses: Vec<_> =
            self.sentinels.iter().filter_map(|it| host_and_port(it, SENTINEL_PORT)).collect();
        Some(RedisSentinels {
            master: self.master.clone().filter(|_| !addresses.is_empty())?,
            addresses,
            username: self.sentinel_username.clone(),
            password: self.sentinel_password.as_ref().map(|it| it.reveal().to_owned()),
        })
    }

    /// Its URL, where no sentinel has to be asked for it; `None` where the node is alone, too.
    pub(crate) fn fixed_address(&self) -> Option<String> {
        self.address().filter(|_| self.sentinels.is_empty())
    }

    fn address(&self) -> Option<String> {
        if let Some(url) = &self.url {
            return Some(url.reveal().to_owned());
        }
        // Others say where it is: one of them stands for it here.
        let other = self.sentinels.first().or(self.cluster.first());
        let of_other = other.and_then(|it| host_and_port(it, SENTINEL_PORT));
        let (host, port) = match (&self.host, of_other) {
            (Some(host), _) => (host.clone(), self.port),
            (None, of_other) => of_other?,
        };
        let scheme = if self.tls { "rediss" } else { "redis" };
        let mut address = format!("{scheme}://");
        if self.username.is_some() || self.password.is_some() {
            address.push_str(&escaped(self.username.as_deref().unwrap_or_default()));
            let password = self.password.as_ref().map(Secret::reveal).unwrap_or_default();
            address.push(':');
            address.push_str(&escaped(password));
            address.push('@');
        }
        // An IPv6 address has colons of its own.
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        _ = write!(address, "{host}:{port}/{}", self.db);
        Some(address)
    }

    fn check_address(&self, errors: &mut ConfigErrors) {
        if let Some(url) = &self.url {
            let schemes = ["redis://", "rediss://", "redis+unix://", "unix://"];
            if !schemes.iter().any(|scheme| url.reveal().starts_with(scheme)) {
                errors.add("redis.url", "no address; write one such as redis://127.0.0.1:6379/0");
            }
            let is_said_twice = self.host.is_some()
                || self.username.is_some()
                || self.password.is_some()
                || self.db != 0
                || self.tls;
            if is_said_twice {
                errors.add("redis.url", "says it all; take redis.host and what belongs to it out");
            }
        } else if !self.is_on()
            && (self.username.is_some() || self.password.is_some() || self.db != 0 || self.tls)
        {
            errors.add("redis.host", "is missing: nobody knows where Redis is");
        }
    }

    fn check_masters(&self, errors: &mut ConfigErrors) {
        for (key, addresses) in
            [("redis.sentinels", &self.sentinels), ("redis.cluster", &self.cluster)]
        {
            for address in addresses {
                if host_and_port(address, SENTINEL_PORT).is_none() {
                    let example = "write one such as 10.0.0.5:6379";
                    errors.add(key, format!("{address:?} is no address; {example}"));
                }
            }
            if addresses.len() > ASKED_MAX {
                errors.add(key, format!("at most {ASKED_MAX}"));
            }
        }
        if !self.cluster.is_empty() {
            let is_said = self.url.is_some() || self.host.is_some() || !self.sentinels.is_empty();
            if is_said {
                let sentence =
                    "says where Redis is; take redis.url, redis.host and redis.sentinels out";
                errors.add("redis.cluster", sentence);
            }
            if self.db != 0 {
                errors.add("redis.db", "a Redis Cluster has one database: 0");
            }
        }
        if self.sentinels.is_empty() != self.master.is_none() {
            errors.add("redis.master", "belongs with redis.sentinels: give both, or neither");
        }
        if !self.sentinels.is_empty() && (self.url.is_some() || self.host.is_some()) {
            errors.add("redis.sentinels", "say where Redis is; take redis.url and redis.host out");
        }
        let has_user = self.sentinel_username.is_some() || self.sentinel_password.is_some();
        if has_user && self.sentinels.is_empty() {
            errors.add("redis.sentinels", "are missing: nobody wants their password");
        }
    }

    fn read_files(&self, errors: &mut ConfigErrors) -> RedisTls {
        let with_tls = |url: &Secret| url.reveal().starts_with("rediss://");
        let is_with_tls = self.tls || self.url.as_ref().is_some_and(with_tls);
        let files = [&self.ca_file, &self.cert_file, &self.key_file];
        if files.iter().any(|file| file.is_some()) && !is_with_tls {
            errors.add(
                "redis.tls",
                "certificates are of no use without TLS: set it, or write rediss://",
            );
        }
        let mut read = |key, file: &Option<String>| read(key, file.as_deref()?, errors);
        let authorities = read("redis.caFile", &self.ca_file);
        let shown =
            (read("redis.certFile", &self.cert_file), read("redis.keyFile", &self.key_file));
        if self.cert_file.is_some() != self.key_file.is_some() {
            errors.add("redis.certFile", "belongs with redis.keyFile: give both, or neither");
        }
        let (certificate, key) = shown;
        RedisTls { authorities, identity: certificate.zip(key) }
    }

    /// Says what is wrong with it. Returns what its files have.
    pub(super) fn check(&self, errors: &mut ConfigErrors) -> RedisTls {
        self.check_address(errors);
        self.check_masters(errors);
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
        if !(1..=PREFIX_BYTES_MAX).contains(&self.prefix.len())
            || !self.prefix.bytes().all(is_plain)
        {
            errors.add(
                "redis.prefix",
                format!("1 to {PREFIX_BYTES_MAX} letters, digits, and any of _ - . :"),
            );
        }
        if !(100..=TIMEOUT_MS_LIMIT).contains(&self.timeout_ms) {
            errors.add("redis.timeoutMs", format!("from 100 to {TIMEOUT_MS_LIMIT}"));
        }
        if self.wait_replicas > REPLICAS_LIMIT {
            errors.add("redis.waitReplicas", format!("at most {REPLICAS_LIMIT}"));
        }
        if !(LEASE_MS_MIN..=LEASE_MS_LIMIT).contains(&self.lease_ms) {
            errors.add("redis.leaseMs", format!("from {LEASE_MS_MIN} to {LEASE_MS_LIMIT}"));
        }
        if self.orders_max == 0 {
            errors.add("redis.ordersMax", "0 would let no order be made; at least 1");
        }
        if !SPOOL_BYTES.contains(&self.spool_bytes_max) {
            let (from, to) = (SPOOL_BYTES.start(), SPOOL_BYTES.end());
            errors.add("redis.spoolBytesMax", format!("from {from} to {to}"));
        }
        self.check_node(errors);
        self.read_files(errors)
    }

    /// What is kept there while Redis is away needs a place.
    pub(super) fn check_spool(&self, data_dir: Option<&str>, errors: &mut ConfigErrors) {
        if self.spool && !self.is_on() {
            errors.add("redis.spool", "is of use where there is a Redis: say where it is");
        } else if self.spool && data_dir.is_none() {
            errors.add("redis.spool", "keeps events in dataDir: give one");
        }
    }

    fn check_node(&self, errors: &mut ConfigErrors) {
        if self.advertise.as_deref().is_some_and(|it| parse_address(it).is_none()) {
            errors.add(
                "redis.advertise",
                "no address of a node; write scheme, host and port, such as http://10.0.0.7:4001",
            );
        }
        let is_name =
            |name: &str| (1..=NODE_NAME_BYTES_MAX).contains(&name.len()) && is_plain_name(name);
        if self.node_name.as_deref().is_some_and(|name| !is_name(name)) {
            errors.add(
                "redis.nodeName",
                format!("1 to {NODE_NAME_BYTES_MAX} letters, digits, and any of _ -"),
            );
        }
        if !NODE_LEASE_MS.contains(&self.node_lease_ms) {
            let (least, most) = (NODE_LEASE_MS.start(), NODE_LEASE_MS.end());
            errors.add("redis.nodeLeaseMs", format!("from {least} to {most}"));
        }
    }
}

/// An address; without a port it is the usual one.
fn host_and_port(text: &str, usual: u16) -> Option<(String, u16)> {
    let (host, port) = match text.rsplit_once(':') {
        // An IPv6 address stands in brackets.
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (text, usual),
    };
    let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let is_host = !host.is_empty() && !host.contains(['/', '@', ' ', '[', ']', ':']);
    match bare {
        Some(address) => Some((address.parse::<std::net::Ipv6Addr>().ok()?.to_string(), port)),
        None => is_host.then(|| (host.to_owned(), port)),
    }
}

/// A file's bytes.
fn read(key: &str, path: &str, errors: &mut ConfigErrors) -> Option<Vec<u8>> {
    let unreadable = |error| errors.add(key, format!("{path} cannot be read: {error}"));
    std::fs::read(path).map_err(unreadable).ok()
}

/// Text as it stands in an address.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(byte.into());
        } else {
            _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(config: &RedisConfig) -> Vec<String> {
        let mut errors = ConfigErrors::default();
        config.check(&mut errors);
        match errors.or(()) {
            Ok(()) => Vec::new(),
            Err(errors) => errors.problems().iter().map(|it| it.to_string()).collect(),
        }
    }

    #[test]
    fn what_is_said_in_parts_becomes_an_address() {
        let config = RedisConfig {
            host: Some("::1".into()),
            username: Some("hub".into()),
            password: Some(Secret::new("p@ss/w:rd")),
            db: 3,
            tls: true,
            ..RedisConfig::default()
        };
        let address = config.options(Retention::default(), &RedisTls::default()).unwrap().url;
        assert_eq!(address, "rediss://hub:p%40ss%2Fw%3Ard@[::1]:6379/3");
        assert!(problems(&config).is_empty());
        assert!(
            RedisConfig::default().options(Retention::default(), &RedisTls::default()).is_none()
        );
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let url = || Some(Secret::new("redis://localhost"));
        let twice = RedisConfig { url: url(), host: Some("a".into()), ..RedisConfig::default() };
        assert_eq!(problems(&twice).len(), 1);
        let nowhere = RedisConfig { password: url(), ..RedisConfig::default() };
        assert_eq!(problems(&nowhere).len(), 1);
        let bad = RedisConfig {
            url: Some(Secret::new("localhost:6379")),
            prefix: "{x}".into(),
            timeout_ms: 1,
            orders_max: 0,
            advertise: Some("10.0.0.7:4001".into()),
            node_name: Some("a b".into()),
            node_lease_ms: 1,
            lease_ms: 999,
            ..RedisConfig::default()
        };
        assert_eq!(problems(&bad).len(), 8, "{:?}", problems(&bad));
    }

    #[test]
    fn sentinels_say_where_redis_is_and_the_rest_how_it_is_spoken_to() {
        let config = RedisConfig {
            sentinels: ["10.0.0.5:1", "[::1]:2", "cache"].map(String::from).to_vec(),
            master: Some("hub".into()),
            password: Some(Secret::new("p")),
            tls: true,
            sentinel_password: Some(Secret::new("s")),
            ..RedisConfig::default()
        };
        assert!(problems(&config).is_empty());
        assert!(config.is_on());
        let options = config.options(Retention::default(), &RedisTls::default()).unwrap();
        assert!(options.url.starts_with("rediss://:p@"), "{}", options.url);
        let sentinels = options.sentinels.unwrap();
        let expected = [("10.0.0.5", 1), ("::1", 2), ("cache", 26_379)];
        assert_eq!(sentinels.addresses, expected.map(|(host, port)| (host.to_owned(), port)));
        assert_eq!((&*sentinels.master, sentinels.password.as_deref()), ("hub", Some("s")));
        let wrong = RedisConfig {
            sentinels: ["redis://a:1", "::1", "a:b"].map(String::from).to_vec(),
            host: Some("a".into()),
            master: None,
            ..config
        };
        assert_eq!(problems(&wrong).len(), 5, "{:?}", problems(&wrong));
    }

    #[test]
    fn nodes_of_a_cluster_say_where_redis_is() {
        let cluster = ["10.0.0.5:7000", "cache"].map(String::from).to_vec();
        let config = RedisConfig { cluster, ..RedisConfig::default() };
        assert!(problems(&config).is_empty() && config.is_on());
        let options = config.options(Retention::default(), &RedisTls::default()).unwrap();
        let expected = [("10.0.0.5", 7_000), ("cache", 6_379)];
        let expected = expected.map(|(host, port)| (host.to_owned(), port));
        assert_eq!(options.cluster.unwrap(), expected);
        let wrong = RedisConfig { host: Some("a".into()), db: 1, ..config };
        assert_eq!(problems(&wrong).len(), 2, "{:?}", problems(&wrong));
    }

    #[test]
    fn certificates_that_cannot_be_read_or_are_of_no_use_are_told() {
        let config = RedisConfig {
            host: Some("a".into()),
            ca_file: Some("/nowhere/ca.pem".into()),
            cert_file: Some("/nowhere/cert.pem".into()),
            ..RedisConfig::default()
        };
        let told = problems(&config).join("\n");
        for expected in ["redis.tls", "/nowhere/ca.pem cannot be read", "redis.keyFile: give both"]
        {
            assert!(told.contains(expected), "{expected} in {told}");
        }
    }
}
