//! A small disk that can be filled.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What an undisturbed run never fills.
const SIZE: &str = "size=96m";
const BLOCK_BYTES: usize = 64 * 1024;

/// A file system in memory, mounted on a folder. Dropping it takes it away.
pub struct DataDisk {
    folder: PathBuf,
}

impl DataDisk {
    /// Mounts one on an empty folder.
    ///
    /// # Errors
    /// This user may not mount, or the system has no `mount`.
    pub fn mount(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", SIZE, "chaos"]).arg(folder);
        let status = command.stdin(Stdio::null()).stderr(Stdio::null()).status()?;
        if !status.success() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "mount failed"));
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// Where a hub keeps its data.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn filler(&self) -> PathBuf {
        self.folder.join("filler")
    }

    /// Fills it to the last byte.
    ///
    /// # Errors
    /// The file system fails in another way than by being full.
    pub fn fill(&self) -> io::Result<()> {
        let mut filler = File::options().create(true).append(true).open(self.filler())?;
        let block = vec![0; BLOCK_BYTES];
        let mut bytes = BLOCK_BYTES;
        while bytes > 0 {
            match filler.write(&block[..bytes]) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::StorageFull => bytes /= 2,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Makes room again.
    ///
    /// # Errors
    /// It was not filled.
    pub fn free(&self) -> io::Result<()> {
        fs::remove_file(self.filler())
    }
}

impl Drop for DataDisk {
    fn drop(&mut self) {
        // Lazily: a hub that is being killed may hold a file open a moment longer.
        Command::new("umount").arg("-l").arg(&self.folder).status().ok();
    }
}
