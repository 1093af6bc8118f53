//! What a process asks of a model of a log beside what the product does.

use foodtrack_tenant_log::{Completion, LogWriter, TenantLog};

use crate::{ModelLog, SharedStream};

/// What outlives processes.
#[derive(Clone)]
pub enum LogModel {
    /// The disk of a hub alone.
    Disk(ModelLog),
    /// The log that nodes share.
    Stream(SharedStream),
}

impl LogModel {
    /// The disk, where there is one.
    pub fn disk(&self) -> Option<&ModelLog> {
        match self {
            Self::Disk(log) => Some(log),
            Self::Stream(_) => None,
        }
    }

    /// The stream, where there is one.
    pub fn stream(&self) -> Option<&SharedStream> {
        match self {
            Self::Disk(_) => None,
            Self::Stream(stream) => Some(stream),
        }
    }
}

/// A model of a log, as one process has it.
pub trait HubLog: TenantLog + LogWriter + Clone + 'static {
    /// Time has passed. Returns what it has to say, in its order.
    fn advance(&self, now_ms: u64) -> Vec<Completion>;

    /// When it has something to do or to say.
    fn next_ms(&self) -> Option<u64>;

    /// Whether it takes nothing: then no log is closed.
    fn is_ill(&self) -> bool;

    /// When all is heard that others had noted by now; `None` where it cannot be.
    fn heard_by_ms(&self, now_ms: u64) -> Option<u64>;
}

impl HubLog for ModelLog {
    fn advance(&self, now_ms: u64) -> Vec<Completion> {
        Self::advance(self, now_ms)
    }

    fn next_ms(&self) -> Option<u64> {
        Self::next_ms(self)
    }

    fn is_ill(&self) -> bool {
        self.with_disk(|disk| disk.is_full() || disk.has_failed())
    }

    fn heard_by_ms(&self, now_ms: u64) -> Option<u64> {
        Some(now_ms)
    }
}
