//! How far a long operation on a log is.

/// What an operation that may take long tells from time to time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A log of an older layout is brought over.
    BringingOver {
        /// About how many of its rows are still to be moved.
        left: u64,
        /// Of how many.
        of: u64,
    },
    /// A check begins a step.
    Checking {
        /// Which, counted from 1.
        step: usize,
        /// Of how many.
        of: usize,
    },
    /// Compaction gives free pages back to the file system.
    GivingBack {
        /// How many bytes are left.
        bytes: u64,
    },
}
