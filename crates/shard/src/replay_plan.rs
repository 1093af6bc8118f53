//! In which order somebody who was away gets what they missed: urgent first, then the log's order; and what they no
//! longer need.

use std::collections::VecDeque;

use ahash::{AHashMap, AHashSet};
use foodtrack_contract::{Cursor, EventName, Offset, Priority};
use foodtrack_tenant_log::Outline;
use uuid::Uuid;

use crate::viewer::Viewer;

/// How to look at a stretch of the log.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    /// Entries looked at together: urgent ones overtake within them, later ones take the place of earlier ones.
    pub(crate) entries_max: usize,
    /// What the recipient has already.
    pub(crate) had: Cursor,
    /// What of it is sent again all the same, since it waits for an acknowledgement.
    pub(crate) owed: Owed,
    /// How many may overtake: as many as the recipient's cursor can still list.
    pub(crate) overtaking_max: usize,
    /// Whether the recipient was away for long: then a last state stands for those before it, and old entries are left out.
    pub(crate) was_away: bool,
    /// Entries before this are too old to be replayed, in milliseconds since the Unix epoch.
    pub(crate) oldest_ms: u64,
    pub(crate) now_ms: u64,
}

/// Events that a recipient got and did not acknowledge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owed {
    /// These.
    These(Vec<Offset>),
    /// It is not known any more: all of these types, by name.
    AllOf(Vec<Box<str>>),
}

impl Owed {
    pub(crate) fn is_any(&self) -> bool {
        match self {
            Self::These(offsets) => !offsets.is_empty(),
            Self::AllOf(names) => !names.is_empty(),
        }
    }

    fn has(&self, entry: &Outline) -> bool {
        match self {
            Self::These(offsets) => offsets.binary_search(&entry.offset).is_ok(),
            Self::AllOf(names) => names.iter().any(|name| **name == *entry.event.as_str()),
        }
    }
}

/// What to send, and in which order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// These overtake: urgent ones, each behind earlier ones about the same order.
    pub(crate) urgent: VecDeque<Offset>,
    /// The rest, ascending.
    pub(crate) rest: VecDeque<Offset>,
    /// Where the recipient stands when all of it was sent.
    pub(crate) through: Offset,
    /// Past their time.
    pub(crate) expired: Vec<Expired>,
    /// A later one says it all.
    pub(crate) compacted: usize,
}

/// An entry that is of no use any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expired {
    pub(crate) offset: Offset,
    pub(crate) id: Uuid,
    pub(crate) event: EventName,
}

impl Plan {
    /// What is sent next, and whether it overtakes.
    pub(crate) fn next(&self) -> Option<(Offset, bool)> {
        let urgent = self.urgent.front().map(|offset| (*offset, true));
        urgent.or_else(|| self.rest.front().map(|offset| (*offset, false)))
    }

    /// Takes off what [`Plan::next`] said.
    pub(crate) fn advance(&mut self) {
        if self.urgent.pop_front().is_none() {
            self.rest.pop_front();
        }
    }

    /// The next places, at most `max`, in the order in which they are sent.
    pub(crate) fn ahead(&self, max: usize) -> Vec<Offset> {
        self.urgent.iter().chain(&self.rest).take(max).copied().collect()
    }

    /// Of the first `places`, keeps those that are still there.
    pub(crate) fn keep_of_first(&mut self, places: usize, there: &[Offset]) {
        let there: AHashSet<Offset> = there.iter().copied().collect();
        let mut left = places;
        for queue in [&mut self.urgent, &mut self.rest] {
            queue.retain(|offset| {
                let is_asked = left > 0;
                left = left.saturating_sub(1);
                !is_asked || there.contains(offset)
            });
        }
    }

    /// Plans for the entries of one window, ascending; `through` is where the next window starts.
    pub(crate) fn new(
        entries: &[Outline],
        through: Offset,
        window: &Window,
        viewer: &Viewer,
    ) -> Self {
        let mut plan = Self { through, ..Self::default() };
        let seen: Vec<&Outline> =
            entries.iter().filter(|entry| is_due(entry, window, viewer)).collect();
        let superseded = if window.was_away { superseded(&seen) } else { AHashSet::new() };
        let mut due: Vec<&Outline> = Vec::with_capacity(seen.len());
        for entry in seen {
            let is_old = window.was_away && entry.at_ms < window.oldest_ms;
            if is_old || entry.expires_at_ms.is_some_and(|end_ms| end_ms <= window.now_ms) {
                let (offset, id, event) = (entry.offset, entry.id, entry.event.clone());
                plan.expired.push(Expired { offset, id, event });
            } else if superseded.contains(&entry.offset) {
                plan.compacted += 1;
            } else {
                due.push(entry);
            }
        }
        let urgent = urgent(&due, window.overtaking_max);
        let overtakes: AHashSet<Offset> = urgent.iter().copied().collect();
        plan.rest =
            due.iter().map(|it| it.offset).filter(|offset| !overtakes.contains(offset)).collect();
        // With nothing to overtake, the log's order is the order.
        if plan.rest.front().is_none_or(|first| urgent.iter().all(|offset| offset < first)) {
            let mut urgent = urgent;
            urgent.sort_unstable();
            for offset in urgent.into_iter().rev() {
                plan.rest.push_front(offset);
            }
        } else {
            plan.urgent = urgent.into();
        }
        plan
    }
}

fn is_due(entry: &Outline, window: &Window, viewer: &Viewer) -> bool {
    let is_new = !window.had.covers(entry.offset) || window.owed.has(entry);
    is_new && viewer.sees(&entry.audience)
}

/// Entries of which a later one of the same event and order is among those seen.
fn superseded(seen: &[&Outline]) -> AHashSet<Offset> {
    let mut last: AHashMap<(&EventName, &str), Offset> = AHashMap::new();
    let mut superseded = AHashSet::new();
    for entry in seen.iter().filter(|entry| entry.compacts) {
        let Some(entity) = entry.entity.as_deref() else { continue };
        if let Some(earlier) = last.insert((&entry.event, entity), entry.offset) {
            superseded.insert(earlier);
        }
    }
    superseded
}

/// Urgent entries with the earlier ones of their own orders, as many as may overtake; each order's ascending.
fn urgent(due: &[&Outline], places: usize) -> Vec<Offset> {
    let mut first: Vec<Offset> = Vec::new();
    let mut taken: AHashSet<Offset> = AHashSet::new();
    for (at, entry) in due.iter().enumerate().filter(|(_, it)| it.priority == Priority::Urgent) {
        let own = |other: &&&Outline| entry.entity.is_some() && other.entity == entry.entity;
        let group: Vec<Offset> = due[..at]
            .iter()
            .filter(own)
            .map(|it| it.offset)
            .chain([entry.offset])
            .filter(|offset| !taken.contains(offset))
            .collect();
        if first.len() + group.len() > places {
            break;
        }
        taken.extend(&group);
        first.extend(group);
    }
    first
}
