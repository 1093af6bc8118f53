//! Session ids, and which shard a polling session lives on.

use std::sync::{Arc, Mutex, PoisonError};

use ahash::{HashMap, RandomState};
use foodtrack_session::Sid;

/// Unguessable ids from a pool of the system's random bytes: one system call for many.
pub(crate) struct SidSource {
    pool: Box<[u8; Self::POOL_BYTES]>,
    used: usize,
}

impl SidSource {
    const POOL_BYTES: usize = 256 * Sid::RANDOM_BYTES;

    pub(crate) fn new() -> Self {
        Self { pool: Box::new([0; Self::POOL_BYTES]), used: Self::POOL_BYTES }
    }

    /// # Panics
    /// Where the system gives no random bytes: without them no id is safe.
    pub(crate) fn next(&mut self) -> Sid {
        if self.used == self.pool.len() {
            getrandom::fill(&mut self.pool[..]).expect("the system gives random bytes");
            self.used = 0;
        }
        let mut bytes = [0; Sid::RANDOM_BYTES];
        // Those in the pool are zero then.
        bytes.swap_with_slice(&mut self.pool[self.used..self.used + Sid::RANDOM_BYTES]);
        self.used += Sid::RANDOM_BYTES;
        Sid::from_random(bytes)
    }
}

/// Which shard a polling session lives on. Sessions that open with a WebSocket are not in it: no other request names them.
pub(crate) struct SidDirectory {
    hasher: RandomState,
    parts: [Mutex<HashMap<Sid, Home>>; 16],
}

/// Where a session lives.
#[derive(Clone, Copy)]
struct Home {
    shard: usize,
    /// Somebody has it who has joined.
    is_known: bool,
}

impl SidDirectory {
    pub(crate) fn new() -> Self {
        Self { hasher: RandomState::new(), parts: Default::default() }
    }

    fn part(&self, sid: &Sid) -> std::sync::MutexGuard<'_, HashMap<Sid, Home>> {
        let part = &self.parts[(self.hasher.hash_one(sid) % 16) as usize];
        part.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn insert(&self, sid: Sid, shard: usize) {
        let home = Home { shard, is_known: false };
        self.part(&sid).entry(sid).or_insert(home).shard = shard;
    }

    pub(crate) fn remove(&self, sid: &Sid) {
        self.part(sid).remove(sid);
    }

    pub(crate) fn shard(&self, sid: &Sid) -> Option<usize> {
        self.part(sid).get(sid).map(|home| home.shard)
    }

    /// The session is of somebody who has joined.
    pub(crate) fn make_known(&self, sid: &Sid) {
        if let Some(home) = self.part(sid).get_mut(sid) {
            home.is_known = true;
        }
    }

    /// Whether the session is of somebody who has joined; `None` where there is none.
    pub(crate) fn is_known(&self, sid: &Sid) -> Option<bool> {
        self.part(sid).get(sid).map(|home| home.is_known)
    }
}

/// A session's entry in the directory while the session is on its way: it goes when the session is lost.
pub(crate) struct SidClaim {
    sids: Option<Arc<SidDirectory>>,
    sid: Sid,
}

impl SidClaim {
    /// Enters the session as one of `shard`.
    pub(crate) fn new(sids: &Arc<SidDirectory>, sid: Sid, shard: usize) -> Self {
        sids.insert(sid, shard);
        Self { sids: Some(Arc::clone(sids)), sid }
    }

    /// The session has arrived.
    pub(crate) fn keep(mut self) {
        self.sids = None;
    }
}

impl Drop for SidClaim {
    fn drop(&mut self) {
        if let Some(sids) = &self.sids {
            sids.remove(&self.sid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_do_not_repeat_across_a_refill() {
        let mut source = SidSource::new();
        let ids: std::collections::HashSet<_> = (0..1_000).map(|_| source.next()).collect();
        assert_eq!(ids.len(), 1_000);
    }

    #[test]
    fn a_session_that_is_lost_on_its_way_leaves_no_entry() {
        let (sids, sid) = (Arc::new(SidDirectory::new()), SidSource::new().next());
        SidClaim::new(&sids, sid, 1).keep();
        assert_eq!(sids.shard(&sid), Some(1));
        drop(SidClaim::new(&sids, sid, 2));
        assert_eq!(sids.shard(&sid), None);
    }
}
