//! What crosses cores, and what its loss would mean.
//!
//! A shard is told things only through its mailbox: a bounded channel and a waker for its loop. A full mailbox makes
//! the sender decide: `Shards` answers `overloaded`, another shard closes the connection it meant to hand over (the
//! client comes back). Rules and schemas need no room: they lie beside the mailbox, the newest in place of the one before.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use foodtrack_contract::{Principal, Refusal, Room, TenantId};
use foodtrack_tenant_log::{LogEntry, SubscriberKey};
use foodtrack_transport::{Handover, HttpTicket, Waker};
use tokio::sync::oneshot;

use crate::handshake::Admission;
use crate::model::{
    Accepted, Broadcast, ConnectionCounts, ConnectionFilter, ConnectionInfo, DisconnectTarget,
    Page, PageQuery, RoomInfo, RoomMetadata,
};
use crate::policies::Policies;

/// How many messages wait for a shard before a sender is told to decide.
pub(crate) const MAILBOX_MESSAGES_MAX: usize = 16_384;

/// Where a request's answer goes.
pub(crate) type Reply<T> = oneshot::Sender<T>;

/// Everything another thread may tell a shard.
pub(crate) enum ShardMessage {
    /// A client's connection whose tenant lives here. Lost: the client's socket closes, and it connects again.
    Adopt(Box<Handover<Admission>>),
    /// The answer to an HTTP request that came in here. Lost: its socket would wait for ever; so it is never lost.
    HttpResponse(HttpTicket, Box<http::Response<bytes::Bytes>>),
    /// Something about one tenant. Lost: the caller's reply channel closes and it reports `timeout`.
    Tenant(TenantId, TenantRequest),
    /// How many connections the shard holds. Lost: the caller is told nothing of this shard.
    Totals(Reply<ConnectionCounts>),
    /// New rules and schemas. Never lost, and never waited for: see [`ShardSender::apply`].
    Policies(Arc<Policies>),
    /// Close every transport with a reason and stop the loop. Never lost.
    Stop,
}

/// A request about one tenant, answered by its actor.
pub(crate) enum TenantRequest {
    /// An event from a backend service, checked and routed like a client's.
    Publish {
        principal: Principal,
        event: String,
        argument: String,
        reply: Reply<Result<Accepted, Refusal>>,
    },
    /// An event from the server itself to named recipients, past the rules.
    Broadcast(Broadcast, Reply<Result<Accepted, Refusal>>),
    Counts(Reply<ConnectionCounts>),
    List(ConnectionFilter, Reply<Page<ConnectionInfo>>),
    Disconnect(DisconnectTarget, Reply<usize>),
    Rooms(PageQuery, Reply<Page<RoomInfo>>),
    /// Makes a room known before anyone joins it, or changes what is known of it.
    DescribeRoom {
        room: OwnedRoom,
        metadata: RoomMetadata,
        reply: Reply<Result<RoomInfo, Refusal>>,
    },
    /// Lets a user join a room that the rules alone would not let them into.
    Grant {
        room: OwnedRoom,
        user: String,
        reply: Reply<Result<(), Refusal>>,
    },
    /// Takes a grant back; who joined by it leaves.
    RevokeGrant {
        room: OwnedRoom,
        user: String,
        reply: Reply<bool>,
    },
    /// Sends a message that was given up for a subscriber once more. Replies to how many connections.
    ReplayLetter {
        subscriber: SubscriberKey,
        entry: Box<LogEntry>,
        reply: Reply<usize>,
    },
}

impl TenantRequest {
    /// Whether it takes the tenant's log: what it changes is kept there.
    pub(crate) fn needs_log(&self) -> bool {
        matches!(
            self,
            Self::Publish { .. }
                | Self::Broadcast(..)
                | Self::DescribeRoom { .. }
                | Self::Grant { .. }
                | Self::RevokeGrant { .. }
                | Self::ReplayLetter { .. }
        )
    }
}

/// A room's full name, checked, as text: what a message can own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnedRoom(String);

impl OwnedRoom {
    pub(crate) fn new(room: &Room<'_>) -> Self {
        Self(room.to_string())
    }

    /// The room again. It parses: it was made from one.
    pub(crate) fn room(&self) -> Option<Room<'_>> {
        Room::parse(&self.0).ok()
    }
}

/// The message was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the shard's mailbox is full, or the shard has stopped")]
pub(crate) struct NotTaken;

/// The way into one shard.
#[derive(Clone)]
pub(crate) struct ShardSender {
    messages: SyncSender<ShardMessage>,
    newest: Arc<NewestPolicies>,
    waker: Arc<Waker>,
}

impl ShardSender {
    /// Makes a shard's mailbox; `waker` wakes its loop.
    pub(crate) fn new(waker: Arc<Waker>) -> (Self, Inbox) {
        let (messages, received) = sync_channel(MAILBOX_MESSAGES_MAX);
        let newest = Arc::<NewestPolicies>::default();
        let inbox = Inbox { messages: received, newest: Arc::clone(&newest) };
        (Self { messages, newest, waker }, inbox)
    }

    /// Gives the shard new rules and schemas, which hold for every message that it takes from now on. It needs no room in the
    /// mailbox and does not wait: policies that the shard has not taken yet are replaced.
    pub(crate) fn apply(&self, policies: Arc<Policies>) {
        self.newest.put(policies);
        self.waker.wake();
    }

    /// Sends without waiting. A message that is not taken is dropped: see at each what its loss means.
    pub(crate) fn try_send(&self, message: ShardMessage) -> Result<(), NotTaken> {
        self.messages.try_send(message).map_err(|_| NotTaken)?;
        self.waker.wake();
        Ok(())
    }

    /// Sends without waiting; a full mailbox gives the message back.
    pub(crate) fn offer(&self, message: ShardMessage) -> Result<(), Box<ShardMessage>> {
        match self.messages.try_send(message) {
            Ok(()) => self.waker.wake(),
            Err(TrySendError::Full(message)) => return Err(Box::new(message)),
            // The shard has stopped: there is nobody left to tell.
            Err(TrySendError::Disconnected(_)) => {}
        }
        Ok(())
    }

    /// Sends, waiting for room. For threads that nobody waits for: neither a shard nor the HTTP API may call it.
    pub(crate) fn send(&self, message: ShardMessage) {
        // A disconnected mailbox means the shard has stopped: there is nobody left to tell.
        if self.messages.send(message).is_ok() {
            self.waker.wake();
        }
    }
}

/// Where a shard takes its messages from.
pub(crate) struct Inbox {
    messages: Receiver<ShardMessage>,
    newest: Arc<NewestPolicies>,
}

impl Inbox {
    /// The next message, if one is there; new policies come before everything else.
    pub(crate) fn try_recv(&self) -> Option<ShardMessage> {
        let policies = self.newest.take().map(ShardMessage::Policies);
        policies.or_else(|| self.messages.try_recv().ok())
    }
}

/// The newest policies that a shard has not taken yet.
#[derive(Default)]
struct NewestPolicies {
    /// Whether there are some: a shard asks before each message, and takes no lock for it.
    is_there: AtomicBool,
    policies: Mutex<Option<Arc<Policies>>>,
}

impl NewestPolicies {
    fn put(&self, policies: Arc<Policies>) {
        *self.policies.lock().unwrap_or_else(PoisonError::into_inner) = Some(policies);
        self.is_there.store(true, Ordering::Release);
    }

    fn take(&self) -> Option<Arc<Policies>> {
        if !self.is_there.load(Ordering::Relaxed) || !self.is_there.swap(false, Ordering::Acquire) {
            return None;
        }
        self.policies.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
