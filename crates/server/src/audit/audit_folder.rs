//! The directory of the audit log: files that are named after their first record, and how far they go.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use foodtrack_tenant_log::private_options;
use serde::{Deserialize, Serialize};

use super::record::RecordHash;
use crate::data::Folder;
use crate::hex;

/// Its name in the data directory.
pub(crate) const AUDIT_FOLDER: &str = "audit";

/// The file that says how far the log goes.
const HEAD: &str = "head.json";
const ENDING: &str = ".jsonl";

/// How far the log goes: a record and its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) n: u64,
    pub(crate) hash: RecordHash,
}

#[derive(Serialize, Deserialize)]
struct HeadFile {
    n: u64,
    hash: String,
}

/// The directory.
pub(super) struct AuditFolder {
    folder: Folder,
}

impl AuditFolder {
    /// Opens it in a data directory, and makes it where it is not there.
    pub(super) fn open(data_dir: &Path) -> io::Result<Self> {
        Ok(Self { folder: Folder::open(&data_dir.join(AUDIT_FOLDER))? })
    }

    /// That of a data directory, where there is one.
    pub(super) fn existing(data_dir: &Path) -> io::Result<Option<Self>> {
        if data_dir.join(AUDIT_FOLDER).is_dir() { Self::open(data_dir).map(Some) } else { Ok(None) }
    }

    /// The first records of its files, oldest first.
    pub(super) fn files(&self) -> io::Result<Vec<u64>> {
        let names = self.folder.names()?.into_iter();
        let mut first: Vec<u64> =
            names.filter_map(|name| name.strip_suffix(ENDING)?.parse().ok()).collect();
        first.sort_unstable();
        Ok(first)
    }

    /// Where the file is whose first record this is.
    pub(super) fn path(&self, first: u64) -> PathBuf {
        self.folder.file(&format!("{first:020}{ENDING}"))
    }

    /// What is in a file; nothing where it has gone meanwhile.
    pub(super) fn read(&self, first: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match private_options().read(true).open(self.path(first)) {
            Ok(mut file) => {
                file.read_to_end(&mut bytes)?;
                Ok(bytes)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(bytes),
            Err(error) => Err(error),
        }
    }

    /// Opens a file to append to it, and makes it where it is not there.
    pub(super) fn append_to(&self, first: u64) -> io::Result<File> {
        let path = self.path(first);
        let is_new = !path.exists();
        let file = private_options().create(true).append(true).open(path)?;
        if is_new {
            self.folder.sync()?;
        }
        Ok(file)
    }

    pub(super) fn remove(&self, first: u64) -> io::Result<()> {
        self.folder.remove(&format!("{first:020}{ENDING}"))
    }

    /// How far the log goes; `None` where nobody said so yet.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub(super) fn head(&self) -> io::Result<Option<Head>> {
        let Some(bytes) = self.folder.read(HEAD)? else { return Ok(None) };
        let none = || io::Error::new(io::ErrorKind::InvalidData, "head.json says no record");
        let HeadFile { n, hash } = serde_json::from_slice(&bytes).map_err(|_| none())?;
        Ok(Some(Head { n, hash: hex::decode(&hash).ok_or_else(none)? }))
    }

    /// Keeps how far it goes. Blocks for an fsync.
    pub(super) fn put_head(&self, head: Head) -> io::Result<()> {
        let file = HeadFile { n: head.n, hash: hex::encode(&head.hash) };
        let bytes = serde_json::to_vec(&file).unwrap_or_default();
        self.folder.mark(HEAD).replace(&bytes)
    }
}
