//! What back ends and operators ask of a tenant, and what it answers.

use foodtrack_contract::{Offset, Principal, Refusal, Revocation, Room};
use foodtrack_tenant_log::{LogEntry, SubscriberKey};
use uuid::Uuid;

use crate::model::{
    Accepted, Broadcast, ConnectionCounts, ConnectionFilter, ConnectionInfo, DeviceNews,
    DirectEvent, DisconnectTarget, EntryTrace, Page, PageQuery, PresenceInfo, PresenceQuery,
    RoomInfo, RoomMetadata, Sent, TracedEntry,
};
use crate::tally::TenantTally;

/// Which request an answer is to; chosen by who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(pub u64);

/// A request about one tenant. Each is answered once, now or when the log has said what became of it.
#[derive(Debug)]
pub enum Request {
    /// An event from a back end, checked and routed like a client's: [`Answer::Accepted`].
    Publish {
        /// Who publishes.
        principal: Principal,
        /// The event's name.
        event: String,
        /// Its first argument, as JSON text.
        argument: String,
        /// Which id it gets where it says none; none: the tenant makes one.
        spare_id: Option<Uuid>,
    },
    /// An event from the server itself to named recipients, past the rules: [`Answer::Accepted`].
    Broadcast(Broadcast),
    /// An event from a back end to one connection that is here: [`Answer::Sent`].
    SendTo(DirectEvent),
    /// How many connections there are: [`Answer::Counts`].
    Counts,
    /// Opens the log, so that what it says to be done is done though nobody comes: [`Answer::Counts`].
    Open,
    /// What it did since it was opened here: [`Answer::Tally`].
    Tally,
    /// Who is here, as numbers: [`Answer::UserMarks`].
    UserMarks,
    /// Which connections there are: [`Answer::Connections`].
    List(ConnectionFilter),
    /// Who is online: [`Answer::Present`].
    Present(PresenceQuery),
    /// Ends connections for good: [`Answer::Disconnected`].
    Disconnect(DisconnectTarget),
    /// Ends the connections of those whose tokens are refused from now on: [`Answer::Disconnected`].
    Revoke(Revocation),
    /// Which rooms there are: [`Answer::Rooms`].
    Rooms(PageQuery),
    /// Makes a room known before anyone joins it, or changes what is known of it: [`Answer::Room`].
    DescribeRoom {
        /// The room.
        room: OwnedRoom,
        /// What is said of it from now on.
        metadata: RoomMetadata,
    },
    /// Lets a user join a room that the rules alone would not let them into: [`Answer::Granted`].
    Grant {
        /// The room.
        room: OwnedRoom,
        /// The user.
        user: String,
    },
    /// Who may join a room by a grant: [`Answer::Grants`].
    Grants(OwnedRoom),
    /// Takes a grant back; who joined by it leaves: [`Answer::Revoked`].
    RevokeGrant {
        /// The room.
        room: OwnedRoom,
        /// The user.
        user: String,
    },
    /// Who is here of those whom entries are for, and who has them: [`Answer::Traced`].
    Trace(Vec<TracedEntry>),
    /// What happened to devices lately: [`Answer::DeviceJournal`].
    DeviceJournal,
    /// Moves where a subscriber that is not here begins when it comes, which drops what waits for it, or brings it again:
    /// [`Answer::QueueMoved`].
    MoveQueue {
        /// The subscriber.
        subscriber: SubscriberKey,
        /// It gets what comes after this.
        through: Offset,
    },
    /// Sends a message that was given up for a subscriber once more: [`Answer::LetterSent`].
    ReplayLetter {
        /// The subscriber.
        subscriber: SubscriberKey,
        /// The message.
        entry: Box<LogEntry>,
    },
}

/// What a request is answered with.
#[derive(Debug)]
pub enum Answer {
    /// The event was accepted.
    Accepted(Accepted),
    /// To [`Request::SendTo`].
    Sent(Sent),
    /// The request was refused; nothing was done.
    Refused(Refusal),
    /// To [`Request::Counts`] and [`Request::Open`].
    Counts(ConnectionCounts),
    /// To [`Request::Tally`].
    Tally(TenantTally),
    /// To [`Request::UserMarks`]: a number for each user who is here, which is the same on every node.
    UserMarks(Vec<u64>),
    /// To [`Request::List`].
    Connections(Page<ConnectionInfo>),
    /// To [`Request::Present`].
    Present(Page<PresenceInfo>),
    /// How many connections were ended.
    Disconnected(usize),
    /// To [`Request::Rooms`].
    Rooms(Page<RoomInfo>),
    /// The room as it is described now.
    Room(RoomInfo),
    /// The grant is there.
    Granted,
    /// Users, by id.
    Grants(Vec<String>),
    /// Whether there was a grant.
    Revoked(bool),
    /// To how many connections.
    LetterSent(usize),
    /// To [`Request::Trace`], in the order of the entries.
    Traced(Vec<EntryTrace>),
    /// To [`Request::DeviceJournal`]: oldest first.
    DeviceJournal(Vec<DeviceNews>),
    /// To [`Request::MoveQueue`].
    QueueMoved,
}

impl Request {
    /// The answer of a tenant where nobody is: it need not be made for it.
    pub fn answer_of_nobody(&self) -> Option<Answer> {
        match self {
            Self::Counts => Some(Answer::Counts(ConnectionCounts::default())),
            Self::UserMarks => Some(Answer::UserMarks(Vec::new())),
            Self::Tally => Some(Answer::Tally(TenantTally::default())),
            Self::List(_) => Some(Answer::Connections(Page::default())),
            Self::Present(_) => Some(Answer::Present(Page::default())),
            Self::DeviceJournal => Some(Answer::DeviceJournal(Vec::new())),
            Self::Rooms(_) => Some(Answer::Rooms(Page::default())),
            _ => None,
        }
    }

    /// Whether it takes the tenant's log: what it changes is kept there.
    pub(crate) fn needs_log(&self) -> bool {
        matches!(
            self,
            Self::Publish { .. }
                | Self::Open
                | Self::Broadcast(..)
                | Self::DescribeRoom { .. }
                | Self::Grant { .. }
                | Self::Grants(..)
                | Self::RevokeGrant { .. }
                | Self::ReplayLetter { .. }
                | Self::Trace(..)
                | Self::MoveQueue { .. }
        )
    }
}

/// A room's full name, checked, as text: what a request can own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedRoom(String);

impl OwnedRoom {
    /// The room's name.
    pub fn new(room: &Room<'_>) -> Self {
        Self(room.to_string())
    }

    /// The room again. It parses: it was made from one.
    pub(crate) fn room(&self) -> Option<Room<'_>> {
        Room::parse(&self.0).ok()
    }
}
