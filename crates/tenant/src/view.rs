//! How an event looks to a connection: in which dialect, and to whom fields may be hidden.

use foodtrack_router::Viewer;

use crate::dialect::Dialect;

/// How an event looks to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) dialect: Dialect,
    pub(crate) viewer: Viewer,
}
