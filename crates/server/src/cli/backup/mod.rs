//! `foodtrack-websocket backup`

mod archive;
mod archive_error;
mod contents;
mod make;
mod parts;
mod restore;
mod verify;

use std::path::Path;
use std::sync::Arc;

use clap::Subcommand;
use foodtrack_tenant_log::{CheckReport, KeySource, check_with_progress};

use super::Run;
use super::log::tell;
use super::outcome::{Outcome, note};

pub(super) use parts::copy_parts;

#[derive(Subcommand)]
pub(super) enum Backup {
    /// Write one file with all that a hub needs to go on elsewhere, beside a running hub.
    Make(make::Make),
    /// Say whether a backup is what was written, and whether its log is whole.
    Verify(verify::Verify),
    /// Make a data directory of a backup.
    Restore(restore::Restore),
}

impl Backup {
    pub(super) fn run(self) -> Run {
        match self {
            Self::Make(make) => make.run(),
            Self::Verify(verify) => verify.run(),
            Self::Restore(restore) => restore.run(),
        }
    }
}

/// Looks for damage in the log of a directory that nobody else uses.
fn check_log(directory: &Path, keys: Option<Arc<dyn KeySource>>) -> Result<CheckReport, Outcome> {
    let report = check_with_progress(directory, keys, &mut tell)?;
    let Some(first) = report.findings.first() else { return Ok(report) };
    report.findings.iter().for_each(|finding| note(format_args!("damage: {finding}")));
    Err(Outcome::Failed(format!(
        "its log has {} findings, the first is: {first}",
        report.findings.len()
    )))
}
