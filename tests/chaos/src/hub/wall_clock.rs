//! A process's own wall clock, which can be set while it runs: Debian's libfaketime stands before the C library. The clock by which a
//! process measures how long something takes goes on as it does.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

const LIBRARIES: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

/// A wall clock, and the file that says how far it is from the machine's.
#[derive(Clone, Debug)]
pub struct WallClock {
    library: PathBuf,
    file: PathBuf,
}

impl WallClock {
    /// One that is right, with its file in a folder that is there. `None` where libfaketime is not installed.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn new(folder: &Path) -> io::Result<Option<Self>> {
        let library = LIBRARIES.into_iter().map(PathBuf::from).find(|path| path.is_file());
        let Some(library) = library else { return Ok(None) };
        let clock = Self { library, file: folder.join("clock") };
        clock.set(0)?;
        Ok(Some(clock))
    }

    /// Sets it to so many seconds after the machine's, or before it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set(&self, seconds: i64) -> io::Result<()> {
        // Whoever looks sees the one or the other.
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{seconds:+}"))?;
        fs::rename(new, &self.file)
    }

    pub(super) fn give_to(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library).env("FAKETIME_TIMESTAMP_FILE", &self.file);
        command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        // The name that earlier versions know.
        command.env("DONT_FAKE_MONOTONIC", "1");
    }
}
