//! One event for many recipients: encoded once in each namespace in which somebody gets it.

use foodtrack_wire::NamespaceId;

use crate::connection_slot::ConnectionSlot;
use crate::effects::Effects;
use crate::event_frame::EventFrame;

/// An event on its way to many. It lives as long as one input, as its frames do.
pub(crate) struct SharedFrame<'e, F> {
    event: &'e EventFrame<'e>,
    /// By the namespace's place.
    encoded: [Option<F>; NamespaceId::COUNT_MAX],
}

impl<'e, F: Copy> SharedFrame<'e, F> {
    pub(crate) fn new(event: &'e EventFrame<'e>) -> Self {
        Self { event, encoded: [None; NamespaceId::COUNT_MAX] }
    }

    /// Sends it to one of its recipients, in the namespace of that client. Returns whether the client is there to get it.
    #[inline]
    pub(crate) fn send(
        &mut self,
        effects: &mut impl Effects<Frame = F>,
        to: ConnectionSlot,
    ) -> bool {
        let namespace = to.namespace();
        let encoded = &mut self.encoded[namespace.place()];
        let frame = *encoded.get_or_insert_with(|| effects.encode(self.event, namespace));
        effects.send(to, frame)
    }
}
