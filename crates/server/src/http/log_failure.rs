//! Why an answer cannot be made from a tenant's log.

use foodtrack_contract::{ErrorCode, Refusal};
use foodtrack_tenant_log::ReadError;

/// Why an answer cannot be made from a tenant's log.
#[derive(Debug)]
pub(super) enum LogFailure {
    /// The tenant has no log: nothing was accepted yet.
    NothingAccepted,
    /// The request is refused, or the log cannot be read.
    Refused(Refusal),
}

impl LogFailure {
    /// What a list answers: `empty` where nothing was accepted yet.
    ///
    /// # Errors
    /// The refusal, if it is one.
    pub(super) fn or_empty<T>(self, empty: T) -> Result<T, Refusal> {
        match self {
            Self::NothingAccepted => Ok(empty),
            Self::Refused(refusal) => Err(refusal),
        }
    }
}

impl From<ReadError> for LogFailure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::UnknownTenant(_) => Self::NothingAccepted,
            error => Self::Refused(unreadable(&error)),
        }
    }
}

impl From<Refusal> for LogFailure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The log could not be read. The error names the tenant and no payload.
pub(super) fn unreadable(error: &ReadError) -> Refusal {
    Refusal::new(ErrorCode::Degraded, error.to_string()).retry_after_ms(1_000)
}
