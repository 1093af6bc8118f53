//! What one tenant has accepted, what its log has kept of it and what was delivered: in the log's order, each once.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::frame_meta::FrameMeta;
use foodtrack_contract::{Cursor, Epoch, Offset, Watch};
use foodtrack_tenant_log::{Admission, Durability, Head, LogEntry, RefusedReason, Sequence};
use smallvec::SmallVec;
use uuid::Uuid;

use crate::reply_to::ReplyTo;

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
    Open(Box<Open>),
    /// The store said no. Nothing is logged, and clients have no cursor.
    Away {
        reason: RefusedReason,
        /// When the store is asked again, on the shard's clock; `None` while it was and has not answered.
        ask_at_ms: Option<u64>,
    },
}

#[derive(Debug)]
struct Open {
    sequence: Sequence,
    /// Everything up to here is gone, as far as the store has said.
    trimmed_through: Offset,
    /// Everything up to here was handed to everyone it is for.
    delivered_through: Offset,
    /// Accepted and not delivered yet; ascending.
    pending: VecDeque<Pending>,
}

/// An accepted message on its way to the disk.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) entry: Arc<LogEntry>,
    pub(crate) meta: FrameMeta,
    pub(crate) asks_ack: bool,
    /// How long it may take to be confirmed, and by whom.
    pub(crate) watch: Option<Watch>,
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

/// How far an open log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) epoch: Epoch,
    /// Everything up to here is gone, as far as the store has said.
    pub(crate) trimmed_through: Offset,
    /// Everything up to here was handed to everyone it is for.
    pub(crate) delivered_through: Offset,
}

impl Position {
    /// Whether a cursor may be one that this log gave out.
    pub(crate) fn gave_out(&self, cursor: &Cursor) -> bool {
        let last = cursor.beyond().last().copied().unwrap_or(cursor.through());
        cursor.epoch() == self.epoch && last <= self.delivered_through
    }

    /// Whether a cursor is one that this log gave out, and nothing behind it is gone.
    pub(crate) fn goes_on_from(&self, cursor: &Cursor) -> bool {
        self.gave_out(cursor) && cursor.through() >= self.trimmed_through
    }
}

impl Ledger {
    /// Notes that the store was asked for the log. A tenant that does without it goes on so until the store has answered.
    pub(crate) fn asked(&mut self) {
        match &mut self.state {
            State::Away { ask_at_ms, .. } => *ask_at_ms = None,
            state => *state = State::Opening,
        }
    }

    /// The store has opened the log. The rest of `head` is others'.
    pub(crate) fn opened(&mut self, head: Head) {
        let last = Offset::ZERO.plus(head.next.get().saturating_sub(1));
        let trimmed_through = head.trimmed_through;
        self.state = State::Open(Box::new(Open {
            sequence: Sequence::new(head),
            trimmed_through,
            delivered_through: last,
            pending: VecDeque::new(),
        }));
    }

    /// The store does not open the log; it is to be asked again at `ask_at_ms` on the shard's clock.
    pub(crate) fn failed(&mut self, reason: RefusedReason, ask_at_ms: u64) {
        self.state = State::Away { reason, ask_at_ms: Some(ask_at_ms) };
    }

    /// When the store is to be asked for the log again.
    pub(crate) fn ask_at_ms(&self) -> Option<u64> {
        match self.state {
            State::Away { ask_at_ms, .. } => ask_at_ms,
            _ => None,
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

    fn open(&self) -> Option<&Open> {
        match &self.state {
            State::Open(open) => Some(open),
            _ => None,
        }
    }

    fn open_mut(&mut self) -> Option<&mut Open> {
        match &mut self.state {
            State::Open(open) => Some(open),
            _ => None,
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
            State::Closed | State::Opening => Err(Unavailable::NotYet),
        }
    }

    /// How far the log is; `None` where it is not open.
    pub(crate) fn position(&self) -> Option<Position> {
        self.open().map(|open| Position {
            epoch: open.sequence.epoch(),
            trimmed_through: open.trimmed_through,
            delivered_through: open.delivered_through,
        })
    }

    /// Whether somebody waits to hear what became of a message.
    pub(crate) fn owes_answers(&self) -> bool {
        self.open().is_some_and(|open| !open.pending.is_empty())
    }

    /// Whether the log must say first whether it has a message of this id, which was not seen lately.
    pub(crate) fn must_ask(&self, id: &Uuid) -> bool {
        self.open().is_some_and(|open| open.sequence.must_ask(id))
    }

    /// The log has a message of this id here.
    pub(crate) fn found(&mut self, id: Uuid, offset: Offset) {
        if let Some(open) = self.open_mut() {
            open.sequence.found(id, offset);
        }
    }

    /// Forgets the ids that the log can be asked for.
    pub(crate) fn give_up_ids(&mut self) {
        if let Some(open) = self.open_mut() {
            open.sequence.give_up_ids();
        }
    }

    /// What the ids seen take, and of that, what [`Ledger::give_up_ids`] could give back; in bytes.
    pub(crate) fn ids_bytes(&self) -> (usize, usize) {
        self.open().map_or((0, 0), |open| open.sequence.ids_bytes())
    }

    /// Gives a message the next offset. `is_named` where its sender gave it its id, so that it can have come before.
    ///
    /// # Errors
    /// [`Unavailable`]
    pub(crate) fn admit(
        &mut self,
        id: Uuid,
        is_named: bool,
        durability: Durability,
    ) -> Result<Admission, Unavailable> {
        match &mut self.state {
            State::Open(open) if is_named => Ok(open.sequence.admit(id, durability)),
            State::Open(open) => Ok(Admission::New(open.sequence.admit_made(id, durability))),
            State::Away { reason, .. } => Err(Unavailable::Away(*reason)),
            State::Closed | State::Opening => Err(Unavailable::NotYet),
        }
    }

    /// A message that was admitted last is not submitted after all.
    pub(crate) fn withdraw(&mut self, id: Uuid, offset: Offset) {
        if let Some(open) = self.open_mut() {
            open.sequence.withdraw(id, offset);
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
        self.open_mut()
            .is_some_and(|open| open.pending.is_empty() && open.sequence.release() >= offset)
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
        self.open_mut().is_some_and(|open| open.delivered_through < open.sequence.release())
    }

    /// Whether something that was found released is left, since it did not fit into the tenant's turn.
    pub(crate) fn has_left_over(&self) -> bool {
        match &self.state {
            State::Open(open) => open.delivered_through < open.sequence.released(),
            _ => false,
        }
    }

    /// Takes the next message that may be delivered.
    pub(crate) fn next_released(&mut self) -> Option<Pending> {
        let open = self.open_mut()?;
        let released = open.sequence.release();
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
        Some(open.sequence.epoch())
    }

    /// The store kept what was submitted up to here.
    pub(crate) fn committed(&mut self, through: Offset, reserved_through: Offset) {
        if let Some(open) = self.open_mut() {
            open.sequence.committed(through, reserved_through);
        }
    }

    /// Takes out what the store did not keep and nobody was shown.
    pub(crate) fn refused(&mut self, from: Offset, through: Offset) -> Vec<Pending> {
        let Some(open) = self.open_mut() else { return Vec::new() };
        open.sequence.refused(from, through);
        let is_refused = |pending: &Pending| (from..=through).contains(&pending.entry.offset);
        let (refused, kept) = open.pending.drain(..).partition::<Vec<_>, _>(is_refused);
        open.pending = kept.into();
        refused
    }

    /// The store said that everything up to here is gone.
    pub(crate) fn trimmed(&mut self, through: Offset) {
        if let Some(open) = self.open_mut() {
            open.trimmed_through = open.trimmed_through.max(through);
        }
    }
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;
    use crate::samples::log_entry;

    fn offset(n: u64) -> Offset {
        Offset::new(n).unwrap()
    }

    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        ledger.opened(Head {
            epoch: Epoch::new(1),
            next: offset(1),
            reserved_through: offset(1_000),
            trimmed_through: Offset::ZERO,
            recent: Vec::new(),
            tail: Vec::new(),
            orders: Vec::new(),
            emissions: Vec::new(),
            notes: Vec::new(),
        });
        ledger
    }

    /// Admits a message, and has it wait. Returns its offset.
    fn admit(ledger: &mut Ledger, n: u128, durability: Durability) -> Offset {
        let Ok(Admission::New(at)) = ledger.admit(Uuid::from_u128(n), true, durability) else {
            unreachable!("it is new")
        };
        let entry = LogEntry { id: Uuid::from_u128(n), durability, ..log_entry(at) };
        ledger.wait(Pending {
            entry: Arc::new(entry),
            meta: FrameMeta::default(),
            asks_ack: false,
            watch: None,
            replies: smallvec![(ReplyTo::Nobody, false)],
        });
        at
    }

    /// Delivers what is released.
    fn delivered(ledger: &mut Ledger) -> Vec<u64> {
        let mut delivered = Vec::new();
        while ledger.has_released() {
            let Some(pending) = ledger.next_released() else { continue };
            ledger.deliver(pending.entry.offset);
            delivered.push(pending.entry.offset.get());
        }
        delivered
    }

    #[test]
    fn what_is_behind_a_durable_message_waits_with_it_and_each_is_released_once() {
        let mut ledger = ledger();
        assert!(ledger.is_next(offset(0)), "nothing waits");
        assert_eq!(admit(&mut ledger, 1, Durability::Durable), offset(1));
        assert_eq!(admit(&mut ledger, 2, Durability::Recoverable), offset(2));
        assert!(ledger.owes_answers() && !ledger.is_next(offset(3)));
        assert_eq!(delivered(&mut ledger), [0; 0]);
        ledger.committed(offset(1), offset(1_000));
        assert_eq!(delivered(&mut ledger), [1, 2]);
        assert_eq!(delivered(&mut ledger), [0; 0]);
        assert!(!ledger.owes_answers());
    }

    #[test]
    fn what_the_store_refused_is_never_delivered_and_what_follows_is() {
        let mut ledger = ledger();
        (1..=3).for_each(|n| _ = admit(&mut ledger, n, Durability::Durable));
        let refused = ledger.refused(offset(1), offset(2));
        let refused: Vec<u64> = refused.iter().map(|it| it.entry.offset.get()).collect();
        assert_eq!(refused, [1, 2]);
        ledger.committed(offset(3), offset(1_000));
        assert_eq!(delivered(&mut ledger), [3]);
        assert_eq!(ledger.position().unwrap().delivered_through, offset(3));
    }

    #[test]
    fn who_sends_a_message_again_waits_with_its_first_sender_or_hears_at_once() {
        let mut ledger = ledger();
        let at = admit(&mut ledger, 1, Durability::Durable);
        let again = ledger.admit(Uuid::from_u128(1), true, Durability::Durable);
        assert_eq!(again, Ok(Admission::Repeat(at)));
        assert!(ledger.join(at, ReplyTo::Nobody).is_none());
        ledger.committed(at, offset(1_000));
        let repeats: Vec<bool> =
            ledger.next_released().unwrap().replies.iter().map(|(_, repeat)| *repeat).collect();
        assert_eq!(repeats, [false, true]);
        assert!(ledger.join(at, ReplyTo::Nobody).is_some());
    }

    #[test]
    fn a_log_that_is_away_is_asked_for_once_and_takes_nothing_meanwhile() {
        let mut ledger = Ledger::default();
        let admit = |ledger: &mut Ledger| ledger.admit(Uuid::nil(), true, Durability::Durable);
        assert!(ledger.is_closed());
        assert_eq!(admit(&mut ledger), Err(Unavailable::NotYet));
        ledger.asked();
        assert!(ledger.is_opening() && ledger.ask_at_ms().is_none());
        ledger.failed(RefusedReason::DiskFull, 1_000);
        assert_eq!(admit(&mut ledger), Err(Unavailable::Away(RefusedReason::DiskFull)));
        assert_eq!(ledger.ask_at_ms(), Some(1_000));
        ledger.asked();
        assert!(ledger.ask_at_ms().is_none() && ledger.away().is_some() && !ledger.is_opening());
    }

    #[test]
    fn a_cursor_goes_on_from_what_was_given_out_and_is_still_kept() {
        let mut ledger = ledger();
        (1..=5).for_each(|n| _ = admit(&mut ledger, n, Durability::Recoverable));
        assert_eq!(delivered(&mut ledger), [1, 2, 3, 4, 5]);
        ledger.trimmed(offset(2));
        let position = ledger.position().unwrap();
        let of = |epoch, n| Cursor::new(Epoch::new(epoch), offset(n));
        assert!(position.goes_on_from(&of(1, 2)) && position.goes_on_from(&of(1, 5)));
        assert!(!position.goes_on_from(&of(1, 1)) && position.gave_out(&of(1, 1)));
        assert!(!position.gave_out(&of(1, 6)) && !position.gave_out(&of(2, 3)));
    }
}
