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
    as_it_is: Known<F>,
    redacted: SmallVec<[RedactedFrames<F>; 1]>,
    /// What the one before got: neighbours are mostly alike.
    last: Option<(View, NamespaceId, Option<F>)>,
}

/// The frames that are known by now, by dialect and namespace; nothing where that dialect does not get the event. Mostly there is
/// one, so none of those that there might be takes room or time.
struct Known<F>(SmallVec<[(Dialect, NamespaceId, Option<F>); 2]>);

/// The frames of those from whom the same is hidden.
struct RedactedFrames<F> {
    hidden: Hidden,
    left: Left,
    frames: Known<F>,
}

/// What is left of an event.
enum Left {
    /// Nothing of it is hidden.
    All,
    Some(RedactedMessage),
    /// It cannot be redacted: then they do not get it.
    Nothing,
}

impl<'f, 'e, 'r, F: Copy> Frames<'f, 'e, 'r, F> {
    pub(crate) fn of(event: &'f EventFrame<'e>, redactions: EventRedactions<'r>) -> Self {
        Self { event, redactions, as_it_is: Known::none(), redacted: SmallVec::new(), last: None }
    }

    /// Sends it to one of its recipients, as that one sees it. Returns whether it was sent anything.
    pub(crate) fn send<E: Effects<Frame = F>>(
        &mut self,
        turn: &mut Turn<'_, E>,
        to: ConnectionSlot,
        view: View,
    ) -> bool {
        let namespace = to.namespace();
        let frame = match self.last {
            Some((last, in_last, frame)) if last == view && in_last == namespace => frame,
            _ => {
                let frame = self.frame_for(turn, namespace, view);
                self.last = Some((view, namespace, frame));
                frame
            }
        };
        frame.is_some_and(|frame| turn.effects.send(to, frame))
    }

    /// The frame of those who see it so, encoded the first time.
    fn frame_for<E: Effects<Frame = F>>(
        &mut self,
        turn: &mut Turn<'_, E>,
        namespace: NamespaceId,
        view: View,
    ) -> Option<F> {
        let hidden = self.redactions.hidden_from(view.viewer);
        if hidden.is_nothing() {
            return self.as_it_is.get_or_encode(turn, self.event, namespace, view.dialect);
        }
        let place = self.place_of(turn, hidden);
        let of_view = &mut self.redacted[place];
        match &of_view.left {
            Left::All => self.as_it_is.get_or_encode(turn, self.event, namespace, view.dialect),
            Left::Some(left) => {
                let event = self.event.redacted(left);
                of_view.frames.get_or_encode(turn, &event, namespace, view.dialect)
            }
            Left::Nothing => None,
        }
    }

    /// Where the frames are of those from whom this is hidden.
    fn place_of<E: Effects<Frame = F>>(&mut self, turn: &Turn<'_, E>, hidden: Hidden) -> usize {
        let known = self.redacted.iter().position(|it| it.hidden == hidden);
        known.unwrap_or_else(|| {
            let left = left_of(turn, self.event, &self.redactions, hidden);
            self.redacted.push(RedactedFrames { hidden, left, frames: Known::none() });
            self.redacted.len() - 1
        })
    }
}

impl<F: Copy> Known<F> {
    fn none() -> Self {
        Self(SmallVec::new())
    }

    /// The frame of this dialect and namespace, encoded the first time.
    fn get_or_encode<E: Effects<Frame = F>>(
        &mut self,
        turn: &mut Turn<'_, E>,
        event: &EventFrame<'_>,
        namespace: NamespaceId,
        dialect: Dialect,
    ) -> Option<F> {
        let is_it = |known: &&(Dialect, NamespaceId, Option<F>)| {
            known.0.says_as(dialect) && known.1 == namespace
        };
        if let Some((_, _, frame)) = self.0.iter().find(is_it) {
            return *frame;
        }
        let frame = match said(turn, dialect, event) {
            Said::AsItIs => Some(turn.effects.encode(event, namespace)),
            Said::Words(words) => Some(turn.effects.encode(&event.translated(&words), namespace)),
            Said::Not => None,
        };
        self.0.push((dialect, namespace, frame));
        frame
    }
}

/// The event without what is hidden, where that can be left out.
fn left_of<E>(
    turn: &Turn<'_, E>,
    event: &EventFrame<'_>,
    redactions: &EventRedactions<'_>,
    hidden: Hidden,
) -> Left {
    match redactions.redact(hidden, event.message, event.attachments) {
        Ok(None) => Left::All,
        Ok(Some(left)) => Left::Some(left),
        Err(why) => {
            turn.counters.unredacted.add(1);
            tracing::debug!(event = event.event.as_str(), %why, "not sent to those from whom a part of it is hidden");
            Left::Nothing
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
        match left_of(turn, event, &redactions, hidden) {
            Left::All => say(turn, client, view.dialect, event),
            Left::Some(left) => say(turn, client, view.dialect, &event.redacted(&left)),
            Left::Nothing => false,
        }
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
