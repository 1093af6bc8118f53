//! When the newest events were delivered that ask for an acknowledgement: how long that takes is measured.

use std::collections::VecDeque;

use foodtrack_contract::Offset;

/// Events that are remembered; of older ones it is not measured.
const EVENTS_MAX: usize = 1_024;

/// The newest events that asked, and when.
#[derive(Debug, Default)]
pub(crate) struct AskedAt(VecDeque<(Offset, u64)>);

impl AskedAt {
    /// The event at an offset was delivered at `now_ms`.
    pub(crate) fn note(&mut self, offset: Offset, now_ms: u64) {
        if self.0.back().is_some_and(|(last, _)| *last >= offset) {
            // The log was begun anew.
            self.0.clear();
        }
        if self.0.len() == EVENTS_MAX {
            self.0.pop_front();
        }
        self.0.push_back((offset, now_ms));
    }

    /// When the event at an offset was delivered, where that is known.
    pub(crate) fn of(&self, offset: Offset) -> Option<u64> {
        let place = self.0.binary_search_by_key(&offset, |(offset, _)| *offset).ok()?;
        self.0.get(place).map(|(_, at_ms)| *at_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(n: u64) -> Offset {
        Offset::ZERO.plus(n)
    }

    #[test]
    fn the_newest_are_known_and_a_log_begun_anew_forgets_those_before() {
        let mut asked = AskedAt::default();
        for n in 1..=2_000 {
            asked.note(at(n), n * 10);
        }
        assert_eq!(asked.0.len(), EVENTS_MAX);
        assert_eq!((asked.of(at(2_000)), asked.of(at(1))), (Some(20_000), None));
        asked.note(at(7), 5);
        assert_eq!((asked.of(at(7)), asked.of(at(2_000)), asked.0.len()), (Some(5), None, 1));
    }
}
