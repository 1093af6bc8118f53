//! What all who are not yet known may hold together, of memory and of sockets, and who goes where it is too much.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use foodtrack_session::{CloseReason, LinkId};

use crate::client::{Client, ClientKey, HandshakeInfo};
use crate::deadlines::millis;
use crate::door::DoorRefusal;
use crate::limits::{CONNECT_TRIES, Limits, STRANGERS_PER_SHARD_MIN};
use crate::link::{Link, LinkKind};
use crate::links::key;
use crate::reactor::Reactor;
use crate::seldom::Seldom;
use crate::waker::Waker;

/// Sockets let go of at once where there are too many.
const EVICTED_AT_ONCE_MAX: usize = 64;
/// How long one shard spares a newcomer where another one needs room.
const NEWCOMER_MS: u64 = 500;
/// How often it is said that there is no descriptor.
const DESCRIPTOR_WARN_INTERVAL_MS: u64 = 10_000;
/// What a stranger's socket counts for beside what is buffered for it: its place here, and some of what the kernel keeps.
const SOCKET_BYTES: usize = 512;
/// What a stranger's session counts for beside what it told.
const SESSION_BYTES: usize = 1_024;

/// What strangers may hold together, counted by all shards. Each shard lets go of its own: where it is too much, whoever holds
/// more than an even part of it has some to let go of, and is told.
pub(crate) struct StrangerBudget {
    bytes: AtomicUsize,
    bytes_max: usize,
    /// Of one address, on one shard; 0 for no limit.
    pub(crate) per_address_max: usize,
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

    fn is_spent(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > self.bytes_max
    }

    /// An even part of the memory.
    fn part_bytes(&self) -> usize {
        self.bytes_max / self.shards
    }

    fn has_too_many_sockets(&self) -> bool {
        self.sockets.load(Ordering::Relaxed) >= self.sockets_max
    }

    /// Whether one more socket fits although there are too many: until another shard has let go of some.
    fn has_margin(&self) -> bool {
        let margin = (self.sockets_max / 8).min(32);
        self.sockets.load(Ordering::Relaxed) < self.sockets_max + margin
    }

    /// Whether one more socket fits that is only told that there is no room.
    pub(crate) fn has_room_to_tell(&self) -> bool {
        let margin = (self.sockets_max / 8).min(32) + (self.sockets_max / 16).min(32);
        self.sockets.load(Ordering::Relaxed) < self.sockets_max + margin
    }

    /// Asks all shards to let go of some. Returns how many such calls there were.
    fn call(&self) -> u32 {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        wakers.iter().for_each(|waker| waker.wake());
        calls
    }
}

/// Somebody who may have to go.
enum Lodger {
    Link(LinkId),
    /// A session without a socket.
    Client(u32),
}

impl Reactor {
    /// A socket is there, or is known to be of this address: it lodges until somebody known has it. Where its address has too
    /// many, the oldest of them goes. Returns whether it may stay; otherwise it is the caller's to tell why.
    pub(crate) fn lodge(&mut self, link: LinkId) -> bool {
        let Some(state) = self.links.get_mut(link) else { return false };
        // A trusted proxy is nobody by itself: it is bounded by whom it names.
        let is_proxy = state.is_proxied && self.config.proxies.trusts(state.peer.ip());
        if state.is_known || state.lodges || is_proxy {
            return true;
        }
        state.lodges = true;
        let address = network(state.peer.ip());
        let (count, max) = (self.lodgers.enter(address, link), self.strangers.per_address_max);
        if max == 0 || count <= max {
            return true;
        }
        let oldest = self.lodgers.of(address).find(|other| *other != link && self.may_go(*other));
        if let Some(oldest) = oldest {
            self.evict(oldest);
            return true;
        }
        self.note_refused(link, DoorRefusal::TooManyConnections);
        false
    }

    /// A socket is another address's from now on, which is nobody known.
    pub(crate) fn move_lodger(&mut self, link: LinkId) {
        let Some(state) = self.links.get_mut(link) else { return };
        state.is_known = false;
        if std::mem::take(&mut state.lodges) {
            self.lodgers.leave(network(state.peer.ip()), link);
        }
    }

    /// The socket of somebody who has joined.
    pub(crate) fn make_known(&mut self, link: LinkId) {
        let Some(state) = self.links.get_mut(link).filter(|link| !link.is_known) else {
            return;
        };
        state.is_known = true;
        if std::mem::take(&mut state.lodges) {
            self.lodgers.leave(network(state.peer.ip()), link);
        }
        self.recount_link(link);
    }

    /// A client has joined: so its sockets are known.
    pub(crate) fn make_client_known(&mut self, client: u32) {
        let Some(state) = self.clients.get(client as usize) else { return };
        let links = state.engine.links();
        self.sids.make_known(&state.sid);
        links.into_iter().flatten().for_each(|link| self.make_known(link));
        self.recount_client(client);
    }

    /// Whether a lodging socket may be let go of: not while it waits for an answer of the application's.
    fn may_go(&self, link: LinkId) -> bool {
        self.links
            .get(link)
            .is_some_and(|link| !matches!(link.kind, LinkKind::HttpBusy { client: None, .. }))
    }

    fn evict(&mut self, link: LinkId) {
        let Some(state) = self.links.get(link) else { return };
        if !matches!(state.kind, LinkKind::Draining) {
            self.note_refused(link, DoorRefusal::Evicted);
        }
        let client = state.client();
        self.drop_link(link);
        if let Some(client) = client {
            self.link_lost(client, link, CloseReason::TransportError);
        }
    }

    /// Lets go of the oldest lodging sockets of the address that has most of them here, of those that are so old. Returns how
    /// many went.
    fn evict_busiest(&mut self, age_ms: u64) -> usize {
        let Some(busiest) = self.lodgers.busiest() else { return 0 };
        let patience_ms = millis(self.config.limits.handshake_timeout);
        let latest_ms = (self.deadlines.now_ms() + patience_ms).saturating_sub(age_ms);
        let is_old = |link| self.links.get(link).is_some_and(|link| link.deadline_ms <= latest_ms);
        let mut oldest: Vec<LinkId> =
            self.lodgers.of(busiest).filter(|link| self.may_go(*link) && is_old(*link)).collect();
        oldest.truncate(oldest.len().div_ceil(2).min(EVICTED_AT_ONCE_MAX));
        oldest.iter().for_each(|link| self.evict(*link));
        oldest.len()
    }

    /// Whether there is room for one more socket; makes some where there is none.
    pub(crate) fn has_room_for_socket(&mut self) -> bool {
        if !self.strangers.has_too_many_sockets() || self.evict_busiest(0) > 0 {
            return true;
        }
        self.call_others();
        self.strangers.has_margin()
    }

    /// The process has no descriptor left. Returns whether somebody was let go of, so that there is one now.
    pub(crate) fn make_room_for_descriptor(&mut self) -> bool {
        if self.strangers.descriptor_warning.is_due(self.deadlines.now_ms()) {
            tracing::warn!(
                sockets = self.strangers.sockets.load(Ordering::Relaxed),
                "no descriptor is left to accept with: silent connections are closed; the hard limit (ulimit -n) is too low"
            );
        }
        if self.evict_busiest(0) > 0 {
            return true;
        }
        self.strangers.wants_descriptor.store(true, Ordering::Relaxed);
        self.call_others();
        false
    }

    /// Asks the other shards to let go of some: here there is nobody, or only who has just come in because of this.
    fn call_others(&mut self) {
        self.calls_heard = self.strangers.call();
    }

    /// Lets go of some where another shard asked for it; not of who has just come and may be about to join.
    pub(crate) fn relieve(&mut self) {
        let calls = self.strangers.calls.load(Ordering::Relaxed);
        if std::mem::replace(&mut self.calls_heard, calls) == calls {
            return;
        }
        let wants_descriptor = &self.strangers.wants_descriptor;
        if (self.strangers.has_too_many_sockets() || wants_descriptor.load(Ordering::Relaxed))
            && self.evict_busiest(NEWCOMER_MS) > 0
        {
            self.strangers.wants_descriptor.store(false, Ordering::Relaxed);
        }
        self.evict_if_spent();
    }

    /// A socket is counted in all, and for what it holds.
    pub(crate) fn count_socket(&mut self, link: LinkId) {
        self.strangers.sockets.fetch_add(1, Ordering::Relaxed);
        self.recount_link(link);
    }

    /// A socket goes: what it was counted for is free.
    pub(crate) fn discount_socket(&mut self, link: LinkId, state: &mut Link) {
        self.strangers.sockets.fetch_sub(1, Ordering::Relaxed);
        if std::mem::take(&mut state.lodges) {
            self.lodgers.leave(network(state.peer.ip()), link);
        }
        self.replace_bytes(std::mem::take(&mut state.counted_bytes), 0);
    }

    /// Counts what a socket holds after it was read or written. When all strangers hold too much, the oldest go.
    #[inline]
    pub(crate) fn count_stranger(&mut self, link: LinkId) {
        let Some(state) = self.links.get(link) else { return };
        if state.is_known
            && state.counted_bytes == 0
            && state.unread.is_empty()
            && state.request.is_none()
        {
            return;
        }
        self.recount_link(link);
        self.evict_if_spent();
    }

    fn recount_link(&mut self, link: LinkId) {
        let Some(link) = self.links.get_mut(link) else { return };
        let now = match &link.kind {
            // What somebody known sends there has limits of its own.
            LinkKind::WebSocket { .. } if link.is_known => 0,
            LinkKind::WebSocket { decoder, .. } => {
                SOCKET_BYTES + link.buffered_bytes() + decoder.held_bytes()
            }
            _ if link.is_known => link.buffered_bytes(),
            _ => SOCKET_BYTES + link.buffered_bytes(),
        };
        let before = std::mem::replace(&mut link.counted_bytes, now);
        self.replace_bytes(before, now);
    }

    /// Counts what a session holds that has not joined.
    pub(crate) fn recount_client(&mut self, client: u32) {
        let Some(state) = self.clients.get_mut(client as usize) else { return };
        let now = match state.is_stranger() {
            true => SESSION_BYTES + state.handshake.as_deref().map_or(0, HandshakeInfo::held_bytes),
            false => 0,
        };
        // No head is as long as that.
        let now = u32::try_from(now).unwrap_or(u32::MAX);
        let before = std::mem::replace(&mut state.counted_bytes, now);
        self.replace_bytes(before as usize, now as usize);
    }

    /// A session goes: what it was counted for is free.
    pub(crate) fn discount_client(&mut self, state: &mut Client) {
        self.replace_bytes(std::mem::take(&mut state.counted_bytes) as usize, 0);
    }

    fn replace_bytes(&mut self, before: usize, now: usize) {
        let own = &mut self.stranger_bytes;
        if now >= before {
            *own += now - before;
            self.strangers.bytes.fetch_add(now - before, Ordering::Relaxed);
        } else {
            *own = own.saturating_sub(before - now);
            self.strangers.bytes.fetch_sub(before - now, Ordering::Relaxed);
        }
    }

    fn evict_if_spent(&mut self) {
        if !self.strangers.is_spent() {
            return;
        }
        let part = self.strangers.part_bytes();
        if self.stranger_bytes <= part {
            // Then another shard has more than its part.
            return self.call_others();
        }
        // Down to an eighth less, so that not every read has to look for somebody.
        let evicted = self.evict_oldest(part - part / 8);
        tracing::warn!(evicted, "strangers hold too much memory; the oldest were closed");
    }

    /// Lets go of the oldest until strangers hold no more than so much here.
    fn evict_oldest(&mut self, bytes_max: usize) -> usize {
        let handshake_ms = millis(self.config.limits.handshake_timeout);
        let keep_alive_ms = millis(self.config.limits.keep_alive_timeout);
        let connect_ms = CONNECT_TRIES * millis(self.config.limits.connect_timeout);
        let links = self.links.iter().filter(|(_, link)| link.counted_bytes > 0);
        let links = links.map(|(id, link)| {
            let patience_ms = if link.is_resting { keep_alive_ms } else { handshake_ms };
            let since_ms = link.deadline_ms.saturating_sub(patience_ms);
            let session = link.client().and_then(|client| self.clients.get(client as usize));
            let session_bytes = session.map_or(0, |client| client.counted_bytes as usize);
            (since_ms, link.counted_bytes + session_bytes, Lodger::Link(id))
        });
        let clients = self.clients.iter().filter(|(_, client)| {
            client.counted_bytes > 0
                && client.engine.is_polling()
                && client.engine.links() == [None, None]
        });
        let clients = clients.map(|(index, client)| {
            let since_ms = client.join_deadline_ms.saturating_sub(connect_ms);
            (since_ms, client.counted_bytes as usize, Lodger::Client(key(index)))
        });
        let mut oldest: Vec<_> = links.chain(clients).collect();
        oldest.sort_by_key(|(since_ms, ..)| *since_ms);
        let (mut left, mut evicted) = (self.stranger_bytes, 0);
        for (_, bytes, lodger) in oldest {
            if left <= bytes_max {
                break;
            }
            // A session is gone at the end of the turn.
            left = left.saturating_sub(bytes);
            evicted += 1;
            match lodger {
                Lodger::Link(link) => self.evict(link),
                Lodger::Client(client) => {
                    self.close(ClientKey(client), CloseReason::ConnectTimeout);
                }
            }
        }
        evicted
    }
}

/// What counts as one address: an IPv6 site has a /64 at least, and may use all of it.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_is_an_ipv4_address_or_an_ipv6_slash_64() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

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
