//! Durable cursors of subscribers: how far each has confirmed.

use std::fmt;
use std::sync::Arc;

use foodtrack_contract::Cursor;

/// The longest subscriber key, in bytes: user, application and device with what separates them.
pub const SUBSCRIBER_KEY_BYTES_MAX: usize = 1_200;

/// How many devices of one user in one application have cursors; beyond it the one that was not heard of for longest goes.
pub(crate) const DEVICES_MAX: u64 = 256;
/// After so many milliseconds without news a cursor goes, if what it leads to is gone.
pub(crate) const CURSOR_AGE_MS_MAX: u64 = 90 * 24 * 3_600_000;

/// Who reads: a user of an application, and the device where it is named, with ':' between. Unique within a tenant.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriberKey(Arc<str>);

impl SubscriberKey {
    /// The key of this text; `None` when it is empty or longer than [`SUBSCRIBER_KEY_BYTES_MAX`].
    pub fn new(text: &str) -> Option<Self> {
        (1..=SUBSCRIBER_KEY_BYTES_MAX).contains(&text.len()).then(|| Self(text.into()))
    }

    /// Whose devices it is one of: user and application.
    pub(crate) fn login(&self) -> Option<&str> {
        let (user, rest) = self.0.split_once(':')?;
        let (application, _) = rest.split_once(':')?;
        Some(&self.0[..user.len() + 1 + application.len()])
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SubscriberKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A subscriber's place as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedCursor {
    /// How far the subscriber has confirmed.
    pub cursor: Cursor,
    /// When it was saved, in milliseconds since the Unix epoch.
    pub updated_at_ms: u64,
}
