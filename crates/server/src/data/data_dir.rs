//! A directory that one server at a time owns, and whose files are replaced whole.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use foodtrack_contract::Refusal;
use foodtrack_tenant_log::private_options;

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
}

/// A small file that is replaced from another thread, and that may be the old one again after a power failure.
pub(crate) struct MarkFile {
    file: PathBuf,
    new: PathBuf,
}

impl MarkFile {
    /// Puts `bytes` in its place. Blocks for one fsync.
    ///
    /// # Errors
    /// What the system said; the old bytes are in place.
    pub(crate) fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let placed = write(&self.new, bytes).and_then(|()| std::fs::rename(&self.new, &self.file));
        if placed.is_err() {
            // As in `DataDir::replace`.
            let _ = std::fs::remove_file(&self.new);
        }
        placed
    }
}

/// A directory of this server's own, for as long as the value lives.
pub(crate) struct DataDir {
    path: PathBuf,
    /// To make a rename last, the directory itself is synchronised.
    directory: File,
    _lock: File,
}

impl DataDir {
    /// Takes the directory, and makes it (mode 0700) where it is not there; its parent must be.
    ///
    /// # Errors
    /// [`DataDirError::Unusable`], [`DataDirError::InUse`].
    pub(crate) fn open(path: &Path) -> Result<Self, DataDirError> {
        let unusable = |source| DataDirError::Unusable { path: path.into(), source };
        make(path).map_err(unusable)?;
        make_private(path)?;
        let directory = File::open(path).map_err(unusable)?;
        let lock = private_options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.into(), directory, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::InUse { path: path.into() }),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }

    /// Where a file of this name is.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The mark of this name.
    pub(crate) fn mark(&self, name: &str) -> MarkFile {
        MarkFile { file: self.file(name), new: self.file(&format!("{name}.new")) }
    }

    /// The file's bytes; `None` where there is no such file.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, DataDirError> {
        let file = self.file(name);
        let mut bytes = Vec::new();
        let opened = private_options().read(true).open(&file);
        match opened.and_then(|mut it| it.read_to_end(&mut bytes)) {
            Ok(_) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(DataDirError::Unreadable { file, source }),
        }
    }

    /// Puts `bytes` in the place of the file: whoever reads it, after a crash too, finds the old bytes or the new ones.
    /// Once it returns, the new ones are on the disk. Blocks for two fsyncs.
    ///
    /// # Errors
    /// What the system said. The old bytes are in place, except where only the last step failed, the directory's fsync:
    /// then the new ones are, and a crash of the machine may bring the old ones back.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let new = self.file(&format!("{name}.new"));
        let placed = write(&new, bytes).and_then(|()| std::fs::rename(&new, self.file(name)));
        if placed.is_err() {
            // It would take up room on a disk that may be full. The next attempt starts it anew in any case.
            let _ = std::fs::remove_file(&new);
        }
        placed?;
        self.directory.sync_all()
    }
}

fn make(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {
            // Or else a crash could take the directory away with everything in it.
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // What is there was left by a crash, or is somebody's trap: it goes, and nothing is written through it.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private_options().create_new(true).write(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
