//! Who else may read or replace what is in the data directory: nobody.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::data_dir::DataDirError;

/// What others may do, in a mode.
const OTHERS: u32 = 0o077;
const WORLD_WRITABLE: u32 = 0o002;
const STICKY: u32 = 0o1000;
/// How the names of a server's files begin.
const OURS: [&str; 8] =
    ["log.", "segment-", "session.key", "declarations", "clock", "lock", "keys", "audit"];

/// Takes others' permissions from the directory and a server's files in it, and says so in a warning. Others' directories,
/// and places where anybody could put a directory of their own, are refused, and so is a link in a file's place.
///
/// # Errors
/// [`DataDirError::Exposed`], [`DataDirError::Unusable`].
pub(super) fn make_private(directory: &Path) -> Result<(), DataDirError> {
    let unusable = |path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| DataDirError::Unusable { path, source }
    };
    let exposed = |path: &Path, reason: &str| DataDirError::Exposed {
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    let user = rustix::process::geteuid().as_raw();
    // Where a link leads is for whoever made the link: what counts is where that is.
    let real = directory.canonicalize().map_err(unusable(directory))?;
    let metadata = real.metadata().map_err(unusable(&real))?;
    if !metadata.is_dir() {
        let source = io::Error::from(io::ErrorKind::NotADirectory);
        return Err(DataDirError::Unusable { path: directory.to_owned(), source });
    }
    if metadata.uid() != user {
        let sentence =
            "the directory is another user's; run the server as that user, or `chown` it";
        return Err(exposed(&real, sentence));
    }
    if let Some(parent) = real.parent() {
        let mode = parent.metadata().map_err(unusable(parent))?.mode();
        if mode & WORLD_WRITABLE != 0 && mode & STICKY == 0 {
            let sentence = "anybody may replace what is in this directory, the data directory too; take that from them with `chmod o-w`";
            return Err(exposed(parent, sentence));
        }
    }
    mend(&real, metadata.mode())?;
    for entry in std::fs::read_dir(&real).map_err(unusable(&real))? {
        let entry = entry.map_err(unusable(&real))?;
        let name = entry.file_name();
        if !name.to_str().is_some_and(|name| OURS.iter().any(|ours| name.starts_with(ours))) {
            continue;
        }
        let path = entry.path();
        let metadata = path.symlink_metadata().map_err(unusable(&path))?;
        if metadata.is_symlink() {
            let sentence =
                "a symbolic link is in the place of a server's file; put the file itself there";
            return Err(exposed(&path, sentence));
        }
        mend(&path, metadata.mode())?;
    }
    Ok(())
}

fn mend(path: &Path, mode: u32) -> Result<(), DataDirError> {
    if mode & OTHERS == 0 {
        return Ok(());
    }
    let private = Permissions::from_mode(mode & 0o7777 & !OTHERS);
    std::fs::set_permissions(path, private)
        .map_err(|source| DataDirError::Unusable { path: path.to_owned(), source })?;
    tracing::warn!(
        path = %path.display(),
        mode = format!("{:03o}", mode & 0o777),
        "others could read or write this; they no longer can"
    );
    Ok(())
}
