//! What a tenant does to the world, and what it sees of it while it handles an input: the only way out of a tenant.

use std::sync::Arc;

use foodtrack_contract::{Offset, Refusal, TenantId};
use foodtrack_tenant_log::{
    Assignment, DeadLetter, EntryRef, Note, OrderOwner, SavedCursor, SubmitError, Submitted,
    SubscriberKey, TailSnapshot,
};
use foodtrack_wire::{NamespaceId, Sid};
use uuid::Uuid;

use crate::connection_news::ConnectionNews;
use crate::connection_slot::ConnectionSlot;
use crate::cursor_suffix::CursorSuffix;
use crate::delivery_news::DeliveryNews;
use crate::event_frame::EventFrame;
use crate::forwarded::Forwarded;
use crate::hook::{HookQuestion, Permit, PermitsOf};
use crate::payload_key::PayloadKey;
use crate::read_job::{Asker, ReadJob};
use crate::request::{Answer, RequestId};

/// Clients, back ends and the log. A shard has it over its reactor and its link to the log; dispatch is static, and a call
/// allocates nothing per recipient. A client is sent packets of the namespace that it joined: its slot says which.
pub trait Effects {
    /// An event in its final bytes.
    type Frame: Copy;

    /// Encodes an event as a packet of a namespace, for all recipients in that namespace.
    fn encode(&mut self, event: &EventFrame<'_>, namespace: NamespaceId) -> Self::Frame;

    /// Sends an event that is encoded for the client's namespace. Returns whether it was handed to the client's transport or queue.
    fn send(&mut self, to: ConnectionSlot, frame: Self::Frame) -> bool;

    /// Sends an event to one client alone.
    fn send_event(&mut self, to: ConnectionSlot, event: &EventFrame<'_>);

    /// Sends an event of the server's own to one client alone: `argument` appends its one argument as JSON. Its name is made of
    /// letters, ':' and '_'.
    fn emit(
        &mut self,
        to: ConnectionSlot,
        event: &str,
        suffix: &CursorSuffix,
        argument: impl FnOnce(&mut Vec<u8>),
    );

    /// Answers a client's event: `answer` appends the answer as JSON.
    fn acknowledge(&mut self, to: ConnectionSlot, id: u64, answer: impl FnOnce(&mut Vec<u8>));

    /// Clients that were to be sent something since this was asked last, and speak a parser in which it cannot be said.
    fn take_unsayable(&mut self) -> Vec<ConnectionSlot>;

    /// Asks a client whether what it was sent has arrived: its answer brings back `mark`.
    fn ping(&mut self, to: ConnectionSlot, mark: u64);

    /// Closes a client's transport: it comes back by itself.
    fn close(&mut self, who: ConnectionSlot, reason: CloseReason);

    /// Ends a client for good: it is told, and does not come back by itself.
    fn disconnect(&mut self, who: ConnectionSlot);

    /// A connection is none of the tenant's any more, though its client may not have gone yet: what it still sends is nobody's.
    fn release(&mut self, who: ConnectionSlot);

    /// Whether a client has yet to take something that it was sent.
    fn is_backlogged(&self, client: ConnectionSlot) -> bool;

    /// Has the tenant told once the client has taken everything.
    fn tell_when_drained(&mut self, client: ConnectionSlot);

    /// Whether a client polls.
    fn is_polling(&self, client: ConnectionSlot) -> bool;

    /// When a client was heard last, on the clock of [`Now::monotonic_ms`](crate::Now::monotonic_ms).
    fn heard_ms(&self, client: ConnectionSlot) -> u64;

    /// Says what became of a client that came: once for each [`Input::Connect`](crate::Input::Connect).
    fn decide(&mut self, verdict: Verdict);

    /// Has the tenant told when a token ends, in seconds since the Unix epoch of the wall clock.
    fn watch_expiry(&mut self, client: ConnectionSlot, expires_at_s: u64);

    /// Says how soon the client whose event is being handled is read again; not said, it is at once.
    fn pace(&mut self, pace: Pace);

    /// A client acknowledged something that it was not asked to.
    fn note_unasked(&mut self, client: ConnectionSlot);

    /// Answers a back end's request, once.
    fn reply(&mut self, to: RequestId, answer: Answer);

    /// Hands a request of a client's on to the business back end; the answer comes as [`Input::Answered`](crate::Input::Answered).
    ///
    /// # Errors
    /// Why it is not asked; no answer comes.
    fn forward(&mut self, request: Forwarded) -> Result<(), Refusal>;

    /// Whether the business back end has a say in who joins a room.
    fn asks_to_join(&self) -> bool;

    /// Asks the business back end whether somebody may do something. `None`: the answer comes as
    /// [`Input::Permitted`](crate::Input::Permitted), also where it is asked the same already.
    fn permit(&mut self, question: &Arc<HookQuestion>) -> Option<Permit>;

    /// Has the business back end asked anew about some of a tenant's people, where its answers are remembered.
    fn forget_permits(&mut self, tenant: &TenantId, whose: PermitsOf<'_>);

    /// A tenant's key of payloads: the newest, or the one of this name; `None` where there is none.
    fn payload_key(&mut self, _tenant: &TenantId, _kid: Option<&str>) -> Option<PayloadKey> {
        None
    }

    /// Something became of a connection, for who keeps account of it.
    fn account(&mut self, _news: &ConnectionNews<'_>) {}

    /// An event was delivered that came to this node, for who traces events.
    fn trace(&mut self, _news: &DeliveryNews<'_>) {}

    /// An id for a message whose sender gave it none: UUID version 7.
    fn new_message_id(&mut self) -> Uuid;

    /// Whether the log ends with the process: then nobody waits for a disk, and it may be read at once.
    fn is_log_in_memory(&self) -> bool;

    /// Whether others write to the log as well: then it counts the offsets, and what others wrote is read.
    fn is_log_shared(&self) -> bool;

    /// Whether an entry of the log counts as kept only once replicas have it: then a repeat of what must be kept is asked for.
    fn waits_for_replicas(&self) -> bool {
        false
    }

    /// Whether the log cannot be asked now, and what must be kept is kept for it here.
    fn is_log_spooling(&mut self) -> bool {
        false
    }

    /// Has the tenant's log opened; that it is comes as news. Notes that have expired at `now_ms` are left out.
    ///
    /// # Errors
    /// [`SubmitError`] when the request was not taken.
    fn open_log(&mut self, tenant: &TenantId, now_ms: u64) -> Result<(), SubmitError>;

    /// Submits the tenant's next entry; what became of it comes as news. A log that is shared does not look at its offset.
    ///
    /// # Errors
    /// [`SubmitError`]: nothing was submitted.
    fn submit(&mut self, tenant: &TenantId, entry: &EntryRef<'_>)
    -> Result<Submitted, SubmitError>;

    /// Has this node watch over the tenant as soon as it can, where several have it open: returns whether it does already. Where it
    /// does not, that it does comes as news.
    fn want_watch(&mut self, _tenant: &TenantId) -> bool {
        true
    }

    /// There is nothing to watch for now.
    fn rest_from_watching(&mut self, _tenant: &TenantId) {}

    /// Passes an event on that is in no log, to the other nodes where the tenant has clients.
    fn pass_on(&mut self, _tenant: &TenantId, _entry: &EntryRef<'_>) {}

    /// The end of the log that is in memory, with all that was submitted, of a log that is known to go on to `through`.
    fn tail(&mut self, tenant: &TenantId, through: Offset) -> TailSnapshot;

    /// Whether the log can remember the owner of one more order.
    fn has_room_for_orders(&mut self, tenant: &TenantId) -> bool;

    /// Whose an order is, in a log that is in memory; `None` where it was not made or cannot be read.
    fn order_owner(&mut self, tenant: &TenantId, order: &str) -> Option<OrderOwner>;

    /// Who an order is assigned to, in a log that is in memory.
    fn assignment(&mut self, tenant: &TenantId, order: &str) -> Option<Assignment>;

    /// Where the message of an id is, in a log that is in memory.
    fn find_message(&mut self, tenant: &TenantId, id: Uuid) -> Option<Offset>;

    /// How far a subscriber had confirmed, in a log that is in memory.
    fn cursor(&mut self, tenant: &TenantId, subscriber: &SubscriberKey) -> Option<SavedCursor>;

    /// Saves how far a subscriber has confirmed.
    ///
    /// # Errors
    /// [`SubmitError`]: it is not saved.
    fn save_cursor(
        &mut self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
        saved: SavedCursor,
    ) -> Result<(), SubmitError>;

    /// Saves where a subscriber begins, unless one is saved of it.
    ///
    /// # Errors
    /// [`SubmitError`]: it is not saved.
    fn begin_cursor(
        &mut self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
        first: SavedCursor,
    ) -> Result<(), SubmitError>;

    /// Saves a note, or takes it away where it has no value. What became of one with a ticket comes as news.
    ///
    /// # Errors
    /// [`SubmitError`]: nothing is saved, and no news comes.
    fn save_note(
        &mut self,
        tenant: &TenantId,
        note: Note,
        ticket: Option<u64>,
    ) -> Result<(), SubmitError>;

    /// Keeps that a message was given up for a subscriber.
    ///
    /// # Errors
    /// [`SubmitError`]: it is not kept.
    fn put_dead_letter(&mut self, tenant: &TenantId, letter: DeadLetter)
    -> Result<(), SubmitError>;

    /// Takes away what [`Effects::put_dead_letter`] kept.
    ///
    /// # Errors
    /// [`SubmitError`]: it is still there.
    fn remove_dead_letter(
        &mut self,
        tenant: &TenantId,
        offset: Offset,
        subscriber: &SubscriberKey,
    ) -> Result<(), SubmitError>;

    /// Has something read; the answer comes as [`Input::Read`](crate::Input::Read).
    fn read(&mut self, tenant: &TenantId, asker: Asker, job: ReadJob);
}

/// Why a tenant closes a client's transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Its client has come back on another one.
    TransportClosed,
    /// The client is to come back.
    ServerClosed,
}

/// How soon a client is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// When others have had their turn.
    Yield,
    /// Not before so many milliseconds.
    PauseMs(u32),
}

/// A session that began, or is back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// Its public id.
    pub sid: Sid,
    /// What it brings when it comes again; `None` where its tenant's log is not known, so that there is nothing to come back to.
    pub pid: Option<String>,
    /// Whether it is back.
    pub is_recovered: bool,
}

impl Welcome {
    /// The JSON object of the answer to a Socket.IO client's CONNECT.
    pub fn to_json(&self) -> String {
        let sid = self.sid.as_str();
        match &self.pid {
            Some(pid) => format!("{{\"sid\":\"{sid}\",\"pid\":\"{pid}\"}}"),
            None => format!("{{\"sid\":\"{sid}\"}}"),
        }
    }
}

/// What became of a client that came.
#[derive(Debug)]
pub enum Verdict {
    /// It is in: the answer to its CONNECT is on its way before anything else is sent to it.
    Accepted {
        /// What it is named by from now on.
        slot: ConnectionSlot,
        /// What it is told.
        welcome: Welcome,
    },
    /// It may not come in.
    Refused(Refusal),
    /// Its transport closes, and it comes again: the tenant's log is not open.
    ComeAgain,
}
