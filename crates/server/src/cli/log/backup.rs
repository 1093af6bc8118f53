//! `foodtrack-websocket log backup`

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use foodtrack_tenant_log::{backup, make_private_directory, private_options};

use super::{LogDirectory, size_text};
use crate::cli::Run;
use crate::cli::outcome::{Outcome, note, print};

const AFTER_HELP: &str = "\
Works beside a running server. The copy is whole, as of one moment, and a data directory of its own: the log, what tenants \
declared, and the key of sessions; look at it with `log check`. No server starts with it before `log renew-epochs` was run on it.

Examples:
  foodtrack-websocket log backup --data-dir /var/lib/foodtrack --to /mnt/backup/monday

Exit codes: 0 all is on disk, 1 failed while copying, 2 it cannot be opened, or the directory for the copy is not empty.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Backup {
    #[command(flatten)]
    directory: LogDirectory,
    /// Where the copy goes: a directory that is empty, or that is not there yet
    #[arg(long, value_name = "DIRECTORY")]
    to: PathBuf,
}

impl Backup {
    pub(in crate::cli) fn run(self) -> Run {
        let bytes = backup(&self.directory.path, &self.to, &mut |file| {
            note(format_args!("copying {}", file.display()));
        })?;
        copy_beside(&self.directory.path, &self.to).map_err(|error| {
            Outcome::Failed(format!("cannot copy what is beside the log: {error}; begin anew"))
        })?;
        print(format_args!("{} copied to {}", size_text(bytes), self.to.display()));
        Ok(ExitCode::SUCCESS)
    }
}

/// What is beside the log and belongs to it. They are replaced whole, so each is the old one or the new one.
const BESIDE: [&str; 2] = ["session.key", "declarations.json"];
/// Folders with a file a tenant.
const FOLDERS: [&str; 3] = ["declarations", "revocations", "api-keys"];

fn copy_beside(from: &Path, to: &Path) -> io::Result<()> {
    // First the mark that says where declarations are: they may be moved in between, and then are in both places.
    for name in BESIDE {
        copy(&from.join(name), &to.join(name))?;
    }
    for name in FOLDERS {
        copy_folder(&from.join(name), &to.join(name))?;
    }
    File::open(to)?.sync_all()
}

/// Copies tenants' files, where there are any.
fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(from) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    make_private_directory(to)?;
    for entry in entries {
        let name = entry?.file_name();
        if name.to_string_lossy().ends_with(".json") {
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
