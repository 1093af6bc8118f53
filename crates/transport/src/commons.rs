//! What all shards of a server are told, and what they share.

use std::sync::Arc;
use std::time::Instant;

use foodtrack_session::{HeartbeatConfig, Namespaces};

use crate::admission::Admission;
use crate::client::Protocol;
use crate::door::DoorRefusals;
use crate::limits::Limits;
use crate::node_mark::NodeMark;
use crate::origin_policy::OriginPolicy;
use crate::sid::SidDirectory;
use crate::stranger_budget::StrangerBudget;
use crate::tls_door::TlsDoor;
use crate::trusted_proxies::TrustedProxies;

/// A path and what is spoken there.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The whole path, such as `/socket.io/`.
    pub path: String,
    /// What is spoken.
    pub protocol: Protocol,
}

/// What all shards of a server have in common.
#[derive(Clone)]
pub struct ReactorConfig {
    /// Where clients connect; other paths are the application's.
    pub endpoints: Vec<Endpoint>,
    /// The namespaces, `/` first.
    pub namespaces: Namespaces,
    /// Pings and patience.
    pub heartbeat: HeartbeatConfig,
    /// What a stranger may push.
    pub limits: Limits,
    /// Which web pages may connect.
    pub origins: OriginPolicy,
    /// Handshakes a minute and address; 0 for no limit.
    pub handshakes_per_minute: u32,
    /// Who says who a request comes from.
    pub proxies: TrustedProxies,
    /// Whether those begin each connection with a header of the PROXY protocol.
    pub proxy_protocol: bool,
    /// Whether a turn's sends go to the kernel as one submission, where it has io_uring and allows it.
    pub batched_sends: bool,
    /// What this node marks session ids with, where there are others that are to know whose they are.
    pub node: Option<NodeMark>,
    /// What connections are encrypted with; `None` where they are plain.
    pub tls: Option<Arc<TlsDoor>>,
}

/// What the shards of one server share: session ids, admission, one clock.
#[derive(Clone)]
pub struct Commons {
    pub(crate) config: Arc<ReactorConfig>,
    pub(crate) sids: Arc<SidDirectory>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) strangers: Arc<StrangerBudget>,
    pub(crate) door: Arc<DoorRefusals>,
    pub(crate) start: Instant,
}

impl Commons {
    /// Starts the clock, for so many shards.
    pub fn new(config: ReactorConfig, shards: usize) -> Self {
        let admission = Arc::new(Admission::new(config.handshakes_per_minute));
        let strangers = Arc::new(StrangerBudget::new(&config.limits, shards));
        Self {
            config: Arc::new(config),
            sids: Arc::new(SidDirectory::new()),
            admission,
            strangers,
            door: Arc::default(),
            start: Instant::now(),
        }
    }

    /// Who was refused at the door, of all shards together.
    pub fn door(&self) -> Arc<DoorRefusals> {
        Arc::clone(&self.door)
    }
}

/// Numbers of a reactor, for metrics.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReactorStats {
    /// Sockets open now.
    pub sockets: usize,
    /// Engine.IO sessions now.
    pub clients: usize,
    /// HTTP answers now whose bodies come in pieces.
    pub streams: usize,
    /// Frames dropped for slow readers.
    pub dropped: u64,
    /// Bytes written to sockets.
    pub sent_bytes: u64,
}

impl ReactorStats {
    /// So many bytes were written to a socket.
    pub(crate) fn note_sent(&mut self, bytes: usize) {
        self.sent_bytes += bytes as u64;
    }

    /// So many frames were dropped for a slow reader.
    pub(crate) fn note_dropped(&mut self, frames: u32) {
        self.dropped += u64::from(frames);
    }
}
