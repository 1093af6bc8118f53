//! The cluster's Redis in the configuration.

use std::fmt::Write as _;
use std::time::Duration;

use foodtrack_tenant_log::{RedisOptions, Retention};
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
    /// What every key begins with. Default: `foodtrack`.
    pub prefix: String,
    /// How long an answer is waited for, and how long what cannot be sent waits before it is refused. Default: 3 000 ms.
    pub timeout_ms: u32,
    /// Of how many orders of a tenant it is known whose they are. Default: one million.
    pub orders_max: u64,
    /// Where the other nodes reach this one, such as `http://10.0.0.7:4001`. Default: where it listens, unless that is every address.
    pub advertise: Option<String>,
    /// What this node is called; its id begins with it. Default: none, and its id is random.
    pub node_name: Option<String>,
    /// How long the others take a node to live that they hear nothing of. Default: 10 000 ms.
    pub node_lease_ms: u32,
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
            prefix: String::from("foodtrack"),
            timeout_ms: 3_000,
            orders_max: 1_000_000,
            advertise: None,
            node_name: None,
            node_lease_ms: 10_000,
        }
    }
}

/// The longest that Redis may be waited for.
const TIMEOUT_MS_LIMIT: u32 = 60_000;
/// The longest prefix.
const PREFIX_BYTES_MAX: usize = 64;
/// How long a node's lease may be.
const NODE_LEASE_MS: std::ops::RangeInclusive<u32> = 1_000..=300_000;

impl RedisConfig {
    /// How Redis is used; `None` where the node is alone.
    pub(crate) fn options(&self, retention: Retention) -> Option<RedisOptions> {
        Some(RedisOptions {
            url: self.address()?,
            prefix: self.prefix.clone(),
            retention,
            orders_max: self.orders_max,
            patience: Duration::from_millis(self.timeout_ms.into()),
        })
    }

    /// Whether the node is one of a cluster.
    pub(super) fn is_on(&self) -> bool {
        self.url.is_some() || self.host.is_some()
    }

    fn address(&self) -> Option<String> {
        if let Some(url) = &self.url {
            return Some(url.reveal().to_owned());
        }
        let host = self.host.as_ref()?;
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
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        _ = write!(address, "{host}:{}/{}", self.port, self.db);
        Some(address)
    }

    /// Says what is wrong with it.
    pub(super) fn check(&self, errors: &mut ConfigErrors) {
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
        } else if self.host.is_none()
            && (self.username.is_some() || self.password.is_some() || self.db != 0 || self.tls)
        {
            errors.add("redis.host", "is missing: nobody knows where Redis is");
        }
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
        if self.orders_max == 0 {
            errors.add("redis.ordersMax", "0 would let no order be made; at least 1");
        }
        self.check_node(errors);
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
        let address = config.options(Retention::default()).unwrap().url;
        assert_eq!(address, "rediss://hub:p%40ss%2Fw%3Ard@[::1]:6379/3");
        assert!(problems(&config).is_empty());
        assert!(RedisConfig::default().options(Retention::default()).is_none());
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
            ..RedisConfig::default()
        };
        assert_eq!(problems(&bad).len(), 7, "{:?}", problems(&bad));
    }
}
