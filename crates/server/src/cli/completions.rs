//! `foodtrack-websocket completions`

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::outcome::print;
use super::{Cli, NAME, Run};

const AFTER_HELP: &str = "\
Examples:
  foodtrack-websocket completions bash > /usr/share/bash-completion/completions/foodtrack-websocket
  foodtrack-websocket completions zsh > /usr/share/zsh/vendor-completions/_foodtrack-websocket

Exit codes: 0 printed, 2 bad usage.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Completions {
    /// The shell that is to complete commands and flags
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Run {
        let mut script = Vec::new();
        generate(self.shell, &mut Cli::command(), NAME, &mut script);
        print(String::from_utf8_lossy(&script).trim_end());
        Ok(ExitCode::SUCCESS)
    }
}
