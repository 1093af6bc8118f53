//! A directory whose files are replaced whole.

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use foodtrack_tenant_log::private_options;

/// What a file's name ends with until it is in its place.
const NEW: &str = ".new";

/// A directory, and the files in it.
pub(crate) struct Folder {
    path: PathBuf,
    /// To make a rename last, the directory itself is synchronised.
    directory: File,
}

impl Folder {
    /// Opens the directory, and makes it (mode 0700) where it is not there; its parent must be.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => {
                // Or else a crash could take the directory away with everything in it.
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        Ok(Self { path: path.into(), directory: File::open(path)? })
    }

    /// Where a file of this name is.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The file's bytes; `None` where there is no such file.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        let opened = private_options().read(true).open(self.file(name));
        match opened.and_then(|mut it| it.read_to_end(&mut bytes)) {
            Ok(_) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The names of the files in it, but for those that never got into their place.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if !name.ends_with(NEW) {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Puts `bytes` in the place of the file: whoever reads it, after a crash too, finds the old bytes or the new ones.
    /// Once it returns, the new ones are on the disk. Blocks for two fsyncs.
    ///
    /// # Errors
    /// What the system said. The old bytes are in place, except where only the last step failed, the directory's fsync:
    /// then the new ones are, and a crash of the machine may bring the old ones back.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        replace(&self.file(name), &self.file(&format!("{name}{NEW}")), bytes)?;
        self.directory.sync_all()
    }

    /// The same, and overwrites the old bytes, as [`Folder::destroy`] does. Blocks for three fsyncs.
    ///
    /// # Errors
    /// What the system said. Whichever bytes are in place, they are whole.
    pub(super) fn replace_and_overwrite(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let old = private_options().write(true).open(self.file(name));
        self.replace(name, bytes)?;
        match old {
            Ok(mut old) => overwrite(&mut old),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Overwrites the file and removes it, where it is there, and what was left of one that never got into its place. Blocks for
    /// two fsyncs. What a file system or a disk keeps of its own accord is beyond this.
    ///
    /// # Errors
    /// What the system said.
    pub(super) fn destroy(&self, name: &str) -> io::Result<()> {
        for path in [self.file(name), self.file(&format!("{name}{NEW}"))] {
            match private_options().write(true).open(&path) {
                Ok(mut file) => {
                    overwrite(&mut file)?;
                    std::fs::remove_file(&path)?;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        self.directory.sync_all()
    }

    /// Removes the file, where it is there. Blocks for an fsync.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        match std::fs::remove_file(self.file(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => self.directory.sync_all(),
        }
    }

    /// Has what was made in it last. Blocks for an fsync.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.directory.sync_all()
    }

    /// The mark of this name.
    pub(crate) fn mark(&self, name: &str) -> MarkFile {
        MarkFile { file: self.file(name), new: self.file(&format!("{name}{NEW}")) }
    }
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
        replace(&self.file, &self.new, bytes)
    }
}

fn replace(file: &Path, new: &Path, bytes: &[u8]) -> io::Result<()> {
    let placed = write(new, bytes).and_then(|()| std::fs::rename(new, file));
    if placed.is_err() {
        // It would take up room on a disk that may be full. The next attempt starts it anew in any case.
        let _ = std::fs::remove_file(new);
    }
    placed
}

fn overwrite(file: &mut File) -> io::Result<()> {
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(0);
    file.write_all(&vec![0; length])?;
    file.sync_all()
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
