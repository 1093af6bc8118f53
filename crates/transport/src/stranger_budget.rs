//! What all who are not yet known may hold together, of memory and of sockets, counted by all shards.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::limits::{Limits, STRANGERS_PER_SHARD_MIN};
use crate::seldom::Seldom;
use crate::waker::Waker;

/// How often it is said that there is no descriptor.
const DESCRIPTOR_WARN_INTERVAL_MS: u64 = 10_000;

/// What strangers may hold together, counted by all shards. Each shard lets go of its own: where it is too much, whoever holds
/// more than an even part of it has some to let go of, and is told.
pub(crate) struct StrangerBudget {
    bytes: AtomicUsize,
    bytes_max: usize,
    /// Of one address, on one shard; 0 for no limit.
    per_address_max: usize,
    shards: usize,
    /// Sockets of everybody.
    sockets: AtomicUsize,
    sockets_max: usize,
    /// Warnings that there is no descriptor.
    descriptor_warning: Seldom,
    /// A shard got no descriptor, and has nobody to let go of.
    wants_descriptor: AtomicBool,
    /// How often one shard asked the others to let go of some.
    calls: AtomicU32,
    wakers: Mutex<Vec<Arc<Waker>>>,
}

impl StrangerBudget {
    pub(crate) fn new(limits: &Limits, shards: usize) -> Self {
        let shards = shards.max(1);
        let per_address_max = limits.strangers_per_address_max;
        // A part each: sockets of one address come to any shard.
        let part = per_address_max.div_ceil(shards).max(STRANGERS_PER_SHARD_MIN);
        Self {
            bytes: AtomicUsize::new(0),
            bytes_max: limits.strangers_bytes_max,
            per_address_max: part.min(per_address_max),
            shards,
            sockets: AtomicUsize::new(0),
            sockets_max: limits.sockets_max,
            descriptor_warning: Seldom::every(DESCRIPTOR_WARN_INTERVAL_MS),
            wants_descriptor: AtomicBool::new(false),
            calls: AtomicU32::new(0),
            wakers: Mutex::default(),
        }
    }

    /// A shard that can be told.
    pub(crate) fn join(&self, waker: Arc<Waker>) {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner).push(waker);
    }

    /// Counts what a socket or session holds now instead of what it held before.
    pub(crate) fn replace_bytes(&self, before: usize, now: usize) {
        if now >= before {
            self.bytes.fetch_add(now - before, Ordering::Relaxed);
        } else {
            self.bytes.fetch_sub(before - now, Ordering::Relaxed);
        }
    }

    /// One more socket is there.
    pub(crate) fn add_socket(&self) {
        self.sockets.fetch_add(1, Ordering::Relaxed);
    }

    /// A socket is gone.
    pub(crate) fn remove_socket(&self) {
        self.sockets.fetch_sub(1, Ordering::Relaxed);
    }

    /// Strangers' sockets of one address, on one shard; 0 for no limit.
    pub(crate) fn per_address_max(&self) -> usize {
        self.per_address_max
    }

    /// A shard got no descriptor, and has nobody to let go of. It is said now and then.
    pub(crate) fn note_no_descriptor(&self, now_ms: u64) {
        if self.descriptor_warning.is_due(now_ms) {
            tracing::warn!(
                sockets = self.sockets.load(Ordering::Relaxed),
                "no descriptor is left to accept with: silent connections are closed; the hard limit (ulimit -n) is too low"
            );
        }
    }

    /// Another shard needs a descriptor that this one may have.
    pub(crate) fn want_descriptor(&self) {
        self.wants_descriptor.store(true, Ordering::Relaxed);
    }

    /// Some shard has let go of a socket.
    pub(crate) fn give_descriptor(&self) {
        self.wants_descriptor.store(false, Ordering::Relaxed);
    }

    /// Whether sockets are to go that are no newcomers: there are too many, or a shard has no descriptor.
    pub(crate) fn wants_sockets(&self) -> bool {
        self.has_too_many_sockets() || self.wants_descriptor.load(Ordering::Relaxed)
    }

    /// How often one shard asked the others.
    pub(crate) fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > self.bytes_max
    }

    /// An even part of the memory.
    pub(crate) fn part_bytes(&self) -> usize {
        self.bytes_max / self.shards
    }

    pub(crate) fn has_too_many_sockets(&self) -> bool {
        self.sockets.load(Ordering::Relaxed) >= self.sockets_max
    }

    /// Whether one more socket fits although there are too many: until another shard has let go of some.
    pub(crate) fn has_margin(&self) -> bool {
        let margin = (self.sockets_max / 8).min(32);
        self.sockets.load(Ordering::Relaxed) < self.sockets_max + margin
    }

    /// Whether one more socket fits that is only told that there is no room.
    pub(crate) fn has_room_to_tell(&self) -> bool {
        let margin = (self.sockets_max / 8).min(32) + (self.sockets_max / 16).min(32);
        self.sockets.load(Ordering::Relaxed) < self.sockets_max + margin
    }

    /// Asks all shards to let go of some. Returns how many such calls there were.
    pub(crate) fn call(&self) -> u32 {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        wakers.iter().for_each(|waker| waker.wake());
        calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shard_has_its_part_of_an_addresss_sockets() {
        let part = |per_address_max, shards| {
            let limits = Limits { strangers_per_address_max: per_address_max, ..Limits::default() };
            StrangerBudget::new(&limits, shards).per_address_max
        };
        assert_eq!(
            [part(256, 1), part(256, 2), part(256, 64)],
            [256, 128, STRANGERS_PER_SHARD_MIN]
        );
        assert_eq!([part(4, 2), part(0, 2)], [4, 0]);
    }
}
