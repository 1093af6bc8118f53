//! Who is where: sockets (a client in a namespace) and the rooms that they joined.

use ahash::HashMap;
use foodtrack_session::NamespaceId;
use foodtrack_transport::ClientKey;

/// A client in a namespace.
pub(crate) struct Socket {
    pub(crate) id: String,
    /// The id that only the client knows, to come back by.
    pub(crate) pid: String,
    pub(crate) subject: String,
    /// Where it came back from an absence: what it has everything up to.
    pub(crate) recovered: Option<u64>,
    /// In the order they were joined; the socket's own first.
    pub(crate) rooms: Vec<String>,
}

/// Every socket, and the members of every room.
#[derive(Default)]
pub(crate) struct Rooms {
    sockets: HashMap<(ClientKey, NamespaceId), Socket>,
    members: HashMap<(NamespaceId, String), Vec<ClientKey>>,
}

impl Rooms {
    pub(crate) fn add(&mut self, client: ClientKey, namespace: NamespaceId, mut socket: Socket) {
        let rooms = std::mem::take(&mut socket.rooms);
        self.sockets.insert((client, namespace), socket);
        rooms.into_iter().for_each(|room| self.join(client, namespace, room));
    }

    pub(crate) fn socket(&self, client: ClientKey, namespace: NamespaceId) -> Option<&Socket> {
        self.sockets.get(&(client, namespace))
    }

    pub(crate) fn join(&mut self, client: ClientKey, namespace: NamespaceId, room: String) {
        let Some(socket) = self.sockets.get_mut(&(client, namespace)) else { return };
        if !socket.rooms.contains(&room) {
            socket.rooms.push(room.clone());
            self.members.entry((namespace, room)).or_default().push(client);
        }
    }

    pub(crate) fn leave(&mut self, client: ClientKey, namespace: NamespaceId, room: &str) {
        let Some(socket) = self.sockets.get_mut(&(client, namespace)) else { return };
        socket.rooms.retain(|other| other != room);
        self.forget_member(client, namespace, room.to_owned());
    }

    pub(crate) fn members(&self, namespace: NamespaceId, room: String) -> &[ClientKey] {
        self.members.get(&(namespace, room)).map_or(&[], Vec::as_slice)
    }

    /// The socket is gone, and with it its places in rooms.
    pub(crate) fn remove(&mut self, client: ClientKey, namespace: NamespaceId) -> Option<Socket> {
        let socket = self.sockets.remove(&(client, namespace))?;
        for room in &socket.rooms {
            self.forget_member(client, namespace, room.clone());
        }
        Some(socket)
    }

    fn forget_member(&mut self, client: ClientKey, namespace: NamespaceId, room: String) {
        let place = (namespace, room);
        if let Some(members) = self.members.get_mut(&place) {
            members.retain(|other| *other != client);
            if members.is_empty() {
                self.members.remove(&place);
            }
        }
    }

    /// The namespaces that a client is in.
    pub(crate) fn namespaces(&self, client: ClientKey) -> Vec<NamespaceId> {
        let of_client = |(other, namespace): &(ClientKey, NamespaceId)| {
            (*other == client).then_some(*namespace)
        };
        self.sockets.keys().filter_map(of_client).collect()
    }
}
