//! Events that are sent again until somebody acknowledges them: the next one first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use foodtrack_tenant_log::LogEntry;

use crate::connection_slot::ConnectionSlot;

/// What waits for acknowledgements.
#[derive(Debug, Default)]
pub(super) struct Retries {
    waiting: BinaryHeap<Reverse<Retry>>,
}

/// An event that a connection was sent and has yet to acknowledge.
#[derive(Debug)]
pub(crate) struct Retry {
    /// On the shard's clock.
    pub(super) due_ms: u64,
    pub(crate) to: ConnectionSlot,
    pub(crate) entry: Arc<LogEntry>,
    /// How often it was sent.
    pub(crate) attempts: u32,
}

impl Retries {
    pub(super) fn push(&mut self, retry: Retry) {
        self.waiting.push(Reverse(retry));
    }

    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.waiting.peek().map(|Reverse(next)| next.due_ms)
    }

    pub(super) fn take_due(&mut self, now_ms: u64) -> Option<Retry> {
        self.next_due_ms().filter(|due_ms| *due_ms <= now_ms)?;
        self.waiting.pop().map(|Reverse(next)| next)
    }
}

impl PartialEq for Retry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Retry {}

impl PartialOrd for Retry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Retry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |it: &Self| (it.due_ms, it.entry.offset, it.to);
        key(self).cmp(&key(other))
    }
}
