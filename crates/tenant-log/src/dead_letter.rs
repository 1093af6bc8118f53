//! What could not be delivered: a note beside the log, not a copy of the message.

use foodtrack_contract::Offset;
use uuid::Uuid;

use crate::SubscriberKey;

/// One message that one subscriber did not get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The message. It can be read, and replayed, as long as retention keeps it.
    pub offset: Offset,
    /// Who did not get it.
    pub subscriber: SubscriberKey,
    /// The message's id.
    pub id: Uuid,
    /// Why.
    pub reason: DeadLetterReason,
    /// How often it was sent.
    pub attempts: u32,
    /// When it was given up, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// Why a message was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeadLetterReason {
    /// Nobody acknowledged it, however often it was sent.
    Failed,
    /// Its time to live was over.
    Expired,
}

impl DeadLetterReason {
    /// The queue state's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }

    pub(crate) fn from_text(text: &str) -> Option<Self> {
        [Self::Failed, Self::Expired].into_iter().find(|reason| reason.as_str() == text)
    }
}

/// The dead letters of the message at an offset. `read` gives those of the first message after an offset.
///
/// # Errors
/// `read`'s.
pub fn dead_letters_at<E>(
    offset: Offset,
    read: impl FnOnce(Offset) -> Result<Vec<DeadLetter>, E>,
) -> Result<Vec<DeadLetter>, E> {
    let mut letters = read(Offset::ZERO.plus(offset.get().saturating_sub(1)))?;
    letters.retain(|letter| letter.offset == offset);
    Ok(letters)
}
