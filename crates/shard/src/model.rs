//! What handles and shards tell each other, as plain values.

use std::collections::BTreeMap;

use foodtrack_contract::{ApplicationSet, ApplicationType, Priority, Room, RoomType, UserRole};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An event was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Accepted {
    /// The message's id: the sender's own, or the one the server made.
    pub id: Uuid,
    /// Its place in the tenant's log. A durable message's is on disk; a volatile one has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

/// An event of the server's own, to recipients it names itself.
#[derive(Clone, Debug)]
pub struct Broadcast {
    /// The event's name.
    pub event: String,
    /// The payload as JSON text.
    pub payload: String,
    /// How urgent it is.
    pub priority: Priority,
    /// Who gets it.
    pub to: Recipients,
    /// Connections that do not, by id.
    pub except: Vec<String>,
}

/// Who gets a [`Broadcast`], always within one tenant.
#[derive(Clone, Debug, Default)]
pub struct Recipients {
    /// Everyone of the tenant.
    pub everyone: bool,
    /// Everyone of these applications.
    pub applications: ApplicationSet,
    /// The members of these rooms, by full name; a room of another tenant is refused.
    pub rooms: Vec<String>,
    /// Every connection of these users.
    pub users: Vec<String>,
    /// These connections, by id.
    pub connections: Vec<String>,
}

/// How many connections there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionCounts {
    /// All of them.
    pub total: usize,
    /// Distinct users.
    pub users: usize,
    /// Tenants with at least one connection.
    pub tenants: usize,
    /// By application; backend services have none.
    pub by_application: BTreeMap<ApplicationType, usize>,
    /// Of all, those over long-polling.
    pub polling: usize,
}

impl ConnectionCounts {
    /// Adds another shard's.
    pub fn add(&mut self, other: &Self) {
        self.total += other.total;
        self.users += other.users;
        self.tenants += other.tenants;
        self.polling += other.polling;
        for (application, count) in &other.by_application {
            *self.by_application.entry(*application).or_default() += count;
        }
    }
}

/// Which of a tenant's connections to list.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConnectionFilter {
    /// Only this user's.
    pub user: Option<String>,
    /// Only this application's.
    pub application: Option<ApplicationType>,
    /// Only this device's.
    pub device: Option<String>,
    /// At most so many; 100 where absent, 1000 at most.
    pub limit: Option<usize>,
}

/// What is known of a connection.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionInfo {
    /// The Socket.IO id.
    pub id: String,
    /// The user.
    pub user: String,
    /// The role.
    pub role: UserRole,
    /// The application; backend services have none.
    pub application: Option<ApplicationType>,
    /// The device, where the handshake or the token names one.
    pub device: Option<String>,
    /// `websocket` or `polling`.
    pub transport: &'static str,
    /// The peer's address.
    pub address: String,
    /// The `User-Agent` of its handshake.
    pub user_agent: Option<String>,
    /// The application's version, where the handshake tells.
    pub version: Option<String>,
    /// The features it says it has.
    pub features: Vec<String>,
    /// RFC 3339.
    pub connected_at: String,
    /// RFC 3339; when the client last answered a ping or sent anything.
    pub last_heartbeat_at: String,
    /// Full names of the rooms it is in.
    pub rooms: Vec<String>,
}

/// Whom to disconnect, within one tenant.
#[derive(Clone, Debug)]
pub enum DisconnectTarget {
    /// One connection, by its Socket.IO id.
    Connection(String),
    /// Every connection of a user.
    User(String),
    /// Every connection of a device.
    Device(String),
    /// Every connection of the tenant.
    Tenant,
}

/// What a backend service may say of a room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RoomMetadata {
    /// For people.
    pub description: Option<String>,
    /// How many connections may be in it at once.
    pub max_members: Option<u32>,
    /// Whether joining takes a grant.
    pub is_private: bool,
    /// For people and programs.
    pub tags: Vec<String>,
}

/// What is known of a room.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomInfo {
    /// The full name.
    pub name: String,
    /// What it gathers.
    #[serde(rename = "type")]
    pub room_type: RoomType,
    /// Connections in it now.
    pub members: usize,
    /// RFC 3339.
    pub created_at: String,
    /// What a backend service said of it.
    pub metadata: RoomMetadata,
}

impl RoomInfo {
    /// The room by its parts.
    pub fn new(
        room: &Room<'_>,
        members: usize,
        created_at: String,
        metadata: RoomMetadata,
    ) -> Self {
        Self {
            name: room.to_string(),
            room_type: room.name().room_type(),
            members,
            created_at,
            metadata,
        }
    }
}
