//! What all nodes of a cluster know, and what is made of it. The secret itself signs nothing here.

use aws_lc_rs::hmac;
use foodtrack_transport::{NodeMark, NodeTag};

use super::node_id::NodeId;
use crate::hex;

/// The secret that the cluster's Redis holds.
#[derive(Clone)]
pub(crate) struct ClusterSecret([u8; 32]);

impl ClusterSecret {
    pub(crate) fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    pub(crate) fn bytes(&self) -> [u8; 32] {
        self.0
    }

    /// By this a node knows others of its cluster.
    pub(crate) fn mark(&self) -> String {
        hex::encode(&self.derive("foodtrack cluster mark 1").as_ref()[..8])
    }

    /// The key of one purpose, which its label names.
    pub(super) fn key(&self, label: &str) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.derive(label).as_ref())
    }

    /// What this node marks its clients' session ids with.
    pub(crate) fn node_mark(&self, node: &NodeId) -> NodeMark {
        let key = self.derive("foodtrack session ids 1");
        let (key, _) = key.as_ref().split_first_chunk().unwrap_or((&[0; 16], &[]));
        NodeMark::new(NodeTag::of(node.as_str()), *key)
    }

    fn derive(&self, label: &str) -> hmac::Tag {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.0), label.as_bytes())
    }
}
