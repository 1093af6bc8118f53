//! What a node learns of its cluster's Redis when it starts.

use redis::RedisError;
use redis::aio::MultiplexedConnection;

use super::link::Link;
use super::servers::Servers;
use super::{RedisOpenError, RedisOptions};

/// How many bytes the secret has.
const SECRET_BYTES: usize = 32;

/// The format of all that nodes share in Redis, and say to each other by way of it. It is raised only where nodes of the version before
/// would do harm; a tenant's log says its own layout beside it.
const FORMAT: u64 = 1;

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
    let mut link = Link::new(Servers::new(options)?, options.patience);
    let (key, format_key) = (options.keys().secret(), options.keys().format());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let look = async {
        let connection = link.connect().await?;
        let mut pipeline = redis::pipe();
        pipeline.cmd("SETNX").arg(&format_key).arg(FORMAT).ignore().cmd("GET").arg(&format_key);
        let (format,): (Vec<u8>,) = pipeline.query_async(&mut *connection).await?;
        // A hub of another format may have a secret of another kind.
        if format != FORMAT.to_string().as_bytes() {
            return Ok::<_, RedisError>(Err(format));
        }
        let mut pipeline = redis::pipe();
        pipeline.cmd("SETNX").arg(&key).arg(&fresh).ignore().cmd("GET").arg(&key);
        let (secret,): (Vec<u8>,) = pipeline.query_async(&mut *connection).await?;
        Ok(Ok((secret, persistence(connection).await)))
    };
    // Who starts a node may do so on a thread that runs tasks, where nothing can be waited for.
    let looked = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| runtime.block_on(look));
        waiting.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    let looked = looked.map_err(|error| RedisOpenError::of_connecting(&error))?;
    let (secret, persistence) = looked.map_err(|format| other_format(format_key, &format))?;
    let secret = secret.try_into().map_err(|_| RedisOpenError::Foreign(key))?;
    Ok(RedisFirstLook { secret, persistence })
}

/// Why a hub of another format cannot be shared.
fn other_format(key: String, format: &[u8]) -> RedisOpenError {
    let found = std::str::from_utf8(format).ok().and_then(|it| it.parse().ok());
    match found {
        Some(found) if found > FORMAT => RedisOpenError::Later { key, found, known: FORMAT },
        _ => RedisOpenError::Foreign(key),
    }
}

async fn persistence(connection: &mut MultiplexedConnection) -> RedisPersistence {
    let mut said = [const { None }; 2];
    for (name, said) in ["appendonly", "appendfsync"].into_iter().zip(&mut said) {
        let mut get = redis::cmd("CONFIG");
        let answer: Result<(String, String), _> =
            get.arg("GET").arg(name).query_async(connection).await;
        *said = answer.ok().map(|(_, value)| value);
    }
    match said.each_ref().map(Option::as_deref) {
        [Some("yes"), Some("always")] => RedisPersistence::Always,
        [Some("yes"), Some("everysec")] => RedisPersistence::EverySecond,
        [Some("yes"), Some("no")] => RedisPersistence::WhenTheSystemDoes,
        [Some("no"), _] => RedisPersistence::Snapshots,
        _ => RedisPersistence::Unknown,
    }
}
