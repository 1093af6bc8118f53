//! The ids a tenant has seen lately, so that publishing twice publishes once.

mod id_filter;

use std::collections::VecDeque;

use ahash::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use uuid::Uuid;

use self::id_filter::IdFilter;

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
    /// Those that were given up: of them the log knows the rest.
    given_up: IdFilter,
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
            given_up: IdFilter::default(),
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
        let Self { order, first, numbers, hasher, .. } = self;
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
        let Self { made, order, first, numbers, hasher, .. } = self;
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
        let Self { order, first, numbers, hasher, .. } = self;
        let is_it = |number: &u32| order[place(*first, *number)] == (id, about);
        if let Ok(known) = numbers.find_entry(hasher.hash_one(id), is_it) {
            known.remove();
        }
    }

    /// Whether an id may be among those that were given up, and is not known otherwise.
    pub fn may_be_given_up(&self, id: &Uuid) -> bool {
        self.given_up.may_have(self.hasher.hash_one(id)) && self.get(id).is_none()
    }

    /// Gives up what is known about ids up to `through`, for whom the log can be asked instead: it is remembered that they
    /// were there, in about two bytes each.
    pub fn give_up(&mut self, through: T) {
        // A log does not find the nil id: it stands there for one that was lost.
        let is_kept = |(id, about): &(Uuid, T)| *about > through || id.is_nil();
        let kept = |ids: &VecDeque<(Uuid, T)>| {
            ids.iter().copied().filter(is_kept).collect::<VecDeque<_>>()
        };
        let made = kept(&self.made);
        // Of the others not all are still known.
        let mut order = kept(&self.order);
        order.retain(|(id, about)| self.get(id) == Some(*about));
        self.given_up.reserve(self.made.len() + self.order.len() - made.len() - order.len());
        for (id, _) in self.made.iter().chain(&self.order).filter(|it| !is_kept(it)) {
            self.given_up.insert(self.hasher.hash_one(id));
        }
        self.made = made;
        (self.order, self.first, self.numbers) = (VecDeque::new(), 0, HashTable::new());
        for (id, about) in order {
            self.insert(id, about);
        }
    }

    /// What it takes in memory, and of that, what [`RecentIds::give_up`] could give back.
    pub fn bytes(&self) -> (usize, usize) {
        let ids = (self.made.capacity() + self.order.capacity()) * size_of::<(Uuid, T)>();
        let tables = ids + self.numbers.allocation_size();
        (tables + self.given_up.bytes(), tables)
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
    fn what_was_given_up_may_be_known_and_what_is_newer_is_known() {
        let mut ids = RecentIds::default();
        for n in 0..10_000 {
            if n % 3 == 0 { ids.insert_made(id(n), n) } else { _ = ids.insert(id(n), n) }
        }
        ids.forget(id(9_998), 9_998);
        let before = ids.bytes();
        ids.give_up(9_989);
        assert!((1..9_990).all(|n| ids.get(&id(n)).is_none() && ids.may_be_given_up(&id(n))));
        assert_eq!(ids.get(&Uuid::nil()), Some(0));
        for n in 9_990..10_000 {
            assert_eq!(ids.get(&id(n)), (n != 9_998).then_some(n));
            assert_eq!(ids.insert(id(n), n), (n != 9_998).then_some(n));
        }
        let wrong = (10_000..20_000).filter(|n| ids.may_be_given_up(&id(*n))).count();
        assert!(wrong < 200, "{wrong} of 10 000");
        let (bytes, to_give) = ids.bytes();
        assert!(bytes < 24 << 10 && to_give < 1 << 10, "{bytes}, {to_give} of {before:?}");
        // What the log said of one is known like any other.
        ids.insert(id(7), 7);
        assert_eq!((ids.get(&id(7)), ids.may_be_given_up(&id(7))), (Some(7), false));
        ids.give_up(20_000);
        assert!(ids.get(&id(9_999)).is_none() && ids.may_be_given_up(&id(9_999)));
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
