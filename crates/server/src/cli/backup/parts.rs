//! What of a data directory is in a backup beside the log.

use std::fs::File;
use std::io;
use std::path::Path;

use foodtrack_tenant_log::{make_private_directory, private_options};

/// Files that are replaced whole, so each is the old one or the new one.
const FILES: [&str; 2] = ["session.key", "declarations.json"];
/// Folders with a file a tenant.
const FOLDERS: [&str; 3] = ["declarations", "revocations", "api-keys"];
/// How names in them end.
const TABLES: &[&str] = &[".json"];
/// Tenants' keys, each wrapped by the master key, and what says whose they are.
pub(super) const KEYS_FOLDER: &str = "keys";
/// How names in it end.
const KEYS: &[&str] = &[".key", ".json"];

/// Names that a data directory must not have yet for a backup to be put there, tenants' keys left out.
pub(super) const NAMES: [&str; 9] = [
    "log.copy",
    "log.db",
    "log.db-wal",
    "log.db-shm",
    "session.key",
    "declarations.json",
    "declarations",
    "revocations",
    "api-keys",
];

/// Copies what is beside the log and belongs to it.
///
/// # Errors
/// What the system said; what is in `to` then is no copy.
pub(in crate::cli) fn copy_parts(from: &Path, to: &Path) -> io::Result<()> {
    // First the mark that says where declarations are: they may be moved in between, and then are in both places.
    for name in FILES {
        copy(&from.join(name), &to.join(name))?;
    }
    for name in FOLDERS {
        copy_folder(&from.join(name), &to.join(name), TABLES)?;
    }
    File::open(to)?.sync_all()
}

/// Copies tenants' keys; says whether there are any.
///
/// # Errors
/// As [`copy_parts`].
pub(super) fn copy_keys(from: &Path, to: &Path) -> io::Result<bool> {
    copy_folder(&from.join(KEYS_FOLDER), &to.join(KEYS_FOLDER), KEYS)?;
    Ok(to.join(KEYS_FOLDER).exists())
}

/// Copies the files whose names end in one of these ways, where there are any.
fn copy_folder(from: &Path, to: &Path, endings: &[&str]) -> io::Result<()> {
    let entries = match std::fs::read_dir(from) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    make_private_directory(to)?;
    for entry in entries {
        let name = entry?.file_name();
        let text = name.to_string_lossy();
        if endings.iter().any(|ending| text.ends_with(ending)) {
            copy(&from.join(&name), &to.join(&name))?;
        }
    }
    File::open(to)?.sync_all()
}

/// Copies a file, where it is there.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut file = match private_options().read(true).open(from) {
        Ok(file) => file,
        // One that keeps nothing of the kind, a log without a server, or what a tenant has just withdrawn.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut copy = private_options().write(true).create_new(true).open(to)?;
    io::copy(&mut file, &mut copy)?;
    copy.sync_all()
}
