//! A tenant's users: how many connections each has, and what is left of each one's rates.
//!
//! Rates belong to the user, however many connections they have and however often they come anew. So a user who has gone stays
//! until nothing of their rates is spent any more; then they would begin where somebody new does.

use std::collections::VecDeque;

use ahash::AHashMap;
use foodtrack_contract::UserId;
use slab::Slab;

use crate::quota::{Bucket, Rate};

/// How many users who have gone are remembered with what they have spent; beyond it, who went first is forgotten.
const GONE_MAX: usize = 65_536;

/// Names a user by a place, so that an event's sender is found without a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UserPlace(u32);

/// What a user may still send.
#[derive(Debug)]
pub(crate) struct User {
    name: UserId,
    connections: u32,
    pub(crate) messages: Bucket,
    pub(crate) bytes: Bucket,
    /// Whether it stands among those who have gone; it may be back.
    is_listed: bool,
}

/// The users of a tenant.
#[derive(Debug, Default)]
pub(super) struct Users {
    users: Slab<User>,
    by_name: AHashMap<UserId, u32>,
    /// Those who have gone, in the order in which they went.
    gone: VecDeque<u32>,
    /// How many have a connection.
    here: usize,
}

impl Users {
    /// One more connection of a user.
    pub(super) fn enter(&mut self, name: &UserId) -> UserPlace {
        let known = self.by_name.get(name).copied();
        let place = known.unwrap_or_else(|| {
            let place = self.users.insert(User {
                name: name.clone(),
                connections: 0,
                messages: Bucket::default(),
                bytes: Bucket::default(),
                is_listed: false,
            });
            let place = u32::try_from(place).unwrap_or(u32::MAX);
            self.by_name.insert(name.clone(), place);
            place
        });
        let user = &mut self.users[place as usize];
        user.connections += 1;
        self.here += usize::from(user.connections == 1);
        UserPlace(place)
    }

    /// One connection less.
    pub(super) fn leave(&mut self, place: UserPlace) {
        let Some(user) = self.users.get_mut(place.0 as usize) else { return };
        user.connections = user.connections.saturating_sub(1);
        if user.connections > 0 {
            return;
        }
        self.here -= 1;
        if !std::mem::replace(&mut user.is_listed, true) {
            self.gone.push_back(place.0);
        }
    }

    /// Forgets those who have gone and have everything back, and whoever went first beyond the bound.
    pub(super) fn forget(&mut self, messages: Rate, bytes: Rate, now_ms: u64) {
        while let Some(place) = self.gone.front().copied() {
            let is_over = self.gone.len() > GONE_MAX;
            let Some(user) = self.users.get_mut(place as usize) else { return };
            if user.connections > 0 {
                user.is_listed = false;
            } else if is_over
                || user.messages.is_full(messages, now_ms) && user.bytes.is_full(bytes, now_ms)
            {
                let user = self.users.remove(place as usize);
                self.by_name.remove(&user.name);
            } else {
                return;
            }
            self.gone.pop_front();
        }
    }

    /// Whether nobody is here, and nothing is remembered of anybody who was.
    pub(super) fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    pub(super) fn get_mut(&mut self, place: UserPlace) -> Option<&mut User> {
        self.users.get_mut(place.0 as usize)
    }

    /// How many have a connection.
    pub(super) fn here(&self) -> usize {
        self.here
    }

    /// How many connections a user has.
    pub(super) fn connections_of(&self, name: &UserId) -> usize {
        let user = self.by_name.get(name).and_then(|place| self.users.get(*place as usize));
        user.map_or(0, |user| user.connections as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 10, burst: 20 };

    fn name(text: &str) -> UserId {
        UserId::parse(text).unwrap()
    }

    fn spend(users: &mut Users, place: UserPlace, now_ms: u64) -> usize {
        let user = users.get_mut(place).unwrap();
        (0..1_000).filter(|_| user.messages.spend(RATE, 1, now_ms).is_ok()).count()
    }

    #[test]
    fn who_comes_anew_has_what_was_left_and_is_forgotten_when_all_is_back() {
        let mut users = Users::default();
        let ada = users.enter(&name("ada"));
        assert_eq!(spend(&mut users, ada, 0), 20);
        users.leave(ada);
        users.forget(RATE, RATE, 1_000);
        assert_eq!((users.here(), users.users.len()), (0, 1));
        let ada = users.enter(&name("ada"));
        assert_eq!(spend(&mut users, ada, 1_000), 10);
        users.leave(ada);
        users.forget(RATE, RATE, 3_500);
        assert!(users.users.is_empty() && users.by_name.is_empty() && users.gone.is_empty());
    }

    #[test]
    fn connections_share_what_their_user_has() {
        let mut users = Users::default();
        let places: Vec<UserPlace> = (0..95).map(|_| users.enter(&name("ada"))).collect();
        let other = users.enter(&name("bob"));
        let spent: usize = places.iter().map(|place| spend(&mut users, *place, 0)).sum();
        assert_eq!(spent, 20);
        assert_eq!(spend(&mut users, other, 0), 20);
        assert_eq!((users.here(), users.connections_of(&name("ada"))), (2, 95));
        places.into_iter().for_each(|place| users.leave(place));
        assert_eq!((users.here(), users.connections_of(&name("ada"))), (1, 0));
    }

    #[test]
    fn those_who_have_gone_are_bounded_and_those_who_are_back_stay() {
        let mut users = Users::default();
        let back = users.enter(&name("back"));
        spend(&mut users, back, 0);
        users.leave(back);
        let back = users.enter(&name("back"));
        for n in 0..GONE_MAX + 100 {
            let place = users.enter(&name(&n.to_string()));
            users.get_mut(place).unwrap().messages.spend(RATE, 1, 0).unwrap();
            users.leave(place);
            users.forget(RATE, RATE, 0);
        }
        assert_eq!(users.users.len(), GONE_MAX + 1);
        assert_eq!(spend(&mut users, back, 0), 0);
        users.forget(RATE, RATE, 60_000);
        assert_eq!(users.users.len(), 1);
    }
}
