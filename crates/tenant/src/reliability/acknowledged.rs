//! Which events a subscriber acknowledged last: a client that comes back with a cursor from before them has them all the same,
//! also where its tenant was not in memory meanwhile.

use std::collections::BTreeMap;

use foodtrack_contract::{Epoch, Offset};
use foodtrack_tenant_log::{Note, NoteKind, SubscriberKey};
use foodtrack_wire::Sid;
use serde::{Deserialize, Serialize};

/// How many events that were acknowledged last are remembered of a subscriber.
const ACKNOWLEDGED_MAX: usize = 256;
/// How many of the sessions that acknowledged an event are remembered: those that did it last.
const ACKNOWLEDGED_BY_MAX: usize = 16;

/// What was acknowledged last, and by which sessions: that arrived, whatever is before it.
#[derive(Debug, Default)]
pub(super) struct Acknowledged {
    by_offset: BTreeMap<Offset, Vec<Sid>>,
    /// No note says so yet.
    is_unsaved: bool,
}

/// The note of a subscriber.
#[derive(Serialize, Deserialize)]
struct Row {
    /// Offsets of another incarnation of the log say nothing.
    epoch: u64,
    by: BTreeMap<String, Vec<u64>>,
}

impl Acknowledged {
    /// A session acknowledged an event.
    pub(super) fn add(&mut self, sid: Sid, offset: Offset) {
        let sids = self.by_offset.entry(offset).or_default();
        self.is_unsaved |= !sids.contains(&sid);
        sids.retain(|other| *other != sid);
        if sids.len() >= ACKNOWLEDGED_BY_MAX {
            sids.remove(0);
        }
        sids.push(sid);
        if self.by_offset.len() > ACKNOWLEDGED_MAX {
            self.by_offset.pop_first();
        }
    }

    /// An event is to be acknowledged once more.
    pub(super) fn remove(&mut self, offset: Offset) {
        self.is_unsaved |= self.by_offset.remove(&offset).is_some();
    }

    pub(super) fn contains(&self, offset: Offset) -> bool {
        self.by_offset.contains_key(&offset)
    }

    /// The sessions that acknowledged an event.
    pub(super) fn by(&self, offset: Offset) -> Option<&[Sid]> {
        self.by_offset.get(&offset).map(Vec::as_slice)
    }

    /// The last of them.
    pub(super) fn last(&self) -> Offset {
        self.by_offset.last_key_value().map_or(Offset::ZERO, |(offset, _)| *offset)
    }

    /// Those that a session acknowledged, or any; ascending.
    pub(super) fn offsets(&self, by: Option<&Sid>) -> Vec<Offset> {
        let counts = |sids: &Vec<Sid>| by.is_none_or(|sid| sids.contains(sid));
        let acknowledged = self.by_offset.iter().filter(|(_, sids)| counts(sids));
        acknowledged.map(|(offset, _)| *offset).collect()
    }

    /// Whether a note says so.
    pub(super) fn is_saved(&self) -> bool {
        !self.is_unsaved
    }

    /// The note that says so was taken.
    pub(super) fn set_saved(&mut self) {
        self.is_unsaved = false;
    }

    /// The note that says so, if none does yet.
    pub(super) fn to_save(
        &self,
        subscriber: &SubscriberKey,
        epoch: Epoch,
        expires_at_ms: u64,
    ) -> Option<Note> {
        if self.is_saved() {
            return None;
        }
        let mut row = Row { epoch: epoch.get(), by: BTreeMap::new() };
        for (offset, sids) in &self.by_offset {
            for sid in sids {
                row.by.entry(sid.as_str().to_owned()).or_default().push(offset.get());
            }
        }
        Some(Note {
            kind: NoteKind::Acknowledged,
            key: subscriber.as_str().into(),
            value: serde_json::to_string(&row).ok().map(Box::from),
            expires_at_ms: Some(expires_at_ms),
        })
    }

    /// Takes up what a note says of a subscriber in this incarnation of the log.
    pub(super) fn restore(&mut self, note: &Note, epoch: Epoch) {
        let row = note.value.as_deref().and_then(|value| serde_json::from_str::<Row>(value).ok());
        let Some(row) = row.filter(|row| row.epoch == epoch.get()) else { return };
        let was_unsaved = self.is_unsaved;
        for (sid, offsets) in row.by {
            let Some(sid) = Sid::parse(&sid) else { continue };
            offsets.into_iter().filter_map(Offset::new).for_each(|offset| self.add(sid, offset));
        }
        self.is_unsaved = was_unsaved;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(n: u64) -> Offset {
        Offset::new(n).unwrap()
    }

    fn sid(n: u64) -> Sid {
        Sid::parse(&format!("{n:0>20}")).unwrap()
    }

    #[test]
    fn the_acknowledged_events_that_are_remembered_are_bounded() {
        let mut acknowledged = Acknowledged::default();
        for n in 0..2 * ACKNOWLEDGED_MAX as u64 {
            acknowledged.add(sid(1), offset(2 + 2 * n));
        }
        let offsets = acknowledged.offsets(None);
        assert_eq!(offsets.len(), ACKNOWLEDGED_MAX);
        assert_eq!(offsets.last(), Some(&offset(4 * ACKNOWLEDGED_MAX as u64)), "the last");
    }

    #[test]
    fn of_the_sessions_that_acknowledged_an_event_the_newest_are_remembered() {
        let mut acknowledged = Acknowledged::default();
        let all = ACKNOWLEDGED_BY_MAX as u64;
        // The first one says it again, and is the newest by that.
        (1..=all).chain([1, 99]).for_each(|n| acknowledged.add(sid(n), offset(5)));
        assert_eq!(acknowledged.by_offset[&offset(5)].len(), ACKNOWLEDGED_BY_MAX);
        assert_eq!(acknowledged.offsets(Some(&sid(2))), [], "it was the oldest");
        for n in [1, 3, all, 99] {
            assert_eq!(acknowledged.offsets(Some(&sid(n))), [offset(5)], "{n}");
        }
        assert_eq!(acknowledged.offsets(None), [offset(5)]);
    }

    #[test]
    fn a_note_brings_back_what_each_session_acknowledged_and_nothing_of_another_log() {
        let (subscriber, epoch) = (SubscriberKey::new("a").unwrap(), Epoch::new(3));
        let mut before = Acknowledged::default();
        assert!(before.to_save(&subscriber, epoch, 9).is_none(), "there is nothing to say");
        for (by, n) in [(1, 7), (2, 7), (2, 9), (1, 11)] {
            before.add(sid(by), offset(n));
        }
        before.remove(offset(11));
        let note = before.to_save(&subscriber, epoch, 9).unwrap();
        assert_eq!((&*note.key, note.expires_at_ms), ("a", Some(9)));
        before.set_saved();
        before.add(sid(1), offset(7));
        assert!(before.to_save(&subscriber, epoch, 9).is_none(), "it says all");
        let mut after = Acknowledged::default();
        after.restore(&note, Epoch::new(4));
        assert_eq!(after.offsets(None), []);
        after.restore(&note, epoch);
        assert_eq!(after.offsets(Some(&sid(1))), [offset(7)]);
        assert_eq!(after.offsets(Some(&sid(2))), [offset(7), offset(9)]);
        assert!(after.to_save(&subscriber, epoch, 9).is_none(), "the note is there");
    }
}
