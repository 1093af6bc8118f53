//! A tenant's offsets as its one writer counts them: who gets the next, and what may be shown.

use std::collections::VecDeque;

use foodtrack_contract::{Epoch, Offset};
use uuid::Uuid;

use crate::recent_ids::RecentIds;
use crate::{Durability, Head};

/// Whether a message is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is, and this is its offset. Submit it next.
    New(Offset),
    /// It was accepted before, at this offset. If that is above [`Sequence::released`], it is not certain yet.
    Repeat(Offset),
}

/// The state of one tenant's writer. No I/O, no clock.
///
/// Offsets are released in order: a recoverable message behind a durable one that still waits for the disk waits too,
/// or else a client could hold a cursor beyond a message it never got.
#[derive(Debug)]
pub struct Sequence {
    epoch: Epoch,
    next: Offset,
    reserved_through: Offset,
    committed: Offset,
    /// The last before the first that waits.
    free: Offset,
    /// What that was before the last admission.
    free_before: Offset,
    released: Offset,
    /// What was admitted and may not be released yet, and all behind the first of those; ascending.
    waiting: VecDeque<Waiting>,
    recent: RecentIds<Offset>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    offset: Offset,
    id: Uuid,
    durability: Durability,
}

impl Sequence {
    /// Starts where the log stands. Of the head it takes the epoch, the offsets and the ids: take the rest before.
    pub fn new(head: Head) -> Self {
        let last = Offset::ZERO.plus(head.next.get().saturating_sub(1));
        let mut recent = RecentIds::default();
        head.recent.into_iter().for_each(|(id, offset)| _ = recent.insert(id, offset));
        Self {
            epoch: head.epoch,
            next: head.next,
            reserved_through: head.reserved_through,
            committed: last,
            free: last,
            free_before: last,
            released: last,
            waiting: VecDeque::new(),
            recent,
        }
    }

    /// The log's incarnation.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The offset of the next message that is new.
    pub fn next(&self) -> Offset {
        self.next
    }

    /// Whether the log must say first whether an id is in it: [`LogReader::find`](crate::LogReader::find) knows.
    pub fn must_ask(&self, id: &Uuid) -> bool {
        self.recent.may_be_given_up(id)
    }

    /// Notes where the log found an id.
    pub fn found(&mut self, id: Uuid, offset: Offset) {
        self.recent.insert(id, offset);
    }

    /// Gives up the table of ids, but for those that the log could not find yet.
    pub fn give_up_ids(&mut self) {
        self.waiting.shrink_to_fit();
        self.recent.give_up(self.committed);
    }

    /// What the table of ids takes, and of that, what [`Sequence::give_up_ids`] could give back; in bytes.
    pub fn ids_bytes(&self) -> (usize, usize) {
        self.recent.bytes()
    }

    /// Gives a message its offset, unless its id was accepted before.
    pub fn admit(&mut self, id: Uuid, durability: Durability) -> Admission {
        let offset = self.next;
        if let Some(earlier) = self.recent.insert(id, offset) {
            return Admission::Repeat(earlier);
        }
        self.admitted(id, durability);
        Admission::New(offset)
    }

    /// Gives a message its offset whose id was made a moment ago, in ascending order.
    pub fn admit_made(&mut self, id: Uuid, durability: Durability) -> Offset {
        let offset = self.next;
        self.recent.insert_made(id, offset);
        self.admitted(id, durability);
        offset
    }

    fn admitted(&mut self, id: Uuid, durability: Durability) {
        let offset = self.next;
        self.next = offset.next();
        let admitted = Waiting { offset, id, durability };
        self.free_before = self.free;
        if self.waiting.is_empty() && self.may_be_released(&admitted) {
            self.free = offset;
        } else {
            self.waiting.push_back(admitted);
        }
    }

    /// Takes back the last admission, of this id, before [`Sequence::release`] is asked again: the log did not take the entry.
    /// Its offset is the next again.
    pub fn withdraw(&mut self, id: Uuid, offset: Offset) {
        if offset.next() == self.next {
            self.waiting.pop_back_if(|last| last.offset == offset);
            self.free = self.free_before;
            self.next = offset;
            self.recent.forget(id, offset);
        }
    }

    /// Notes [`crate::Completion::Committed`].
    pub fn committed(&mut self, through: Offset, reserved_through: Offset) {
        self.committed = self.committed.max(through);
        self.reserved_through = self.reserved_through.max(reserved_through);
    }

    /// Notes [`crate::Completion::Refused`]: who sent those may send them again.
    pub fn refused(&mut self, from: Offset, through: Offset) {
        let recent = &mut self.recent;
        self.waiting.retain(|it| {
            let is_refused = from <= it.offset && it.offset <= through;
            if is_refused {
                recent.forget(it.id, it.offset);
            }
            !is_refused
        });
    }

    /// Releases what may be shown now, and returns [`Sequence::released`].
    pub fn release(&mut self) -> Offset {
        while let Some(first) = self.waiting.front()
            && self.may_be_released(first)
        {
            self.free = first.offset;
            self.waiting.pop_front();
        }
        self.released = self.free;
        self.released
    }

    /// Whether this may be shown, once all before it may.
    fn may_be_released(&self, it: &Waiting) -> bool {
        let may_be_lost =
            it.durability == Durability::Recoverable && it.offset <= self.reserved_through;
        it.offset <= self.committed || may_be_lost
    }

    /// Everything up to here that was not refused may be shown; nothing beyond.
    pub fn released(&self) -> Offset {
        self.released
    }

    /// Up to here, what was not refused is on disk.
    pub fn committed_through(&self) -> Offset {
        self.committed
    }

    /// Whether all that was admitted is on disk. After a refusal that is not known until something is committed.
    pub fn is_committed(&self) -> bool {
        self.committed.next() == self.next
    }

    /// How many messages wait to be released.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(next: u64, reserved_through: u64) -> Sequence {
        Sequence::new(Head {
            epoch: Epoch::new(1),
            next: offset(next),
            reserved_through: offset(reserved_through),
            recent: Vec::new(),
            trimmed_through: Offset::ZERO,
            orders: Vec::new(),
            has_assignments: false,
            emissions: Vec::new(),
            notes: Vec::new(),
            tail: Vec::new(),
        })
    }

    fn offset(n: u64) -> Offset {
        Offset::new(n).unwrap()
    }

    fn admit(sequence: &mut Sequence, id: u128, durability: Durability) -> Offset {
        match sequence.admit(Uuid::from_u128(id), durability) {
            Admission::New(offset) => offset,
            Admission::Repeat(offset) => panic!("{id} is a repeat of {offset}"),
        }
    }

    #[test]
    fn a_recoverable_message_waits_for_the_durable_one_before_it() {
        let mut sequence = sequence(1, 100);
        admit(&mut sequence, 1, Durability::Recoverable);
        admit(&mut sequence, 2, Durability::Durable);
        admit(&mut sequence, 3, Durability::Recoverable);
        assert_eq!(sequence.release(), offset(1));
        sequence.committed(offset(2), offset(100));
        assert_eq!(sequence.release(), offset(3));
        assert_eq!(sequence.waiting(), 0);
    }

    #[test]
    fn an_offset_that_is_not_reserved_is_not_shown_before_it_is_on_disk() {
        let mut sequence = sequence(100, 100);
        admit(&mut sequence, 1, Durability::Recoverable);
        admit(&mut sequence, 2, Durability::Recoverable);
        assert_eq!(sequence.release(), offset(100));
        sequence.committed(offset(100), offset(200));
        assert_eq!(sequence.release(), offset(101));
    }

    #[test]
    fn a_refused_message_may_be_sent_again_and_gets_a_new_offset() {
        let mut sequence = sequence(1, 100);
        admit(&mut sequence, 1, Durability::Durable);
        admit(&mut sequence, 2, Durability::Durable);
        admit(&mut sequence, 3, Durability::Durable);
        sequence.refused(offset(1), offset(2));
        sequence.committed(offset(3), offset(100));
        assert_eq!(sequence.release(), offset(3));
        assert_eq!(admit(&mut sequence, 2, Durability::Durable), offset(4));
        let repeat = sequence.admit(Uuid::from_u128(3), Durability::Durable);
        assert_eq!(repeat, Admission::Repeat(offset(3)));
    }

    #[test]
    fn what_was_refused_is_not_released() {
        let mut sequence = sequence(7, 7);
        for id in 1..=2 {
            admit(&mut sequence, id, Durability::Durable);
        }
        sequence.committed(offset(7), offset(7));
        sequence.refused(offset(8), offset(8));
        assert_eq!(sequence.release(), offset(7), "8 may be another's after a restart");
    }

    #[test]
    fn what_need_not_wait_is_withdrawn_too() {
        let mut sequence = sequence(7, 100);
        for id in 1..=2 {
            admit(&mut sequence, id, Durability::Recoverable);
        }
        sequence.withdraw(Uuid::from_u128(2), offset(8));
        assert_eq!((sequence.release(), sequence.waiting()), (offset(7), 0));
        assert_eq!(admit(&mut sequence, 2, Durability::Recoverable), offset(8));
        assert_eq!(sequence.release(), offset(8));
    }

    #[test]
    fn ids_that_the_log_has_are_asked_of_it_and_those_that_wait_are_kept() {
        let mut sequence = sequence(1, 100);
        (1..=3).for_each(|id| _ = admit(&mut sequence, id, Durability::Durable));
        sequence.committed(offset(2), offset(100));
        sequence.give_up_ids();
        let [first, third, new] = [1, 3, 4].map(Uuid::from_u128);
        assert!(sequence.must_ask(&first) && !sequence.must_ask(&third));
        assert!(!sequence.must_ask(&new));
        let repeat = |at| Admission::Repeat(offset(at));
        assert_eq!(sequence.admit(third, Durability::Durable), repeat(3));
        sequence.found(first, offset(1));
        assert!(!sequence.must_ask(&first));
        assert_eq!(sequence.admit(first, Durability::Durable), repeat(1));
        assert_eq!(admit(&mut sequence, 4, Durability::Durable), offset(4));
        sequence.refused(offset(3), offset(3));
        assert_eq!(admit(&mut sequence, 3, Durability::Durable), offset(5));
        assert!(!sequence.is_committed());
        sequence.committed(offset(5), offset(100));
        assert!(sequence.is_committed());
    }

    #[test]
    fn an_offset_that_the_log_did_not_take_is_the_next_again() {
        let mut sequence = sequence(7, 100);
        assert_eq!(admit(&mut sequence, 1, Durability::Durable), offset(7));
        sequence.withdraw(Uuid::from_u128(1), offset(7));
        assert_eq!(admit(&mut sequence, 2, Durability::Durable), offset(7));
        sequence.committed(offset(7), offset(100));
        sequence.release();
        assert_eq!(admit(&mut sequence, 1, Durability::Durable), offset(8));
    }
}
