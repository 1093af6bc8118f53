//! What a log tells its callers, and what it refuses them.

use foodtrack_contract::{Offset, TenantId};

use crate::{Duty, Head, LogEntry, Note, NotedMeanwhile};

/// What became of what was submitted. A tenant's entries are answered in the order of their submission, and so are its
/// notes; an entry and a note of one commit come in either order.
#[derive(Clone, Debug)]
pub enum Completion {
    /// The tenant can be appended to.
    Opened {
        /// The tenant.
        tenant: TenantId,
        /// Where its log stands.
        head: Head,
        /// What may not be in the head's notes yet: to be taken up behind them.
        noted_meanwhile: NotedMeanwhile,
    },
    /// The tenant could not be opened; nothing may be appended to it.
    OpenFailed {
        /// The tenant.
        tenant: TenantId,
        /// Why.
        reason: RefusedReason,
    },
    /// Everything submitted of the tenant up to and including an offset, and not refused before, is on disk.
    Committed {
        /// The tenant.
        tenant: TenantId,
        /// Up to here.
        through: Offset,
        /// As in [`Head::reserved_through`].
        reserved_through: Offset,
        /// Whether something may wait for it: not where all of it could be shown before, and no offsets were reserved.
        is_awaited: bool,
    },
    /// These were not kept, or nobody knows ([`RefusedReason::Unknown`]). Their offsets are not used again.
    Refused {
        /// The tenant.
        tenant: TenantId,
        /// The first of them.
        from: Offset,
        /// The last of them.
        through: Offset,
        /// Why.
        reason: RefusedReason,
    },
    /// What became of an entry that was submitted to a log that others write to as well. Once, but for [`Answer::Spooled`].
    Answered {
        /// The tenant.
        tenant: TenantId,
        /// The ticket of [`Submitted::Later`](crate::Submitted::Later).
        ticket: u64,
        /// What became of it.
        answer: Answer,
    },
    /// Others appended to the tenant's log, which is [followed](crate::LogReader::follow).
    Grown {
        /// The tenant.
        tenant: TenantId,
        /// Everything up to here can be read.
        through: Offset,
    },
    /// The tenant's log is another one than was opened: it was begun anew, or may have lost what it had. Nothing is taken until it
    /// is opened again.
    Lost {
        /// The tenant.
        tenant: TenantId,
    },
    /// Another node noted something beside the tenant's log, which is [followed](crate::LogReader::follow).
    NotedElsewhere {
        /// The tenant.
        tenant: TenantId,
        /// What it noted.
        note: Note,
    },
    /// A duty that was [wanted](crate::Leases::want) is this node's; or it was already, and a node has gone that may have left something
    /// behind.
    Claimed {
        /// The tenant.
        tenant: TenantId,
        /// What this node does for it from now on.
        duty: Duty,
    },
    /// Nobody has a duty any more that a node had until it ended: whoever hears this is to claim it, or to
    /// [rest](crate::Leases::rest) it where nothing is to be done.
    Abandoned {
        /// The tenant.
        tenant: TenantId,
        /// What nobody does for it.
        duty: Duty,
    },
    /// Another node passed an event on that is in no log.
    PassedOn {
        /// The tenant.
        tenant: TenantId,
        /// The event; its offset says nothing.
        entry: Box<LogEntry>,
    },
    /// A note that came with a ticket is on disk.
    Noted {
        /// The tenant.
        tenant: TenantId,
        /// The ticket.
        ticket: u64,
    },
    /// A note that came with a ticket was not kept; what was noted before it stands.
    NoteRefused {
        /// The tenant.
        tenant: TenantId,
        /// The ticket.
        ticket: u64,
        /// Why.
        reason: RefusedReason,
    },
}

impl Completion {
    /// Whose it is.
    pub fn tenant(&self) -> &TenantId {
        match self {
            Self::Opened { tenant, .. }
            | Self::OpenFailed { tenant, .. }
            | Self::Committed { tenant, .. }
            | Self::Refused { tenant, .. }
            | Self::Answered { tenant, .. }
            | Self::Grown { tenant, .. }
            | Self::Lost { tenant }
            | Self::NotedElsewhere { tenant, .. }
            | Self::Claimed { tenant, .. }
            | Self::Abandoned { tenant, .. }
            | Self::PassedOn { tenant, .. }
            | Self::Noted { tenant, .. }
            | Self::NoteRefused { tenant, .. } => tenant,
        }
    }
}

/// What became of an entry whose offset the store counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is on disk, here.
    Committed(Offset),
    /// An entry of its id was there before, here: it was not kept a second time.
    Repeated(Offset),
    /// What it tells was known already: see [`Fact`](crate::Fact). It was not kept.
    NoNews,
    /// The log is away: it is on this node's disk, and is appended once the log is back. A second answer to the ticket says where, if it was
    /// not known to be there before (`is_repeat`), unless the node ends before that.
    Spooled {
        /// One of its id waits there already; nothing more is said of this one.
        is_repeat: bool,
    },
    /// It was not kept.
    Refused(RefusedReason),
}

/// Why a store did not keep what it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusedReason {
    /// There is no room. Later ones are tried afresh.
    #[error("the disk is full: nothing was written; free space or shorten the retention")]
    DiskFull,
    /// The disk failed while writing. What it holds is unknown, so nothing is taken until the store is opened anew.
    #[error("the disk failed while writing: nothing is accepted until the log is opened again")]
    Poisoned,
    /// The disk failed while this was made safe: it may be there or not, and that is known once the store is opened anew.
    #[error(
        "the disk failed while this was written: whether it is kept is known once the log is opened again"
    )]
    Unknown,
    /// An entry was not the one after the last, or its tenant was not open; a note's tenant has no log.
    #[error("the entry is not the next of an open log")]
    OutOfSequence,
    /// The store cannot be reached, or is not ready: nothing was written. Later ones are tried afresh.
    #[error("the log cannot be reached: nothing was written; try again later")]
    Away,
    /// Another writer has taken the tenant's log over: open it again to go on.
    #[error("another writer has taken the log over")]
    Fenced,
    /// The order that it makes is somebody else's: see [`Fact::NewOrder`](crate::Fact::NewOrder).
    #[error("the order is not one of this customer's")]
    OthersOrder,
}

/// Why something was not taken for writing. What was submitted is dropped: it was not shown to anybody yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Too much waits for the disk.
    #[error("too much waits for the disk: try again later")]
    Overloaded,
    /// As [`RefusedReason::Poisoned`].
    #[error("the disk failed while writing: nothing is accepted until the log is opened again")]
    Poisoned,
    /// As [`RefusedReason::Away`].
    #[error("the log cannot be reached: nothing was written; try again later")]
    Away,
    /// The log was shut down.
    #[error("the log was shut down")]
    Stopped,
}

/// Told every completion, in order, on the thread that writes. It must be quick, must not panic, and must not call the
/// log.
pub type OnCompletion = Box<dyn Fn(Completion) + Send>;
