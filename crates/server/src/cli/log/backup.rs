//! `foodtrack-websocket log backup`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use foodtrack_tenant_log::backup;

use super::{LogDirectory, size_text};
use crate::cli::Run;
use crate::cli::backup::copy_parts;
use crate::cli::copy_rate::{RateOption, tell_copied};
use crate::cli::outcome::{Outcome, print};

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
    #[command(flatten)]
    rate: RateOption,
}

impl Backup {
    pub(in crate::cli) fn run(self) -> Run {
        let tell = tell_copied("copying the log");
        let bytes = backup(&self.directory.path, &self.to, self.rate.rate, tell)?;
        copy_parts(&self.directory.path, &self.to).map_err(|error| {
            Outcome::Failed(format!("cannot copy what is beside the log: {error}; begin anew"))
        })?;
        print(format_args!("{} copied to {}", size_text(bytes), self.to.display()));
        Ok(ExitCode::SUCCESS)
    }
}
