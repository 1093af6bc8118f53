//! A client on its way to its tenant.

use foodtrack_tenant::Admission;

/// A client that the server knows, on its way from the shard that it came to, to its tenant.
#[derive(Debug)]
pub(crate) struct Entrant {
    pub(crate) admission: Admission,
    /// How far it is at its home.
    pub(crate) stage: Stage,
    /// Whether all is heard that other nodes noted before it came.
    pub(crate) has_heard_notes: bool,
}

/// How far a client is on its way in, at its home. Its socket is not read before it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It waits for its turn.
    Turn,
    /// It had its turn, and waits for the business back end to let it in.
    Hook,
    /// It waits for its tenant's log to be opened.
    Log,
    /// It comes back, and waits until all is heard that other nodes noted of its session.
    Notes,
    /// It waits for the log to say which of the orders that it comes back to are its user's.
    Orders,
    /// It waits for nothing.
    Ready,
}
