//! Sockets of nobody known, by address, in the order in which they came.

use std::collections::VecDeque;
use std::net::IpAddr;

use foodtrack_session::LinkId;

/// A shard's table. It knows of an address as long as that has a socket here, so it is no larger than they are many.
#[derive(Default)]
pub(crate) struct StrangersByAddress {
    by_address: ahash::HashMap<IpAddr, VecDeque<LinkId>>,
}

impl StrangersByAddress {
    /// A socket comes. Returns how many its address has now.
    pub(crate) fn enter(&mut self, address: IpAddr, link: LinkId) -> usize {
        let links = self.by_address.entry(address).or_default();
        links.push_back(link);
        links.len()
    }

    /// A socket goes, or is known from now on. Cost: a look at those of its address that came before.
    pub(crate) fn leave(&mut self, address: IpAddr, link: LinkId) {
        let Some(links) = self.by_address.get_mut(&address) else { return };
        if let Some(place) = links.iter().position(|other| *other == link) {
            links.remove(place);
        }
        if links.is_empty() {
            self.by_address.remove(&address);
        }
    }

    /// The sockets of an address, the oldest first.
    pub(crate) fn of(&self, address: IpAddr) -> impl Iterator<Item = LinkId> {
        self.by_address.get(&address).into_iter().flatten().copied()
    }

    /// The address that has most sockets.
    pub(crate) fn busiest(&self) -> Option<IpAddr> {
        self.by_address.iter().max_by_key(|(_, links)| links.len()).map(|(address, _)| *address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(place: u32) -> LinkId {
        LinkId::new(place, 1)
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn sockets_of_an_address_are_told_in_the_order_in_which_they_came() {
        let mut strangers = StrangersByAddress::default();
        assert_eq!([3, 1, 2].map(|place| strangers.enter(address(1), link(place))), [1, 2, 3]);
        strangers.leave(address(1), link(1));
        strangers.leave(address(1), link(9));
        assert!(strangers.of(address(1)).eq([3, 2].map(link)));
        assert_eq!(strangers.of(address(2)).count(), 0);
    }

    #[test]
    fn the_busiest_address_has_most_sockets_and_who_has_none_is_forgotten() {
        let mut strangers = StrangersByAddress::default();
        assert_eq!(strangers.busiest(), None);
        strangers.enter(address(1), link(0));
        (1..4).for_each(|place| _ = strangers.enter(address(2), link(place)));
        assert_eq!(strangers.busiest(), Some(address(2)));
        (1..4).for_each(|place| strangers.leave(address(2), link(place)));
        assert_eq!(strangers.busiest(), Some(address(1)));
        assert_eq!(strangers.by_address.len(), 1);
    }
}
