//! The fan-out loop: whom one message reaches, each once.

use crate::connection_slot::ConnectionSlot;
use foodtrack_contract::{ApplicationSet, ReadPermission};
use foodtrack_tenant_log::LoggedAudience;
use smallvec::SmallVec;

use crate::view::View;

use super::connections::Connections;

/// Those whom a message reaches live.
pub(crate) struct Recipients<'m> {
    connections: &'m mut Connections,
    /// Who is in several of these is meant once.
    places: SmallVec<[&'m [u32]; 8]>,
    only: ApplicationSet,
    read: Option<ReadPermission>,
}

impl<'m> Recipients<'m> {
    pub(super) fn new(
        connections: &'m mut Connections,
        places: SmallVec<[&'m [u32]; 8]>,
        audience: &LoggedAudience,
    ) -> Self {
        connections.begin_message();
        Self { connections, places, only: audience.only, read: audience.read }
    }

    /// All of them but the connections at these places.
    pub(super) fn except(self, places: &[u32]) -> Self {
        places.iter().for_each(|place| self.connections.skip(*place));
        self
    }

    /// Of them, those of these applications.
    pub(crate) fn only(mut self, applications: ApplicationSet) -> Self {
        self.only = self.only.intersection(applications);
        self
    }

    /// Whether some of them may be spoken to otherwise than as the contract has it.
    pub(crate) fn are_mixed(&self) -> bool {
        self.connections.has_translated()
    }

    /// As [`Recipients::send`], with how the event looks to each.
    pub(crate) fn send_views(
        self,
        mut send: impl FnMut(u32, ConnectionSlot, View) -> bool,
    ) -> usize {
        self.each(|connections, place, slot| {
            connections.view(place).is_some_and(|view| send(place, slot, view))
        })
    }

    /// Hands each of them to `send`, which says whether it was sent something, with its place. Returns how many were.
    #[inline]
    pub(crate) fn send(self, mut send: impl FnMut(u32, ConnectionSlot) -> bool) -> usize {
        self.each(|_, place, slot| send(place, slot))
    }

    #[inline]
    fn each(self, mut send: impl FnMut(&Connections, u32, ConnectionSlot) -> bool) -> usize {
        let mut delivered = 0;
        for place in self.places.into_iter().flatten() {
            if let Some(slot) = self.connections.take_turn(*place, self.only, self.read) {
                delivered += usize::from(send(self.connections, *place, slot));
            }
        }
        delivered
    }
}
