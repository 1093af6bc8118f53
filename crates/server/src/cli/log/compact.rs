//! `foodtrack-websocket log compact`

use std::process::ExitCode;

use clap::Args;
use foodtrack_tenant_log::compact;

use super::{LogDirectory, size_text, tell};
use crate::cli::Run;
use crate::cli::outcome::print;

const AFTER_HELP: &str = "\
A server uses freed space again by itself, but never makes the file smaller. It can be interrupted: what was given back stays so.

Examples:
  foodtrack-websocket log compact --data-dir /var/lib/foodtrack
  foodtrack-websocket log compact --data-dir /var/lib/foodtrack --rewrite

Exit codes: 0 done, 1 failed on the way, 2 it cannot be opened, also while a server uses it.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Compact {
    #[command(flatten)]
    directory: LogDirectory,
    /// Write the whole file anew, so that nothing of what was deleted is left in it; needs as much free disk as it has
    #[arg(long)]
    rewrite: bool,
}

impl Compact {
    pub(in crate::cli) fn run(self) -> Run {
        let done = compact(&self.directory.path, self.rewrite, &mut tell)?;
        let (before, after) = (size_text(done.bytes_before), size_text(done.bytes_after));
        print(format_args!("{before} before, {after} now"));
        Ok(ExitCode::SUCCESS)
    }
}
