//! `foodtrack-websocket held-child`: a program that ends with who started it, also where that is killed.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use clap::Args;
use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use super::Run;
use super::outcome::Outcome;

#[derive(Args)]
pub(super) struct HeldChild {
    /// The process that it ends with
    #[arg(long)]
    parent: i32,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

impl HeldChild {
    pub(super) fn run(self) -> Run {
        set_parent_process_death_signal(Some(Signal::KILL))
            .map_err(|error| Outcome::Failed(error.to_string()))?;
        // Whoever was killed before that line sends no signal any more.
        if getppid().map(|it| it.as_raw_nonzero().get()) != Some(self.parent) {
            return Ok(ExitCode::FAILURE);
        }
        let [program, arguments @ ..] = &*self.command else {
            return Err(Outcome::Usage("name a program".into()));
        };
        let error = Command::new(program).args(arguments).exec();
        Err(Outcome::Failed(format!("{}: {error}", program.display())))
    }
}
