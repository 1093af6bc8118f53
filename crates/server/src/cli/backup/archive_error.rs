use std::io;
use std::path::PathBuf;

use crate::cli::outcome::Outcome;

/// Why a backup cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ArchiveError {
    /// A file or directory.
    #[error("{}: {source}; check its owner, permissions and disk, then begin anew", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is something else.
    #[error("{}: not a backup of this server ({reason})", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// A later version wrote it.
    #[error(
        "{}: written by version {by} in format {found}, and this one knows {known}; restore it with that version",
        path.display()
    )]
    Later {
        /// The file.
        path: PathBuf,
        /// Who wrote it.
        by: String,
        /// Its format.
        found: u64,
        /// What this version reads.
        known: u64,
    },
    /// It is not what was written.
    #[error("{}: damaged: {reason}; take another backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
}

impl From<ArchiveError> for Outcome {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Foreign { .. } | ArchiveError::Later { .. } => {
                Self::Usage(error.to_string())
            }
            ArchiveError::Io { .. } | ArchiveError::Damaged { .. } => {
                Self::Failed(error.to_string())
            }
        }
    }
}
