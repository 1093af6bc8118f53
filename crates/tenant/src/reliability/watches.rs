//! Events that somebody must have confirmed by a time, and what was done about those that nobody has.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use foodtrack_contract::{Offset, Watch};
use foodtrack_tenant_log::LogEntry;
use serde::{Deserialize, Serialize};

/// For how many times its `within_ms` an event is watched again where its log is opened.
pub(crate) const WATCHED_AGAIN_TIMES: u64 = 3;

/// Events that must be confirmed, the next to be looked at first.
#[derive(Debug, Default)]
pub(super) struct Watches {
    waiting: BinaryHeap<Reverse<(u64, Offset)>>,
    watched: BTreeMap<Offset, Watched>,
    /// From then on an opening of the log would have none of them watched again.
    over_at_ms: u64,
}

/// An event that must be confirmed.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) entry: Arc<LogEntry>,
    pub(crate) watch: Watch,
    pub(crate) timeline: Timeline,
}

/// What was done about an event, as it is kept and shown. A first step is taken when it was not confirmed in time, and a
/// second one, which is the last, when it was by then or was not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Timeline {
    event: Box<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<Box<str>>,
    by: Box<str>,
    steps: Vec<TimelineStep>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct TimelineStep {
    at: String,
    what: Box<str>,
}

impl Watches {
    pub(super) fn push(&mut self, due_ms: u64, watched: Watched) {
        // See `Tenant::watch_again`: its event is `within_ms` old at least when it is due.
        let over_at_ms = due_ms + (WATCHED_AGAIN_TIMES - 1) * watched.watch.within_ms + 1;
        self.over_at_ms = self.over_at_ms.max(over_at_ms);
        let offset = watched.entry.offset;
        self.waiting.push(Reverse((due_ms, offset)));
        self.watched.insert(offset, watched);
    }

    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.waiting.peek().map(|Reverse((due_ms, _))| *due_ms)
    }

    /// Whether nothing is watched, nor would be if the log was opened now.
    pub(super) fn is_at_rest(&self, now_ms: u64) -> bool {
        self.waiting.is_empty() && self.over_at_ms <= now_ms
    }

    pub(super) fn take_due(&mut self, now_ms: u64) -> Option<Watched> {
        while self.next_due_ms()? <= now_ms {
            let Reverse((_, offset)) = self.waiting.pop()?;
            if let Some(watched) = self.watched.remove(&offset) {
                return Some(watched);
            }
        }
        None
    }
}

impl Watched {
    /// One of which nothing was done yet.
    pub(crate) fn new(entry: Arc<LogEntry>, watch: Watch) -> Self {
        let timeline = Timeline {
            event: entry.event.as_str().into(),
            order: entry.entity.clone(),
            by: watch.by.as_str().into(),
            steps: Vec::new(),
        };
        Self { entry, watch, timeline }
    }
}

impl Timeline {
    /// Notes a step. `what` is for people alone.
    pub(crate) fn note(&mut self, at: String, what: &str) {
        self.steps.push(TimelineStep { at, what: what.into() });
    }

    /// Whether nothing was done yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether nothing more is done.
    pub(crate) fn is_over(&self) -> bool {
        self.steps.len() > 1
    }
}
