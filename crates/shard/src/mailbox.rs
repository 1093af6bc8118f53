//! What crosses cores, and what its loss would mean.
//!
//! A shard is told things only through its mailbox: a bounded channel and a waker for its loop. A full mailbox makes
//! the sender decide: `Shards` answers `overloaded`, another shard closes the connection it meant to hand over (the
//! client comes back). Policies and limits need no room: they lie beside the mailbox, the newest in place of the one before.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use foodtrack_contract::TenantId;
use foodtrack_tenant::{
    Answer, ConnectionCounts, HookQuestion, Policies, Request, Requester, TenantLimits,
    UpstreamAnswer,
};
use foodtrack_tenant_log::{Erasure, OnErased};
use foodtrack_transport::{ClientKey, Handover, HttpTicket, Waker};
use tokio::sync::oneshot;

use crate::entrant::Entrant;
use crate::hook_answer::HookAnswer;
use crate::tallies::Tallies;

/// How many messages wait for a shard before a sender is told to decide.
pub const MAILBOX_MESSAGES_MAX: usize = 16_384;

/// Everything another thread may tell a shard.
pub(crate) enum ShardMessage {
    /// A client's connection whose tenant lives here. Lost: the client's socket closes, and it connects again.
    Adopt(Box<Handover<Entrant>>),
    /// The answer to an HTTP request that came in here. Lost: its socket would wait for ever; so it is never lost.
    HttpResponse(HttpTicket, Box<http::Response<bytes::Bytes>>),
    /// Something about one tenant. Lost: the caller's reply channel closes and it reports `timeout`.
    Tenant(TenantId, Request, oneshot::Sender<Answer>),
    /// Something of a tenant is to be erased. Lost: nothing is, and who asked is told so.
    Erase(TenantId, Erasure, OnErased),
    /// What the business back end answered a client. Lost: the client is left to its own timeout.
    Answered(TenantId, Requester, UpstreamAnswer),
    /// What the business back end answered to a hook. Lost: those who wait for it are left to their own timeouts.
    Permitted(Arc<HookQuestion>, HookAnswer),
    /// How many connections the shard holds. Lost: the caller is told nothing of this shard.
    Totals(oneshot::Sender<ConnectionCounts>),
    /// What the largest tenants do, so many of them. Lost: the caller is told nothing of this shard.
    Tallies(usize, oneshot::Sender<Tallies>),
    /// A question that is answered at once, to see how long it takes. Lost: the shard counts as one that is late.
    Probe(oneshot::Sender<()>),
    /// Events for a client that watches from outside, each its name and its arguments. Lost: it does not see them.
    TellObserver(ClientKey, Vec<(&'static str, String)>),
    /// Send away a client that watches. Lost: the sender tries again.
    EndObserver(ClientKey),
    /// How this node is, which all its clients are told, as JSON, and who comes later too unless all is well. Lost: it is sent again.
    NodeState { payload: Arc<str>, is_well: bool },
    /// Close transports little by little, all of them within so many milliseconds. Never lost.
    SendElsewhere { within_ms: u64 },
    /// Close every transport with a reason and stop the loop. Never lost.
    Stop,
}

/// The message was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the shard's mailbox is full, or the shard has stopped")]
pub(crate) struct NotTaken;

/// The way into one shard.
#[derive(Clone)]
pub(crate) struct ShardSender {
    messages: SyncSender<ShardMessage>,
    newest: Arc<Newest<Arc<Policies>>>,
    limits: Arc<Newest<TenantLimits>>,
    waker: Arc<Waker>,
}

impl ShardSender {
    /// Makes a shard's mailbox; `waker` wakes its loop.
    pub(crate) fn new(waker: Arc<Waker>) -> (Self, Inbox) {
        let (messages, received) = sync_channel(MAILBOX_MESSAGES_MAX);
        let (newest, limits) = (Arc::<Newest<_>>::default(), Arc::<Newest<_>>::default());
        let inbox =
            Inbox { messages: received, newest: Arc::clone(&newest), limits: Arc::clone(&limits) };
        (Self { messages, newest, limits, waker }, inbox)
    }

    /// Gives the shard new rules and schemas, which hold for every message that it takes from now on. It needs no room in the
    /// mailbox and does not wait: policies that the shard has not taken yet are replaced.
    pub(crate) fn apply(&self, policies: Arc<Policies>) {
        self.newest.put(policies);
        self.waker.wake();
    }

    /// Gives the shard new limits, in the same way.
    pub(crate) fn limit(&self, limits: TenantLimits) {
        self.limits.put(limits);
        self.waker.wake();
    }

    /// Sends without waiting. A message that is not taken is dropped: see at each what its loss means.
    pub(crate) fn try_send(&self, message: ShardMessage) -> Result<(), NotTaken> {
        self.messages.try_send(message).map_err(|_| NotTaken)?;
        self.waker.wake();
        Ok(())
    }

    /// Sends several as [`ShardSender::try_send`] does, and wakes the shard once.
    pub(crate) fn try_send_all(&self, messages: Vec<ShardMessage>) -> Vec<Result<(), NotTaken>> {
        let send = |message| self.messages.try_send(message).map_err(|_| NotTaken);
        let taken = messages.into_iter().map(send).collect();
        self.waker.wake();
        taken
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
    newest: Arc<Newest<Arc<Policies>>>,
    limits: Arc<Newest<TenantLimits>>,
}

impl Inbox {
    /// The next message, if one is there.
    pub(crate) fn try_recv(&self) -> Option<ShardMessage> {
        self.messages.try_recv().ok()
    }

    /// The policies that were given since, where there are any.
    pub(crate) fn policies(&self) -> Option<Arc<Policies>> {
        self.newest.take()
    }

    /// The limits that were given since, where there are any.
    pub(crate) fn limits(&self) -> Option<TenantLimits> {
        self.limits.take()
    }
}

/// The newest of something that a shard has not taken yet.
struct Newest<T> {
    /// Whether there is one: a shard asks before each message, and takes no lock for it.
    is_there: AtomicBool,
    value: Mutex<Option<T>>,
}

impl<T> Default for Newest<T> {
    fn default() -> Self {
        Self { is_there: AtomicBool::new(false), value: Mutex::new(None) }
    }
}

impl<T> Newest<T> {
    fn put(&self, value: T) {
        *self.value.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        self.is_there.store(true, Ordering::Release);
    }

    fn take(&self) -> Option<T> {
        if !self.is_there.load(Ordering::Relaxed) || !self.is_there.swap(false, Ordering::Acquire) {
            return None;
        }
        self.value.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
