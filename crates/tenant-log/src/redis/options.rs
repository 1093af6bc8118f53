//! How Redis is used, and why it cannot be.

use std::path::PathBuf;
use std::time::Duration;

use redis::RedisError;

use super::RedisSpool;
use super::keys::Keys;
use crate::Retention;

/// How Redis is used.
#[derive(Clone)]
pub struct RedisOptions {
    /// Where it is: `redis://[user][:password@]host[:port][/database]`, `rediss://` with TLS, `redis+unix:///path` for a socket.
    pub url: String,
    /// What is trusted and shown where the address says TLS.
    pub tls: RedisTls,
    /// Who says which server is the master, if that may change. The address says how it is spoken to then, and not where it is.
    pub sentinels: Option<RedisSentinels>,
    /// Host and port of nodes of a Redis Cluster, one of which has all keys of the prefix. The address says how they are spoken to.
    pub cluster: Option<Vec<(String, u16)>>,
    /// What every key begins with. Nodes of one cluster have the same, and two clusters never.
    pub prefix: String,
    /// What each tenant's log keeps.
    pub retention: Retention,
    /// Of how many orders of a tenant it is known whose they are. Those stay: an order that was forgotten could be claimed by
    /// somebody else. So beyond it there is no room, and [`crate::LogReader::has_room_for_orders`] says so.
    pub orders_max: u64,
    /// How long an answer of Redis is waited for, and how long what cannot be sent waits before it is refused.
    pub patience: Duration,
    /// How long a node that does not say that it lives keeps what it does for tenants. It says so three times in that.
    pub lease: Duration,
    /// How many replicas must have a durable entry before it is answered, for which half of `patience` is waited. 0 waits for none.
    pub wait_replicas: u16,
    /// Where durable entries wait on disk while Redis is away; `None`: they are refused.
    pub spool: Option<RedisSpool>,
}

impl RedisOptions {
    /// The names of the keys. In a cluster they have the prefix as their hash tag, and so all of them are at one of its masters.
    pub(super) fn keys(&self) -> Keys {
        match &self.cluster {
            Some(_) => Keys::new(&format!("{{{}}}", self.prefix)),
            None => Keys::new(&self.prefix),
        }
    }
}

/// What TLS to Redis is made with, all of it as PEM.
#[derive(Clone, Default)]
pub struct RedisTls {
    /// The authorities that are trusted, instead of the system's.
    pub authorities: Option<Vec<u8>>,
    /// The certificate that is shown to servers that ask for one, and its key.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// The sentinels of a master. They are spoken to with TLS where it is.
#[derive(Clone)]
pub struct RedisSentinels {
    /// Host and port of each.
    pub addresses: Vec<(String, u16)>,
    /// What they call the master.
    pub master: String,
    /// The user that they want, if they want one.
    pub username: Option<String>,
    /// And the password.
    pub password: Option<String>,
}

/// Says whether there are any.
impl std::fmt::Debug for RedisTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisTls")
            .field("authorities", &self.authorities.is_some())
            .field("identity", &self.identity.is_some())
            .finish()
    }
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            url: String::from("redis://127.0.0.1:6379"),
            tls: RedisTls::default(),
            sentinels: None,
            cluster: None,
            prefix: String::from("foodtrack"),
            retention: Retention::default(),
            orders_max: 1_000_000,
            patience: Duration::from_secs(3),
            lease: Duration::from_secs(10),
            wait_replicas: 0,
            spool: None,
        }
    }
}

/// Says nothing of the address, in which a password may stand, nor of keys.
impl std::fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisOptions")
            .field("prefix", &self.prefix)
            .field("retention", &self.retention)
            .field("orders_max", &self.orders_max)
            .field("patience", &self.patience)
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}

/// Why a log in Redis could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum RedisOpenError {
    /// The address is none.
    #[error("the address of Redis cannot be used: {0}")]
    Url(String),
    /// A certificate or key is none, or belongs to no TLS.
    #[error("the certificates for Redis cannot be used: {0}")]
    Tls(String),
    /// It cannot be reached, or does not answer.
    #[error("Redis cannot be reached: {0}; start it, or check redis.url")]
    Away(String),
    /// Its certificate is not trusted.
    #[error(
        "the certificate of Redis is not trusted: {0}; name the authority that signed it in redis.caFile, and Redis by a name that its certificate has"
    )]
    NotTrusted(String),
    /// It wants a certificate, or another one.
    #[error(
        "Redis does not accept this node's certificate: {0}; give one in redis.certFile and redis.keyFile that it trusts"
    )]
    NotAccepted(String),
    /// It is a node of a cluster, and has not all keys.
    #[error(
        "what redis.url names is a node of a Redis Cluster ({0}): name nodes of it in redis.cluster instead"
    )]
    OneOfMany(String),
    /// It wants another user or password.
    #[error("Redis refuses the user or password; check redis.username and redis.password")]
    NotLetIn,
    /// Something else has this key.
    #[error(
        "what Redis has under {0:?} is no hub's: give redis.prefix another value, or take the key away"
    )]
    Foreign(String),
    /// Nodes of a later version share it.
    #[error(
        "nodes of a later version keep the tenants' logs under {key:?} in format {found}, and this version knows {known}: start this node with that version"
    )]
    Later {
        /// The key that says so.
        key: String,
        /// The format that is there.
        found: u64,
        /// The format that this version reads and writes.
        known: u64,
    },
    /// What waits on disk for Redis cannot be used as it is.
    #[error("the spool {} cannot be used: {reason}; nothing was changed", path.display())]
    Spool {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Its thread could not be started.
    #[error("the thread for Redis cannot be started: {0}")]
    Thread(#[from] std::io::Error),
}

impl RedisOpenError {
    pub(super) fn address(error: &RedisError) -> Self {
        // What it says has nothing of the address.
        Self::Url(error.to_string())
    }

    /// What an error means that came when Redis was connected to, or asked first.
    pub(super) fn of_connecting(error: &RedisError) -> Self {
        let said = error.to_string();
        if error.kind() == redis::ErrorKind::AuthenticationFailed {
            return Self::NotLetIn;
        }
        if said.starts_with("Moved") || said.contains("error: Moved") {
            return Self::OneOfMany(said);
        }
        // What rustls says of a certificate that it refuses, and of one that the other side refuses or wants: their types are those of
        // redis-rs, behind which nothing can be found but text.
        if said.contains("invalid peer certificate") {
            return Self::NotTrusted(said);
        }
        if said.contains("received fatal alert") {
            return Self::NotAccepted(said);
        }
        Self::Away(said)
    }
}
