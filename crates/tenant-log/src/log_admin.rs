//! What operators ask of a log, and retention.

use foodtrack_contract::{Cursor, Offset, TenantId};

use crate::{Erasure, LogWork, NoteKind, OnErased, ReadError, StorageStatus, SubmitError};

/// A log as the command line and the operators' API see it.
pub trait LogAdmin: Send + Sync {
    /// Every tenant that has a log, by name. Waits for the disk.
    ///
    /// # Errors
    /// [`ReadError`]
    fn tenants(&self) -> Result<Vec<TenantId>, ReadError>;

    /// Every tenant of which a note of this kind is kept, by name. Waits for the disk.
    ///
    /// # Errors
    /// [`ReadError`]
    fn tenants_noted(&self, kind: NoteKind) -> Result<Vec<TenantId>, ReadError>;

    /// What a tenant's log holds. Waits for the disk.
    ///
    /// # Errors
    /// [`ReadError`]
    fn stats(&self, tenant: &TenantId) -> Result<TenantStats, ReadError>;

    /// Applies retention to every tenant as of `now_ms`, and takes expired notes away, in small steps between appends. Does not wait. Appending trims
    /// its own tenant as it goes; this is for those that have become quiet. Call it every minute or so.
    ///
    /// # Errors
    /// [`SubmitError`] when the request was not taken.
    fn trim(&self, now_ms: u64) -> Result<(), SubmitError>;

    /// Whether anything of a tenant can be [erased](LogAdmin::erase) here while a server runs.
    fn erases(&self) -> bool {
        false
    }

    /// Erases something of a tenant, after what was asked of its log before this, and before it is opened again. The tenant must be
    /// closed. Does not wait; `on_erased` is told. What is stopped on its way is to be asked for again.
    fn erase(&self, _tenant: &TenantId, _erasure: Erasure, _on_erased: OnErased) {}

    /// How the disk is doing. Does not wait for the writer.
    fn storage(&self) -> StorageStatus {
        StorageStatus::default()
    }

    /// What waits for the writer, and how long writing has taken since the log was opened; nothing where that takes no time.
    fn work(&self) -> LogWork {
        LogWork::default()
    }
}

/// What a tenant's log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantStats {
    /// Where a reader of everything stands: the log's incarnation, and its last entry.
    pub last: Cursor,
    /// Everything up to here is gone.
    pub trimmed_through: Offset,
    /// How many entries there are.
    pub entries: u64,
    /// Their bytes, by [`LogEntry::bytes`].
    pub bytes: u64,
    /// How many dead letters there are.
    pub dead_letters: u64,
}
