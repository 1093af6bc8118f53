//! `foodtrack-websocket manual`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory};

use super::outcome::{Outcome, print};
use super::{Cli, Run};

const AFTER_HELP: &str = "\
A page for the command, and one for each of its commands, such as foodtrack-websocket-serve.1.

Examples:
  foodtrack-websocket manual --out /usr/local/share/man/man1
  man foodtrack-websocket-serve

Exit codes: 0 written, 1 a file cannot be written, 2 bad usage.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Manual {
    /// The directory for the pages; made where it is not there
    #[arg(long, value_name = "DIRECTORY")]
    out: PathBuf,
}

impl Manual {
    pub(super) fn run(self) -> Run {
        let failed = |error: std::io::Error| {
            Outcome::Failed(format!("cannot write to {}: {error}", self.out.display()))
        };
        std::fs::create_dir_all(&self.out).map_err(failed)?;
        clap_mangen::generate_to(Cli::command(), &self.out).map_err(failed)?;
        print(format_args!("manual pages are in {}", self.out.display()));
        Ok(ExitCode::SUCCESS)
    }
}
