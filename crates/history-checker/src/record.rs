//! What a run wrote down: who tried to say what, and who heard it.

use foodtrack_contract::Priority;
use serde::{Deserialize, Serialize};

/// One thing that happened. A history is a list of these in the order of one clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Microseconds since the Unix epoch.
    pub at_us: u64,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What {
    /// A publisher is about to send an event, for the first time or again.
    Attempted(Attempt),
    /// A publisher was told that the hub has the event.
    Acknowledged {
        /// The publisher's tenant.
        tenant: String,
        /// The message's id.
        id: String,
        /// Its place in the log as the answer named it, if it did: a cursor, or an offset alone.
        offset: Option<String>,
    },
    /// A publisher was told that the hub does not have it.
    Refused {
        /// The publisher's tenant.
        tenant: String,
        /// The message's id.
        id: String,
        /// The error's code.
        code: String,
        /// Whether that rules out that the event is in the log.
        certain: bool,
    },
    /// A publisher was told nothing: the connection tore first.
    Unknown {
        /// The publisher's tenant.
        tenant: String,
        /// The message's id.
        id: String,
    },
    /// Somebody is about to connect for the first time. Comes before all else of this recipient.
    Recipient(Recipient),
    /// A CONNECT was answered.
    Opened {
        /// Who.
        recipient: String,
        /// Whether the hub took up the old session, as the client library reckons it.
        recovered: bool,
        /// The cursor that the client brought.
        brought: Option<String>,
        /// Whether the hub gave no private id: its log is away, and it keeps nothing of who comes.
        #[serde(default)]
        is_unknown: bool,
    },
    /// A handshake was refused by a `CONNECT_ERROR`.
    TurnedAway {
        /// Who.
        recipient: String,
        /// The error's code.
        code: String,
    },
    /// An event came.
    Received(Receipt),
    /// The recipient is about to ask for an order's room.
    Subscribing {
        /// Who.
        recipient: String,
        /// The order.
        order: String,
    },
    /// The hub answered that the recipient is in an order's room.
    Subscribed {
        /// Who.
        recipient: String,
        /// The order.
        order: String,
    },
    /// The recipient is about to leave an order's room.
    Unsubscribing {
        /// Who.
        recipient: String,
        /// The order.
        order: String,
    },
    /// The hub answered that the recipient is out of an order's room, and the recipient has not asked for it again.
    Unsubscribed {
        /// Who.
        recipient: String,
        /// The order.
        order: String,
    },
    /// The hub has a recipient's acknowledgement of an event that asked for one.
    Confirmed {
        /// Who.
        recipient: String,
        /// The message's id.
        id: String,
    },
    /// A connection ended, or was left behind.
    Torn {
        /// Who.
        recipient: String,
    },
    /// The recipient will not come back.
    Ended {
        /// Who.
        recipient: String,
    },
    /// The hub said that it cannot fill a gap.
    GapTold {
        /// Who.
        recipient: String,
    },
    /// The hub was killed: what was not on disk is gone.
    HubKilled,
    /// The hub was asked to stop.
    HubStopping,
    /// The hub listens.
    HubUp,
    /// One of several nodes that share a log was killed: what it had told nobody is gone.
    NodeKilled {
        /// Its number.
        node: usize,
    },
    /// One of several nodes was asked to stop.
    NodeStopping {
        /// Its number.
        node: usize,
    },
    /// One of several nodes listens.
    NodeUp {
        /// Its number.
        node: usize,
    },
    /// The log that nodes share, or a node's way to it, was disturbed.
    LogDisturbed {
        /// How.
        about: String,
        /// How long a node may have no way to the log by it, in milliseconds; 0 where that is not known.
        #[serde(default)]
        for_ms: u64,
    },
    /// A replica may have taken the place of the one that has the log which nodes share. What that had, and the replica had not,
    /// is gone: what need not be kept, and what nobody was told is kept.
    LogReplaced,
    /// What a tenant's log has at the end.
    LogRead {
        /// The tenant.
        tenant: String,
        /// The messages' ids.
        ids: Vec<String>,
    },
    /// The hub's disk takes nothing more.
    DiskFull,
    /// The hub's disk has room again.
    DiskFreed,
    /// Something was to happen in bounded time and did not.
    Stuck {
        /// What.
        about: String,
    },
}

/// An event that a publisher sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The publisher's tenant.
    pub tenant: String,
    /// The message's id. Two tenants may use the same.
    pub id: String,
    /// Its type.
    pub event_type: String,
    /// What it is about: events of one entity keep their order always.
    pub entity: Option<String>,
    /// What the hub promises about it.
    pub class: Class,
    /// How urgent it is.
    pub priority: Priority,
    /// Who is to get it.
    pub audience: Audience,
}

/// What the hub promises about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// On disk before it is acknowledged or shown to anybody.
    Durable,
    /// In the log, perhaps not yet on disk.
    Recoverable,
    /// Not in the log.
    Volatile,
}

/// Who is to get an event, permissions applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Audience {
    /// Everybody of these applications.
    pub applications: Vec<String>,
    /// These users.
    pub users: Vec<String>,
    /// Who has subscribed to these orders.
    pub orders: Vec<String>,
}

/// One socket object of an application: what keeps a `pid` and an offset from connection to connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// Its name in this history.
    pub recipient: String,
    /// The token's tenant.
    pub tenant: String,
    /// The token's user.
    pub user: String,
    /// The application it connects as.
    pub application: String,
    /// The device the handshake names.
    pub device: Option<String>,
}

/// An event as it reached its recipient.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Receipt {
    /// Who got it.
    pub recipient: String,
    /// The message's id; control events have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The event's name.
    pub event_type: String,
    /// The tenant that the message names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The tenant whose publisher wrote the payload: the payload says so itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Whether it asked for an acknowledgement: then it has no cursor, and comes again until it is acknowledged.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub asks: bool,
    /// The string behind the arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}
