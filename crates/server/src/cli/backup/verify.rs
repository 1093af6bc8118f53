//! `foodtrack-websocket backup verify`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::contents::Contents;
use super::{archive, check_log};
use crate::cli::Run;
use crate::cli::log::LogDirectory;
use crate::cli::outcome::{failed, note, print};

const AFTER_HELP: &str = "\
Compares each file with its checksum, and looks through the log as `log check` does, in a copy of it that is removed again.

Examples:
  foodtrack-websocket backup verify /mnt/backup/monday.tar
  foodtrack-websocket backup verify /mnt/backup/monday.tar --scratch /var/tmp

Exit codes: 0 it is whole, 1 it is damaged, or failed on the way, 2 bad usage, or no backup.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Verify {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where there is room for its log; the system's directory for temporary files, if nobody says
    #[arg(long, value_name = "DIRECTORY")]
    scratch: Option<PathBuf>,
    /// The server's TOML file, for the master key of a log that is sealed; the environment may have it as well
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Verify {
    pub(in crate::cli) fn run(self) -> Run {
        let scratch = self.scratch.unwrap_or_else(std::env::temp_dir);
        let copy = tempfile::tempdir_in(&scratch)
            .map_err(|error| failed(&format_args!("{}: {error}", scratch.display())))?;
        let Contents { made_at, made_by, has_keys, .. } = archive::unpack(&self.file, copy.path())?;
        let directory = LogDirectory { path: copy.path().to_owned(), config: self.config };
        let report = check_log(&directory.path, directory.keys()?)?;
        print(format_args!(
            "{}: whole; {} tenants, {} entries, made {made_at} by version {made_by}",
            self.file.display(),
            report.tenants,
            report.entries,
        ));
        if let Some(sentence) = report.not_looked_at() {
            let has = if has_keys { "are in the backup" } else { "are not in the backup" };
            note(format_args!("{sentence}; tenants' keys, which it opens, {has}"));
        }
        Ok(ExitCode::SUCCESS)
    }
}
