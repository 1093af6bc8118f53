//! The outside's way to the shards: cheap to clone, `Send`, and asynchronous. A handle asks the tenant's home shard by
//! message and awaits the answer; it never touches a connection itself.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use foodtrack_contract::{ErrorCode, Principal, Refusal, Room, TenantId};
use tokio::sync::oneshot;

use crate::mailbox::{OwnedRoom, Reply, ShardMessage, ShardSender, TenantRequest};
use crate::model::{
    Accepted, Broadcast, ConnectionCounts, ConnectionFilter, ConnectionInfo, DisconnectTarget,
    Page, PageQuery, RoomInfo, RoomMetadata,
};
use crate::policies::Policies;

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

    pub(crate) fn sender(&self, shard: usize) -> &ShardSender {
        &self.senders[shard]
    }

    /// Gives every shard new rules and schemas.
    pub fn apply(&self, policies: &Arc<Policies>) {
        self.senders
            .iter()
            .for_each(|shard| shard.send(ShardMessage::Policies(Arc::clone(policies))));
    }

    /// Asks every shard to close its transports and stop.
    pub fn stop(&self) {
        self.senders.iter().for_each(|shard| shard.send(ShardMessage::Stop));
    }

    pub(crate) async fn ask<T>(
        &self,
        tenant: &TenantId,
        request: impl FnOnce(Reply<T>) -> TenantRequest,
    ) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.senders[self.home(tenant)]
            .try_send(ShardMessage::Tenant(tenant.clone(), request(reply)))
            .map_err(|_| overloaded())?;
        answer.await.map_err(|_| unanswered())
    }
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

/// Looks connections up, counts them, and ends them.
#[derive(Clone)]
pub struct ConnectionManager {
    shards: Shards,
}

impl ConnectionManager {
    /// A handle to the connections of these shards.
    pub fn new(shards: Shards) -> Self {
        Self { shards }
    }

    /// The node's connections.
    pub async fn totals(&self) -> ConnectionCounts {
        let mut totals = ConnectionCounts::default();
        for shard in self.shards.senders.iter() {
            let (reply, answer) = oneshot::channel();
            if shard.try_send(ShardMessage::Totals(reply)).is_ok()
                && let Ok(counts) = answer.await
            {
                totals.add(&counts);
            }
        }
        totals
    }

    /// One tenant's connections.
    ///
    /// # Errors
    /// `overloaded` when the tenant's shard does not take the question.
    pub async fn counts(&self, tenant: &TenantId) -> Result<ConnectionCounts, Refusal> {
        self.shards.ask(tenant, TenantRequest::Counts).await
    }

    /// A page of one tenant's connections that match, in no order that means anything.
    ///
    /// # Errors
    /// `overloaded` when the tenant's shard does not take the question.
    pub async fn list(
        &self,
        tenant: &TenantId,
        filter: ConnectionFilter,
    ) -> Result<Page<ConnectionInfo>, Refusal> {
        self.shards.ask(tenant, |reply| TenantRequest::List(filter, reply)).await
    }

    /// Ends connections for good: the client is told to stay away, and does. Returns how many there were.
    ///
    /// # Errors
    /// `overloaded` when the tenant's shard does not take the order.
    pub async fn disconnect(
        &self,
        tenant: &TenantId,
        target: DisconnectTarget,
    ) -> Result<usize, Refusal> {
        self.shards.ask(tenant, |reply| TenantRequest::Disconnect(target, reply)).await
    }

    /// A page of one tenant's rooms, in no order that means anything.
    ///
    /// # Errors
    /// `overloaded` when the tenant's shard does not take the question.
    pub async fn rooms(
        &self,
        tenant: &TenantId,
        query: PageQuery,
    ) -> Result<Page<RoomInfo>, Refusal> {
        self.shards.ask(tenant, |reply| TenantRequest::Rooms(query, reply)).await
    }

    /// Says what a room is, before anyone joins it or after.
    ///
    /// # Errors
    /// `overloaded` when the tenant's shard does not take the order; `conflict` when more are in it than it may hold;
    /// `payload_invalid` when a field is too large; `rooms_too_many` when the tenant has too many rooms.
    pub async fn describe_room(
        &self,
        room: &Room<'_>,
        metadata: RoomMetadata,
    ) -> Result<RoomInfo, Refusal> {
        let owned = OwnedRoom::new(room);
        self.shards
            .ask(room.tenant(), |reply| TenantRequest::DescribeRoom {
                room: owned,
                metadata,
                reply,
            })
            .await?
    }

    /// Lets a user join a room that the rules alone would not let them into.
    ///
    /// # Errors
    /// `overloaded` when the tenant's shard does not take the order, or the tenant has too many grants.
    pub async fn grant(&self, room: &Room<'_>, user: &str) -> Result<(), Refusal> {
        let (owned, user) = (OwnedRoom::new(room), user.to_owned());
        self.shards
            .ask(room.tenant(), |reply| TenantRequest::Grant { room: owned, user, reply })
            .await?
    }

    /// Takes a grant back; the user's connections leave the room. Returns whether there was one.
    ///
    /// # Errors
    /// `overloaded` when the tenant's shard does not take the order.
    pub async fn revoke_grant(&self, room: &Room<'_>, user: &str) -> Result<bool, Refusal> {
        let (owned, user) = (OwnedRoom::new(room), user.to_owned());
        self.shards
            .ask(room.tenant(), |reply| TenantRequest::RevokeGrant { room: owned, user, reply })
            .await
    }
}

/// Sends events to a tenant's connections.
#[derive(Clone)]
pub struct EventBroadcaster {
    shards: Shards,
}

impl EventBroadcaster {
    /// A handle to the fan-out of these shards.
    pub fn new(shards: Shards) -> Self {
        Self { shards }
    }

    /// Publishes for a backend service: validated, authorised and routed like a client's event. `argument` is the
    /// payload, or the whole message, as JSON text.
    ///
    /// # Errors
    /// The refusal that a client would get.
    pub async fn publish(
        &self,
        principal: Principal,
        event: String,
        argument: String,
    ) -> Result<Accepted, Refusal> {
        let tenant = principal.tenant().clone();
        self.shards
            .ask(&tenant, |reply| TenantRequest::Publish { principal, event, argument, reply })
            .await?
    }

    /// Sends an event of the server's own to recipients it names, past the rules; its payload is still validated.
    ///
    /// # Errors
    /// A refusal that names what is wrong with the event or its recipients.
    pub async fn broadcast(
        &self,
        tenant: &TenantId,
        broadcast: Broadcast,
    ) -> Result<Accepted, Refusal> {
        self.shards.ask(tenant, |reply| TenantRequest::Broadcast(broadcast, reply)).await?
    }
}
