//! One log per tenant: every accepted message gets the next offset, and everything else is a cursor over it.
//!
//! A tenant has one writer, its home shard, which must never wait. So it counts the offsets itself ([`Sequence`]),
//! submits entries, and is told by [`Completion`]s how far they are on disk. Reading waits for the disk: it is for
//! threads that may.
//!
//! Two stores keep the same promises, and one suite (`tests/promises.rs`) checks both: [`MemoryLog`] and [`SqliteLog`].

mod completion;
mod dead_letter;
mod encoding;
mod entry;
mod memory;
mod newest;
mod note;
mod packing;
mod page;
mod private_files;
mod recent_ids;
mod retention;
mod run;
mod sealed_run;
mod sequence;
mod sqlite;
mod storage_status;
mod subscriber;

use foodtrack_contract::{Cursor, Epoch, Offset, TenantId};
use uuid::Uuid;

pub use completion::{Completion, OnCompletion, RefusedReason, SubmitError};
pub use dead_letter::{DeadLetter, DeadLetterReason};
pub use entry::{
    Durability, EntryRef, HEAD_EMISSIONS_AGE_MS_MAX, HEAD_EMISSIONS_MAX, HEAD_ORDERS_MAX,
    HEAD_TAIL_BYTES_MAX, HEAD_TAIL_ENTRIES_MAX, Head, LastEmission, LogEntry, LoggedAudience,
    LoggedRoom, OrderOwner, Outline, OutlinePage,
};
pub use memory::{MEMORY_ORDERS_MAX, MemoryLog, MemoryStore};
pub use newest::{Newest, NewestEntries};
pub use note::{Note, NoteKind, delivery_key, parse_delivery_key};
pub use page::{Page, PageStart, ReadError, ReadRequest};
pub use private_files::{make_private_directory, private_options};
pub use recent_ids::{RECENT_IDS_MAX, RecentIds};
pub use retention::{RETENTION_ENTRIES_MIN, Retention};
pub use sequence::{Admission, Sequence};
pub use sqlite::{
    BackupError, CheckError, CheckReport, Commit, CommitError, CommitGate, Compacted, DiskBudget,
    OpenError, SqliteLog, SqliteOptions, SqliteReader, backup, check, check_with_progress, compact,
    renew_epochs,
};
pub use storage_status::{DiskRoom, StorageState, StorageStatus};
pub use subscriber::{SUBSCRIBER_KEY_BYTES_MAX, SavedCursor, SubscriberKey};

/// One thread's way to submit entries to a log.
///
/// Dropping it hands over what was submitted.
pub trait Submitter: Send {
    /// Submits the next entry of an open tenant. Does not wait: [`Completion`]s say what became of it.
    ///
    /// A durable one is handed over at once, and all that was submitted before it; others at the latest when
    /// [`Submitter::hand_over`] is called. Entries that come together, of whatever tenants, share one commit.
    ///
    /// # Errors
    /// [`SubmitError`] when it was not taken; its offset may then be used for the next one.
    fn submit(&mut self, tenant: &TenantId, entry: &EntryRef<'_>) -> Result<(), SubmitError>;

    /// Hands over what was submitted. Until then nobody can read it, in [`TenantLog::newest`] or elsewhere, and its time
    /// to the disk has not begun: call it before looking, and before going to sleep.
    fn hand_over(&mut self);
}

/// A store of every tenant's log.
///
/// - An offset that was handed out is never used again: not after a restart, a crash, or a loss of power.
/// - Offsets follow each other without gaps, but for entries that were refused and, after a crash, for the rest of a
///   reserved block; those offsets stay unused, and a reader need not know.
/// - What was reported committed is on disk, whole and in order. After a failed write to the disk nothing is reported
///   committed any more until the store is opened anew.
/// - Completions of a tenant come in the order of its submissions.
/// - Nothing here crosses tenants: every call names one, and answers of that one alone.
pub trait TenantLog: Send + Sync {
    /// Opens a tenant for appending: answered by [`Completion::Opened`]. Does not wait. Notes that have expired at
    /// `now_ms` are not handed out.
    ///
    /// # Errors
    /// [`SubmitError`] when the request was not taken.
    fn open(&self, tenant: &TenantId, now_ms: u64) -> Result<(), SubmitError>;

    /// Ends appending to a tenant, after what was submitted before. Does not wait.
    ///
    /// # Errors
    /// [`SubmitError`] when the request was not taken.
    fn close(&self, tenant: &TenantId) -> Result<(), SubmitError>;

    /// A thread's way to submit entries. A tenant's come from one at a time.
    fn submitter(&self) -> Box<dyn Submitter>;

    /// Saves how far a subscriber has confirmed; the latest wins. Does not wait, and is not on disk at once: after a
    /// crash the subscriber may be shown again what it had confirmed in the last quarter of a second.
    ///
    /// # Errors
    /// [`SubmitError`] when it was not taken.
    fn save_cursor(
        &self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
        saved: SavedCursor,
    ) -> Result<(), SubmitError>;

    /// Saves where a subscriber begins, unless a cursor of it is saved. Does not wait, but is on disk with whatever is
    /// submitted after it: of an entry that was acknowledged later it is known that it was not confirmed.
    ///
    /// # Errors
    /// [`SubmitError`] when it was not taken.
    fn begin_cursor(
        &self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
        first: SavedCursor,
    ) -> Result<(), SubmitError>;

    /// Notes something beside a tenant's log; of the same kind and key the latest counts. Does not wait.
    ///
    /// Without a ticket it is in no hurry: like a cursor, it is on disk within a quarter of a second, and left out where
    /// the tenant has no log. With one it goes with the next commit, and is answered by [`Completion::Noted`] or
    /// [`Completion::NoteRefused`].
    ///
    /// # Errors
    /// [`SubmitError`] when it was not taken.
    fn save_note(
        &self,
        tenant: &TenantId,
        note: Note,
        ticket: Option<u64>,
    ) -> Result<(), SubmitError>;

    /// Notes a message as given up for a subscriber; a repeat replaces the note. Does not wait.
    ///
    /// # Errors
    /// [`SubmitError`] when it was not taken.
    fn bury(&self, tenant: &TenantId, letter: DeadLetter) -> Result<(), SubmitError>;

    /// Takes such a note away. Does not wait.
    ///
    /// # Errors
    /// [`SubmitError`] when it was not taken.
    fn unbury(
        &self,
        tenant: &TenantId,
        offset: Offset,
        subscriber: &SubscriberKey,
    ) -> Result<(), SubmitError>;

    /// Applies retention to every tenant as of `now_ms`, and takes expired notes away, in small steps between appends. Does not wait. Appending trims
    /// its own tenant as it goes; this is for those that have become quiet. Call it every minute or so.
    ///
    /// # Errors
    /// [`SubmitError`] when the request was not taken.
    fn trim(&self, now_ms: u64) -> Result<(), SubmitError>;

    /// What is in memory at the end of an open tenant's log: whatever is not on disk yet, and a little before it. Does not
    /// wait.
    fn newest(&self, tenant: &TenantId) -> Newest;

    /// Reads one page. Waits for the disk.
    ///
    /// It sees what is on disk, which may be more than its writer has released (bound it by `through`) and less than the
    /// writer has shown: recoverable entries that still wait are in [`TenantLog::newest`].
    ///
    /// # Errors
    /// [`ReadError`]
    fn read(&self, request: &ReadRequest) -> Result<Page, ReadError>;

    /// What a stretch of a log is about, ascending, at most `entries_max`: for one who has to look through much and will
    /// want little of it. Does not touch messages. Waits for the disk.
    ///
    /// # Errors
    /// [`ReadError`], of which [`ReadError::OtherEpoch`] where `epoch` is given and is not the log's.
    fn outline(
        &self,
        tenant: &TenantId,
        epoch: Option<Epoch>,
        after: Offset,
        through: Offset,
        entries_max: usize,
    ) -> Result<OutlinePage, ReadError>;

    /// The entries at `offsets`, in whatever order those come: ascending, and without those that are gone. Waits for the
    /// disk.
    ///
    /// # Errors
    /// [`ReadError`]
    fn read_at(&self, tenant: &TenantId, offsets: &[Offset]) -> Result<Vec<LogEntry>, ReadError>;

    /// What is there about one order, ascending: the newest `entries_max`. Looks through the tenant's log. Waits for the
    /// disk.
    ///
    /// # Errors
    /// [`ReadError`]
    fn entity_history(
        &self,
        tenant: &TenantId,
        entity: &str,
        entries_max: usize,
    ) -> Result<Vec<LogEntry>, ReadError>;

    /// Where the message of an id is; the newest, where there are two. Looks through the tenant's ids. Waits for the disk.
    ///
    /// # Errors
    /// [`ReadError`]
    fn find(&self, tenant: &TenantId, id: Uuid) -> Result<Option<Offset>, ReadError>;

    /// Every tenant that has a log, by name. Waits for the disk.
    ///
    /// # Errors
    /// [`ReadError`]
    fn tenants(&self) -> Result<Vec<TenantId>, ReadError>;

    /// How far a subscriber had confirmed; `None` if it never was here. Waits for the disk.
    ///
    /// # Errors
    /// [`ReadError`]
    fn cursor(
        &self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
    ) -> Result<Option<SavedCursor>, ReadError>;

    /// Whose an order is; `None` where no entry said so. What was committed is known for good, whatever retention takes of
    /// the log. Waits for the disk.
    ///
    /// # Errors
    /// [`ReadError`]
    fn order_owner(&self, tenant: &TenantId, order: &str) -> Result<Option<OrderOwner>, ReadError>;

    /// Whether one more order's owner can be remembered: where not, customers must make no more orders. Does not wait.
    fn has_room_for_orders(&self, _tenant: &TenantId) -> bool {
        true
    }

    /// A tenant's dead letters after an offset, oldest message first, at most `letters_max`, then the rest of the last
    /// message's. Waits for the disk.
    ///
    /// # Errors
    /// [`ReadError`]
    fn dead_letters(
        &self,
        tenant: &TenantId,
        after: Offset,
        letters_max: usize,
    ) -> Result<Vec<DeadLetter>, ReadError>;

    /// What a tenant's log holds. Waits for the disk.
    ///
    /// # Errors
    /// [`ReadError`]
    fn stats(&self, tenant: &TenantId) -> Result<TenantStats, ReadError>;

    /// Whether entries are there again after the process ended. Where they are not, nobody need wait for a disk.
    fn survives_restart(&self) -> bool;

    /// How the disk is doing. Does not wait for the writer.
    fn storage(&self) -> StorageStatus {
        StorageStatus::default()
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
