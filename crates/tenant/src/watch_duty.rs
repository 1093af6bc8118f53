//! Whether this node is to watch over a tenant that several have open.

/// Whether this node is to watch over the tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum WatchDuty {
    /// There is nothing to watch, or nobody else could.
    #[default]
    Unwanted,
    /// There is something to watch, or may be.
    Wanted,
    /// A node has left it that had it: it is taken up, and looked at before it is left.
    TakenUp,
}
