//! Which nodes live, as this one knows it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use foodtrack_tenant_log::{NODES_MAX, NodeCensus};
use foodtrack_transport::NodeTag;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::Notify;

use super::node_card::{NodeCard, NotOurs, OwnNode};
use super::node_id::NodeId;

/// The living nodes of the cluster, read anew whenever this node renews its lease. One that is alone knows itself.
pub(crate) struct NodeBook {
    own_id: NodeId,
    own: OwnNode,
    is_draining: AtomicBool,
    known: Mutex<Arc<KnownNodes>>,
    look_again: Notify,
}

/// What was read last.
#[derive(Default)]
pub(crate) struct KnownNodes {
    /// Without this node.
    others: BTreeMap<NodeId, Arc<NodeCard>>,
    /// Values that are no node's, or of too many.
    strange: u64,
    /// Nodes with another secret.
    foreign: u64,
    has_own_secret: bool,
    /// When this was, and Redis's time then.
    read: Option<(Instant, u64)>,
}

/// A node as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeInfo {
    /// Its id, of this start of it.
    pub id: String,
    /// Whether it is the one that was asked.
    pub is_self: bool,
    /// Where other nodes reach it; absent where it does not know, and in `/health`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The version that runs.
    pub version: String,
    /// RFC 3339.
    pub started_at: String,
    /// Authenticated connections, as of its last word: a few seconds old at most.
    pub connections: u64,
    /// Tenants with at least one.
    pub tenants: u64,
    /// Whether it is about to stop.
    pub draining: bool,
}

/// What is wrong with the cluster's nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NodeTrouble {
    /// Values among the nodes that are no node's.
    pub(crate) strange: u64,
    /// Another cluster is under the same prefix.
    pub(crate) is_mixed: bool,
}

impl NodeBook {
    pub(crate) fn new(own_id: NodeId, own: OwnNode) -> Self {
        Self {
            own_id,
            own,
            is_draining: AtomicBool::new(false),
            known: Mutex::new(Arc::new(KnownNodes {
                has_own_secret: true,
                ..KnownNodes::default()
            })),
            look_again: Notify::new(),
        }
    }

    /// This node.
    pub(crate) fn own_id(&self) -> &NodeId {
        &self.own_id
    }

    /// What this node says of itself now.
    pub(super) fn own_card(&self) -> NodeCard {
        self.own.card(self.is_draining.load(Ordering::Relaxed))
    }

    /// From now on this node tells the others that it is about to stop.
    pub(crate) fn begin_draining(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
        self.look_again();
    }

    /// The other nodes that live, by id.
    pub(crate) fn others(&self) -> Vec<(NodeId, Arc<NodeCard>)> {
        self.known().others.iter().map(|(id, card)| (id.clone(), Arc::clone(card))).collect()
    }

    /// Where another node that lives is reached: scheme, host and port. `None` where it is not known: it may have ended, or have
    /// started a moment ago ([`NodeBook::look_again`]).
    pub(crate) fn address_of(&self, node: &str) -> Option<String> {
        let known = self.known();
        let (_, card) = known.others.iter().find(|(id, _)| id.as_str() == node)?;
        card.address.clone()
    }

    /// The same of the node whose session ids have this tag.
    pub(crate) fn address_of_tag(&self, tag: NodeTag) -> Option<String> {
        let known = self.known();
        let (_, card) = known.others.iter().find(|(id, _)| NodeTag::of(id.as_str()) == tag)?;
        card.address.clone()
    }

    /// Every node that lives, by id, this one among them.
    pub(crate) fn nodes(&self) -> Vec<NodeInfo> {
        let others = self.others();
        let mut nodes: Vec<_> = others.iter().map(|(id, card)| info(id, card, false)).collect();
        nodes.push(info(&self.own_id, &self.own_card(), true));
        nodes.sort_unstable_by(|one, other| one.id.cmp(&other.id));
        nodes
    }

    /// How long ago the nodes were read; `None` where they never were.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.known().read.map(|(at, _)| at.elapsed())
    }

    /// What is wrong with what was read last.
    pub(crate) fn trouble(&self) -> NodeTrouble {
        let known = self.known();
        let is_mixed = known.foreign > 0 || !known.has_own_secret;
        NodeTrouble { strange: known.strange, is_mixed }
    }

    /// The time on the one clock that all nodes see, Redis's, in milliseconds since 1970; `None` before it was read.
    pub(crate) fn cluster_now_ms(&self) -> Option<u64> {
        let (at, then_ms) = self.known().read?;
        Some(then_ms + u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Has the nodes read again soon, not first when the lease is renewed: something says that what is known has changed.
    pub(crate) fn look_again(&self) {
        self.look_again.notify_one();
    }

    /// Until somebody wants the nodes to be read again.
    pub(super) async fn wanted(&self) {
        self.look_again.notified().await;
    }

    /// Takes over what was read at `at`.
    pub(super) fn learn(&self, census: NodeCensus, at: Instant) {
        let mut known = KnownNodes {
            strange: census.strange,
            has_own_secret: census.has_own_secret,
            read: Some((at, census.now_ms)),
            ..KnownNodes::default()
        };
        for (id, card) in census.nodes {
            let id = std::str::from_utf8(&id).ok().and_then(NodeId::parse);
            match (id, NodeCard::read(&card, &self.own.mark)) {
                (Some(id), _) if id == self.own_id => {}
                (Some(id), Ok(card)) if known.others.len() + 1 < NODES_MAX => {
                    known.others.insert(id, Arc::new(card));
                }
                (Some(_), Err(NotOurs::Foreign)) => known.foreign += 1,
                _ => known.strange += 1,
            }
        }
        if let Some(crowds) = &self.own.crowds {
            crowds.set_elsewhere(known.others.values().flat_map(|card| card.crowds()));
        }
        let before = self.known();
        tell(&before, &known);
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
    }

    fn known(&self) -> Arc<KnownNodes> {
        Arc::clone(&self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn info(id: &NodeId, card: &NodeCard, is_self: bool) -> NodeInfo {
    let started = i128::from(card.started_at_ms) * 1_000_000;
    let started = OffsetDateTime::from_unix_timestamp_nanos(started).ok();
    NodeInfo {
        id: id.as_str().into(),
        is_self,
        address: card.address.clone(),
        version: card.version.clone(),
        started_at: started.and_then(|it| it.format(&Rfc3339).ok()).unwrap_or_default(),
        connections: card.connections,
        tenants: card.tenants,
        draining: card.is_draining,
    }
}

/// Says what has changed, once.
fn tell(before: &KnownNodes, now: &KnownNodes) {
    for (id, card) in &now.others {
        if !before.others.contains_key(id) {
            let address = card.address.as_deref().unwrap_or("(unknown)");
            tracing::info!(node = id.as_str(), address, version = %card.version, "another node is there");
        }
    }
    for id in before.others.keys().filter(|id| !now.others.contains_key(*id)) {
        tracing::info!(node = id.as_str(), "another node has ended: its lease is over");
    }
    if now.strange > before.strange {
        let strange = now.strange;
        tracing::warn!(
            strange,
            "what stands among the nodes in Redis is no node's, or there are too many: it is passed over"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(mark: &str, port: u16) -> OwnNode {
        let address = Some(format!("http://127.0.0.1:{port}"));
        OwnNode { mark: mark.into(), address, started_at_ms: 0, counters: Vec::new(), crowds: None }
    }

    fn book() -> NodeBook {
        NodeBook::new(NodeId::parse("own").unwrap(), own("m", 1))
    }

    fn card(mark: &str, port: u16) -> Vec<u8> {
        serde_json::to_vec(&own(mark, port).card(false)).unwrap()
    }

    fn census(nodes: Vec<(&str, Vec<u8>)>) -> NodeCensus {
        let nodes = nodes.into_iter().map(|(id, card)| (id.into(), card)).collect();
        NodeCensus { now_ms: 1_000, nodes, strange: 0, has_own_secret: true }
    }

    #[test]
    fn those_who_live_are_known_and_what_is_strange_is_counted_and_passed_over() {
        let book = book();
        book.learn(
            census(vec![
                ("own", card("m", 1)),
                ("b", card("m", 2)),
                ("c", b"no card".to_vec()),
                ("d e", card("m", 3)),
            ]),
            Instant::now(),
        );
        assert_eq!(book.address_of("b").as_deref(), Some("http://127.0.0.1:2"));
        assert_eq!((book.address_of("own"), book.address_of("c")), (None, None));
        let ids: Vec<_> = book.nodes().into_iter().map(|it| (it.id, it.is_self)).collect();
        assert_eq!(ids, [("b".into(), false), ("own".into(), true)]);
        assert_eq!(book.trouble(), NodeTrouble { strange: 2, is_mixed: false });
        book.learn(census(Vec::new()), Instant::now());
        assert_eq!((book.others().len(), book.trouble()), (0, NodeTrouble::default()));
    }

    #[test]
    fn a_second_cluster_under_the_prefix_is_noticed_and_is_none_of_the_nodes() {
        let book = book();
        book.learn(census(vec![("b", card("n", 2))]), Instant::now());
        assert!(book.trouble().is_mixed && book.others().is_empty());
        let other = NodeCensus { has_own_secret: false, ..census(Vec::new()) };
        book.learn(other, Instant::now());
        assert!(book.trouble().is_mixed);
    }

    #[test]
    fn too_many_nodes_are_bounded() {
        let book = book();
        let ids: Vec<_> = (0..NODES_MAX + 9).map(|number| format!("n{number}")).collect();
        book.learn(
            census(ids.iter().map(|id| (id.as_str(), card("m", 2))).collect()),
            Instant::now(),
        );
        assert_eq!((book.nodes().len(), book.trouble().strange), (NODES_MAX, 10));
    }

    #[test]
    fn the_clusters_time_goes_on_between_two_looks() {
        let book = book();
        assert_eq!(book.cluster_now_ms(), None);
        let before = Instant::now().checked_sub(Duration::from_secs(2)).unwrap();
        book.learn(census(Vec::new()), before);
        assert!(book.cluster_now_ms() >= Some(3_000));
    }
}
