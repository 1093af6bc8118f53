//! Which requests of other nodes are let in, and how many were not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::node_book::NodeBook;
use super::node_id::NodeId;
use super::node_signature::{Credentials, NodeKeys, Nonce, SignedRequest};
use super::replay_guard::{NotFresh, ReplayGuard};

/// A node asks another one in so many bytes at most.
pub(crate) const NODE_REQUEST_BYTES_MAX: usize = 64 << 10;

/// Looks at who asks, before anything else is looked at.
pub(crate) struct NodeGate {
    book: Arc<NodeBook>,
    keys: NodeKeys,
    guard: Mutex<ReplayGuard>,
    refused: [AtomicU64; NodeRefusal::ALL.len()],
}

/// A request as it came.
#[derive(Clone, Copy)]
pub(crate) struct IncomingRequest<'a> {
    pub(crate) method: &'a str,
    /// Path and query.
    pub(crate) target: &'a str,
    pub(crate) authorization: Option<&'a str>,
    pub(crate) body: &'a [u8],
}

/// A request that was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AdmittedRequest {
    /// The node that asks.
    pub(crate) from: NodeId,
    /// What its answer is signed for.
    pub(crate) nonce: Nonce,
}

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeRefusal {
    /// It is not proven to be a node's of this cluster, for this node.
    Forged,
    /// It is too old, or of a time to come.
    Late,
    /// It was here.
    Replayed,
    /// It is larger than any.
    Oversized,
    /// There are too many.
    Busy,
}

impl NodeRefusal {
    /// All of them, in their order.
    pub(crate) const ALL: [Self; 5] =
        [Self::Forged, Self::Late, Self::Replayed, Self::Oversized, Self::Busy];

    /// As metrics and answers name it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Forged => "forged",
            Self::Late => "late",
            Self::Replayed => "replayed",
            Self::Oversized => "oversized",
            Self::Busy => "busy",
        }
    }

    /// The status of the answer.
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::Forged | Self::Late | Self::Replayed => 401,
            Self::Oversized => 413,
            Self::Busy => 503,
        }
    }
}

impl NodeGate {
    pub(super) fn new(book: Arc<NodeBook>, keys: NodeKeys) -> Self {
        let refused = NodeRefusal::ALL.map(|_| AtomicU64::new(0));
        Self { book, keys, guard: Mutex::default(), refused }
    }

    /// Lets a request in, once.
    ///
    /// # Errors
    /// [`NodeRefusal`], which is counted.
    pub(crate) fn admit(
        &self,
        request: IncomingRequest<'_>,
    ) -> Result<AdmittedRequest, NodeRefusal> {
        self.look_at(request).inspect_err(|refusal| self.count(*refusal))
    }

    /// Counts a refusal that was made elsewhere.
    pub(crate) fn count(&self, refusal: NodeRefusal) {
        self.refused[refusal as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many requests were refused, by why.
    pub(crate) fn refused(&self) -> [(NodeRefusal, u64); NodeRefusal::ALL.len()] {
        NodeRefusal::ALL.map(|it| (it, self.refused[it as usize].load(Ordering::Relaxed)))
    }

    /// What proves an answer to a request that was let in.
    pub(crate) fn sign_answer(&self, nonce: &Nonce, status: u16, body: &[u8]) -> String {
        self.keys.sign_answer(nonce, status, body)
    }

    fn look_at(&self, request: IncomingRequest<'_>) -> Result<AdmittedRequest, NodeRefusal> {
        let IncomingRequest { method, target, authorization, body } = request;
        if body.len() > NODE_REQUEST_BYTES_MAX {
            return Err(NodeRefusal::Oversized);
        }
        let said = authorization.and_then(Credentials::parse).ok_or(NodeRefusal::Forged)?;
        let signed = SignedRequest { method, target, to: self.book.own_id(), body };
        if !self.keys.is_proven(signed, &said) {
            return Err(NodeRefusal::Forged);
        }
        let now_ms = self.book.cluster_now_ms().ok_or(NodeRefusal::Late)?;
        let mut guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner);
        guard.admit(said.nonce, said.at_ms, now_ms).map_err(|why| match why {
            NotFresh::Late => NodeRefusal::Late,
            NotFresh::Replayed => NodeRefusal::Replayed,
            NotFresh::Full => NodeRefusal::Busy,
        })?;
        Ok(AdmittedRequest { from: said.from, nonce: said.nonce })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use foodtrack_tenant_log::NodeCensus;

    use super::super::cluster_secret::ClusterSecret;
    use super::super::node_card::OwnNode;
    use super::*;

    const NOW_MS: u64 = 1_000_000;

    fn keys() -> NodeKeys {
        NodeKeys::new(&ClusterSecret::new([7; 32]))
    }

    fn id(text: &str) -> NodeId {
        NodeId::parse(text).unwrap()
    }

    /// A node `b` that knows what time it is.
    fn gate() -> NodeGate {
        let own = OwnNode {
            mark: "m".into(),
            address: None,
            started_at_ms: 0,
            counters: Vec::new(),
            crowds: None,
        };
        let book = Arc::new(NodeBook::new(id("b"), own));
        let census =
            NodeCensus { now_ms: NOW_MS, nodes: Vec::new(), strange: 0, has_own_secret: true };
        book.learn(census, Instant::now());
        NodeGate::new(book, keys())
    }

    fn signed(to: &str, at_ms: u64, nonce: u8, body: &[u8]) -> String {
        let to = id(to);
        let request = SignedRequest { method: "POST", target: "/x", to: &to, body };
        keys().sign(request, &id("a"), at_ms, [nonce; 16])
    }

    fn come(gate: &NodeGate, authorization: &str, body: &[u8]) -> Result<(), NodeRefusal> {
        let authorization = Some(authorization);
        let request = IncomingRequest { method: "POST", target: "/x", authorization, body };
        gate.admit(request).map(|admitted| assert_eq!(admitted.from, id("a")))
    }

    #[test]
    fn what_is_forged_replayed_late_or_oversized_is_refused_and_counted() {
        let gate = gate();
        let good = signed("b", NOW_MS, 1, b"{}");
        assert_eq!(come(&gate, &good, b"{}"), Ok(()));
        assert_eq!(come(&gate, &good, b"{}"), Err(NodeRefusal::Replayed));
        assert_eq!(come(&gate, &good, b"[]"), Err(NodeRefusal::Forged));
        assert_eq!(come(&gate, "Bearer a.b.c", b"{}"), Err(NodeRefusal::Forged));
        let to_another = signed("c", NOW_MS, 2, b"{}");
        assert_eq!(come(&gate, &to_another, b"{}"), Err(NodeRefusal::Forged));
        let old = signed("b", NOW_MS - 20_000, 3, b"{}");
        assert_eq!(come(&gate, &old, b"{}"), Err(NodeRefusal::Late));
        let large = vec![b' '; NODE_REQUEST_BYTES_MAX + 1];
        assert_eq!(
            come(&gate, &signed("b", NOW_MS, 4, &large), &large),
            Err(NodeRefusal::Oversized)
        );
        let counts = gate.refused().map(|(why, count)| (why.as_str(), count));
        let expected = [("forged", 3), ("late", 1), ("replayed", 1), ("oversized", 1), ("busy", 0)];
        assert_eq!(counts, expected);
    }
}
