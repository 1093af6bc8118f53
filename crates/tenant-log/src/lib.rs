//! One log per tenant: every accepted message gets the next offset, and everything else is a cursor over it.
//!
//! A tenant has one writer, its home shard, which must never wait. So it counts the offsets itself ([`Sequence`]),
//! submits entries, and is told by [`Completion`]s how far they are on disk. Reading waits for the disk: it is for
//! threads that may.
//!
//! Three stores keep the same promises, and one suite (`tests/promises.rs`) checks them: [`MemoryLog`], [`SqliteLog`] and [`RedisLog`].

mod batch_builder;
mod completion;
mod dead_letter;
mod encoding;
mod entry;
mod erasure;
mod fact;
mod key_source;
mod leases;
mod log_admin;
mod log_reader;
mod log_writer;
mod memory;
mod note;
mod noted_meanwhile;
mod openings;
mod pacing;
mod packing;
mod page;
mod private_files;
mod recent_ids;
mod record_batch;
mod redis;
mod retention;
mod row_seals;
mod sequence;
mod sqlite;
mod storage_status;
mod subscriber;
mod subscriber_store;
mod tail_snapshot;
mod tombstone;
mod webhook_places;

use foodtrack_contract::TenantId;

pub use completion::{Answer, Completion, OnCompletion, RefusedReason, SubmitError};
pub use dead_letter::{DeadLetter, DeadLetterReason, dead_letters_at};
pub use entry::{
    Assignment, Durability, EntryRef, HEAD_EMISSIONS_AGE_MS_MAX, HEAD_EMISSIONS_MAX,
    HEAD_ORDERS_MAX, HEAD_TAIL_BYTES_MAX, HEAD_TAIL_ENTRIES_MAX, Head, LastEmission, LogEntry,
    LoggedAudience, LoggedRoom, OrderOwner, Outline, OutlinePage,
};
pub use erasure::{EraseError, Erased, Erasure, OnErased, Person};
pub use fact::{Fact, LeftDevice};
pub use key_source::{KeySource, KeySourceError};
pub use leases::{Duty, Lease, Leases};
pub use log_admin::{LogAdmin, TenantStats};
pub use log_reader::LogReader;
pub use log_writer::{LogWriter, Submitted};
pub use memory::{MEMORY_ORDERS_MAX, MemoryLog, MemoryStore};
pub use note::{Note, NoteKind, delivery_key, parse_delivery_key};
pub use noted_meanwhile::{NOTED_MEANWHILE_MAX, NotedMeanwhile, NotedTooMuch};
pub use openings::Openings;
pub use pacing::{Copied, CopyRate, Pacing};
pub use page::{Page, PageStart, ReadError, ReadRequest};
pub use private_files::{make_private_directory, private_options};
pub use recent_ids::{RECENT_IDS_MAX, RecentIds};
pub use redis::{
    ChangedDocuments, DocumentError, DocumentKind, DocumentPlace, NODE_CARD_BYTES_MAX, NODES_MAX,
    NodeCensus, NodeRegistry, NodeRegistryError, RedisFirstLook, RedisLog, RedisOpenError,
    RedisOptions, RedisPersistence, RedisSentinels, RedisSpool, RedisTls, TenantDocument,
    TenantDocuments, erase_spooled, first_look,
};
pub use retention::{RETENTION_ENTRIES_MIN, Retention};
pub use sequence::{Admission, Sequence};
pub use sqlite::{
    BackupError, CheckError, CheckReport, Commit, CommitError, CommitGate, Compacted, DiskBudget,
    OpenError, Progress, SqliteLog, SqliteOptions, SqliteReader, backup, check,
    check_with_progress, compact, erase_person, erase_tenant, renew_epochs,
};
pub use storage_status::{DiskRoom, LogWork, SpooledEvents, StorageState, StorageStatus};
pub use subscriber::{SUBSCRIBER_KEY_BYTES_MAX, SavedCursor, SubscriberKey};
pub use subscriber_store::SubscriberStore;
pub use tail_snapshot::{TailEntries, TailSnapshot};
pub use webhook_places::{WebhookPlace, WebhookPlaces, WebhookStep};

/// A store of every tenant's log.
///
/// - An offset that was handed out is never used again: not after a restart, a crash, or a loss of power.
/// - Offsets follow each other without gaps, but for entries that were refused and, after a crash, for the rest of a
///   reserved block; those offsets stay unused, and a reader need not know.
/// - What was reported committed is on disk, whole and in order. After a failed write to the disk nothing is reported
///   committed any more until the store is opened anew.
/// - Completions of a tenant come in the order of its submissions.
/// - Nothing here crosses tenants: every call names one, and answers of that one alone.
pub trait TenantLog: LogReader + SubscriberStore + LogAdmin + Leases {
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
    fn writer(&self) -> Box<dyn LogWriter>;

    /// Whether others write to it as well: then the store counts the offsets ([`Submitted::Later`]).
    fn is_shared(&self) -> bool {
        false
    }

    /// Whether an entry counts as kept only once replicas have it: of one that can be read already, the store alone can say so.
    fn waits_for_replicas(&self) -> bool {
        false
    }

    /// What all nodes know of webhooks, where several tell them of it.
    fn webhook_places(&self) -> Option<&dyn WebhookPlaces> {
        None
    }

    /// Whether entries are there again after the process ended. Where they are not, nobody need wait for a disk.
    fn survives_restart(&self) -> bool;
}
