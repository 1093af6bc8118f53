//! Asks other nodes, over HTTP: pooled connections, a deadline for each request, and so many at once.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use reqwest::Client;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::node_book::NodeBook;
use super::node_id::NodeId;
use super::node_signature::{ANSWER_HEADER, NodeKeys, SignedRequest};
use crate::posting;

/// Requests to one node at once; further ones wait within their deadline.
const REQUESTS_PER_NODE_MAX: usize = 32;
/// Connections to one node that are kept for the next requests.
const IDLE_CONNECTIONS_MAX: usize = 8;
/// No request takes longer, whatever its deadline.
const TIMEOUT: Duration = Duration::from_secs(30);
/// An answer has so many bytes at most.
pub(crate) const NODE_ANSWER_BYTES_MAX: usize = 16 << 20;

/// The way to the other nodes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct NodeClient {
    http: Client,
    book: Arc<NodeBook>,
    keys: NodeKeys,
    places: Arc<Mutex<BTreeMap<NodeId, Arc<Semaphore>>>>,
    /// Where requests are made, whoever waits for them.
    runtime: Handle,
}

/// A node gave no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum NodeFault {
    #[error("nobody knows where it is; set redis.advertise there")]
    NoAddress,
    #[error("it did not answer in time")]
    Timeout,
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    #[error("it refuses, with status {0}")]
    Refused(u16),
    #[error("its answer is longer than {NODE_ANSWER_BYTES_MAX} bytes")]
    TooLong,
    #[error("its answer is not of this cluster, or not to this request")]
    Forged,
    #[error("its answer is not one to what was asked")]
    Unreadable,
    #[error("this node is about to stop")]
    Stopped,
}

impl NodeClient {
    /// # Errors
    /// TLS cannot be set up.
    pub(super) fn new(
        book: Arc<NodeBook>,
        keys: NodeKeys,
        authorities: Option<&[u8]>,
        runtime: Handle,
    ) -> io::Result<Self> {
        let client = posting::client(TIMEOUT, IDLE_CONNECTIONS_MAX).tcp_nodelay(true);
        let http = posting::trusting(client, authorities)?;
        Ok(Self { http, book, keys, places: Arc::default(), runtime })
    }

    /// Posts to a node until `deadline`, and returns the body of its answer, which is proven to be its. On any thread.
    ///
    /// # Errors
    /// [`NodeFault`]
    pub(crate) async fn post(
        &self,
        node: &NodeId,
        path: &'static str,
        body: Bytes,
        deadline: Instant,
    ) -> Result<Bytes, NodeFault> {
        let (client, node) = (self.clone(), node.clone());
        let asked = self.runtime.spawn(async move {
            let answer = client.ask(&node, path, body);
            match tokio::time::timeout_at(deadline.into(), answer).await {
                Ok(answer) => answer,
                Err(_) => Err(NodeFault::Timeout),
            }
        });
        asked.await.unwrap_or(Err(NodeFault::Stopped))
    }

    async fn ask(
        &self,
        node: &NodeId,
        path: &'static str,
        body: Bytes,
    ) -> Result<Bytes, NodeFault> {
        let address = self.book.address_of(node.as_str()).ok_or(NodeFault::NoAddress)?;
        let places = self.places(node);
        let _place = places.acquire().await.map_err(|_| NodeFault::Stopped)?;
        let at_ms = self.book.cluster_now_ms().unwrap_or_default();
        let nonce = *uuid::Uuid::new_v4().as_bytes();
        let request = SignedRequest { method: "POST", target: path, to: node, body: &body };
        let credentials = self.keys.sign(request, self.book.own_id(), at_ms, nonce);
        let url = format!("{}{path}", address.trim_end_matches('/'));
        let request = self.http.post(url).header("authorization", credentials).body(body);
        let mut answer = request.send().await.map_err(fault)?;
        let status = answer.status().as_u16();
        let header = answer.headers().get(ANSWER_HEADER).and_then(|it| it.to_str().ok());
        let said = header.unwrap_or_default().to_owned();
        let mut whole = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(fault)? {
            if whole.len() + chunk.len() > NODE_ANSWER_BYTES_MAX {
                return Err(NodeFault::TooLong);
            }
            whole.extend_from_slice(&chunk);
        }
        if !self.keys.is_answer(&nonce, status, &whole, &said) {
            // One that refuses a request cannot say to which it answers.
            return Err(if status == 200 { NodeFault::Forged } else { NodeFault::Refused(status) });
        }
        if status == 200 { Ok(whole.freeze()) } else { Err(NodeFault::Refused(status)) }
    }

    fn places(&self, node: &NodeId) -> Arc<Semaphore> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if !places.contains_key(node) {
            // Of those that have ended nobody asks again.
            places.retain(|id, _| self.book.address_of(id.as_str()).is_some());
        }
        let fresh = || Arc::new(Semaphore::new(REQUESTS_PER_NODE_MAX));
        Arc::clone(places.entry(node.clone()).or_insert_with(fresh))
    }
}

fn fault(error: reqwest::Error) -> NodeFault {
    match posting::NoAnswer::from(error) {
        posting::NoAnswer::Timeout => NodeFault::Timeout,
        posting::NoAnswer::Unreachable(why) => NodeFault::Unreachable(why),
    }
}
