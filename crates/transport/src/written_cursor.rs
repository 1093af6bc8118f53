//! How far one recipient was written to, while frames of its queue overtake others.

use foodtrack_wire::LogPlace;

/// So many entries may have overtaken lower ones that still wait: a cursor names no more.
pub(crate) const OVERTAKERS_MAX: usize = 64;

/// The cursor of what was written: everything up to an offset, and a few entries beyond it.
///
/// It relies on the log's order: when a frame with an offset is queued, every entry for the recipient at or below that
/// offset was queued before, or is the frame itself.
#[derive(Debug, Default)]
pub(crate) struct WrittenCursor {
    /// The highest offset of a frame that was written: what lies above may have entries that nobody queued yet.
    proven: u64,
    /// Entries that were written while lower ones wait; ascending.
    beyond: Vec<u64>,
}

impl WrittenCursor {
    /// Notes that a frame is written now, which waits no more: `lowest` is the lowest entry that still does.
    pub(crate) fn pass(&mut self, place: LogPlace, is_entry: bool, lowest: Option<u64>) {
        self.proven = self.proven.max(place.offset);
        if is_entry
            && place.offset > self.through(lowest)
            && let Err(at) = self.beyond.binary_search(&place.offset)
        {
            self.beyond.insert(at, place.offset);
        }
    }

    /// Forgets overtakers that everything lower has followed.
    pub(crate) fn settle(&mut self, lowest: Option<u64>) {
        let through = self.through(lowest);
        let covered = self.beyond.partition_point(|offset| *offset <= through);
        self.beyond.drain(..covered);
    }

    /// Everything for the recipient up to here was written.
    pub(crate) fn through(&self, lowest: Option<u64>) -> u64 {
        lowest.map_or(self.proven, |lowest| self.proven.min(lowest.saturating_sub(1)))
    }

    /// What was written besides; ascending.
    pub(crate) fn beyond(&self) -> &[u64] {
        &self.beyond
    }

    /// What was written, as a cursor says it behind its epoch: `THROUGH+A,B`.
    pub(crate) fn to_text(&self, lowest: Option<u64>) -> String {
        let mut digits = itoa::Buffer::new();
        let mut text = String::from(digits.format(self.through(lowest)));
        for (nth, offset) in self.beyond.iter().enumerate() {
            text.push(if nth == 0 { '+' } else { ',' });
            text.push_str(digits.format(*offset));
        }
        text
    }

    /// Whether no entry may overtake another now.
    pub(crate) fn is_full(&self) -> bool {
        self.beyond.len() >= OVERTAKERS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(cursor: &mut WrittenCursor, offset: u64, lowest: Option<u64>) -> (u64, Vec<u64>) {
        let place = LogPlace { offset, is_entry: true };
        cursor.pass(place, true, lowest);
        cursor.settle(lowest);
        (cursor.through(lowest), cursor.beyond().to_vec())
    }

    #[test]
    fn what_overtook_stands_apart_until_the_lower_ones_followed() {
        let mut cursor = WrittenCursor::default();
        assert_eq!(written(&mut cursor, 9, Some(5)), (4, vec![9]));
        assert_eq!(written(&mut cursor, 12, Some(5)), (4, vec![9, 12]));
        assert_eq!(written(&mut cursor, 5, Some(7)), (6, vec![9, 12]));
        assert_eq!(written(&mut cursor, 7, Some(11)), (10, vec![12]));
        assert_eq!(written(&mut cursor, 11, None), (12, vec![]));
    }

    #[test]
    fn nothing_is_claimed_beyond_what_was_queued() {
        let mut cursor = WrittenCursor::default();
        assert_eq!(written(&mut cursor, 3, Some(9)), (3, vec![]));
        let place = LogPlace { offset: 7, is_entry: false };
        cursor.pass(place, false, Some(9));
        assert_eq!((cursor.through(Some(9)), cursor.beyond()), (7, &[][..]));
    }
}
