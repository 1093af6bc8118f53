//! The ids a tenant has seen lately, so that publishing twice publishes once.

use std::collections::VecDeque;

use ahash::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use uuid::Uuid;

/// How many ids a tenant remembers.
pub const RECENT_IDS_MAX: usize = 65_536;

/// A bounded memory of ids and something about each, oldest forgotten first.
///
/// Full, it takes 16 bytes an id, what is known about it, and about 10 bytes to find it by. Every busy tenant has one: a map
/// with the ids in it a second time would double that, and each look would miss the processor's caches.
#[derive(Debug)]
pub struct RecentIds<T> {
    /// Oldest first, also those that were forgotten.
    order: VecDeque<(Uuid, T)>,
    /// The number of the first of `order`; the others' follow, and wrap around.
    first: u32,
    /// The numbers of those that are known, by their ids.
    numbers: HashTable<u32>,
    /// Keyed: ids are made by strangers.
    hasher: RandomState,
}

impl<T> Default for RecentIds<T> {
    fn default() -> Self {
        Self {
            order: VecDeque::new(),
            first: 0,
            numbers: HashTable::new(),
            hasher: RandomState::new(),
        }
    }
}

impl<T: Copy + PartialEq> RecentIds<T> {
    /// What is known about an id.
    pub fn get(&self, id: &Uuid) -> Option<T> {
        let is_it = |number: &u32| self.order[place(self.first, *number)].0 == *id;
        let number = self.numbers.find(self.hasher.hash_one(id), is_it)?;
        Some(self.order[place(self.first, *number)].1)
    }

    /// Takes an id in, unless it is known: then what is known about it is returned.
    pub fn insert(&mut self, id: Uuid, about: T) -> Option<T> {
        let Self { order, first, numbers, hasher } = self;
        let hash_of = |number: &u32| hasher.hash_one(order[place(*first, *number)].0);
        let is_it = |number: &u32| order[place(*first, *number)].0 == id;
        // More than the bound, less than what a number can count.
        #[expect(clippy::cast_possible_truncation, reason = "see above")]
        let new = first.wrapping_add(order.len() as u32);
        match numbers.entry(hasher.hash_one(id), is_it, hash_of) {
            Entry::Occupied(known) => return Some(order[place(*first, *known.get())].1),
            Entry::Vacant(vacant) => _ = vacant.insert(new),
        }
        if order.len() == RECENT_IDS_MAX
            && let Some((oldest, _)) = order.pop_front()
        {
            let number = *first;
            *first = first.wrapping_add(1);
            // It is not there where it was forgotten before.
            if let Ok(known) = numbers.find_entry(hasher.hash_one(oldest), |it| *it == number) {
                known.remove();
            }
        }
        order.push_back((id, about));
        None
    }

    /// Forgets an id of which just this is known. Its place in the order stays until it is the oldest.
    pub fn forget(&mut self, id: Uuid, about: T) {
        let Self { order, first, numbers, hasher } = self;
        let is_it = |number: &u32| order[place(*first, *number)] == (id, about);
        if let Ok(known) = numbers.find_entry(hasher.hash_one(id), is_it) {
            known.remove();
        }
    }
}

/// Where the number is in the order.
fn place(first: u32, number: u32) -> usize {
    number.wrapping_sub(first) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> Uuid {
        Uuid::from_u128(n as u128)
    }

    #[test]
    fn what_is_known_stays_as_it_was_first() {
        let mut ids = RecentIds::default();
        assert_eq!(ids.insert(id(1), 'a'), None);
        assert_eq!(ids.insert(id(1), 'b'), Some('a'));
        assert_eq!((ids.get(&id(1)), ids.get(&id(2))), (Some('a'), None));
    }

    #[test]
    fn the_memory_is_bounded_and_forgets_the_oldest() {
        // Numbers wrap around on the way.
        let mut ids = RecentIds { first: u32::MAX - 1_000, ..RecentIds::default() };
        for n in 0..3 * RECENT_IDS_MAX {
            assert_eq!(ids.insert(id(n), n), None);
        }
        assert_eq!((ids.order.len(), ids.numbers.len()), (RECENT_IDS_MAX, RECENT_IDS_MAX));
        assert!((0..2 * RECENT_IDS_MAX).all(|n| ids.get(&id(n)).is_none()));
        assert!((2 * RECENT_IDS_MAX..3 * RECENT_IDS_MAX).all(|n| ids.get(&id(n)) == Some(n)));
        assert_eq!(ids.order.capacity(), RECENT_IDS_MAX);
    }

    #[test]
    fn what_was_forgotten_is_new_and_is_not_forgotten_again_with_its_old_place() {
        let mut ids = RecentIds::default();
        ids.insert(id(0), 'a');
        ids.forget(id(0), 'b');
        assert_eq!(ids.get(&id(0)), Some('a'), "something else was known of it");
        ids.forget(id(0), 'a');
        assert_eq!(ids.insert(id(0), 'c'), None);
        (1..RECENT_IDS_MAX).for_each(|n| _ = ids.insert(id(n), '-'));
        assert_eq!(ids.get(&id(0)), Some('c'));
        ids.insert(id(RECENT_IDS_MAX), '-');
        assert_eq!(ids.get(&id(0)), None);
    }
}
