//! Connections and rooms, as the outside sees them.

use foodtrack_contract::{Refusal, Room, TenantId};
use tokio::sync::oneshot;

use crate::mailbox::{OwnedRoom, ShardMessage, TenantRequest};
use crate::model::{
    ConnectionCounts, ConnectionFilter, ConnectionInfo, DisconnectTarget, Page, PageQuery,
    RoomInfo, RoomMetadata,
};
use crate::shards::Shards;

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
        for shard in self.shards.senders() {
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
