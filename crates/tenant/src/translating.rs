//! One event as each of those sees it whom it is for: redacted, translated and encoded once for each view, dialect and namespace
//! in which somebody gets it.

use foodtrack_profile::NotSent;
use foodtrack_router::{EventRedactions, Hidden, RedactedMessage};
use foodtrack_wire::NamespaceId;
use smallvec::SmallVec;

use crate::connection_slot::ConnectionSlot;
use crate::dialect::Dialect;
use crate::effects::Effects;
use crate::event_frame::EventFrame;
use crate::tenant::Tenant;
use crate::turn::Turn;
use crate::view::View;

/// One event's frames, by what is hidden, dialect and namespace.
pub(crate) struct Frames<'f, 'e, 'r, F> {
    event: &'f EventFrame<'e>,
    redactions: EventRedactions<'r>,
    as_it_is: ByDialect<F>,
    redacted: SmallVec<[RedactedFrames<F>; 1]>,
}

/// What is known by now; within it, nothing where that dialect does not get the event.
type ByDialect<F> = [[Option<Option<F>>; NamespaceId::COUNT_MAX]; Dialect::COUNT];

/// The frames of those from whom the same is hidden.
struct RedactedFrames<F> {
    hidden: Hidden,
    /// Nothing where it cannot be redacted: then they do not get it.
    redacted: Option<RedactedMessage>,
    frames: ByDialect<F>,
}

impl<'f, 'e, 'r, F: Copy> Frames<'f, 'e, 'r, F> {
    pub(crate) fn of(event: &'f EventFrame<'e>, redactions: EventRedactions<'r>) -> Self {
        let as_it_is = [[None; NamespaceId::COUNT_MAX]; Dialect::COUNT];
        Self { event, redactions, as_it_is, redacted: SmallVec::new() }
    }

    /// Sends it to one of its recipients, as that one sees it. Returns whether it was sent anything.
    pub(crate) fn send<E: Effects<Frame = F>>(
        &mut self,
        turn: &mut Turn<'_, E>,
        to: ConnectionSlot,
        view: View,
    ) -> bool {
        let hidden = self.redactions.hidden_from(view.viewer);
        let frame = if hidden.is_nothing() {
            encoded(turn, &mut self.as_it_is, self.event, to, view.dialect)
        } else {
            let place = self.place_of(turn, hidden);
            let of_view = &mut self.redacted[place];
            of_view.redacted.as_ref().and_then(|redacted| {
                let event = self.event.redacted(redacted);
                encoded(turn, &mut of_view.frames, &event, to, view.dialect)
            })
        };
        frame.is_some_and(|frame| turn.effects.send(to, frame))
    }

    /// Where the frames are of those from whom this is hidden.
    fn place_of<E: Effects<Frame = F>>(&mut self, turn: &Turn<'_, E>, hidden: Hidden) -> usize {
        let known = self.redacted.iter().position(|it| it.hidden == hidden);
        known.unwrap_or_else(|| {
            let redacted = redacted(turn, self.event, &self.redactions, hidden);
            let frames = [[None; NamespaceId::COUNT_MAX]; Dialect::COUNT];
            self.redacted.push(RedactedFrames { hidden, redacted, frames });
            self.redacted.len() - 1
        })
    }
}

/// The frame of this recipient's dialect and namespace, encoded the first time.
fn encoded<E: Effects>(
    turn: &mut Turn<'_, E>,
    frames: &mut ByDialect<E::Frame>,
    event: &EventFrame<'_>,
    to: ConnectionSlot,
    dialect: Dialect,
) -> Option<E::Frame> {
    let namespace = to.namespace();
    let known = &mut frames[dialect.place()][namespace.place()];
    *known.get_or_insert_with(|| match said(turn, dialect, event) {
        Said::AsItIs => Some(turn.effects.encode(event, namespace)),
        Said::Words(words) => Some(turn.effects.encode(&event.translated(&words), namespace)),
        Said::Not => None,
    })
}

/// The event without what is hidden, where that can be left out.
fn redacted<E>(
    turn: &Turn<'_, E>,
    event: &EventFrame<'_>,
    redactions: &EventRedactions<'_>,
    hidden: Hidden,
) -> Option<RedactedMessage> {
    match redactions.redact(hidden, event.message, event.attachments) {
        Ok(redacted) => Some(redacted),
        Err(why) => {
            turn.counters.unredacted.add(1);
            tracing::debug!(event = event.event.as_str(), %why, "not sent to those from whom a part of it is hidden");
            None
        }
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
    /// Sends an event to one client alone, as that one sees it. Returns whether it is one that it gets.
    pub(crate) fn send_to(
        &self,
        turn: &mut Turn<'_, impl Effects>,
        client: ConnectionSlot,
        event: &EventFrame<'_>,
    ) -> bool {
        let Some(view) = self.view_of(client) else { return false };
        let redactions = turn.policies.redactions.of(&self.id, event.event);
        let hidden = redactions.hidden_from(view.viewer);
        if hidden.is_nothing() {
            return say(turn, client, view.dialect, event);
        }
        let redacted = redacted(turn, event, &redactions, hidden);
        redacted.is_some_and(|it| say(turn, client, view.dialect, &event.redacted(&it)))
    }

    /// How a client is spoken to.
    pub(crate) fn dialect_of(&self, client: ConnectionSlot) -> Dialect {
        self.present(client).map_or(Dialect::Canonical, |connection| connection.dialect)
    }

    /// How an event looks to a client; `None` where it is gone.
    pub(crate) fn view_of(&self, client: ConnectionSlot) -> Option<View> {
        self.present(client).map(|connection| connection.view())
    }
}

fn say(
    turn: &mut Turn<'_, impl Effects>,
    client: ConnectionSlot,
    dialect: Dialect,
    event: &EventFrame<'_>,
) -> bool {
    match said(turn, dialect, event) {
        Said::AsItIs => turn.effects.send_event(client, event),
        Said::Words(words) => turn.effects.send_event(client, &event.translated(&words)),
        Said::Not => return false,
    }
    true
}
