//! Which client of the reactor is in which slot of a tenant.

use foodtrack_tenant::{ConnectionSlot, Generation};
use foodtrack_transport::ClientKey;

// Every idle connection pays for it.
const _: () = assert!(size_of::<Option<(Generation, ClientKey)>>() == 12);

/// One tenant's clients by the places of their slots. A slot of another generation finds nobody.
#[derive(Debug, Default)]
pub(super) struct ClientTable {
    clients: Vec<Option<(Generation, ClientKey)>>,
}

impl ClientTable {
    /// The client in a slot.
    #[inline]
    pub(super) fn get(&self, slot: ConnectionSlot) -> Option<ClientKey> {
        let (generation, client) = (*self.clients.get(slot.place() as usize)?)?;
        (generation == slot.generation()).then_some(client)
    }

    /// The slot at a place, where somebody is in it.
    pub(super) fn slot(&self, place: u32) -> Option<ConnectionSlot> {
        let (generation, _) = (*self.clients.get(place as usize)?)?;
        Some(ConnectionSlot::new(place, generation))
    }

    pub(super) fn insert(&mut self, slot: ConnectionSlot, client: ClientKey) {
        let place = slot.place() as usize;
        if self.clients.len() <= place {
            self.clients.resize(place + 1, None);
        }
        self.clients[place] = Some((slot.generation(), client));
    }

    /// Takes the client out of a slot.
    pub(super) fn remove(&mut self, slot: ConnectionSlot) -> Option<ClientKey> {
        let client = self.get(slot)?;
        self.clients[slot.place() as usize] = None;
        Some(client)
    }

    /// Takes all clients out.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = ClientKey> + use<> {
        std::mem::take(&mut self.clients).into_iter().flatten().map(|(_, client)| client)
    }
}

#[cfg(test)]
mod tests {
    use foodtrack_session::NamespaceId;

    use super::*;

    #[test]
    fn a_slot_that_outlived_its_client_finds_nobody() {
        let mut table = ClientTable::default();
        let slot = |serial| ConnectionSlot::new(2, Generation::new(serial, NamespaceId::ROOT));
        let (old, new) = (slot(7), slot(8));
        let client = ClientKey::NOBODY;
        table.insert(old, client);
        assert_eq!((table.get(old), table.slot(2)), (Some(client), Some(old)));
        assert_eq!(table.remove(old), Some(client));
        table.insert(new, client);
        assert_eq!((table.get(old), table.remove(old)), (None, None));
        assert_eq!((table.get(new), table.slot(0)), (Some(client), None));
        assert_eq!(table.take_all().collect::<Vec<_>>(), [client]);
        assert_eq!(table.slot(2), None);
    }
}
