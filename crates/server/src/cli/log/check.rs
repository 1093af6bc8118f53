//! `foodtrack-websocket log check`

use std::process::ExitCode;

use clap::Args;
use foodtrack_tenant_log::check_with_progress;

use super::{LogDirectory, size_text, tell};
use crate::cli::Run;
use crate::cli::outcome::{note, print};

const AFTER_HELP: &str = "\
Reads all of it: pages, indexes, and what entries promise of each other. Findings go to stdout, one a line, and progress to \
stderr. With findings, keep a copy of the directory, then restore a backup; docs/operating/log.md says how.

Examples:
  foodtrack-websocket log check --data-dir /var/lib/foodtrack
  foodtrack-websocket log check --data-dir /mnt/backup/foodtrack > findings.txt

Exit codes: 0 nothing found, 1 findings or a failure on the way, 2 it cannot be opened, also while a server uses it.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Check {
    #[command(flatten)]
    directory: LogDirectory,
}

impl Check {
    pub(in crate::cli) fn run(self) -> Run {
        let report = check_with_progress(&self.directory.path, self.directory.keys()?, &mut tell)?;
        report.findings.iter().for_each(print);
        note(format_args!(
            "{} tenants, {} entries, {} on disk, {} of it free",
            report.tenants,
            report.entries,
            size_text(report.file_bytes),
            size_text(report.free_bytes),
        ));
        report.not_looked_at().iter().for_each(note);
        if report.findings.is_empty() {
            note("nothing found");
            return Ok(ExitCode::SUCCESS);
        }
        note(format_args!("{} findings", report.findings.len()));
        Ok(ExitCode::from(1))
    }
}
