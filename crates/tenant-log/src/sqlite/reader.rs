//! Reading a log beside the server that writes it.

use std::path::Path;
use std::sync::Arc;

use foodtrack_contract::{Offset, TenantId};

use super::opening::{self, OpenError};
use super::reading::Readers;
use crate::row_seals::RowSeals;
use crate::{
    DeadLetter, KeySource, LogEntry, Note, NoteKind, Page, ReadError, ReadRequest, TenantStats,
    dead_letters_at,
};

/// Reads a data directory's log, whether a server uses it or not. Changes nothing, and holds nobody up.
pub struct SqliteReader {
    readers: Readers,
}

impl SqliteReader {
    /// Opens the log in `directory`. Without the keys of one that is sealed, its messages are damaged, and all else is read.
    ///
    /// # Errors
    /// [`OpenError`] when there is none, or none that this version reads.
    pub fn open(directory: &Path, keys: Option<Arc<dyn KeySource>>) -> Result<Self, OpenError> {
        let file = opening::existing(directory)?;
        let readers = Readers::new(file.clone(), RowSeals::new(keys));
        readers.check_version(&file)?;
        Ok(Self { readers })
    }

    /// As [`crate::LogAdmin::tenants`].
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn tenants(&self) -> Result<Vec<TenantId>, ReadError> {
        self.readers.tenants()
    }

    /// As [`crate::LogAdmin::stats`].
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn stats(&self, tenant: &TenantId) -> Result<TenantStats, ReadError> {
        self.readers.stats(tenant)
    }

    /// As [`crate::LogReader::read`].
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn read(&self, request: &ReadRequest) -> Result<Page, ReadError> {
        self.readers.read(request)
    }

    /// As [`crate::LogReader::read_at`].
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn read_at(
        &self,
        tenant: &TenantId,
        offsets: &[Offset],
    ) -> Result<Vec<LogEntry>, ReadError> {
        self.readers.read_at(tenant, offsets)
    }

    /// As [`crate::LogReader::entity_history`].
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn entity_history(
        &self,
        tenant: &TenantId,
        entity: &str,
        entries_max: usize,
    ) -> Result<Vec<LogEntry>, ReadError> {
        self.readers.entity_history(tenant, entity, entries_max)
    }

    /// As [`crate::SubscriberStore::dead_letters`].
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn dead_letters(
        &self,
        tenant: &TenantId,
        after: Offset,
        letters_max: usize,
    ) -> Result<Vec<DeadLetter>, ReadError> {
        self.readers.dead_letters(tenant, after, letters_max)
    }

    /// The letters of one message.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn dead_letters_at(
        &self,
        tenant: &TenantId,
        offset: Offset,
    ) -> Result<Vec<DeadLetter>, ReadError> {
        dead_letters_at(offset, |after| self.readers.dead_letters(tenant, after, 1))
    }

    /// A tenant's notes of one kind, those that have expired at `now_ms` left out, by key.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn notes(
        &self,
        tenant: &TenantId,
        kind: NoteKind,
        now_ms: u64,
    ) -> Result<Vec<Note>, ReadError> {
        self.readers.notes(tenant, kind, now_ms)
    }
}
