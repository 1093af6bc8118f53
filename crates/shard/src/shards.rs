//! The outside's way to the shards: cheap to clone, `Send`, and asynchronous. Who asks sends a message to the tenant's home
//! shard and awaits the answer; a shard without room for the message is answered for at once.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use foodtrack_contract::{ErrorCode, Refusal, TenantId};
use foodtrack_tenant::{Answer, Policies, Request, TenantLimits};
use foodtrack_tenant_log::{EraseError, Erased, Erasure, OnErased};
use tokio::sync::oneshot;

use crate::mailbox::{ShardMessage, ShardSender};

/// The shards of this node, and which of them is a tenant's home.
#[derive(Clone)]
pub struct Shards {
    senders: Arc<[ShardSender]>,
}

/// Which of so many shards is a tenant's home.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HomeOf {
    pub(crate) shards: usize,
}

impl HomeOf {
    pub(crate) fn of(self, tenant: &TenantId) -> usize {
        // Fixed keys: a tenant's home must not differ between the threads that compute it. A tenant's name comes from a
        // signed token, so nobody chooses it to overload a shard.
        let mut hasher = ahash::RandomState::with_seeds(4, 0, 0, 1).build_hasher();
        hasher.write(tenant.as_str().as_bytes());
        usize::try_from(hasher.finish() % self.shards as u64).unwrap_or(0)
    }
}

impl Shards {
    pub(crate) fn new(senders: Vec<ShardSender>) -> Self {
        Self { senders: senders.into() }
    }

    /// The index of the tenant's home shard.
    pub(crate) fn home(&self, tenant: &TenantId) -> usize {
        HomeOf { shards: self.senders.len() }.of(tenant)
    }

    /// The way into each shard.
    pub(crate) fn senders(&self) -> &[ShardSender] {
        &self.senders
    }

    pub(crate) fn sender(&self, shard: usize) -> &ShardSender {
        &self.senders[shard]
    }

    /// Has something of a tenant erased. What the tenant has in memory goes first, and its clients are sent away: they come back by
    /// themselves, once it is erased. Who waits for an answer of the tenant's is told that nobody knows.
    ///
    /// # Errors
    /// [`EraseError`]
    pub async fn erase(&self, tenant: &TenantId, erasure: Erasure) -> Result<Erased, EraseError> {
        let (tell, told) = oneshot::channel();
        // Who asked may have gone away.
        let on_erased = OnErased::new(move |result| drop(tell.send(result)));
        let message = ShardMessage::Erase(tenant.clone(), erasure, on_erased);
        self.sender(self.home(tenant)).try_send(message).map_err(|_| EraseError::Busy)?;
        told.await.unwrap_or(Err(EraseError::Interrupted))
    }

    /// Gives every shard new rules and schemas, without waiting for any, however full its mailbox is.
    pub fn apply(&self, policies: &Arc<Policies>) {
        self.senders.iter().for_each(|shard| shard.apply(Arc::clone(policies)));
    }

    /// Gives every shard new limits, in the same way.
    pub fn limit(&self, limits: TenantLimits) {
        self.senders.iter().for_each(|shard| shard.limit(limits));
    }

    /// Tells every shard to send its clients elsewhere, some at a time, and all of them within this time: then those that take
    /// them are not asked by all at once. Who comes meanwhile is served, until it is sent on.
    pub fn send_elsewhere(&self, within: Duration) {
        let within_ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        self.senders.iter().for_each(|shard| shard.send(ShardMessage::SendElsewhere { within_ms }));
    }

    /// Tells this node's clients how it is: `system:heartbeat` with this payload, as JSON; and who comes later, unless all is well. Does not
    /// wait. Returns whether every shard had room for it: call it again where not.
    pub fn tell_node_state(&self, payload: &str, is_well: bool) -> bool {
        let payload: Arc<str> = payload.into();
        let tell = |shard: &ShardSender| {
            shard.try_send(ShardMessage::NodeState { payload: Arc::clone(&payload), is_well })
        };
        self.senders.iter().filter(|shard| tell(shard).is_err()).count() == 0
    }

    /// Asks every shard to close its transports and stop. Waits for room in their mailboxes.
    pub fn stop(&self) {
        self.senders.iter().for_each(|shard| shard.send(ShardMessage::Stop));
    }

    /// Asks a tenant something; `pick` takes out of the answer what was asked for.
    pub(crate) async fn ask<T>(
        &self,
        tenant: &TenantId,
        request: Request,
        pick: impl FnOnce(Answer) -> Option<T>,
    ) -> Result<T, Refusal> {
        let (message, asked) = asking(tenant, request);
        self.sender(self.home(tenant)).try_send(message).map_err(|_| overloaded())?;
        asked.answer(pick).await
    }

    /// Asks a tenant several things, in their order and before any is answered. What finds no room is refused.
    pub(crate) fn ask_all(
        &self,
        tenant: &TenantId,
        requests: impl Iterator<Item = Request>,
    ) -> impl Iterator<Item = Result<Asked, Refusal>> {
        let (messages, asked): (Vec<_>, Vec<_>) = requests.map(|it| asking(tenant, it)).unzip();
        let taken = self.sender(self.home(tenant)).try_send_all(messages);
        taken
            .into_iter()
            .zip(asked)
            .map(|(taken, asked)| taken.map(|()| asked).map_err(|_| overloaded()))
    }
}

/// Something that a shard was asked.
pub(crate) struct Asked(oneshot::Receiver<Answer>);

impl Asked {
    /// The answer, once it is there; `pick` takes out of it what was asked for.
    pub(crate) async fn answer<T>(
        self,
        pick: impl FnOnce(Answer) -> Option<T>,
    ) -> Result<T, Refusal> {
        match self.0.await.map_err(|_| unanswered())? {
            Answer::Refused(refusal) => Err(refusal),
            answer => pick(answer).ok_or_else(unanswered),
        }
    }
}

fn asking(tenant: &TenantId, request: Request) -> (ShardMessage, Asked) {
    let (reply, answer) = oneshot::channel();
    (ShardMessage::Tenant(tenant.clone(), request, reply), Asked(answer))
}

fn overloaded() -> Refusal {
    Refusal::new(
        ErrorCode::Overloaded,
        "the tenant's shard has no room for more work; try again shortly",
    )
    .retry_after_ms(1_000)
}

/// The shard ended first: whether it did what it was asked, nobody can tell.
fn unanswered() -> Refusal {
    let message = "the server could not tell what became of this; an event may be sent again with the same id";
    Refusal::new(ErrorCode::Timeout, message).retry_after_ms(1_000)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use foodtrack_contract::{ErrorCode, Priority};
    use foodtrack_session::{HeartbeatConfig, Namespaces};
    use foodtrack_transport::{
        Commons, Limits, OriginPolicy, Reactor, ReactorConfig, TrustedProxies,
    };

    use super::*;
    use crate::mailbox::{Inbox, MAILBOX_MESSAGES_MAX};
    use crate::{Broadcast, ConnectionManager, EventBroadcaster, Recipients};

    /// Shards of which the only one never looks into its mailbox.
    fn shards(reactor: &Reactor) -> (Shards, Inbox) {
        let (sender, inbox) = ShardSender::new(reactor.waker());
        (Shards::new(vec![sender]), inbox)
    }

    /// A reactor that listens nowhere.
    pub(crate) fn reactor() -> Reactor {
        let config = ReactorConfig {
            endpoints: Vec::new(),
            namespaces: Namespaces::new(&["/"]),
            heartbeat: HeartbeatConfig::default(),
            limits: Limits::default(),
            origins: OriginPolicy::new(&["*"], false),
            handshakes_per_minute: 0,
            proxies: TrustedProxies::default(),
            proxy_protocol: false,
            batched_sends: false,
            node: None,
            tls: None,
        };
        Reactor::new(&Commons::new(config, 1), 0, None).unwrap()
    }

    fn poll<T>(future: impl Future<Output = T>) -> Poll<T> {
        pin!(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn who_asks_a_shard_that_takes_nothing_is_told_at_once_when_to_come_back() {
        let (shards, _inbox) = shards(&reactor());
        let tenant = TenantId::parse("t1").unwrap();
        let connections = ConnectionManager::new(shards.clone());
        for _ in 0..MAILBOX_MESSAGES_MAX {
            assert!(poll(connections.counts(&tenant)).is_pending(), "there is room yet");
        }
        let broadcast = Broadcast {
            event: "system:announcement".to_owned(),
            payload: "{}".to_owned(),
            priority: Priority::default(),
            to: Recipients { everyone: true, ..Recipients::default() },
            except: Vec::new(),
        };
        let broadcaster = EventBroadcaster::new(shards);
        let Poll::Ready(Err(refusal)) = poll(broadcaster.broadcast(&tenant, broadcast)) else {
            panic!("who asks a full shard waits");
        };
        assert_eq!(refusal.code(), ErrorCode::Overloaded);
        assert_eq!(refusal.retry_after(), Some(1_000));
    }

    #[test]
    fn new_policies_reach_a_shard_whose_mailbox_is_full_and_the_newest_are_in_force() {
        let (shards, inbox) = shards(&reactor());
        let connections = ConnectionManager::new(shards.clone());
        let tenant = TenantId::parse("t1").unwrap();
        for _ in 0..MAILBOX_MESSAGES_MAX {
            assert!(poll(connections.counts(&tenant)).is_pending());
        }
        // Nobody takes anything meanwhile: a sender that waited would wait for ever.
        let (older, newer) = (Arc::default(), Arc::default());
        shards.apply(&older);
        shards.apply(&newer);
        let Some(taken) = inbox.policies() else { panic!("the policies wait behind the mailbox") };
        assert!(Arc::ptr_eq(&taken, &newer));
        let waiting = std::iter::from_fn(|| inbox.try_recv());
        let is_request = |message| matches!(message, ShardMessage::Tenant(..));
        assert_eq!(waiting.map(is_request).filter(|it| *it).count(), MAILBOX_MESSAGES_MAX);
    }
}
