//! Which of several nodes passes on what an emitter publishes.

use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{Client, RedisError, Script};
use uuid::Uuid;

/// How long a node has it that is not heard of any more.
const HELD_FOR: Duration = Duration::from_secs(10);
/// How often a node says that it is there.
const SAID_EVERY: Duration = Duration::from_secs(3);
/// A node stops a little before another one can begin.
const TRUSTED_FOR: Duration = Duration::from_secs(8);

/// KEYS: 1 the holder. ARGV: the node, milliseconds. Answers 1 where the node has it.
const CLAIM: &str = "
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1";

/// KEYS: 1 the holder. ARGV: the node.
const GIVE_BACK: &str = "
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1";

/// A place that one node has at a time. What must not be done twice is known by its id as well.
pub(super) struct Holder {
    client: Client,
    key: String,
    node: String,
    connection: Option<MultiplexedConnection>,
    /// When it was claimed last, and whether this node had it then.
    claimed: Option<(Instant, bool)>,
}

impl Holder {
    pub(super) fn new(client: Client, key: String) -> Self {
        let node = Uuid::new_v4().to_string();
        Self { client, key, node, connection: None, claimed: None }
    }

    /// Where the holder keeps how far it is.
    pub(super) fn place_key(&self) -> String {
        format!("{}:place", self.key)
    }

    /// Whether this node has it now.
    pub(super) async fn is_ours(&mut self) -> Result<bool, RedisError> {
        if let Some((at, is_ours)) = self.claimed
            && at.elapsed() < SAID_EVERY
        {
            return Ok(is_ours);
        }
        let asked_at = Instant::now();
        match self.claim().await {
            Ok(is_ours) => {
                self.claimed = Some((asked_at, is_ours));
                Ok(is_ours)
            }
            Err(error) => {
                self.connection = None;
                let is_trusted = |(at, _): &(Instant, bool)| at.elapsed() < TRUSTED_FOR;
                self.claimed.filter(is_trusted).map(|(_, is_ours)| is_ours).ok_or(error)
            }
        }
    }

    async fn claim(&mut self) -> Result<bool, RedisError> {
        let held_ms = u64::try_from(HELD_FOR.as_millis()).unwrap_or(u64::MAX);
        let (key, node) = (self.key.clone(), self.node.clone());
        let script = Script::new(CLAIM);
        script.key(key).arg(node).arg(held_ms).invoke_async(self.connection().await?).await
    }

    /// The connection for what is asked beside listening.
    pub(super) async fn connection(&mut self) -> Result<&mut MultiplexedConnection, RedisError> {
        if self.connection.is_none() {
            self.connection = Some(self.client.get_multiplexed_async_connection().await?);
        }
        Ok(self.connection.as_mut().unwrap_or_else(|| unreachable!("it was just made")))
    }

    /// Another node may have it at once.
    pub(super) async fn give_back(&mut self) {
        let (key, node) = (self.key.clone(), self.node.clone());
        let given = async {
            let script = Script::new(GIVE_BACK);
            script.key(key).arg(node).invoke_async::<()>(self.connection().await?).await
        };
        // Where that fails, it ends by itself.
        let _ = tokio::time::timeout(Duration::from_secs(1), given).await;
    }
}
