//! What handles and shards tell each other, as plain values.

use std::borrow::Cow;
use std::collections::BTreeMap;

use foodtrack_contract::{
    ApplicationSet, ApplicationType, ErrorCode, Offset, Priority, Refusal, Room, RoomType, UserRole,
};
use foodtrack_tenant_log::{LoggedAudience, SubscriberKey};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An event was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Accepted {
    /// The message's id: the sender's own, or the one the server made.
    pub id: Uuid,
    /// Its place in the tenant's log. A durable message's is on disk; a volatile one has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// It had been accepted before, and this is the first answer again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub duplicate: bool,
    /// The cluster's log is away: the message is on the disk of this node, which appends it, and delivers it to everybody, once the log is
    /// back.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub spooled: bool,
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

/// An event of a back end's for one connection that is here: it is in no log, and nobody gets it later.
#[derive(Clone, Debug)]
pub struct DirectEvent {
    /// The connection's Socket.IO id.
    pub connection: String,
    /// The event's name.
    pub event: String,
    /// The payload as JSON text.
    pub payload: String,
    /// How urgent it is.
    pub priority: Priority,
}

/// What became of a [`DirectEvent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Sent {
    /// The message's id.
    pub id: Uuid,
    /// False where the connection's application has no name for the event, or its parser cannot say it.
    pub delivered: bool,
}

/// Which entry, and whom it is for.
#[derive(Clone, Debug)]
pub struct TracedEntry {
    /// Its place.
    pub offset: Offset,
    /// Whom it is for.
    pub audience: LoggedAudience,
}

/// Those who are here and whom an entry is for.
#[derive(Clone, Debug, Default)]
pub struct EntryTrace {
    /// A hundred at most, each once.
    pub devices: Vec<DeviceTrace>,
    /// How many devices that are here are not among them.
    pub unnamed: usize,
}

/// One that is here.
#[derive(Clone, Debug)]
pub struct DeviceTrace {
    /// Who.
    pub subscriber: SubscriberKey,
    /// Whether it is known to have the entry.
    pub has_it: bool,
    /// Whether it was sent what came before it and may have been sent it: or else it is catching up.
    pub is_live: bool,
}

/// What happened to a device, or to the sockets together that a user of an application has without one.
#[derive(Clone, Debug)]
pub struct DeviceNews {
    /// Which.
    pub subscriber: SubscriberKey,
    /// When, by the wall clock, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What.
    pub what: DeviceTurn,
}

/// A turn in a device's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceTurn {
    /// It connected.
    Came {
        /// Whether its session went on.
        is_recovered: bool,
    },
    /// It was sent what it had missed.
    CaughtUp {
        /// How many events.
        events: u64,
        /// When the oldest of them was accepted, in milliseconds since the Unix epoch.
        oldest_ms: u64,
    },
    /// Its last connection ended.
    Went {
        /// Why, as in `foodtrack_disconnects_total`.
        reason: &'static str,
    },
}

/// How many connections there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
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
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConnectionFilter {
    /// Only this user's.
    pub user: Option<String>,
    /// Only this application's.
    pub application: Option<ApplicationType>,
    /// Only this device's.
    pub device: Option<String>,
    /// At most so many; 100 where absent, 1000 at most.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<usize>,
    /// Goes on where another page ended: its [`Page::next`].
    pub cursor: Option<String>,
}

/// Which part of a list.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PageQuery {
    /// At most so many; 100 where absent, 1000 at most.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<usize>,
    /// Goes on where another page ended: its [`Page::next`].
    pub cursor: Option<String>,
}

/// A part of a list, in the order of ids or names. What is there from the first page to the last is listed once, also where several nodes
/// have parts of the list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Page<T> {
    /// What is in it.
    pub items: Vec<T>,
    /// The id or the name behind which the next one begins; `None` when this is the last.
    pub next: Option<String>,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { items: Vec::new(), next: None }
    }
}

/// The first of those that come behind `after`, in their order, and whether there are more.
pub(crate) fn first_after<K: Ord + AsRef<str>, T>(
    all: impl Iterator<Item = (K, T)>,
    after: Option<&str>,
    limit: usize,
) -> (Vec<(K, T)>, bool) {
    let is_behind = |(key, _): &(K, T)| after.is_none_or(|after| key.as_ref() > after);
    let mut found: Vec<(K, T)> = all.filter(is_behind).collect();
    let has_more = found.len() > limit;
    if has_more {
        // Not all of them are put in order.
        found.select_nth_unstable_by(limit, |one, other| one.0.cmp(&other.0));
        found.truncate(limit);
    }
    found.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    (found, has_more)
}

const LIST_DEFAULT: usize = 100;
const LIST_MAX: usize = 1_000;

/// How many things a page has at most, of which so many are asked for.
pub fn page_limit(limit: Option<usize>) -> usize {
    limit.unwrap_or(LIST_DEFAULT).clamp(1, LIST_MAX)
}

/// The longest description of a room, in bytes.
const DESCRIPTION_BYTES_MAX: usize = 1_024;
/// How many tags a room has at most.
const TAGS_MAX: usize = 32;
/// The longest tag, in bytes.
const TAG_BYTES_MAX: usize = 64;
/// The most that `maxMembers` says.
const MEMBERS_MAX: u32 = 1_000_000;

/// What is known of a connection.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
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
    pub transport: Cow<'static, str>,
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

/// Which of those who are online to list.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PresenceQuery {
    /// Only this user.
    pub user: Option<String>,
    /// Only this application.
    pub application: Option<ApplicationType>,
    /// At most so many; 100 where absent, 1000 at most.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<usize>,
    /// Goes on where another page ended: its [`Page::next`].
    pub cursor: Option<String>,
}

/// Somebody who is online: a user with an application on a device, or on all devices together that have no name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PresenceInfo {
    /// The subscriber's key, as its offline queue has it.
    pub subscriber: String,
    /// The user.
    pub user: String,
    /// The application.
    pub application: ApplicationType,
    /// The device, where the handshake or the token names one.
    pub device: Option<String>,
    /// RFC 3339; since when it was not away for longer than `log.offlineAfterSeconds`, as far as that is in memory.
    pub since: String,
    /// How many connections it has.
    pub connections: usize,
    /// RFC 3339; when its last connection went, of one that has none and is not taken for away yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_since: Option<String>,
}

/// Whom to disconnect, within one tenant.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
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

impl RoomMetadata {
    /// Whether it is small enough to be kept.
    ///
    /// # Errors
    /// `payload_invalid`, with the field.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let over = |pointer: String, rule: &'static str, message: String| {
            Err(Refusal::new(ErrorCode::PayloadInvalid, message).at(pointer, rule))
        };
        if self.description.as_ref().is_some_and(|it| it.len() > DESCRIPTION_BYTES_MAX) {
            let message = format!("a description has at most {DESCRIPTION_BYTES_MAX} bytes");
            return over("/description".into(), "maxLength", message);
        }
        if self.tags.len() > TAGS_MAX {
            return over("/tags".into(), "maxItems", format!("a room has at most {TAGS_MAX} tags"));
        }
        if let Some(at) = self.tags.iter().position(|tag| tag.len() > TAG_BYTES_MAX) {
            let message = format!("a tag has at most {TAG_BYTES_MAX} bytes");
            return over(format!("/tags/{at}"), "maxLength", message);
        }
        if self.max_members.is_some_and(|it| it > MEMBERS_MAX) {
            let message = format!("maxMembers is at most {MEMBERS_MAX}");
            return over("/maxMembers".into(), "maximum", message);
        }
        Ok(())
    }
}

/// What is known of a room.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(metadata: &RoomMetadata, pointer: Option<&str>) {
        let refused = metadata.check().err();
        assert_eq!(refused.as_ref().and_then(Refusal::pointer), pointer);
    }

    #[test]
    fn a_list_is_read_in_parts_each_thing_once_in_order() {
        let names = ["d", "a", "c", "e", "b"];
        let all = || names.iter().map(|name| (*name, ()));
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let (part, has_more) = first_after(all(), after, 2);
            seen.extend(part.iter().map(|(name, ())| *name));
            after = seen.last().copied();
            if !has_more {
                break;
            }
        }
        assert_eq!(seen, ["a", "b", "c", "d", "e"]);
    }

    #[test]
    fn what_is_said_of_a_room_is_bounded() {
        let with = |description: usize, tags: Vec<String>, max_members| RoomMetadata {
            description: Some("d".repeat(description)),
            tags,
            max_members,
            is_private: true,
        };
        check(
            &with(DESCRIPTION_BYTES_MAX, vec!["t".repeat(TAG_BYTES_MAX); TAGS_MAX], Some(9)),
            None,
        );
        check(&with(DESCRIPTION_BYTES_MAX + 1, vec![], None), Some("/description"));
        check(&with(1, vec![String::new(); TAGS_MAX + 1], None), Some("/tags"));
        check(&with(1, vec!["a".into(), "t".repeat(TAG_BYTES_MAX + 1)], None), Some("/tags/1"));
        check(&with(1, vec![], Some(MEMBERS_MAX + 1)), Some("/maxMembers"));
    }
}
