//! The embedded log: one SQLite database in a data directory.
//!
//! One thread writes. Everything that waits for it becomes one transaction with one fsync. Readers have connections of
//! their own and see what is committed. The files can be opened with SQLite's own tools.

mod backup;
mod budget;
mod check;
mod checkpointer;
mod commit_gate;
mod compacting;
mod completion_sink;
mod cursors;
mod disk_reserve;
mod erasing;
mod erasures;
mod garbage_collector;
mod maintenance;
mod migrating_5;
mod migrating_7;
mod offset_index;
mod opening;
mod progress;
mod queue;
mod reader;
mod reading;
mod rewriting;
mod rows;
mod sealing;
mod side_notes;
mod submitter;
mod tail_cache;
mod tenant_scan;
mod tenants;
mod trimming;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use foodtrack_contract::{Epoch, Offset, TenantId};
use uuid::Uuid;

pub use backup::{BackupError, backup};
pub use budget::DiskBudget;
pub use check::{CheckError, CheckReport, check, check_with_progress, renew_epochs};
pub use commit_gate::{Commit, CommitError, CommitGate};
pub use compacting::{Compacted, compact};
pub use erasing::{erase_person, erase_tenant};
pub use opening::OpenError;
pub use progress::Progress;
pub use reader::SqliteReader;

use crate::row_seals::RowSeals;
use crate::storage_status::{LogWork, StorageStatus, StorageWatch, disk_room};
use crate::{
    Assignment, DeadLetter, Erasure, KeySource, Leases, LogAdmin, LogEntry, LogReader, LogWriter,
    Note, NoteKind, OnCompletion, OnErased, OrderOwner, OutlinePage, Page, ReadError, ReadRequest,
    Retention, SavedCursor, SubmitError, SubscriberKey, SubscriberStore, TailSnapshot, TenantLog,
    TenantStats,
};
use completion_sink::CompletionSink;
use opening::DataDirectory;
use queue::{Queue, Request};
use reading::Readers;
use submitter::QueueSubmitter;
use writer::Writer;

/// How a database is used.
pub struct SqliteOptions {
    /// What each tenant's log keeps.
    pub retention: Retention,
    /// The largest size of the database file, in bytes: beyond it appends are refused as if the disk were full.
    pub file_bytes_max: u64,
    /// What all tenants' logs together may take of the disk, before anybody is refused.
    pub budget: DiskBudget,
    /// What commits pass through.
    pub commit_gate: Box<dyn CommitGate>,
    /// Whether what retention takes is deleted as soon as it can be, and overwritten in the file: it costs writing it twice.
    pub overwrites: bool,
    /// Whose keys seal what is kept; `None` keeps it as it is.
    pub keys: Option<Arc<dyn KeySource>>,
    /// How long a lock of another program on the file is waited for; what is to be kept is refused then, until the program lets go.
    pub lock_wait: Duration,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            retention: Retention::default(),
            file_bytes_max: u64::MAX,
            budget: DiskBudget::default(),
            commit_gate: Box::new(commit_gate::Open),
            overwrites: false,
            keys: None,
            lock_wait: opening::LOCK_WAIT,
        }
    }
}

/// The log in a data directory.
pub struct SqliteLog {
    queue: Arc<Queue>,
    watch: Arc<StorageWatch>,
    readers: Readers,
    writer: Option<JoinHandle<()>>,
    file: PathBuf,
    // Held until the writer has ended.
    _directory: DataDirectory,
}

impl SqliteLog {
    /// Opens the log in `directory`, or makes one where there is none. Waits for the disk.
    ///
    /// What a crash left is put in order first: all that was committed is there again. A log of an older layout is brought
    /// over, which takes a while where it is large.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong with what is there; nothing of it was changed.
    pub fn open(
        directory: &Path,
        options: SqliteOptions,
        on_completion: OnCompletion,
    ) -> Result<Self, OpenError> {
        let directory = DataDirectory::lock(directory)?;
        directory.check_is_no_copy()?;
        let connection = directory.open_database(&mut |progress| {
            tracing::info!(?progress, "the log is of an older layout and is brought over");
        })?;
        let file = directory.file();
        let seals = RowSeals::new(options.keys.clone());
        sealing::begin(&connection, &seals, &file)?;
        let queue = Arc::new(Queue::default());
        let heeding = Arc::clone(&queue);
        let on_completion = Box::new(move |completion| {
            heeding.heed(&completion);
            on_completion(completion);
        });
        let watch = Arc::new(StorageWatch::default());
        let sink = CompletionSink::new(on_completion, Arc::clone(&watch));
        let writer = Writer::new(connection, &file, options, Arc::clone(&queue), sink)
            .map_err(|error| OpenError::store(&file, &error))?;
        let writer = std::thread::Builder::new()
            .name(String::from("tenant-log"))
            .spawn(move || writer.run())
            .map_err(|source| OpenError::Io { path: file.clone(), source })?;
        let readers = Readers::new(file.clone(), seals);
        Ok(Self { queue, watch, readers, writer: Some(writer), file, _directory: directory })
    }

    /// Whether the disk failed while writing: nothing is accepted until the log is opened anew.
    pub fn is_poisoned(&self) -> bool {
        self.queue.is_poisoned()
    }

    /// Gives free pages back to the file system, in small steps between appends. Does not wait.
    ///
    /// # Errors
    /// [`SubmitError`] when the request was not taken.
    pub fn compact(&self) -> Result<(), SubmitError> {
        self.queue.push(Request::Compact)
    }

    /// How many bytes the log takes on disk, what waits to be moved into the database included.
    pub fn file_bytes(&self) -> u64 {
        let length = |path: &Path| std::fs::metadata(path).map_or(0, |it| it.len());
        length(&self.file) + length(&opening::write_ahead_file(&self.file))
    }
}

/// Waits until what was submitted is on disk or refused.
impl Drop for SqliteLog {
    fn drop(&mut self) {
        // The last connection to close tidies up, and only the writer can.
        self.readers.close();
        self.queue.stop();
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has told so; there is nothing to save any more.
            let _ = writer.join();
        }
    }
}

impl Leases for SqliteLog {}

impl TenantLog for SqliteLog {
    fn open(&self, tenant: &TenantId, now_ms: u64) -> Result<(), SubmitError> {
        self.queue.push(Request::Open(tenant.clone(), now_ms))
    }

    fn close(&self, tenant: &TenantId) -> Result<(), SubmitError> {
        self.queue.push(Request::Close(tenant.clone()))
    }

    fn writer(&self) -> Box<dyn LogWriter> {
        Box::new(QueueSubmitter::new(Arc::clone(&self.queue)))
    }

    fn survives_restart(&self) -> bool {
        true
    }
}

impl LogReader for SqliteLog {
    fn tail(&self, tenant: &TenantId, _: Offset) -> TailSnapshot {
        // Of a tenant that is not open, whatever there is is on disk.
        self.queue.tail(tenant).unwrap_or_else(|| TailSnapshot::nothing(Offset::MAX))
    }

    fn read(&self, request: &ReadRequest) -> Result<Page, ReadError> {
        self.readers.read(request)
    }

    fn outline(
        &self,
        tenant: &TenantId,
        epoch: Option<Epoch>,
        after: Offset,
        through: Offset,
        entries_max: usize,
    ) -> Result<OutlinePage, ReadError> {
        self.readers.outline(tenant, epoch, after, through, entries_max)
    }

    fn read_at(&self, tenant: &TenantId, offsets: &[Offset]) -> Result<Vec<LogEntry>, ReadError> {
        self.readers.read_at(tenant, offsets)
    }

    fn entity_history(
        &self,
        tenant: &TenantId,
        entity: &str,
        entries_max: usize,
    ) -> Result<Vec<LogEntry>, ReadError> {
        self.readers.entity_history(tenant, entity, entries_max)
    }

    fn find(&self, tenant: &TenantId, id: Uuid) -> Result<Option<Offset>, ReadError> {
        self.readers.find(tenant, id)
    }

    fn order_owner(&self, tenant: &TenantId, order: &str) -> Result<Option<OrderOwner>, ReadError> {
        self.readers.order_owner(tenant, order)
    }

    fn assignment(&self, tenant: &TenantId, order: &str) -> Result<Option<Assignment>, ReadError> {
        self.readers.assignment(tenant, order)
    }
}

impl SubscriberStore for SqliteLog {
    fn save_cursor(
        &self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
        saved: SavedCursor,
    ) -> Result<(), SubmitError> {
        self.queue.push(Request::SaveCursor(tenant.clone(), subscriber.clone(), Box::new(saved)))
    }

    fn begin_cursor(
        &self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
        first: SavedCursor,
    ) -> Result<(), SubmitError> {
        self.queue.push(Request::BeginCursor(tenant.clone(), subscriber.clone(), Box::new(first)))
    }

    fn cursor(
        &self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
    ) -> Result<Option<SavedCursor>, ReadError> {
        self.readers.cursor(tenant, subscriber)
    }

    fn cursors(
        &self,
        tenant: &TenantId,
        after: Option<&SubscriberKey>,
        cursors_max: usize,
    ) -> Result<Vec<(SubscriberKey, SavedCursor)>, ReadError> {
        self.readers.cursors(tenant, after, cursors_max)
    }

    fn notes(&self, tenant: &TenantId, kind: NoteKind) -> Result<Vec<Note>, ReadError> {
        self.readers.notes(tenant, kind, 0)
    }

    fn save_note(
        &self,
        tenant: &TenantId,
        note: Note,
        ticket: Option<u64>,
    ) -> Result<(), SubmitError> {
        self.queue.push(Request::SaveNote(tenant.clone(), Box::new(note), ticket))
    }

    fn put_dead_letter(&self, tenant: &TenantId, letter: DeadLetter) -> Result<(), SubmitError> {
        self.queue.push(Request::PutDeadLetter(tenant.clone(), Box::new(letter)))
    }

    fn remove_dead_letter(
        &self,
        tenant: &TenantId,
        offset: Offset,
        subscriber: &SubscriberKey,
    ) -> Result<(), SubmitError> {
        self.queue.push(Request::RemoveDeadLetter(tenant.clone(), offset, subscriber.clone()))
    }

    fn dead_letters(
        &self,
        tenant: &TenantId,
        after: Offset,
        letters_max: usize,
    ) -> Result<Vec<DeadLetter>, ReadError> {
        self.readers.dead_letters(tenant, after, letters_max)
    }
}

impl LogAdmin for SqliteLog {
    fn tenants(&self) -> Result<Vec<TenantId>, ReadError> {
        self.readers.tenants()
    }

    fn tenants_noted(&self, kind: NoteKind) -> Result<Vec<TenantId>, ReadError> {
        self.readers.tenants_noted(kind)
    }

    fn stats(&self, tenant: &TenantId) -> Result<TenantStats, ReadError> {
        self.readers.stats(tenant)
    }

    fn trim(&self, now_ms: u64) -> Result<(), SubmitError> {
        self.queue.push(Request::Trim { now_ms })
    }

    fn erases(&self) -> bool {
        true
    }

    fn erase(&self, tenant: &TenantId, erasure: Erasure, on_erased: OnErased) {
        // What is not taken is dropped, and told so.
        let _ = self.queue.push(Request::Erase(tenant.clone(), erasure, on_erased));
    }

    fn storage(&self) -> StorageStatus {
        StorageStatus {
            disk_free_bytes: self.file.parent().and_then(disk_room).map(|room| room.free_bytes),
            file_bytes: Some(self.file_bytes()),
            ..self.watch.status()
        }
    }

    fn work(&self) -> LogWork {
        let (waiting, waiting_bytes) = self.queue.waiting();
        LogWork { waiting, waiting_bytes, ..self.watch.work() }
    }
}
