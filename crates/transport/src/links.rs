//! A shard's sockets, by ids that name one socket only.

use std::io;

use foodtrack_session::LinkId;
use mio::{Registry, Token};
use slab::Slab;

use crate::link::Link;

/// The table. A place is given out again when its socket is gone, and its next socket has another generation: an id that was
/// kept too long finds nothing.
#[derive(Default)]
pub(crate) struct Links {
    places: Slab<Link>,
    /// That of the newest socket.
    generation: u32,
    /// Those whose reading goes on next turn.
    deferred: Vec<LinkId>,
}

impl Links {
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Takes a socket in; its events come with the [token](Self::token) of its place from now on.
    ///
    /// # Errors
    /// The system does not watch it: it is gone then.
    pub(crate) fn insert(&mut self, registry: &Registry, mut link: Link) -> io::Result<LinkId> {
        let entry = self.places.vacant_entry();
        let place = entry.key();
        link.register(registry, Token(place))?;
        self.generation = self.generation.wrapping_add(1);
        link.arrive(self.generation);
        entry.insert(link);
        Ok(LinkId::new(key(place), self.generation))
    }

    /// Takes a socket out. It is still watched: closing it ends that.
    pub(crate) fn remove(&mut self, id: LinkId) -> Option<Link> {
        self.get(id)?;
        self.places.try_remove(id.place() as usize)
    }

    #[inline]
    pub(crate) fn get(&self, id: LinkId) -> Option<&Link> {
        self.places.get(id.place() as usize).filter(|link| link.generation() == id.generation())
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.places.get_mut(id.place() as usize).filter(|link| link.generation() == id.generation())
    }

    /// The socket that is in a place now: whose events the place's token brings.
    #[inline]
    pub(crate) fn id_at(&self, place: usize) -> Option<LinkId> {
        self.places.get(place).map(|link| LinkId::new(key(place), link.generation()))
    }

    /// As [`Self::id_at`], for the fan-out, which has 24 bytes a client: it is told where a place becomes another's.
    #[inline]
    pub(crate) fn at_mut(&mut self, place: u32) -> Option<(LinkId, &mut Link)> {
        let link = self.places.get_mut(place as usize)?;
        Some((LinkId::new(place, link.generation()), link))
    }

    /// Reading goes on next turn.
    pub(crate) fn defer(&mut self, id: LinkId) {
        self.deferred.push(id);
    }

    /// Those whose reading waited for this turn, to be [given back](Self::give_deferred_back).
    pub(crate) fn take_deferred(&mut self) -> Vec<LinkId> {
        std::mem::take(&mut self.deferred)
    }

    /// Gives the empty list back, for its memory; what was deferred meanwhile stays.
    pub(crate) fn give_deferred_back(&mut self, mut deferred: Vec<LinkId>) {
        deferred.append(&mut self.deferred);
        self.deferred = deferred;
    }

    pub(crate) fn has_deferred(&self) -> bool {
        !self.deferred.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        self.places.iter().map(|(place, link)| (LinkId::new(key(place), link.generation()), link))
    }
}

/// A slab's place as a key: a shard holds far fewer than 2^32 of anything.
pub(crate) fn key(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use mio::net::TcpListener;

    use super::*;

    #[test]
    fn an_id_that_was_kept_too_long_finds_nothing() {
        let poll = mio::Poll::new().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let mut links = Links::default();
        let accept = |links: &mut Links| {
            let _client = std::net::TcpStream::connect(address).unwrap();
            let link = loop {
                match Link::accept(&listener) {
                    Ok(link) => break link,
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                }
            };
            links.insert(poll.registry(), link).unwrap()
        };
        let first = accept(&mut links);
        assert!(links.get(first).is_some() && links.id_at(0) == Some(first));
        assert!(links.remove(first).is_some());
        assert!(links.remove(first).is_none());
        let next = accept(&mut links);
        assert_eq!(next.place(), first.place());
        assert!(links.get(first).is_none() && links.get_mut(first).is_none());
        assert!(links.remove(first).is_none());
        assert_eq!(links.iter().map(|(id, _)| id).collect::<Vec<_>>(), [next]);
        assert_eq!(links.at_mut(next.place()).map(|(id, _)| id), Some(next));
    }
}
