//! The one file of a backup: a tar archive, `backup.json` first, with a checksum of each file after it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use foodtrack_tenant_log::{Pacing, make_private_directory, private_options};
use tar::{EntryType, Header};

use super::archive_error::ArchiveError;
use super::contents::{Contents, FORMAT, NAME, Part};
use crate::hex;

/// How long the list of files may be: about 150 bytes a file, and three files a tenant.
const CONTENTS_BYTES_MAX: u64 = 256 << 20;
/// What stands before the list of files: a tar archive's header of a file with a short name.
const HEADER_BYTES: u64 = 512;

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> ArchiveError + use<> {
    let path = path.to_owned();
    move |source| ArchiveError::Io { path, source }
}

/// The files of a directory, and of the folders in it; [`write`] finds their checksums.
///
/// # Errors
/// [`ArchiveError::Io`]
pub(super) fn parts_of(directory: &Path) -> Result<Vec<Part>, ArchiveError> {
    let mut parts = Vec::new();
    for name in names(directory)? {
        let path = directory.join(&name);
        if !path.is_dir() {
            parts.push(part(directory, name)?);
            continue;
        }
        for inner in names(&path)? {
            parts.push(part(directory, format!("{name}/{inner}"))?);
        }
    }
    Ok(parts)
}

/// In a folder, in order. Names of a server's files are plain letters.
fn names(directory: &Path) -> Result<Vec<String>, ArchiveError> {
    let read = || -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    };
    read().map_err(io_at(directory))
}

fn part(directory: &Path, path: String) -> Result<Part, ArchiveError> {
    let file = directory.join(&path);
    let bytes = file.symlink_metadata().map_err(io_at(&file))?.len();
    Ok(Part { path, bytes, sha256: "0".repeat(SHA256.output_len() * 2) })
}

/// Writes the files of `directory` that `contents` names into `file`, as fast as `pacing` allows, and puts them on disk. Returns
/// the bytes written.
///
/// # Errors
/// [`ArchiveError::Io`], a disk that is full among them.
pub(super) fn write(
    file: &File,
    path: &Path,
    directory: &Path,
    contents: &mut Contents,
    pacing: Pacing,
) -> Result<u64, ArchiveError> {
    // Plain data: it cannot fail to be JSON.
    let list = |contents: &Contents| serde_json::to_vec_pretty(contents).unwrap_or_default();
    let write = || -> io::Result<u64> {
        let mut archive = tar::Builder::new(BufWriter::new(Paced { file, pacing, written: 0 }));
        let unknown = list(contents);
        append(&mut archive, NAME, unknown.len() as u64, &*unknown)?;
        for part in &mut contents.files {
            let from = private_options().read(true).open(directory.join(&part.path))?;
            let mut hashing = Hashing::new(from);
            append(&mut archive, &part.path, part.bytes, &mut hashing)?;
            part.sha256 = hashing.sum();
        }
        archive.into_inner()?.flush()?;
        // The list stands first, and its checksums are known only now: each file is read once. They are as long as what stood there.
        file.write_all_at(&list(contents), HEADER_BYTES)?;
        file.sync_all()?;
        Ok(file.metadata()?.len())
    };
    write().map_err(io_at(path))
}

fn append(
    archive: &mut tar::Builder<impl Write>,
    path: &str,
    bytes: u64,
    from: impl Read,
) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o600);
    header.set_size(bytes);
    archive.append_data(&mut header, path, from)
}

/// Reads the backup `file` into the directory `to`, which is empty, and compares each file with its checksum. Returns what
/// is in it.
///
/// # Errors
/// [`ArchiveError`]; what is in `to` then is not to be used.
pub(super) fn unpack(file: &Path, to: &Path) -> Result<Contents, ArchiveError> {
    let foreign = |reason: &str| ArchiveError::Foreign { path: file.into(), reason: reason.into() };
    let damaged = |reason: String| ArchiveError::Damaged { path: file.into(), reason };
    let opened = File::open(file).map_err(io_at(file))?;
    let mut archive = tar::Archive::new(BufReader::new(opened));
    let mut entries = archive.entries().map_err(io_at(file))?;
    let Some(Ok(first)) = entries.next() else { return Err(foreign("it is no tar archive")) };
    let contents = contents_of(file, first)?;

    let mut expected: HashMap<&str, &Part> =
        contents.files.iter().map(|part| (&*part.path, part)).collect();
    if expected.len() != contents.files.len() || !contents.files.iter().all(Part::is_inside) {
        return Err(damaged("its list names a file twice, or one outside of it".into()));
    }
    for entry in entries {
        let mut entry = entry.map_err(|error| damaged(error.to_string()))?;
        let path = entry.path().map_err(|error| damaged(error.to_string()))?;
        let path = path.to_string_lossy().into_owned();
        let Some(part) = expected.remove(&*path) else {
            return Err(damaged(format!("{path:?} is in it, and not in its list")));
        };
        if entry.header().entry_type() != EntryType::Regular || entry.size() != part.bytes {
            return Err(damaged(format!(
                "{path} has another kind or size than when it was written"
            )));
        }
        if take(&mut entry, &to.join(&path))? != part.sha256 {
            return Err(damaged(format!("{path} is not what was written, by its checksum")));
        }
    }
    if let Some(missing) = expected.keys().min() {
        return Err(damaged(format!("{missing} is missing: the file ends too early")));
    }
    Ok(contents)
}

fn contents_of(
    file: &Path,
    mut first: tar::Entry<'_, impl Read>,
) -> Result<Contents, ArchiveError> {
    let foreign = |reason: String| ArchiveError::Foreign { path: file.into(), reason };
    let is_list = first.path().is_ok_and(|path| path.as_os_str() == NAME);
    if !is_list || first.size() > CONTENTS_BYTES_MAX {
        return Err(foreign(format!("it does not begin with {NAME}")));
    }
    let mut text = Vec::new();
    first.read_to_end(&mut text).map_err(io_at(file))?;
    let head: serde_json::Value =
        serde_json::from_slice(&text).map_err(|error| foreign(format!("{NAME}: {error}")))?;
    if let Some(found) = head["format"].as_u64().filter(|found| *found > FORMAT) {
        let by = head["madeBy"].as_str().unwrap_or("unknown").to_owned();
        return Err(ArchiveError::Later { path: file.into(), by, found, known: FORMAT });
    }
    serde_json::from_value(head).map_err(|error| foreign(format!("{NAME}: {error}")))
}

/// Writes a file that is not there yet, on disk; returns its checksum.
fn take(from: &mut impl Read, to: &Path) -> Result<String, ArchiveError> {
    let write = || -> io::Result<String> {
        if let Some(folder) = to.parent() {
            make_private_directory(folder)?;
        }
        let mut file = private_options().write(true).create_new(true).open(to)?;
        let mut hashing = Hashing::new(from);
        io::copy(&mut hashing, &mut file)?;
        file.sync_all()?;
        Ok(hashing.sum())
    };
    write().map_err(io_at(to))
}

/// Names that begin a backup in the making: what a killed one has left is found by them.
pub(super) const UNFINISHED: &str = ".foodtrack-backup-";

/// Removes what makers that were killed left in a directory that one maker at a time uses.
///
/// # Errors
/// [`ArchiveError::Io`]
pub(super) fn remove_unfinished(directory: &Path) -> Result<(), ArchiveError> {
    for name in names(directory)?.into_iter().filter(|name| name.starts_with(UNFINISHED)) {
        let path: PathBuf = directory.join(name);
        let removed = match path.is_dir() {
            true => std::fs::remove_dir_all(&path),
            false => std::fs::remove_file(&path),
        };
        removed.map_err(io_at(&path))?;
    }
    Ok(())
}

/// The backups in a directory that are named by the time they were made at, the oldest first.
///
/// # Errors
/// [`ArchiveError::Io`]
pub(super) fn dated(directory: &Path) -> Result<Vec<PathBuf>, ArchiveError> {
    let is_dated = |name: &String| {
        let time = name.strip_prefix("foodtrack-").and_then(|it| it.strip_suffix(".tar"));
        time.is_some_and(|time| {
            time.len() == 16 && time.bytes().all(|it| it.is_ascii_digit() || b"TZ".contains(&it))
        })
    };
    Ok(names(directory)?.into_iter().filter(is_dated).map(|name| directory.join(name)).collect())
}

/// Writes a file as fast as it may.
struct Paced<'f> {
    file: &'f File,
    pacing: Pacing,
    written: u64,
}

impl Write for Paced<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.written += written as u64;
        self.pacing.wrote(self.file, self.written)?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Knows the checksum of what was read.
struct Hashing<R> {
    from: R,
    context: Context,
}

impl<R> Hashing<R> {
    fn new(from: R) -> Self {
        Self { from, context: Context::new(&SHA256) }
    }

    fn sum(self) -> String {
        hex::encode(self.context.finish().as_ref())
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(bytes)?;
        self.context.update(&bytes[..read]);
        Ok(read)
    }
}
