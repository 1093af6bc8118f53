//! A tenant's log as its home shard keeps it: what was accepted, what may be shown, what was shown.

use std::collections::VecDeque;
use std::sync::Arc;

use ahash::AHashMap;
use foodtrack_contract::{Cursor, Epoch, Offset};
use foodtrack_tenant_log::{Head, LogEntry, LoggedRoom, RefusedReason, Sequence};
use foodtrack_transport::{ClientKey, FrameMeta, Sid};
use smallvec::SmallVec;
use uuid::Uuid;

use crate::kept_sessions::KeptSessions;
use crate::mailbox::Reply;
use crate::model::Accepted;

/// Whether a tenant can be appended to.
#[derive(Debug, Default)]
pub(crate) enum LogState {
    /// Nobody asked yet.
    #[default]
    Closed,
    /// The store was asked. Who comes meanwhile waits.
    Opening,
    Open(Box<OpenLog>),
    /// The store said no. Nothing is logged, and clients have no cursor.
    Away {
        reason: RefusedReason,
        /// When the store is asked again, on the shard's clock; `None` while it was and has not answered.
        ask_at_ms: Option<u64>,
    },
}

impl LogState {
    /// When the store is to be asked for the log again.
    pub(crate) fn ask_at_ms(&self) -> Option<u64> {
        match self {
            Self::Away { ask_at_ms, .. } => *ask_at_ms,
            _ => None,
        }
    }

    /// Whether the store is to be asked for the log by now. Says so once.
    pub(crate) fn take_ask(&mut self, now_ms: u64) -> bool {
        match self {
            Self::Away { ask_at_ms, .. } => ask_at_ms.take_if(|at_ms| *at_ms <= now_ms).is_some(),
            _ => false,
        }
    }

    pub(crate) fn open(&self) -> Option<&OpenLog> {
        match self {
            Self::Open(log) => Some(log),
            _ => None,
        }
    }

    pub(crate) fn open_mut(&mut self) -> Option<&mut OpenLog> {
        match self {
            Self::Open(log) => Some(log),
            _ => None,
        }
    }
}

/// An open log.
#[derive(Debug)]
pub(crate) struct OpenLog {
    pub(crate) sequence: Sequence,
    /// Everything up to here is gone, as far as the store has said.
    pub(crate) trimmed_through: Offset,
    /// Everything up to here was handed to everyone it is for.
    pub(crate) shown: Offset,
    /// Accepted and not shown yet; ascending.
    pub(crate) pending: VecDeque<Pending>,
    /// What is kept of sessions.
    pub(crate) sessions: KeptSessions,
    /// Who waits for a note to be on disk, by its ticket.
    pub(crate) noted: AHashMap<u64, NoteWaiter>,
    pub(crate) last_ticket: u64,
}

/// An accepted message on its way to the disk.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) entry: Arc<LogEntry>,
    pub(crate) meta: FrameMeta,
    pub(crate) asks_ack: bool,
    /// How long it may take to be confirmed, and by whom.
    pub(crate) watch: Option<foodtrack_contract::Watch>,
    /// Who waits to be told that it is kept, and whether they sent it again.
    pub(crate) answers: SmallVec<[(Answer, bool); 1]>,
}

/// Whom to tell what became of a message.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A client that asked for an acknowledgement.
    Client { client: Addressee, ack_id: u64 },
    /// A client that did not: only a refusal is told.
    Silent(Addressee),
    /// A handle.
    Reply(Reply<Result<Accepted, foodtrack_contract::Refusal>>),
}

/// A connection that may be gone by the time it is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Addressee {
    pub(crate) client: ClientKey,
    pub(crate) place: u32,
    pub(crate) sid: Sid,
}

/// What is told once a note is on disk.
#[derive(Debug)]
pub(crate) struct NoteWaiter {
    pub(crate) to: Addressee,
    /// The room that was joined, and is left again if that is not kept.
    pub(crate) joined: Option<LoggedRoom>,
    pub(crate) event: &'static str,
    pub(crate) answer: String,
    pub(crate) ack_id: Option<u64>,
}

impl OpenLog {
    /// The log where the store says it stands. The rest of `head` is others'.
    pub(crate) fn new(head: Head) -> Self {
        let last = Offset::ZERO.plus(head.next.get().saturating_sub(1));
        let trimmed_through = head.trimmed_through;
        Self {
            sequence: Sequence::new(head),
            trimmed_through,
            shown: last,
            pending: VecDeque::new(),
            sessions: KeptSessions::default(),
            noted: AHashMap::new(),
            last_ticket: 0,
        }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.sequence.epoch()
    }

    /// The message at this offset, while it waits.
    pub(crate) fn pending_mut(&mut self, offset: Offset) -> Option<&mut Pending> {
        let place = self.pending.binary_search_by_key(&offset, |it| it.entry.offset).ok()?;
        self.pending.get_mut(place)
    }

    /// Takes the next message that may be shown.
    pub(crate) fn next_shown(&mut self) -> Option<Pending> {
        let released = self.sequence.released();
        self.pending.pop_front_if(|first| first.entry.offset <= released)
    }

    /// Takes out what the store did not keep.
    pub(crate) fn refused(&mut self, from: Offset, through: Offset) -> Vec<Pending> {
        self.sequence.refused(from, through);
        let (mut refused, mut kept) = (Vec::new(), VecDeque::with_capacity(self.pending.len()));
        for pending in self.pending.drain(..) {
            let offset = pending.entry.offset;
            if from <= offset && offset <= through {
                refused.push(pending);
            } else {
                kept.push_back(pending);
            }
        }
        self.pending = kept;
        refused
    }

    /// Whether a cursor may be one that this log gave out.
    pub(crate) fn gave_out(&self, cursor: &Cursor) -> bool {
        let last = cursor.beyond().last().copied().unwrap_or(cursor.through());
        cursor.epoch() == self.epoch() && last <= self.shown
    }

    /// Whether a cursor is one that this log gave out, and nothing behind it is gone.
    pub(crate) fn goes_on_from(&self, cursor: &Cursor) -> bool {
        self.gave_out(cursor) && cursor.through() >= self.trimmed_through
    }

    pub(crate) fn next_ticket(&mut self) -> u64 {
        self.last_ticket += 1;
        self.last_ticket
    }
}

/// An accepted message's answer.
pub(crate) fn accepted(id: Uuid, offset: Offset) -> Accepted {
    Accepted { id, offset: Some(offset.get()), duplicate: false }
}
