//! The last error of the process.

use serde::Serialize;

/// An error that was logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LastError {
    /// What was logged; never a payload or a token.
    pub message: String,
    /// RFC 3339.
    pub timestamp: String,
}
