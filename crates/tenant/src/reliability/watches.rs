//! Events that somebody must have confirmed by a time, and what was done about those that nobody has.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use foodtrack_contract::{ApplicationType, Offset, Watch};
use foodtrack_tenant_log::LogEntry;
use serde::{Deserialize, Serialize};

/// For how many times its `within_ms` an event is watched again where its log is opened.
const WATCHED_AGAIN_TIMES: u64 = 3;
/// And for how long at least where several nodes share the log.
const SHARED_MS_MIN: u64 = 120_000;

/// Events that must be confirmed, the next to be looked at first.
#[derive(Debug, Default)]
pub(super) struct Watches {
    /// Some of them are looked at later by now, or not any more.
    waiting: BinaryHeap<Reverse<(u64, Offset)>>,
    /// With when it is due.
    watched: BTreeMap<Offset, (u64, Watched)>,
    /// From then on an opening of the log would have none of them watched again.
    over_at_ms: u64,
}

/// An event that must be confirmed.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) entry: Arc<LogEntry>,
    pub(crate) watch: Watch,
    pub(crate) timeline: Timeline,
    /// Until when it would be watched again where its log is opened, in milliseconds since the Unix epoch.
    pub(crate) until_ms: u64,
    /// Other nodes had time to say that it was confirmed there.
    pub(crate) has_waited: bool,
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
    /// Somebody has confirmed it: other nodes need not look.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_confirmed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct TimelineStep {
    at: String,
    what: Box<str>,
}

impl Watches {
    pub(super) fn push(&mut self, due_ms: u64, watched: Watched) {
        // See `Tenant::watch_again`: its event is `within_ms` old at least when it is due.
        let span_ms = watched.until_ms.saturating_sub(watched.entry.at_ms);
        let over_at_ms = due_ms + span_ms.saturating_sub(watched.watch.within_ms) + 1;
        self.over_at_ms = self.over_at_ms.max(over_at_ms);
        let offset = watched.entry.offset;
        self.waiting.push(Reverse((due_ms, offset)));
        self.watched.insert(offset, (due_ms, watched));
    }

    /// Whether nothing is watched.
    pub(super) fn is_empty(&self) -> bool {
        self.watched.is_empty()
    }

    /// Another node says what was done about an event. Returns it where that is news, and it is not over: it is not watched any more
    /// until it is put back.
    pub(super) fn heard(
        &mut self,
        offset: Offset,
        by: ApplicationType,
        timeline: Timeline,
    ) -> Option<Watched> {
        let is_news = |known: &Watched| {
            known.watch.by == by
                && (timeline.is_over() || timeline.steps.len() > known.timeline.steps.len())
        };
        self.watched.get(&offset).filter(|(_, known)| is_news(known))?;
        let (_, watched) = self.watched.remove(&offset)?;
        (!timeline.is_over()).then_some(Watched { timeline, has_waited: false, ..watched })
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
            let Reverse((due_ms, offset)) = self.waiting.pop()?;
            if self.watched.get(&offset).is_some_and(|(at_ms, _)| *at_ms == due_ms) {
                return self.watched.remove(&offset).map(|(_, watched)| watched);
            }
        }
        None
    }
}

impl Watched {
    /// One of which nothing was done yet.
    pub(crate) fn new(entry: Arc<LogEntry>, watch: Watch, is_shared: bool) -> Self {
        let timeline = Timeline {
            event: entry.event.as_str().into(),
            order: entry.entity.clone(),
            by: watch.by.as_str().into(),
            steps: Vec::new(),
            is_confirmed: false,
        };
        // Another node may have to take over who watched it.
        let span_ms = WATCHED_AGAIN_TIMES * watch.within_ms;
        let span_ms = if is_shared { span_ms.max(SHARED_MS_MIN) } else { span_ms };
        let until_ms = entry.at_ms.saturating_add(span_ms);
        Self { entry, watch, timeline, until_ms, has_waited: false }
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

    /// Notes that somebody has confirmed it.
    pub(crate) fn confirm(&mut self) {
        self.is_confirmed = true;
    }

    /// Whether nothing more is done.
    pub(crate) fn is_over(&self) -> bool {
        self.is_confirmed || self.steps.len() > 1
    }
}
