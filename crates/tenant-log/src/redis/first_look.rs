//! What a node learns of its cluster's Redis when it starts.

use redis::{Client, Connection, ErrorKind, RedisError};

use super::keys::Keys;
use super::{RedisOpenError, RedisOptions};

/// How many bytes the secret has.
const SECRET_BYTES: usize = 32;

/// What a node learns.
pub struct RedisFirstLook {
    /// A secret that all nodes of the cluster have. Who can read it there can read the logs as well.
    pub secret: [u8; SECRET_BYTES],
    /// What is there again after Redis crashed.
    pub persistence: RedisPersistence,
}

/// What Redis itself promises of what it has answered for: an event that the hub acknowledged as durable is as safe as that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedisPersistence {
    /// `appendfsync always`: all of it is on disk.
    Always,
    /// `appendfsync everysec`: all but about the last second.
    EverySecond,
    /// `appendfsync no`: all but what the operating system had not written yet.
    WhenTheSystemDoes,
    /// No append-only file: what the last snapshot has, if there is one.
    Snapshots,
    /// It does not say: many that are rented do not.
    Unknown,
}

impl RedisPersistence {
    /// What it means, for a log line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "all of it is on disk (appendfsync always)",
            Self::EverySecond => "a crash of Redis may lose its last second (appendfsync everysec)",
            Self::WhenTheSystemDoes => {
                "a crash of its machine may lose what was not written yet (appendfsync no)"
            }
            Self::Snapshots => {
                "a crash of Redis loses everything since its last snapshot (appendonly no); set appendonly yes and appendfsync always or everysec"
            }
            Self::Unknown => "unknown: Redis does not let its configuration be read",
        }
    }

    /// Whether what was acknowledged is there after a crash of Redis, but for a second at most.
    pub const fn is_safe(self) -> bool {
        matches!(self, Self::Always | Self::EverySecond)
    }
}

/// Looks at Redis. The secret is made where there is none, of `fresh`. Waits for Redis.
///
/// # Errors
/// [`RedisOpenError`]
pub fn first_look(
    options: &RedisOptions,
    fresh: [u8; SECRET_BYTES],
) -> Result<RedisFirstLook, RedisOpenError> {
    let client =
        Client::open(options.url.as_str()).map_err(|error| RedisOpenError::address(&error))?;
    let key = Keys::new(&options.prefix).secret();
    let ask = || -> Result<(Vec<u8>, RedisPersistence), RedisError> {
        let mut connection = client.get_connection_with_timeout(options.patience)?;
        connection.set_read_timeout(Some(options.patience))?;
        connection.set_write_timeout(Some(options.patience))?;
        let mut pipeline = redis::pipe();
        pipeline.cmd("SETNX").arg(&key).arg(&fresh).ignore().cmd("GET").arg(&key);
        let (secret,) = pipeline.query(&mut connection)?;
        Ok((secret, persistence(&mut connection)))
    };
    let (secret, persistence) = ask().map_err(|error| match error.kind() {
        ErrorKind::AuthenticationFailed => RedisOpenError::NotLetIn,
        _ => RedisOpenError::Away(error.to_string()),
    })?;
    let secret = secret.try_into().map_err(|_| RedisOpenError::Foreign(key))?;
    Ok(RedisFirstLook { secret, persistence })
}

fn persistence(connection: &mut Connection) -> RedisPersistence {
    let mut get = |name: &str| -> Option<String> {
        let (_, value): (String, String) =
            redis::cmd("CONFIG").arg("GET").arg(name).query(connection).ok()?;
        Some(value)
    };
    match (get("appendonly").as_deref(), get("appendfsync").as_deref()) {
        (Some("yes"), Some("always")) => RedisPersistence::Always,
        (Some("yes"), Some("everysec")) => RedisPersistence::EverySecond,
        (Some("yes"), Some("no")) => RedisPersistence::WhenTheSystemDoes,
        (Some("no"), _) => RedisPersistence::Snapshots,
        _ => RedisPersistence::Unknown,
    }
}
