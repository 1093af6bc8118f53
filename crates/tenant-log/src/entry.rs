//! What a log keeps of one accepted message.

use std::borrow::Cow;

use bytes::Bytes;
use foodtrack_contract::{
    ApplicationSet, ApplicationType, Epoch, EventName, Offset, Priority, ReadPermission, RoomName,
    RoomType,
};
use serde::Deserialize;
use uuid::Uuid;

use crate::{Fact, Note};

/// What waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Durability {
    /// Shown to nobody before it is on disk.
    Durable,
    /// May be shown at once, and may be lost with the machine's power.
    Recoverable,
}

/// One accepted message of a tenant.
#[derive(Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Its place.
    pub offset: Offset,
    /// The message's id.
    pub id: Uuid,
    /// The event's name.
    pub event: EventName,
    /// Whether it waited for the disk.
    pub durability: Durability,
    /// How urgent it is.
    pub priority: Priority,
    /// When the server took it, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// When it is of no use any more, in milliseconds since the Unix epoch.
    pub expires_at_ms: Option<u64>,
    /// Whom it was for.
    pub audience: LoggedAudience,
    /// The order it is about.
    pub entity: Option<Box<str>>,
    /// At replay, a later entry of the same event and entity takes its place.
    pub compacts: bool,
    /// Whether it is the one that made its order, the first that was accepted; and whose the order is.
    pub creates_order: Option<OrderOwner>,
    /// What tells that it is sent again: over who sent it and all of what it says. `None` where the same twice may mean
    /// two things.
    pub fingerprint: Option<u64>,
    /// The whole message as JSON, as it was delivered.
    pub message: Bytes,
    /// The binary parts that the message's placeholders stand for.
    pub attachments: Vec<Vec<u8>>,
}

impl LogEntry {
    /// What it counts for in a tenant's share of the disk: its message, its binary parts, and a little around them.
    pub fn bytes(&self) -> u64 {
        self.by_ref().bytes()
    }

    /// The same, borrowed.
    pub fn by_ref(&self) -> EntryRef<'_> {
        EntryRef {
            offset: self.offset,
            id: self.id,
            event: &self.event,
            durability: self.durability,
            priority: self.priority,
            at_ms: self.at_ms,
            expires_at_ms: self.expires_at_ms,
            audience: &self.audience,
            entity: self.entity.as_deref(),
            compacts: self.compacts,
            creates_order: self.creates_order.as_ref(),
            fingerprint: self.fingerprint,
            message: &self.message,
            is_message_as_made: false,
            fact: None,
            attachments: &self.attachments,
        }
    }
}

/// A [`LogEntry`] of which somebody else has the parts: enough to write it down.
#[derive(Clone, Copy)]
#[expect(missing_docs, reason = "each as in LogEntry")]
pub struct EntryRef<'a> {
    pub offset: Offset,
    pub id: Uuid,
    pub event: &'a EventName,
    pub durability: Durability,
    pub priority: Priority,
    pub at_ms: u64,
    pub expires_at_ms: Option<u64>,
    pub audience: &'a LoggedAudience,
    pub entity: Option<&'a str>,
    pub compacts: bool,
    pub creates_order: Option<&'a OrderOwner>,
    pub fingerprint: Option<u64>,
    pub message: &'a [u8],
    /// Whether the message is as [`foodtrack_contract::Message::to_json`] made it of this id. Where that is not known, the
    /// log looks whether the id stands in front.
    pub is_message_as_made: bool,
    /// What it tells: in a log that others write to as well it is left out where that is known.
    pub fact: Option<Fact<'a>>,
    pub attachments: &'a [Vec<u8>],
}

impl EntryRef<'_> {
    /// As [`LogEntry::bytes`].
    pub fn bytes(&self) -> u64 {
        let parts: usize = self.attachments.iter().map(Vec::len).sum();
        bytes_of(self.message.len() + parts)
    }

    /// The order that it assigns, and to whom.
    pub fn assignment(&self) -> Option<(&str, Assignment)> {
        #[derive(Deserialize)]
        struct Message<'a> {
            #[serde(borrow)]
            payload: Payload<'a>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Payload<'a> {
            #[serde(borrow)]
            assignee_id: Cow<'a, str>,
        }
        let EventName::Builtin(event) = self.event else { return None };
        let order = self.entity.filter(|_| event.assigns_order())?;
        let message: Message<'_> = serde_json::from_slice(self.message).ok()?;
        let user = message.payload.assignee_id.into();
        Some((order, Assignment { user, id: self.id, offset: self.offset }))
    }

    /// The same, owned.
    pub fn to_entry(&self) -> LogEntry {
        LogEntry {
            offset: self.offset,
            id: self.id,
            event: self.event.clone(),
            durability: self.durability,
            priority: self.priority,
            at_ms: self.at_ms,
            expires_at_ms: self.expires_at_ms,
            audience: self.audience.clone(),
            entity: self.entity.map(Box::from),
            compacts: self.compacts,
            creates_order: self.creates_order.cloned(),
            fingerprint: self.fingerprint,
            message: Bytes::copy_from_slice(self.message),
            attachments: self.attachments.to_vec(),
        }
    }
}

/// Says nothing of what the message contains.
impl std::fmt::Debug for EntryRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EntryRef")
            .field("offset", &self.offset)
            .field("id", &self.id)
            .field("event", &self.event)
            .field("durability", &self.durability)
            .field("message_bytes", &self.message.len())
            .finish_non_exhaustive()
    }
}

/// [`LogEntry::bytes`] of an entry whose message and binary parts have so many.
pub(crate) fn bytes_of(content_bytes: usize) -> u64 {
    // About what the rest of an entry takes.
    const AROUND_BYTES: u64 = 160;
    content_bytes as u64 + AROUND_BYTES
}

/// Whose an order is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderOwner {
    /// The customer's user id, where the order has one.
    pub customer: Option<Box<str>>,
}

/// Who an order is assigned to, by the last entry that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The assignee's user id.
    pub user: Box<str>,
    /// The message that says so.
    pub id: Uuid,
    /// Its place.
    pub offset: Offset,
}

/// Says nothing of what the message contains.
impl std::fmt::Debug for LogEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.by_ref().fmt(f)
    }
}

/// Whom a message was for: what is needed to ask again, at replay, whether somebody is in its audience.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoggedAudience {
    /// Every connection of these applications.
    pub applications: ApplicationSet,
    /// The members of these rooms.
    pub rooms: Vec<LoggedRoom>,
    /// Nobody of another application.
    pub only: ApplicationSet,
    /// What receiving takes; `None` where everyone of the tenant may.
    pub read: Option<ReadPermission>,
}

/// A room's name within its tenant, owned.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LoggedRoom {
    kind: LoggedRoomKind,
    id: Box<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum LoggedRoomKind {
    Application(ApplicationType),
    Named(RoomType),
}

impl LoggedRoom {
    /// The name again.
    pub fn name(&self) -> RoomName<'_> {
        match self.kind {
            LoggedRoomKind::Application(application) => RoomName::Application(application),
            LoggedRoomKind::Named(RoomType::Order) => RoomName::Order(&self.id),
            LoggedRoomKind::Named(RoomType::KitchenStation) => RoomName::KitchenStation(&self.id),
            LoggedRoomKind::Named(RoomType::DeliveryRoute) => RoomName::DeliveryRoute(&self.id),
            LoggedRoomKind::Named(RoomType::User) => RoomName::User(&self.id),
            LoggedRoomKind::Named(RoomType::Tenant | RoomType::Application) => RoomName::Tenant,
        }
    }

    /// Reads what [`LoggedRoom::to_text`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, id) = text.split_once(':')?;
        let kind: RoomType = kind.parse().ok()?;
        match kind {
            RoomType::Tenant => Some(RoomName::Tenant.into()),
            RoomType::Application => {
                ApplicationType::from_wire(id).map(|it| RoomName::Application(it).into())
            }
            _ => Some(Self { kind: LoggedRoomKind::Named(kind), id: id.into() }),
        }
    }

    /// As a store keeps it: `order:42`.
    pub fn to_text(&self) -> String {
        self.text().concat()
    }

    pub(crate) fn text(&self) -> [&str; 3] {
        let name = self.name();
        [name.room_type().as_str(), ":", name.id()]
    }
}

impl From<RoomName<'_>> for LoggedRoom {
    fn from(name: RoomName<'_>) -> Self {
        match name {
            RoomName::Application(application) => {
                Self { kind: LoggedRoomKind::Application(application), id: "".into() }
            }
            _ => Self { kind: LoggedRoomKind::Named(name.room_type()), id: name.id().into() },
        }
    }
}

/// The last of an order's messages that are known when they are sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastEmission {
    /// The order.
    pub order: Box<str>,
    /// As in [`LogEntry::fingerprint`].
    pub fingerprint: u64,
    /// The message's id.
    pub id: Uuid,
    /// Its place.
    pub offset: Offset,
}

/// How many orders' last emissions a [`Head`] has.
pub const HEAD_EMISSIONS_MAX: usize = 4_096;
/// And how long before the opening they may have been: a restart takes time, and so do clients until they try again.
pub const HEAD_EMISSIONS_AGE_MS_MAX: u64 = 5 * 60_000;
/// How many orders a [`Head`] names.
pub const HEAD_ORDERS_MAX: usize = 65_536;
/// How many entries a [`Head`] brings along.
pub const HEAD_TAIL_ENTRIES_MAX: usize = 256;
/// And how many bytes of them, by [`LogEntry::bytes`].
pub const HEAD_TAIL_BYTES_MAX: u64 = 64 << 10;

/// What a tenant's writer starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The log's incarnation.
    pub epoch: Epoch,
    /// The offset of the next message. Above everything that was ever shown.
    pub next: Offset,
    /// Offsets up to here stay taken whatever happens: a message that is not on disk yet may be shown up to here.
    pub reserved_through: Offset,
    /// The ids of the newest messages, oldest first: at most [`crate::RECENT_IDS_MAX`].
    pub recent: Vec<(Uuid, Offset)>,
    /// Everything up to here is gone.
    pub trimmed_through: Offset,
    /// The orders of which it is known whose they are, and their customers, oldest first: the newest [`HEAD_ORDERS_MAX`].
    pub orders: Vec<(Box<str>, Option<Box<str>>)>,
    /// Whether an entry ever assigned an order.
    pub has_assignments: bool,
    /// The last emission about each of the orders that were spoken of lately, oldest first: at most
    /// [`HEAD_EMISSIONS_MAX`], of the last [`HEAD_EMISSIONS_AGE_MS_MAX`], among the newest
    /// [`crate::RECENT_IDS_MAX`] entries.
    pub emissions: Vec<LastEmission>,
    /// What is noted beside the log and has not expired, in no particular order.
    pub notes: Vec<Note>,
    /// The newest entries, ascending: at most [`HEAD_TAIL_ENTRIES_MAX`] of at most [`HEAD_TAIL_BYTES_MAX`].
    pub tail: Vec<LogEntry>,
}

/// An entry without its message: enough to see who must get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// Its place.
    pub offset: Offset,
    /// The message's id.
    pub id: Uuid,
    /// As in [`LogEntry::at_ms`].
    pub at_ms: u64,
    /// The event's name.
    pub event: EventName,
    /// How urgent it is.
    pub priority: Priority,
    /// The order it is about.
    pub entity: Option<Box<str>>,
    /// As in [`LogEntry::compacts`].
    pub compacts: bool,
    /// As in [`LogEntry::expires_at_ms`].
    pub expires_at_ms: Option<u64>,
    /// Whom it was for.
    pub audience: LoggedAudience,
}

/// What a stretch of a log is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlinePage {
    /// Everything up to here is gone.
    pub trimmed_through: Offset,
    /// Ascending by offset.
    pub entries: Vec<Outline>,
    /// Where to look on: everything up to here is in this page, in those before it, or gone.
    pub next: Offset,
}

impl OutlinePage {
    /// What was found up to `through`; a full page ends with its last entry.
    pub(crate) fn new(
        trimmed_through: Offset,
        entries: Vec<Outline>,
        through: Offset,
        entries_max: usize,
    ) -> Self {
        let last = entries.last().filter(|_| entries.len() >= entries_max);
        let next = last.map_or(through, |last| last.offset);
        Self { trimmed_through, entries, next }
    }
}

impl From<&LogEntry> for Outline {
    fn from(entry: &LogEntry) -> Self {
        Self {
            offset: entry.offset,
            id: entry.id,
            at_ms: entry.at_ms,
            event: entry.event.clone(),
            priority: entry.priority,
            entity: entry.entity.clone(),
            compacts: entry.compacts,
            expires_at_ms: entry.expires_at_ms,
            audience: entry.audience.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rooms_name_comes_back_as_it_was_kept() {
        let names = [
            RoomName::Tenant,
            RoomName::Application(ApplicationType::KitchenApp),
            RoomName::Order("4:2"),
            RoomName::KitchenStation("grill"),
            RoomName::DeliveryRoute("n\n1"),
            RoomName::User("u"),
        ];
        for name in names {
            let room = LoggedRoom::from(name);
            assert_eq!(room.name(), name);
            assert_eq!(LoggedRoom::parse(&room.to_text()), Some(room));
        }
    }
}
