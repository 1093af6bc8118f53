//! The ids a tenant has seen lately, so that publishing twice publishes once.

use std::collections::VecDeque;

use ahash::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use uuid::Uuid;

/// How many ids a tenant remembers.
pub const RECENT_IDS_MAX: usize = 65_536;

/// A bounded memory of ids and something about each, such as its place; the least of it is the oldest, and is forgotten
/// first.
///
/// Full, it takes 16 bytes an id, what is known about it, and about 10 bytes to find it by. Every busy tenant has one: a map
/// with the ids in it a second time would double that, and each look would miss the processor's caches.
#[derive(Debug)]
pub struct RecentIds<T> {
    /// Those that were made here, oldest first and ascending: nobody sends one before it was given out, so they are
    /// hardly ever looked for, and found without a table.
    made: VecDeque<(Uuid, T)>,
    /// The others. Oldest first, also those that were forgotten.
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
            made: VecDeque::new(),
            order: VecDeque::new(),
            first: 0,
            numbers: HashTable::new(),
            hasher: RandomState::new(),
        }
    }
}

impl<T: Copy + Ord> RecentIds<T> {
    /// What is known about an id.
    pub fn get(&self, id: &Uuid) -> Option<T> {
        if let Some(place) = self.find_made(id) {
            return Some(self.made[place].1);
        }
        let is_it = |number: &u32| self.order[place(self.first, *number)].0 == *id;
        let number = self.numbers.find(self.hasher.hash_one(id), is_it)?;
        Some(self.order[place(self.first, *number)].1)
    }

    /// Takes an id in, unless it is known: then what is known about it is returned.
    pub fn insert(&mut self, id: Uuid, about: T) -> Option<T> {
        if let Some(place) = self.find_made(&id) {
            return Some(self.made[place].1);
        }
        let Self { made: _, order, first, numbers, hasher } = self;
        let hash_of = |number: &u32| hasher.hash_one(order[place(*first, *number)].0);
        let is_it = |number: &u32| order[place(*first, *number)].0 == id;
        // More than the bound, less than what a number can count.
        #[expect(clippy::cast_possible_truncation, reason = "see above")]
        let new = first.wrapping_add(order.len() as u32);
        match numbers.entry(hasher.hash_one(id), is_it, hash_of) {
            Entry::Occupied(known) => return Some(order[place(*first, *known.get())].1),
            Entry::Vacant(vacant) => _ = vacant.insert(new),
        }
        self.make_room();
        self.order.push_back((id, about));
        None
    }

    /// Takes in an id that was made a moment ago, in ascending order: one that cannot be known yet.
    pub fn insert_made(&mut self, id: Uuid, about: T) {
        if self.made.back().is_some_and(|(last, _)| *last >= id) {
            // The clock was set back.
            self.insert(id, about);
            return;
        }
        self.make_room();
        self.made.push_back((id, about));
    }

    fn find_made(&self, id: &Uuid) -> Option<usize> {
        let (first, last) = (self.made.front()?.0, self.made.back()?.0);
        if *id < first || *id > last {
            return None;
        }
        self.made.binary_search_by_key(id, |(made, _)| *made).ok()
    }

    /// Forgets the oldest, where there are as many as there may be.
    fn make_room(&mut self) {
        let Self { made, order, first, numbers, hasher } = self;
        if made.len() + order.len() < RECENT_IDS_MAX {
            return;
        }
        let is_older = |oldest: T| made.front().is_none_or(|(_, made)| oldest <= *made);
        if let Some((oldest, _)) = order.pop_front_if(|(_, oldest)| is_older(*oldest)) {
            let number = *first;
            *first = first.wrapping_add(1);
            // It is not there where it was forgotten before.
            if let Ok(known) = numbers.find_entry(hasher.hash_one(oldest), |it| *it == number) {
                known.remove();
            }
        } else {
            made.pop_front();
        }
    }

    /// Forgets an id of which just this is known.
    pub fn forget(&mut self, id: Uuid, about: T) {
        if let Some(place) = self.find_made(&id) {
            if self.made[place].1 == about {
                self.made.remove(place);
            }
            return;
        }
        // Its place in the order stays until it is the oldest.
        let Self { made: _, order, first, numbers, hasher } = self;
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
    fn an_id_that_was_made_here_is_known_like_any_other() {
        let mut ids = RecentIds::default();
        // The last one comes after the clock was set back.
        for made in [10, 20, 40, 30] {
            ids.insert_made(id(made), made);
        }
        ids.insert(id(25), 50);
        for known in [10, 20, 30, 40] {
            assert_eq!(ids.get(&id(known)), Some(known));
            assert_eq!(ids.insert(id(known), 0), Some(known));
        }
        assert_eq!(ids.get(&id(25)), Some(50));
        assert_eq!(ids.get(&id(15)), None);
        ids.forget(id(20), 0);
        assert_eq!(ids.get(&id(20)), Some(20), "something else was known of it");
        ids.forget(id(20), 20);
        assert_eq!(ids.get(&id(20)), None);
    }

    #[test]
    fn of_both_kinds_the_oldest_goes() {
        let mut ids = RecentIds::default();
        for n in 0..2 * RECENT_IDS_MAX {
            if n % 3 == 0 {
                ids.insert_made(id(n), n);
            } else {
                ids.insert(id(n), n);
            }
        }
        assert!((0..RECENT_IDS_MAX).all(|n| ids.get(&id(n)).is_none()));
        assert!((RECENT_IDS_MAX..2 * RECENT_IDS_MAX).all(|n| ids.get(&id(n)) == Some(n)));
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
