//! Connections and rooms, as the outside sees them.

use foodtrack_contract::{Offset, Refusal, Revocation, Room, TenantId};
use foodtrack_tenant::{
    Answer, ConnectionCounts, ConnectionFilter, ConnectionInfo, DeviceNews, DisconnectTarget,
    EntryTrace, OwnedRoom, Page, PageQuery, PresenceInfo, PresenceQuery, Request, RoomInfo,
    RoomMetadata, TenantTally, TracedEntry,
};
use foodtrack_tenant_log::SubscriberKey;
use tokio::sync::oneshot;

use crate::mailbox::ShardMessage;
use crate::shards::Shards;
use crate::tallies::Tallies;

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

    /// What this node's tenants do: `most` of them by themselves, those with the most connections.
    pub async fn tallies(&self, most: usize) -> Tallies {
        let mut all = Vec::new();
        for shard in self.shards.senders() {
            let (reply, answer) = oneshot::channel();
            if shard.try_send(ShardMessage::Tallies(most, reply)).is_ok()
                && let Ok(tallies) = answer.await
            {
                all.push(tallies);
            }
        }
        Tallies::merged(&all, most)
    }

    /// What one tenant did on this node since it was opened here.
    ///
    /// # Errors
    /// `overloaded` when the tenant's shard does not take the question.
    pub async fn tally(&self, tenant: &TenantId) -> Result<TenantTally, Refusal> {
        let pick = |answer| match answer {
            Answer::Tally(tally) => Some(tally),
            _ => None,
        };
        self.shards.ask(tenant, Request::Tally, pick).await
    }

    /// How many shards there are.
    pub fn shards(&self) -> usize {
        self.shards.senders().len()
    }

    /// Sends a question through one shard's mailbox and loop, and waits until it has come through. `false`: there is no such shard, its
    /// mailbox is full, or it has stopped.
    pub async fn passes(&self, shard: usize) -> bool {
        let (reply, answer) = oneshot::channel();
        let sent = self.shards.senders().get(shard);
        sent.is_some_and(|it| it.try_send(ShardMessage::Probe(reply)).is_ok())
            && answer.await.is_ok()
    }

    /// One tenant's connections.
    ///
    /// # Errors
    /// `overloaded` when the tenant's shard does not take the question.
    pub async fn counts(&self, tenant: &TenantId) -> Result<ConnectionCounts, Refusal> {
        let request = Request::Counts;
        let pick = |answer| match answer {
            Answer::Counts(counts) => Some(counts),
            _ => None,
        };
        self.shards.ask(tenant, request, pick).await
    }

    /// A number for each user of a tenant who is connected, the same on every node.
    ///
    /// # Errors
    /// `overloaded` when the tenant's shard does not take the question.
    pub async fn user_marks(&self, tenant: &TenantId) -> Result<Vec<u64>, Refusal> {
        let pick = |answer| match answer {
            Answer::UserMarks(marks) => Some(marks),
            _ => None,
        };
        self.shards.ask(tenant, Request::UserMarks, pick).await
    }

    /// Opens a tenant's log, so that what it says to be done is done though nobody comes. Answers once that is open.
    ///
    /// # Errors
    /// `overloaded` when the tenant's shard does not take the question.
    pub async fn open(&self, tenant: &TenantId) -> Result<(), Refusal> {
        let pick = |answer| matches!(answer, Answer::Counts(_)).then_some(());
        self.shards.ask(tenant, Request::Open, pick).await
    }

    /// Who is here of those whom entries of a tenant's log are for, and who has them; in the order of the entries.
    ///
    /// # Errors
    /// `overloaded` when the tenant's shard does not take the question.
    pub async fn trace(
        &self,
        tenant: &TenantId,
        entries: Vec<TracedEntry>,
    ) -> Result<Vec<EntryTrace>, Refusal> {
        let pick = |answer| match answer {
            Answer::Traced(traces) => Some(traces),
            _ => None,
        };
        self.shards.ask(tenant, Request::Trace(entries), pick).await
    }

    /// What happened to a tenant's devices lately, oldest first: the newest 256 turns that this node remembers.
    ///
    /// # Errors
    /// `overloaded` when the tenant's shard does not take the question.
    pub async fn device_journal(&self, tenant: &TenantId) -> Result<Vec<DeviceNews>, Refusal> {
        let pick = |answer| match answer {
            Answer::DeviceJournal(news) => Some(news),
            _ => None,
        };
        self.shards.ask(tenant, Request::DeviceJournal, pick).await
    }

    /// Moves where a subscriber that is not here begins when it comes: what waits for it up to `through` is dropped, and what
    /// comes after it is brought to it, also if it had it.
    ///
    /// # Errors
    /// `conflict`: the subscriber is connected, or the log does not reach so far. `overloaded` when the tenant's shard does not
    /// take the order; the log's own.
    pub async fn move_queue(
        &self,
        tenant: &TenantId,
        subscriber: SubscriberKey,
        through: Offset,
    ) -> Result<(), Refusal> {
        let pick = |answer| matches!(answer, Answer::QueueMoved).then_some(());
        self.shards.ask(tenant, Request::MoveQueue { subscriber, through }, pick).await
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
        let request = Request::List(filter);
        let pick = |answer| match answer {
            Answer::Connections(page) => Some(page),
            _ => None,
        };
        self.shards.ask(tenant, request, pick).await
    }

    /// A page of those who are online in a tenant and match, by their subscribers' keys.
    ///
    /// # Errors
    /// `overloaded` when the tenant's shard does not take the question.
    pub async fn present(
        &self,
        tenant: &TenantId,
        query: PresenceQuery,
    ) -> Result<Page<PresenceInfo>, Refusal> {
        let pick = |answer| match answer {
            Answer::Present(page) => Some(page),
            _ => None,
        };
        self.shards.ask(tenant, Request::Present(query), pick).await
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
        let request = Request::Disconnect(target);
        let pick = |answer| match answer {
            Answer::Disconnected(count) => Some(count),
            _ => None,
        };
        self.shards.ask(tenant, request, pick).await
    }

    /// Ends the connections that a revocation is about, which must be known to who verifies tokens already: who is on the way in is
    /// refused there. Returns how many there were.
    ///
    /// # Errors
    /// `overloaded` when the tenant's shard does not take the order.
    pub async fn revoke(
        &self,
        tenant: &TenantId,
        revocation: Revocation,
    ) -> Result<usize, Refusal> {
        let pick = |answer| match answer {
            Answer::Disconnected(count) => Some(count),
            _ => None,
        };
        self.shards.ask(tenant, Request::Revoke(revocation), pick).await
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
        let request = Request::Rooms(query);
        let pick = |answer| match answer {
            Answer::Rooms(page) => Some(page),
            _ => None,
        };
        self.shards.ask(tenant, request, pick).await
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
        let request = Request::DescribeRoom { room: owned, metadata };
        let pick = |answer| match answer {
            Answer::Room(info) => Some(info),
            _ => None,
        };
        self.shards.ask(room.tenant(), request, pick).await
    }

    /// Who may join a room by a grant, by id.
    ///
    /// # Errors
    /// `overloaded` when the tenant's shard does not take the question.
    pub async fn grants(&self, room: &Room<'_>) -> Result<Vec<String>, Refusal> {
        let pick = |answer| match answer {
            Answer::Grants(users) => Some(users),
            _ => None,
        };
        self.shards.ask(room.tenant(), Request::Grants(OwnedRoom::new(room)), pick).await
    }

    /// Lets a user join a room that the rules alone would not let them into.
    ///
    /// # Errors
    /// `overloaded` when the tenant's shard does not take the order, or the tenant has too many grants.
    pub async fn grant(&self, room: &Room<'_>, user: &str) -> Result<(), Refusal> {
        let (owned, user) = (OwnedRoom::new(room), user.to_owned());
        let request = Request::Grant { room: owned, user };
        let pick = |answer| match answer {
            Answer::Granted => Some(()),
            _ => None,
        };
        self.shards.ask(room.tenant(), request, pick).await
    }

    /// Takes a grant back; the user's connections leave the room. Returns whether there was one.
    ///
    /// # Errors
    /// `overloaded` when the tenant's shard does not take the order.
    pub async fn revoke_grant(&self, room: &Room<'_>, user: &str) -> Result<bool, Refusal> {
        let (owned, user) = (OwnedRoom::new(room), user.to_owned());
        let request = Request::RevokeGrant { room: owned, user };
        let pick = |answer| match answer {
            Answer::Revoked(was_granted) => Some(was_granted),
            _ => None,
        };
        self.shards.ask(room.tenant(), request, pick).await
    }
}
