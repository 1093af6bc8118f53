//! Small things that are kept beside a tenant's log: sessions, rooms' metadata, watches, redeliveries.

use foodtrack_contract::Offset;

use crate::SubscriberKey;

/// One thing that is noted of a tenant. Of the same kind and key, the latest counts.
#[derive(Clone, PartialEq, Eq)]
pub struct Note {
    /// What it is about.
    pub kind: NoteKind,
    /// Which of the kind.
    pub key: Box<str>,
    /// What is noted; `None` takes the note away.
    pub value: Option<Box<str>>,
    /// When it is of no use any more, in milliseconds since the Unix epoch; `None` stays until it is taken away.
    pub expires_at_ms: Option<u64>,
}

impl Note {
    /// About what it takes.
    pub(crate) fn bytes(&self) -> u64 {
        (self.key.len() + self.value.as_ref().map_or(0, |it| it.len())) as u64
    }

    /// Whether it is there at `now_ms`.
    pub(crate) fn is_alive(&self, now_ms: u64) -> bool {
        self.value.is_some()
            && self.expires_at_ms.is_none_or(|expires_at_ms| expires_at_ms > now_ms)
    }
}

/// Says nothing of what is noted.
impl std::fmt::Debug for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Note")
            .field("kind", &self.kind)
            .field("value_bytes", &self.value.as_ref().map(|it| it.len()))
            .field("expires_at_ms", &self.expires_at_ms)
            .finish_non_exhaustive()
    }
}

/// What a note is about. Keys and values are its owner's to understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NoteKind {
    /// A client's session, to be resumed.
    Session,
    /// A room's metadata.
    Room,
    /// An entry whose acknowledgement is awaited.
    Watch,
    /// An entry that a subscriber is to get once more.
    Redelivery,
    /// What a subscriber acknowledged last.
    Acknowledged,
    /// A device that is here, for back ends that are told when it goes.
    Presence,
}

impl NoteKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Session,
        Self::Room,
        Self::Watch,
        Self::Redelivery,
        Self::Acknowledged,
        Self::Presence,
    ];

    /// As a store keeps it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Room => "room",
            Self::Watch => "watch",
            Self::Redelivery => "redelivery",
            Self::Acknowledged => "acknowledged",
            Self::Presence => "presence",
        }
    }

    pub(crate) fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// The key of a [`NoteKind::Watch`] or [`NoteKind::Redelivery`]: which message, and whose.
pub fn delivery_key(offset: Offset, subscriber: &SubscriberKey) -> Box<str> {
    format!("{offset} {}", subscriber.as_str()).into()
}

/// Reads what [`delivery_key`] writes.
pub fn parse_delivery_key(key: &str) -> Option<(Offset, SubscriberKey)> {
    let (offset, subscriber) = key.split_once(' ')?;
    let offset = offset.parse().ok().and_then(Offset::new)?;
    Some((offset, SubscriberKey::new(subscriber)?))
}
