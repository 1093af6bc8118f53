//! One event in the dialects of those it is for: translated and encoded once for each dialect and namespace in which
//! somebody gets it.

use foodtrack_profile::NotSent;
use foodtrack_wire::NamespaceId;

use crate::connection_slot::ConnectionSlot;
use crate::dialect::Dialect;
use crate::effects::Effects;
use crate::event_frame::EventFrame;
use crate::tenant::Tenant;
use crate::turn::Turn;

/// One event's frames, by dialect and namespace.
pub(crate) struct Frames<'f, 'e, F> {
    event: &'f EventFrame<'e>,
    /// What is known by now; within it, nothing where that dialect does not get the event.
    frames: [[Option<Option<F>>; NamespaceId::COUNT_MAX]; Dialect::COUNT],
}

impl<'f, 'e, F: Copy> Frames<'f, 'e, F> {
    pub(crate) fn of(event: &'f EventFrame<'e>) -> Self {
        Self { event, frames: [[None; NamespaceId::COUNT_MAX]; Dialect::COUNT] }
    }

    /// Sends it to one of its recipients, in its dialect and its namespace. Returns whether it was sent anything.
    pub(crate) fn send<E: Effects<Frame = F>>(
        &mut self,
        turn: &mut Turn<'_, E>,
        to: ConnectionSlot,
        dialect: Dialect,
    ) -> bool {
        let (event, namespace) = (self.event, to.namespace());
        let known = &mut self.frames[dialect.place()][namespace.place()];
        let frame = *known.get_or_insert_with(|| match said(turn, dialect, event) {
            Said::AsItIs => Some(turn.effects.encode(event, namespace)),
            Said::Words(words) => Some(turn.effects.encode(&event.translated(&words), namespace)),
            Said::Not => None,
        });
        frame.is_some_and(|frame| turn.effects.send(to, frame))
    }
}

/// How an event is said in a dialect.
enum Said {
    AsItIs,
    Words(Vec<u8>),
    Not,
}

fn said<E>(turn: &Turn<'_, E>, dialect: Dialect, event: &EventFrame<'_>) -> Said {
    let Some(application) = dialect.application() else { return Said::AsItIs };
    let mut words = Vec::with_capacity(event.message.len() + 96);
    let has_attachments = !event.attachments.is_empty();
    let tables = &turn.policies.profiles.tables;
    match tables.outgoing(application, event.event, event.message, has_attachments, &mut words) {
        Ok(()) => Said::Words(words),
        // As an event that is for others.
        Err(NotSent::NoName) => Said::Not,
        Err(why) => {
            turn.counters.untranslated.add(1);
            tracing::debug!(%application, event = event.event.as_str(), reason = why.as_str(), "not sent: it cannot be made right");
            Said::Not
        }
    }
}

impl Tenant {
    /// Sends an event to one client alone, in its dialect. Returns whether it is one that its dialect has.
    pub(crate) fn send_to(
        &self,
        turn: &mut Turn<'_, impl Effects>,
        client: ConnectionSlot,
        event: &EventFrame<'_>,
    ) -> bool {
        match said(turn, self.dialect_of(client), event) {
            Said::AsItIs => turn.effects.send_event(client, event),
            Said::Words(words) => turn.effects.send_event(client, &event.translated(&words)),
            Said::Not => return false,
        }
        true
    }

    /// How a client is spoken to.
    pub(crate) fn dialect_of(&self, client: ConnectionSlot) -> Dialect {
        self.present(client).map_or(Dialect::Canonical, |connection| connection.dialect)
    }
}
