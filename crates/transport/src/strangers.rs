//! What all who are not yet known may hold together: one budget of memory for the server, and who goes when it is spent.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::client::CloseReason;
use crate::link::{Link, LinkKind};
use crate::reactor::{Reactor, key};

/// Sockets let go of at once when the process has no descriptor left.
const SILENT_DROPPED_MAX: usize = 64;

/// Bytes that are buffered for sockets of nobody who has joined, of all shards together.
pub(crate) struct StrangerBudget {
    bytes: AtomicUsize,
    bytes_max: usize,
}

impl StrangerBudget {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes: AtomicUsize::new(0), bytes_max }
    }

    /// Replaces what a socket was counted for by what it holds now.
    fn recount(&self, before: usize, now: usize) {
        self.bytes.fetch_add(now, Ordering::Relaxed);
        self.bytes.fetch_sub(before, Ordering::Relaxed);
    }

    fn is_spent(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > self.bytes_max
    }

    /// Whether there is some room again: an eighth, so that not every read has to look for somebody.
    fn has_room(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) <= self.bytes_max - self.bytes_max / 8
    }
}

impl Reactor {
    /// Whether a socket is of nobody who has joined.
    fn is_stranger(&self, link: &Link) -> bool {
        link.client().and_then(|client| self.clients.get(client as usize)).is_none_or(|client| {
            client.protocol == crate::client::Protocol::SocketIo && client.session.is_idle()
        })
    }

    /// Counts what a socket holds after it was read. When all strangers hold too much, the oldest of this shard go.
    pub(crate) fn count_stranger(&mut self, index: usize) {
        let Some(link) = self.links.get(index) else { return };
        let held = link.unread.capacity() + link.chunked.as_ref().map_or(0, |body| body.capacity());
        if held == 0 && link.counted_bytes == 0 {
            return;
        }
        let now = if self.is_stranger(link) { held } else { 0 };
        let link = &mut self.links[index];
        self.strangers.recount(std::mem::replace(&mut link.counted_bytes, now), now);
        if now > 0 && self.strangers.is_spent() {
            self.evict_strangers();
        }
    }

    /// A socket goes: what it was counted for is free.
    pub(crate) fn discount_stranger(&self, link: &mut Link) {
        self.strangers.recount(std::mem::take(&mut link.counted_bytes), 0);
    }

    fn evict_strangers(&mut self) {
        let counted = self.links.iter().filter(|(_, link)| link.counted_bytes > 0);
        let mut oldest: Vec<_> =
            counted.map(|(index, link)| (link.deadline_ms, key(index))).collect();
        oldest.sort_unstable();
        let mut evicted = 0;
        for (_, link) in oldest {
            if self.strangers.has_room() {
                break;
            }
            self.drop_stranger(link);
            evicted += 1;
        }
        tracing::warn!(evicted, "strangers' sockets hold too much memory; the oldest were closed");
    }

    fn drop_stranger(&mut self, link: u32) {
        let client = self.links.get(link as usize).and_then(Link::client);
        self.drop_link(link);
        if let Some(client) = client {
            self.link_lost(client, link, CloseReason::TransportError);
        }
    }

    /// Lets go of the oldest sockets without a request, of the address that has most of them here.
    pub(crate) fn drop_silent(&mut self) {
        let silent = |link: &&Link| matches!(link.kind, LinkKind::Http { .. });
        let mut counts: ahash::HashMap<IpAddr, usize> = ahash::HashMap::default();
        for (_, link) in self.links.iter().filter(|(_, link)| silent(link)) {
            *counts.entry(network(link.peer.ip())).or_default() += 1;
        }
        let Some((busiest, _)) = counts.into_iter().max_by_key(|(_, count)| *count) else { return };
        let of_busiest = self
            .links
            .iter()
            .filter(|(_, link)| silent(link) && network(link.peer.ip()) == busiest);
        let mut oldest: Vec<_> =
            of_busiest.map(|(index, link)| (link.deadline_ms, key(index))).collect();
        oldest.sort_unstable();
        let half = oldest.len().div_ceil(2).min(SILENT_DROPPED_MAX);
        oldest.truncate(half);
        oldest.into_iter().for_each(|(_, link)| self.drop_link(link));
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
}
