//! A model of the log that nodes share: it orders what they append, and each reaches it over a line of its own. Answers and
//! notices come late; notices are lost and repeated; it is full for a while, or out of reach.

mod line;
mod node_log;
mod reading;
mod subscribers;

use std::sync::{Arc, Mutex, PoisonError};

use fastrand::Rng;
use foodtrack_contract::Epoch;
use foodtrack_tenant_log::{MemoryLog, MemoryStore, Retention};

use crate::Fault;
pub use line::StreamLine;
pub use node_log::{NodeLog, StreamCounts};

/// The stream, and the lines to it. It outlives every process.
#[derive(Clone)]
pub struct SharedStream {
    store: MemoryStore,
    lines: Vec<StreamLine>,
    counts: Arc<Mutex<StreamCounts>>,
}

impl SharedStream {
    /// A stream without entries, with so many lines on which everything takes up to `latency_ms_max`.
    pub fn new(nodes: usize, latency_ms_max: u64) -> Self {
        Self {
            store: MemoryStore::of_epoch(Epoch::new(1)),
            lines: (0..nodes).map(|_| StreamLine::new(latency_ms_max)).collect(),
            counts: Arc::default(),
        }
    }

    /// A node's line.
    pub fn line(&self, node: usize) -> Option<&StreamLine> {
        self.lines.get(node)
    }

    /// All lines.
    pub fn lines(&self) -> &[StreamLine] {
        &self.lines
    }

    /// What processes went through with it.
    pub fn counts(&self) -> StreamCounts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As a process of a node reaches it; `None` where there is no such node. Chance comes from the seed.
    pub fn log_of(&self, node: usize, seed: u64, fault: Option<Fault>) -> Option<NodeLog> {
        let line = self.lines.get(node)?.clone();
        let told = Arc::<Mutex<Vec<_>>>::default();
        let heard = Arc::clone(&told);
        let tell = Box::new(move |completion| {
            heard.lock().unwrap_or_else(PoisonError::into_inner).push(completion);
        });
        let log = MemoryLog::shared(self.store.clone(), Retention::default(), tell);
        let counts = Arc::clone(&self.counts);
        Some(NodeLog::new(log, told, line, counts, Rng::with_seed(seed), fault))
    }
}
