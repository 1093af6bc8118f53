//! `foodtrack-websocket log backup`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use foodtrack_tenant_log::backup;

use super::{LogDirectory, size_text};
use crate::cli::Run;
use crate::cli::outcome::{note, print};

const AFTER_HELP: &str = "\
Works beside a running server. The copy is whole, as of one moment, and a data directory of its own: look at it with `log check`.
Before a server starts with it, `log renew-epochs` must have been run on it.

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
        print(format_args!("{} copied to {}", size_text(bytes), self.to.display()));
        Ok(ExitCode::SUCCESS)
    }
}
