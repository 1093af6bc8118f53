//! `foodtrack-websocket backup restore`

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use foodtrack_tenant_log::{private_options, renew_epochs};

use super::contents::Contents;
use super::parts::{KEYS_FOLDER, NAMES};
use super::{archive, check_log};
use crate::cli::log::LogDirectory;
use crate::cli::outcome::{Outcome, failed, note, print};
use crate::cli::{Run, audit_command};
use crate::data::DataDir;

const AFTER_HELP: &str = "\
Writes over nothing: move away what the directory has. The backup is verified first, and each tenant gets a new epoch: offsets that were shown since it was made \
would be given out again, so clients are told to start anew. Where it is stopped on its way, no server starts with the directory; empty it and begin again.

What was revoked since the backup is to be revoked again, and API keys are as they were when it was made.

Examples:
  foodtrack-websocket backup restore /mnt/backup/monday.tar --data-dir /var/lib/foodtrack

Exit codes: 0 a server can start with it, 1 failed, 2 bad usage, no backup, or a directory that has something already.";

/// Where files are until all of them are there.
const UNFINISHED: &str = "restoring";
/// The log's file: the last one to be put in its place.
const LOG: &str = "log.db";
/// No server starts beside it.
const MARK: &str = "log.copy";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Restore {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The data directory to make
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: PathBuf,
    /// The server's TOML file, for the master key of a log that is sealed; the environment may have it as well
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Restore {
    pub(in crate::cli) fn run(self) -> Run {
        let to = &self.data_dir;
        let _directory = DataDir::open(to).map_err(|error| Outcome::Usage(error.to_string()))?;
        refuse(to, &NAMES)?;
        refuse(to, &[UNFINISHED])?;
        let unfinished = to.join(UNFINISHED);
        note(format_args!("reading {}", self.file.display()));
        let restored = self.restore(&unfinished);
        if restored.is_err() {
            let _ = std::fs::remove_dir_all(&unfinished);
        }
        let (contents, tenants, sealed) = restored?;
        put_in_place(&unfinished, to).map_err(|error| {
            failed(&format_args!("{}: {error}; empty it and begin again", to.display()))
        })?;
        audit_command(to, "backup restore", None, Some(&self.file.to_string_lossy()));
        print(format_args!(
            "{}: the state of {}; {tenants} tenants have a new epoch",
            to.display(),
            contents.made_at
        ));
        note("revoke again what was revoked since; API keys are as they were");
        if sealed && !to.join(KEYS_FOLDER).exists() {
            note("the log is sealed: put the directory `keys` beside it before the server starts");
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Makes the data directory in a place of its own. Returns what it was made of, how many tenants there are, and whether
    /// anything is sealed.
    fn restore(&self, unfinished: &Path) -> Result<(Contents, usize, bool), Outcome> {
        let contents = archive::unpack(&self.file, unfinished)?;
        if contents.has_keys {
            refuse(&self.data_dir, &[KEYS_FOLDER])?;
        }
        let [here, there] = [unfinished, &self.data_dir]
            .map(|path| LogDirectory { path: path.to_owned(), config: self.config.clone() });
        let keys = if contents.has_keys { here.keys()? } else { there.keys()? };
        let report = check_log(unfinished, keys)?;
        let tenants = renew_epochs(unfinished)?;
        Ok((contents, tenants, report.sealed > 0))
    }
}

/// Refuses a directory that has something of these names.
fn refuse(directory: &Path, names: &[&str]) -> Result<(), Outcome> {
    let is_there = |name: &&&str| directory.join(name).symlink_metadata().is_ok();
    let Some(name) = names.iter().find(is_there) else { return Ok(()) };
    Err(Outcome::Usage(format!(
        "{}: has {name} already; nothing is written over: move it away, or name another directory",
        directory.display()
    )))
}

/// Moves what was made to where a server looks for it, the log last.
fn put_in_place(from: &Path, to: &Path) -> io::Result<()> {
    let mark = to.join(MARK);
    private_options().write(true).create_new(true).open(&mark)?.sync_all()?;
    File::open(to)?.sync_all()?;
    for entry in std::fs::read_dir(from)? {
        let name = entry?.file_name();
        if name != LOG && name != "log.lock" {
            std::fs::rename(from.join(&name), to.join(&name))?;
        }
    }
    std::fs::rename(from.join(LOG), to.join(LOG))?;
    std::fs::remove_dir_all(from)?;
    File::open(to)?.sync_all()?;
    std::fs::remove_file(&mark)?;
    File::open(to)?.sync_all()
}
