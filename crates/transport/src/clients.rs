//! A shard's clients, by ids that name one client only, and what is to be done about some of them.

use std::ops::{Index, IndexMut};

use ahash::HashMap;
use foodtrack_session::Sid;
use slab::Slab;

use crate::client::{Client, ClientKey, Generation, NOBODY, Packets};
use crate::links::key;

/// The table. An index is given out again when its client is gone, and its next client has another generation.
#[derive(Default)]
pub(crate) struct Clients {
    slab: Slab<Client>,
    /// That of the newest client.
    newest: Option<Generation>,
    /// Those whose requests name them: they poll, or polled once.
    by_sid: HashMap<Sid, u32>,
    /// Those that were closed, to be let go of at the end of the turn.
    closing: Vec<u32>,
    /// Those whose posted packets go on next turn.
    posting: Vec<ClientKey>,
    /// Those of which the application may be told at the end of the turn that they have no backlog.
    drained: Vec<ClientKey>,
}

impl Clients {
    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<&Client> {
        self.slab.get(index)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut Client> {
        self.slab.get_mut(index)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Client)> {
        self.slab.iter().map(|(index, client)| (key(index), client))
    }

    /// The client of this id, if it is still there and not about to go.
    pub(crate) fn open(&mut self, key: ClientKey) -> Option<&mut Client> {
        self.find_mut(key).filter(|client| !client.engine.is_closing())
    }

    /// The client of this key, if it is still in its place.
    pub(crate) fn find(&self, key: ClientKey) -> Option<&Client> {
        self.slab.get(key.index()).filter(|client| client.key(key.place()) == key)
    }

    /// As [`Self::find`], to be changed.
    pub(crate) fn find_mut(&mut self, key: ClientKey) -> Option<&mut Client> {
        self.slab.get_mut(key.index()).filter(|client| client.key(key.place()) == key)
    }

    /// The key of the client that is at an index now.
    pub(crate) fn key(&self, index: u32) -> ClientKey {
        let client = self.slab.get(index as usize);
        client.map_or(ClientKey::NOBODY, |client| client.key(index))
    }

    /// Takes a client in. Returns its index.
    pub(crate) fn insert(&mut self, mut client: Client) -> u32 {
        let next = self.newest.and_then(|newest| newest.checked_add(1));
        let generation = next.filter(|next| *next != NOBODY).unwrap_or(Generation::MIN);
        self.newest = Some(generation);
        client.arrive(generation);
        key(self.slab.insert(client))
    }

    /// Takes a client out. Returns whether requests named it, too: they do not any more.
    pub(crate) fn remove(&mut self, index: u32) -> Option<(Client, bool)> {
        let client = self.slab.try_remove(index as usize)?;
        let is_named = self.by_sid.get(client.sid()) == Some(&index);
        if is_named {
            self.by_sid.remove(client.sid());
        }
        Some((client, is_named))
    }

    /// Requests with its id are for the client from now on.
    pub(crate) fn name(&mut self, index: u32) {
        if let Some(client) = self.slab.get(index as usize) {
            self.by_sid.insert(*client.sid(), index);
        }
    }

    /// The client that requests call so.
    pub(crate) fn named(&self, sid: &Sid) -> Option<u32> {
        self.by_sid.get(sid).copied()
    }

    /// The client was closed, or nothing keeps it any more: it is to be let go of at the end of the turn.
    pub(crate) fn let_go_later(&mut self, index: u32) {
        self.closing.push(index);
    }

    /// One that is to be let go of.
    pub(crate) fn next_to_let_go(&mut self) -> Option<u32> {
        self.closing.pop()
    }

    /// Keeps packets of a polling body until the next turn.
    pub(crate) fn post_later(&mut self, index: u32, packets: Packets) {
        if let Some(client) = self.slab.get_mut(index as usize) {
            client.post_later(packets);
            self.posting.push(client.key(index));
        }
    }

    /// Those whose packets waited for this turn.
    pub(crate) fn take_posting(&mut self) -> Vec<ClientKey> {
        std::mem::take(&mut self.posting)
    }

    /// The application wants to know when the client has no backlog.
    pub(crate) fn watch_drained(&mut self, key: ClientKey) {
        if self.find_mut(key).is_some_and(Client::watch_drained) {
            self.drained.push(key);
        }
    }

    /// The client has no backlog any more.
    pub(crate) fn note_drained(&mut self, index: u32) {
        if let Some(client) = self.slab.get_mut(index as usize)
            && client.note_drained()
        {
            self.drained.push(client.key(index));
        }
    }

    /// Those that may have no backlog any more, and whose application waits for that.
    pub(crate) fn take_drained(&mut self) -> Vec<ClientKey> {
        std::mem::take(&mut self.drained)
    }

    /// Puts those back that were not looked at, before others who came meanwhile.
    pub(crate) fn give_drained_back(&mut self, mut left: Vec<ClientKey>) {
        left.append(&mut self.drained);
        self.drained = left;
    }

    /// Whether something is to be done about some of them without waiting.
    pub(crate) fn has_work(&self) -> bool {
        !(self.closing.is_empty() && self.posting.is_empty() && self.drained.is_empty())
    }
}

impl Index<usize> for Clients {
    type Output = Client;

    #[inline]
    fn index(&self, index: usize) -> &Client {
        &self.slab[index]
    }
}

impl IndexMut<usize> for Clients {
    #[inline]
    fn index_mut(&mut self, index: usize) -> &mut Client {
        &mut self.slab[index]
    }
}

#[cfg(test)]
mod tests {
    use foodtrack_session::{CloseReason, EngineSession};

    use super::*;
    use crate::client::Protocol;
    use crate::sid::SidSource;

    fn client(sids: &mut SidSource) -> Client {
        Client::new(Protocol::SocketIo, sids.next(), EngineSession::polling(0), None)
    }

    #[test]
    fn an_id_that_was_kept_too_long_finds_nobody() {
        let (mut clients, mut sids) = (Clients::default(), SidSource::new());
        let first = clients.insert(client(&mut sids));
        let id = clients.key(first);
        assert!(clients.open(id).is_some() && clients.find(id).is_some());
        assert!(clients.remove(first).is_some() && clients.remove(first).is_none());
        let next = clients.insert(client(&mut sids));
        assert_eq!(next, first);
        assert!(clients.open(id).is_none());
        assert!(clients.find(id).is_none() && clients.find_mut(id).is_none());
        clients.watch_drained(id);
        assert!(!clients.has_work());
        let id = clients.key(next);
        clients[next as usize].engine.close(CloseReason::ServerClosed);
        assert!(clients.open(id).is_none(), "it is about to go");
    }

    #[test]
    fn requests_find_a_client_until_it_goes() {
        let (mut clients, mut sids) = (Clients::default(), SidSource::new());
        let index = clients.insert(client(&mut sids));
        let sid = *clients[index as usize].sid();
        assert_eq!(clients.named(&sid), None);
        clients.name(index);
        assert_eq!(clients.named(&sid), Some(index));
        assert!(clients.remove(index).is_some_and(|(_, is_named)| is_named));
        assert_eq!(clients.named(&sid), None);
    }

    #[test]
    fn whose_backlog_is_watched_is_looked_at_once() {
        let (mut clients, mut sids) = (Clients::default(), SidSource::new());
        let index = clients.insert(client(&mut sids));
        clients.note_drained(index);
        assert!(!clients.has_work(), "nobody asked");
        clients.watch_drained(clients.key(index));
        clients.watch_drained(clients.key(index));
        assert_eq!(clients.take_drained().len(), 1);
    }
}
