//! Which nodes a cluster has: each holds a lease in Redis, and reads the others' when it renews its own.

use std::time::Duration;

use redis::Value;

use super::link::{Link, is_again};
use super::pipeline::call;
use super::servers::Servers;
use super::values::{array, bytes, number};
use super::{RedisOpenError, RedisOptions, scripts};

/// So many nodes are read at most.
pub const NODES_MAX: usize = 256;
/// What a node says of itself has so many bytes at most.
pub const NODE_CARD_BYTES_MAX: usize = 4_096;

/// The nodes' leases.
pub struct NodeRegistry {
    link: Link,
    nodes: String,
    secret: String,
    own_secret: [u8; 32],
}

/// What Redis says when a lease was renewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeCensus {
    /// Redis's own time, in milliseconds since 1970: the one clock that all nodes see.
    pub now_ms: u64,
    /// Ids and cards of the nodes whose lease holds, this one's among them; in no order that means anything.
    pub nodes: Vec<(Vec<u8>, Vec<u8>)>,
    /// Values that are no node's, or too many.
    pub strange: u64,
    /// Whether the cluster's secret is the one that this node started with.
    pub has_own_secret: bool,
}

/// Redis did not renew a lease. Says nothing of its address.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct NodeRegistryError(String);

impl NodeRegistry {
    /// Does not wait for Redis. `own_secret` is what [`first_look`](super::first_look) found; it is put back where Redis forgot it,
    /// so that nodes that come later have the same.
    ///
    /// # Errors
    /// [`RedisOpenError`]
    pub fn new(options: &RedisOptions, own_secret: [u8; 32]) -> Result<Self, RedisOpenError> {
        let keys = options.keys();
        let link = Link::new(Servers::new(options)?, options.patience);
        Ok(Self { link, nodes: keys.nodes(), secret: keys.secret(), own_secret })
    }

    /// Says that this node lives for another `lease`, and who else does. Needs a tokio runtime with a clock and sockets.
    ///
    /// # Errors
    /// [`NodeRegistryError`]: Redis cannot be reached, or refuses.
    pub async fn renew(
        &mut self,
        id: &str,
        card: &[u8],
        lease: Duration,
    ) -> Result<NodeCensus, NodeRegistryError> {
        self.run(id, card, lease).await
    }

    /// Gives the lease up: the node has ended.
    ///
    /// # Errors
    /// [`NodeRegistryError`]: Redis cannot be reached, or refuses; the lease ends by itself.
    pub async fn leave(&mut self, id: &str) -> Result<(), NodeRegistryError> {
        self.run(id, b"", Duration::ZERO).await.map(|_| ())
    }

    async fn run(
        &mut self,
        id: &str,
        card: &[u8],
        lease: Duration,
    ) -> Result<NodeCensus, NodeRegistryError> {
        let mut command = call(&scripts::NODES, std::slice::from_ref(&self.nodes));
        let lease_ms = u64::try_from(lease.as_millis()).unwrap_or(u64::MAX);
        command.arg(id).arg(card).arg(lease_ms).arg(NODES_MAX).arg(NODE_CARD_BYTES_MAX);
        let mut pipeline = redis::pipe();
        pipeline.ignore_errors();
        pipeline.cmd("SETNX").arg(&self.secret).arg(&self.own_secret);
        pipeline.cmd("GET").arg(&self.secret);
        pipeline.add_command(command);
        let failed = |error: redis::RedisError| NodeRegistryError(error.to_string());
        let answers = self.link.run(&pipeline).await.map_err(failed)?;
        // It may not be the master any more.
        if answers.iter().any(is_again) {
            self.link.disconnect();
        }
        let answers: Vec<Value> = answers.into_iter().collect::<Result<_, _>>().map_err(failed)?;
        read(&answers, &self.own_secret)
            .ok_or_else(|| NodeRegistryError(String::from("its answer is none of the script's")))
    }
}

fn read(answers: &[Value], own_secret: &[u8]) -> Option<NodeCensus> {
    let [_, secret, census] = answers else { return None };
    let [now_ms, strange, living] = array(census)? else { return None };
    let living = array(living)?.as_chunks::<2>().0.iter();
    let nodes = living.filter_map(|[id, card]| Some((bytes(id)?.to_vec(), bytes(card)?.to_vec())));
    Some(NodeCensus {
        now_ms: number(now_ms)?,
        nodes: nodes.collect(),
        strange: number(strange)?,
        has_own_secret: bytes(secret) == Some(own_secret),
    })
}
