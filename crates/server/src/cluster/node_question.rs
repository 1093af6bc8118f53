//! What nodes ask each other about one tenant, and answer.

use foodtrack_contract::{Refusal, TenantId};
use foodtrack_shard::{
    ConnectionCounts, ConnectionFilter, ConnectionInfo, ConnectionManager, DisconnectTarget, Page,
    PageQuery, PresenceInfo, PresenceQuery, RoomInfo,
};
use serde::{Deserialize, Serialize};

/// A question, with the tenant that it is about: that of the principal who asked the other node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct AskedOfTenant<T> {
    pub(super) tenant: String,
    pub(super) about: T,
}

/// A question, to each node that lives.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum NodeQuestion {
    /// [`NodeAnswer::Connections`]
    Connections(ConnectionFilter),
    /// [`NodeAnswer::Rooms`]
    Rooms(PageQuery),
    /// [`NodeAnswer::Present`]
    Present(PresenceQuery),
    /// [`NodeAnswer::Disconnected`]
    Disconnect(DisconnectTarget),
}

/// What one node answers for itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum NodeAnswer {
    Connections(NodeConnections),
    Rooms(Page<RoomInfo>),
    Present(Page<PresenceInfo>),
    Disconnected(usize),
}

/// A node's connections of a tenant.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NodeConnections {
    pub(super) counts: ConnectionCounts,
    /// A number for each user who is there, the same on every node: somebody with connections to two nodes is one user.
    pub(super) users: Vec<u64>,
    pub(super) page: Page<ConnectionInfo>,
}

/// Answers for this node alone. All of it happens within the tenant.
///
/// # Errors
/// `overloaded` where the tenant's shard does not take the question.
pub(super) async fn answer_here(
    connections: &ConnectionManager,
    tenant: &TenantId,
    question: NodeQuestion,
) -> Result<NodeAnswer, Refusal> {
    Ok(match question {
        NodeQuestion::Connections(filter) => {
            let counts = connections.counts(tenant).await?;
            let users = connections.user_marks(tenant).await?;
            let page = connections.list(tenant, filter).await?;
            NodeAnswer::Connections(NodeConnections { counts, users, page })
        }
        NodeQuestion::Rooms(query) => NodeAnswer::Rooms(connections.rooms(tenant, query).await?),
        NodeQuestion::Present(query) => {
            NodeAnswer::Present(connections.present(tenant, query).await?)
        }
        NodeQuestion::Disconnect(target) => {
            NodeAnswer::Disconnected(connections.disconnect(tenant, target).await?)
        }
    })
}
