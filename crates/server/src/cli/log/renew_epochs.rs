//! `foodtrack-websocket log renew-epochs`

use std::process::ExitCode;

use clap::Args;
use foodtrack_tenant_log::renew_epochs;

use super::LogDirectory;
use crate::cli::Run;
use crate::cli::outcome::print;

const AFTER_HELP: &str = "\
For after a backup was restored, and before the server starts: offsets that were shown since the backup was made would be given \
out again, and clients would take new messages for old ones. With a new epoch they are told to start anew.

Examples:
  foodtrack-websocket log renew-epochs --data-dir /var/lib/foodtrack

Exit codes: 0 done, 1 failed and nothing was changed, 2 it cannot be opened, also while a server uses it.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct RenewEpochs {
    #[command(flatten)]
    directory: LogDirectory,
}

impl RenewEpochs {
    pub(in crate::cli) fn run(self) -> Run {
        let tenants = renew_epochs(&self.directory.path)?;
        print(format_args!("{tenants} tenants have a new epoch"));
        Ok(ExitCode::SUCCESS)
    }
}
