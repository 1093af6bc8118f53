//! Reads the audit log, beside a running server too.

use std::io;
use std::path::Path;

use foodtrack_contract::TenantId;

use super::audit_folder::AuditFolder;
use super::record::AuditRecord;

/// What is looked at for one part.
const LOOKED_AT_BYTES_MAX: usize = 16 << 20;

/// A part of the log, newest first.
pub(crate) struct AuditPage {
    pub(crate) records: Vec<AuditRecord>,
    /// The part behind it is that before this record; `None` at the end.
    pub(crate) next: Option<u64>,
}

/// A log of a data directory.
pub(crate) struct AuditReader {
    folder: AuditFolder,
}

impl AuditReader {
    /// `None` where the data directory has none.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn open(data_dir: &Path) -> io::Result<Option<Self>> {
        Ok(AuditFolder::existing(data_dir)?.map(|folder| Self { folder }))
    }

    /// The newest records before `before`, of this tenant or of all and the node. There may be fewer than `limit` although there is more.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn before(
        &self,
        before: u64,
        tenant: Option<&TenantId>,
        limit: usize,
    ) -> io::Result<AuditPage> {
        let (mut records, mut looked_at) = (Vec::new(), 0);
        for first in self.folder.files()?.into_iter().rev().filter(|first| *first < before) {
            if looked_at >= LOOKED_AT_BYTES_MAX {
                // Of this file nothing was looked at, of the one behind it all.
                let next = records.last().map_or(before, |record: &AuditRecord| record.n);
                return Ok(AuditPage { records, next: Some(next) });
            }
            let bytes = self.folder.read(first)?;
            looked_at += bytes.len();
            let lines = bytes.rsplit(|byte| *byte == b'\n');
            for record in lines.filter_map(|line| read(line, tenant)) {
                if record.n >= before {
                    continue;
                }
                if records.len() == limit {
                    let next = records.last().map(|record| record.n);
                    return Ok(AuditPage { records, next });
                }
                records.push(record);
            }
        }
        Ok(AuditPage { records, next: None })
    }

    /// All records behind `after`, oldest first.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn after(
        &self,
        after: u64,
        tenant: Option<&TenantId>,
    ) -> io::Result<Vec<AuditRecord>> {
        let files = self.folder.files()?;
        let begin = files.partition_point(|first| *first <= after + 1).saturating_sub(1);
        let mut records = Vec::new();
        for first in &files[begin..] {
            let bytes = self.folder.read(*first)?;
            let lines = bytes.split(|byte| *byte == b'\n');
            records.extend(lines.filter_map(|line| read(line, tenant)).filter(|it| it.n > after));
        }
        Ok(records)
    }
}

/// The record of a line, where it is one and of this tenant.
fn read(line: &[u8], tenant: Option<&TenantId>) -> Option<AuditRecord> {
    let record = AuditRecord::read(line)?;
    let is_wanted = tenant.is_none_or(|it| record.entry.tenant.as_deref() == Some(it.as_str()));
    is_wanted.then_some(record)
}
