//! The data directory: one server at a time owns it.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use foodtrack_contract::Refusal;
use foodtrack_router::{RedactionError, RuleError};
use foodtrack_tenant_log::private_options;

use super::folder::{Folder, MarkFile};
use super::privacy::make_private;

/// The file whose lock says that a server has the directory. The system gives the lock back when the process ends, in
/// whatever way; the file itself stays.
const LOCK: &str = "lock";

/// Why a server does not start with its data directory. Nothing in the directory was changed.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// It cannot be made, entered or locked.
    #[error(
        "cannot use the data directory {}: {source}; give one that the server may write, in a directory that exists",
        path.display()
    )]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another server has it.
    #[error(
        "the data directory {} is another running server's; stop that one, or give each a directory of its own",
        path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// Others than this user could put something else in its place, or read it.
    #[error("{}: {reason}; nothing was changed", path.display())]
    Exposed {
        /// The directory or file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A file in it cannot be read.
    #[error("cannot read {}: {source}; nothing was changed", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file in it is not what a server wrote.
    #[error(
        "{} is damaged: {reason}; nothing was changed: put a good copy in its place, or move it away to start without what it holds",
        file.display()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What does not fit, and where.
        reason: String,
    },
    /// A file in it was written by another version of the server.
    #[error(
        "{} has the format version {version} and this server knows {known} alone; nothing was changed: start the version of the server that wrote it",
        file.display()
    )]
    Version {
        /// The file.
        file: PathBuf,
        /// What it says.
        version: u64,
        /// What this server reads and writes.
        known: u64,
    },
    /// A declaration that was good when it was made is not any more.
    #[error(
        "{}: tenant {tenant} can no longer declare {name}: {}; nothing was changed: correct the declaration there or take it out",
        file.display(), refusal.message()
    )]
    Declaration {
        /// The file.
        file: PathBuf,
        /// Whose declaration.
        tenant: String,
        /// The event type.
        name: String,
        /// What is wrong with it.
        refusal: Refusal,
    },
    /// A rule that was good when it was added is not any more.
    #[error(
        "{}: tenant {tenant}: {source}; nothing was changed: correct the rule there or take it out",
        file.display()
    )]
    Rule {
        /// The file.
        file: PathBuf,
        /// Whose rule.
        tenant: String,
        /// What is wrong with it.
        source: RuleError,
    },
    /// A redaction that was good when it was added is not any more.
    #[error(
        "{}: tenant {tenant}: {source}; nothing was changed: correct the redaction there or take it out",
        file.display()
    )]
    Redaction {
        /// The file.
        file: PathBuf,
        /// Whose redaction.
        tenant: String,
        /// What is wrong with it.
        source: RedactionError,
    },
}

/// A directory of this server's own, for as long as the value lives.
pub(crate) struct DataDir {
    folder: Folder,
    _lock: File,
}

impl DataDir {
    /// Takes the directory, and makes it (mode 0700) where it is not there; its parent must be.
    ///
    /// # Errors
    /// [`DataDirError::Unusable`], [`DataDirError::InUse`].
    pub(crate) fn open(path: &Path) -> Result<Self, DataDirError> {
        let unusable = |source| DataDirError::Unusable { path: path.into(), source };
        let folder = Folder::open(path).map_err(unusable)?;
        make_private(path)?;
        let lock = private_options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.file(LOCK))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { folder, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::InUse { path: path.into() }),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }

    /// Where a file of this name is.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.file(name)
    }

    /// The mark of this name.
    pub(crate) fn mark(&self, name: &str) -> MarkFile {
        self.folder.mark(name)
    }

    /// The file's bytes; `None` where there is no such file.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, DataDirError> {
        let unreadable = |source| DataDirError::Unreadable { file: self.file(name), source };
        self.folder.read(name).map_err(unreadable)
    }

    /// As [`Folder::replace`].
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.folder.replace(name, bytes)
    }
}
