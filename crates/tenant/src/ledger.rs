//! What one tenant has accepted, what its log has kept of it and what was delivered: in the log's order, each once.

mod counted_by_store;
mod following;
#[cfg(test)]
mod following_tests;
mod open_log;
mod position;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use foodtrack_contract::{Epoch, Offset, Watch};
use foodtrack_tenant_log::{Admission, Durability, Head, LogEntry, RefusedReason, Sequence};
use foodtrack_wire::FrameMeta;
use smallvec::SmallVec;
use uuid::Uuid;

use crate::reply_to::ReplyTo;
use counted_by_store::CountedByStore;
use open_log::{Counting, OpenLog};

pub(crate) use counted_by_store::{Followed, NextRead};
pub(crate) use position::{Position, last_of};

/// A tenant's log as its home keeps it.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    /// Nobody asked yet.
    #[default]
    Closed,
    /// The store was asked. Who comes meanwhile waits.
    Opening,
    Open(Box<OpenLog>),
    /// Another writer took the log over, or it was begun anew: the store is asked for it again. Connections stay as they are.
    Lost {
        open: Box<OpenLog>,
        /// As in `Away`.
        ask_at_ms: Option<u64>,
    },
    /// The store said no. Nothing is logged, and clients have no cursor.
    Away {
        reason: RefusedReason,
        /// When the store is asked again, on the shard's clock; `None` while it was and has not answered.
        ask_at_ms: Option<u64>,
    },
}

/// What becomes of a message that is to be in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admitted {
    /// It is new, and this is its offset.
    At(Offset),
    /// The store will say where it is, or that it came before.
    Unplaced,
    /// It was accepted before, at this offset.
    Repeat(Offset),
    /// It was submitted before, and the store has not answered yet.
    Submitted,
}

/// What the opening of a log means for those who are here.
#[derive(Debug)]
pub(crate) enum Opened {
    /// It was not open before, or was begun anew since.
    Fresh(NotKept),
    /// It goes on where it was, and what others wrote meanwhile is read.
    GoesOn,
    /// It goes on, but what was written meanwhile is not delivered: live connections have everything up to here.
    Behind(Offset, NotKept),
}

/// What was accepted and is not in the log, as far as this node will ever hear.
pub(crate) type NotKept = Vec<Pending>;

/// An accepted message on its way to the disk.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) entry: Arc<LogEntry>,
    pub(crate) meta: FrameMeta,
    pub(crate) asks_ack: bool,
    /// How long it may take to be confirmed, and by whom.
    pub(crate) watch: Option<Watch>,
    /// When it was submitted, on the shard's clock; `None` where another node did.
    pub(crate) submitted_ms: Option<u64>,
    /// Who waits to be told that it is kept, and whether they sent it again.
    pub(crate) replies: SmallVec<[(ReplyTo, bool); 1]>,
}

/// Why a tenant's log takes no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unavailable {
    /// It is being opened.
    NotYet,
    /// The store said no.
    Away(RefusedReason),
}

impl Ledger {
    /// Notes that the store was asked for the log. A tenant that does without it goes on so until the store has answered.
    pub(crate) fn asked(&mut self) {
        match &mut self.state {
            State::Away { ask_at_ms, .. } | State::Lost { ask_at_ms, .. } => *ask_at_ms = None,
            state => *state = State::Opening,
        }
    }

    /// The store has opened the log. The rest of `head` is others'. `is_shared` where others write to the log as well.
    pub(crate) fn opened(&mut self, head: Head, is_shared: bool) -> Opened {
        let last = Offset::ZERO.plus(head.next.get().saturating_sub(1));
        let opened = match std::mem::take(&mut self.state) {
            State::Lost { mut open, .. } if open.epoch() == head.epoch => {
                if let (Counting::ByStore(store), true) = (&mut open.counting, is_shared) {
                    store.reopened(last);
                    self.state = State::Open(open);
                    return Opened::GoesOn;
                }
                Opened::Behind(open.delivered_through, open.into_undelivered())
            }
            // Its store was away for a while, and says anew what it has.
            State::Open(mut open) if open.epoch() == head.epoch && is_shared => {
                if let Counting::ByStore(store) = &mut open.counting {
                    store.reopened(last);
                }
                self.state = State::Open(open);
                return Opened::GoesOn;
            }
            State::Lost { open, .. } | State::Open(open) => Opened::Fresh(open.into_undelivered()),
            _ => Opened::Fresh(NotKept::new()),
        };
        let (epoch, trimmed_through) = (head.epoch, head.trimmed_through);
        self.state = State::Open(Box::new(OpenLog {
            counting: match is_shared {
                false => Counting::Here(Sequence::new(head)),
                true => Counting::ByStore(CountedByStore::new(epoch, last)),
            },
            trimmed_through,
            delivered_through: last,
            pending: VecDeque::new(),
            in_doubt: None,
        }));
        opened
    }

    /// The store does not open the log; it is to be asked again at `ask_at_ms` on the shard's clock.
    pub(crate) fn failed(&mut self, reason: RefusedReason, ask_at_ms: u64) {
        match &mut self.state {
            State::Lost { ask_at_ms: at_ms, .. } => *at_ms = Some(ask_at_ms),
            state => *state = State::Away { reason, ask_at_ms: Some(ask_at_ms) },
        }
    }

    /// Another writer has taken the log over, or it was begun anew: it takes nothing before it is opened again. Returns
    /// whether that is news.
    pub(crate) fn lost(&mut self) -> bool {
        match std::mem::take(&mut self.state) {
            State::Open(open) => {
                self.state = State::Lost { open, ask_at_ms: None };
                true
            }
            state => {
                self.state = state;
                false
            }
        }
    }

    /// When the store is to be asked again: for the log, or for what could not be read of it.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        match &self.state {
            State::Away { ask_at_ms, .. } | State::Lost { ask_at_ms, .. } => *ask_at_ms,
            State::Open(open) => open.by_store().and_then(CountedByStore::again_at_ms),
            State::Closed | State::Opening => None,
        }
    }

    /// Whether nobody asked the store for the log yet.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Whether the store was asked for the log, and has not answered.
    pub(crate) fn is_opening(&self) -> bool {
        matches!(self.state, State::Opening)
    }

    /// The same, also where the tenant goes on without it meanwhile.
    pub(crate) fn awaits_store(&self) -> bool {
        match &self.state {
            State::Opening => true,
            State::Away { ask_at_ms, .. } | State::Lost { ask_at_ms, .. } => ask_at_ms.is_none(),
            State::Closed | State::Open(_) => false,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Why the tenant does without its log, if it does.
    pub(crate) fn away(&self) -> Option<RefusedReason> {
        match self.state {
            State::Away { reason, .. } => Some(reason),
            _ => None,
        }
    }

    fn open(&self) -> Option<&OpenLog> {
        match &self.state {
            State::Open(open) | State::Lost { open, .. } => Some(open),
            _ => None,
        }
    }

    fn open_mut(&mut self) -> Option<&mut OpenLog> {
        match &mut self.state {
            State::Open(open) | State::Lost { open, .. } => Some(open),
            _ => None,
        }
    }

    fn by_store_mut(&mut self) -> Option<&mut CountedByStore> {
        match &mut self.open_mut()?.counting {
            Counting::ByStore(store) => Some(store),
            Counting::Here(_) => None,
        }
    }

    /// Whether the log takes entries.
    ///
    /// # Errors
    /// [`Unavailable`]
    pub(crate) fn availability(&self) -> Result<(), Unavailable> {
        match self.state {
            State::Open(_) => Ok(()),
            State::Away { reason, .. } => Err(Unavailable::Away(reason)),
            State::Lost { .. } => Err(Unavailable::Away(RefusedReason::Fenced)),
            State::Closed | State::Opening => Err(Unavailable::NotYet),
        }
    }

    /// Whether others write to the log as well.
    pub(crate) fn is_shared(&self) -> bool {
        self.open().is_some_and(|open| open.by_store().is_some())
    }

    /// How far the log is; `None` where it is not open.
    pub(crate) fn position(&self) -> Option<Position> {
        self.open().map(|open| Position {
            epoch: open.epoch(),
            trimmed_through: open.trimmed_through,
            delivered_through: open.delivered_through,
            given_through: match open.counting {
                Counting::Here(_) => open.delivered_through,
                Counting::ByStore(_) => Offset::MAX,
            },
        })
    }

    /// Whether somebody waits to hear what became of a message.
    pub(crate) fn owes_answers(&self) -> bool {
        self.open().is_some_and(|open| {
            !open.pending.is_empty() || open.by_store().is_some_and(CountedByStore::waits)
        })
    }

    /// Whether the log must say first whether it has a message of this id, which was not seen lately.
    pub(crate) fn must_ask(&self, id: &Uuid) -> bool {
        self.sequence().is_some_and(|sequence| sequence.must_ask(id))
    }

    /// The log has a message of this id here.
    pub(crate) fn found(&mut self, id: Uuid, offset: Offset) {
        if let Some(sequence) = self.sequence_mut() {
            sequence.found(id, offset);
        }
    }

    /// Forgets the ids that the log can be asked for, and gives back the memory that many pending messages took once.
    pub(crate) fn give_up_ids(&mut self) {
        if let Some(open) = self.open_mut() {
            open.pending.shrink_to_fit();
        }
        if let Some(sequence) = self.sequence_mut() {
            sequence.give_up_ids();
        }
    }

    /// What the ids seen take, and of that, what [`Ledger::give_up_ids`] could give back; in bytes.
    pub(crate) fn ids_bytes(&self) -> (usize, usize) {
        self.sequence().map_or((0, 0), Sequence::ids_bytes)
    }

    /// Whether the log has all that was submitted to it, or was never opened. One that others write to as well is never
    /// at rest.
    pub(crate) fn is_at_rest(&self) -> bool {
        match &self.state {
            State::Closed => true,
            State::Open(open) => match &open.counting {
                Counting::Here(sequence) => open.pending.is_empty() && sequence.is_committed(),
                Counting::ByStore(_) => false,
            },
            State::Opening | State::Lost { .. } | State::Away { .. } => false,
        }
    }

    /// Gives a message the next offset, where this node counts them. `is_named` where its sender gave it its id, so that it can
    /// have come before.
    ///
    /// # Errors
    /// [`Unavailable`]
    pub(crate) fn admit(
        &mut self,
        id: Uuid,
        is_named: bool,
        durability: Durability,
    ) -> Result<Admitted, Unavailable> {
        match &mut self.state {
            State::Open(open) => Ok(match &mut open.counting {
                Counting::Here(sequence) if is_named => match sequence.admit(id, durability) {
                    Admission::New(offset) => Admitted::At(offset),
                    Admission::Repeat(offset) => Admitted::Repeat(offset),
                },
                Counting::Here(sequence) => Admitted::At(sequence.admit_made(id, durability)),
                Counting::ByStore(store) if store.has_submitted(id) => Admitted::Submitted,
                Counting::ByStore(_) => Admitted::Unplaced,
            }),
            State::Lost { .. } => Err(Unavailable::Away(RefusedReason::Fenced)),
            State::Away { reason, .. } => Err(Unavailable::Away(*reason)),
            State::Closed | State::Opening => Err(Unavailable::NotYet),
        }
    }

    /// Whether a message of this id was submitted to a log that others write to as well, and is not answered yet.
    pub(crate) fn waits_for(&self, id: Uuid) -> bool {
        match &self.state {
            State::Open(open) => open.by_store().is_some_and(|store| store.has_submitted(id)),
            _ => false,
        }
    }

    /// A message that was admitted last is not submitted after all.
    pub(crate) fn withdraw(&mut self, id: Uuid, offset: Offset) {
        if let Some(sequence) = self.sequence_mut() {
            sequence.withdraw(id, offset);
        }
    }

    /// Takes a message that was admitted and submitted, until it may be delivered.
    pub(crate) fn wait(&mut self, pending: Pending) {
        if let Some(open) = self.open_mut() {
            open.pending.push_back(pending);
        }
    }

    /// Whether a message that was submitted a moment ago is the next to be delivered, and may be.
    pub(crate) fn is_next(&mut self, offset: Offset) -> bool {
        self.open_mut().is_some_and(|open| open.pending.is_empty() && open.release() >= offset)
    }

    /// Has whoever sent a message again told with its first sender. Returns the reply where nobody need wait.
    pub(crate) fn join(&mut self, offset: Offset, reply: ReplyTo) -> Option<ReplyTo> {
        let pending = self.open_mut().and_then(|open| {
            let place = open.pending.binary_search_by_key(&offset, |it| it.entry.offset).ok()?;
            open.pending.get_mut(place)
        });
        match pending {
            Some(pending) => {
                pending.replies.push((reply, true));
                None
            }
            None => Some(reply),
        }
    }

    /// Whether something is released that was not delivered yet.
    pub(crate) fn has_released(&mut self) -> bool {
        self.open_mut().is_some_and(|open| open.release() > open.delivered_through)
    }

    /// Whether something that was found released is left, since it did not fit into the tenant's turn.
    pub(crate) fn has_left_over(&self) -> bool {
        match &self.state {
            State::Open(open) | State::Lost { open, .. } => {
                open.delivered_through < open.released()
            }
            _ => false,
        }
    }

    /// Takes the next message that may be delivered.
    pub(crate) fn next_released(&mut self) -> Option<Pending> {
        let open = self.open_mut()?;
        let released = open.release();
        let next = open.pending.pop_front_if(|first| first.entry.offset <= released);
        if next.is_none() {
            // What lies between was refused.
            open.delivered_through = open.delivered_through.max(released);
        }
        next
    }

    /// The message at an offset, the next, is delivered from now on. Returns the log's epoch, if it is open.
    pub(crate) fn deliver(&mut self, offset: Offset) -> Option<Epoch> {
        let open = self.open_mut()?;
        open.delivered_through = offset;
        Some(open.epoch())
    }

    /// The store kept what was submitted up to here.
    pub(crate) fn committed(&mut self, through: Offset, reserved_through: Offset) {
        if let Some(sequence) = self.sequence_mut() {
            sequence.committed(through, reserved_through);
        }
    }

    /// Takes out what the store did not keep and nobody was shown.
    pub(crate) fn refused(&mut self, from: Offset, through: Offset) -> Vec<Pending> {
        let Some(open) = self.open_mut() else { return Vec::new() };
        if let Counting::Here(sequence) = &mut open.counting {
            sequence.refused(from, through);
        }
        open.take_out(from, through)
    }

    /// Takes out what nobody was shown, and of which nobody knows whether the store has it: the store must be opened anew. Its
    /// ids stay known, and nothing is delivered behind it.
    pub(crate) fn doubt(&mut self, from: Offset, through: Offset) -> Vec<Pending> {
        let Some(open) = self.open_mut() else { return Vec::new() };
        let from = from.max(open.delivered_through.next());
        if from <= through {
            let (first, last) = open.in_doubt.unwrap_or((from, through));
            open.in_doubt = Some((first.min(from), last.max(through)));
        }
        open.take_out(from, through)
    }

    /// Whether nobody knows whether the store has the message at an offset.
    pub(crate) fn is_in_doubt(&self, offset: Offset) -> bool {
        let in_doubt = self.open().and_then(|open| open.in_doubt);
        in_doubt.is_some_and(|(first, last)| (first..=last).contains(&offset))
    }

    /// The store said that everything up to here is gone.
    pub(crate) fn trimmed(&mut self, through: Offset) {
        if let Some(open) = self.open_mut() {
            open.trimmed_through = open.trimmed_through.max(through);
        }
    }

    fn sequence(&self) -> Option<&Sequence> {
        match &self.open()?.counting {
            Counting::Here(sequence) => Some(sequence),
            Counting::ByStore(_) => None,
        }
    }

    fn sequence_mut(&mut self) -> Option<&mut Sequence> {
        match &mut self.open_mut()?.counting {
            Counting::Here(sequence) => Some(sequence),
            Counting::ByStore(_) => None,
        }
    }
}
