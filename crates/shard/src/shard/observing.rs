//! Clients of the namespace of those who watch. Without a desk there is none.

use foodtrack_contract::{ErrorCode, Refusal};
use foodtrack_session::{Event, NamespaceId};
use foodtrack_transport::{ClientKey, CloseReason, FrameMeta, PacketParts, Reactor, Verdict};

use super::Shard;
use crate::entrant::Entrant;
use crate::observer::ObserverId;
use crate::tag::Tag;

/// So many watch on one shard.
const OBSERVERS_MAX: usize = 32;

/// Behind `/`, where there is a desk.
fn namespace() -> NamespaceId {
    NamespaceId::at(1).unwrap_or(NamespaceId::ROOT)
}

impl Shard {
    fn observer(&self, client: ClientKey) -> ObserverId {
        ObserverId { shard: self.parts.index, client }
    }

    pub(super) fn is_observer(&self, client: ClientKey) -> bool {
        !self.observers.is_empty() && self.observers.contains(&client)
    }

    /// Whether who joins this namespace watches.
    pub(super) fn is_for_observers(&self, joined: NamespaceId) -> bool {
        self.parts.desk.is_some() && joined == namespace()
    }

    /// Lets somebody watch, or turns them away.
    pub(super) fn observe(
        &mut self,
        io: &mut Reactor,
        client: ClientKey,
        auth: Option<&str>,
    ) -> Verdict<Entrant> {
        if Tag::of(io, client).is_some() {
            let message = "the connection has joined another namespace: use a connection for each";
            return self.turn_away(io, client, &Refusal::new(ErrorCode::NamespaceUnknown, message));
        }
        if self.observers.len() >= OBSERVERS_MAX {
            let message = "too many watch on this shard; close another page of the admin UI";
            return self.turn_away(io, client, &Refusal::new(ErrorCode::Overloaded, message));
        }
        let id = self.observer(client);
        let admitted = match &self.parts.desk {
            Some(desk) => desk.admit(id, auth),
            None => Err(Refusal::new(ErrorCode::NamespaceUnknown, "Invalid namespace")),
        };
        match admitted {
            Ok(()) => {
                self.observers.insert(client);
                Verdict::Accept { answer: format!("{{\"sid\":\"{}\"}}", io.new_id().as_str()) }
            }
            Err(refusal) => self.turn_away(io, client, &refusal),
        }
    }

    pub(super) fn hear_observer(&self, client: ClientKey, event: &Event<'_>) {
        if let Some(desk) = &self.parts.desk {
            desk.said(self.observer(client), &event.data);
        }
    }

    pub(super) fn tell_observer(
        &self,
        io: &mut Reactor,
        client: ClientKey,
        events: Vec<(&'static str, String)>,
    ) {
        if !self.is_observer(client) {
            return;
        }
        let parts = PacketParts::event(namespace(), FrameMeta::default());
        for (name, arguments) in events {
            io.send_packet(client, &parts, |out| {
                out.extend_from_slice(format!("\"{name}\"").as_bytes());
                if !arguments.is_empty() {
                    out.push(b',');
                    out.extend_from_slice(arguments.as_bytes());
                }
            });
        }
    }

    pub(super) fn end_observer(&mut self, io: &mut Reactor, client: ClientKey) {
        if self.is_observer(client) {
            io.disconnect(client, namespace());
            io.close(client, CloseReason::Disconnected);
            self.observer_went(client);
        }
    }

    /// A client has gone, perhaps one that watched.
    pub(super) fn observer_went(&mut self, client: ClientKey) {
        if !self.observers.is_empty()
            && self.observers.remove(&client)
            && let Some(desk) = &self.parts.desk
        {
            desk.went(self.observer(client));
        }
    }
}
