//! `foodtrack-websocket dead-letters list`

use std::process::ExitCode;

use clap::Args;
use foodtrack_contract::{Offset, TenantId};

use crate::cli::Run;
use crate::cli::log::{LogDirectory, parse_offset, parse_tenant};
use crate::cli::log_text::{letter_json, letter_line};
use crate::cli::outcome::{note, print};

const AFTER_HELP: &str = "\
Works beside a running server.

Examples:
  foodtrack-websocket dead-letters list --data-dir /var/lib/foodtrack --tenant pizza-roma
  foodtrack-websocket dead-letters list --data-dir /var/lib/foodtrack --tenant pizza-roma --after 420 --json

Exit codes: 0 printed, 1 failed while reading, 2 bad usage, an unknown tenant, or it cannot be opened.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    directory: LogDirectory,
    /// The restaurant
    #[arg(long, value_name = "TENANT", value_parser = parse_tenant)]
    tenant: TenantId,
    /// Only messages after this offset
    #[arg(long, value_name = "OFFSET", value_parser = parse_offset)]
    after: Option<Offset>,
    /// At most so many, and the rest of the last message's
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    limit: usize,
    /// Print a line of JSON for each
    #[arg(long)]
    json: bool,
}

impl List {
    pub(in crate::cli) fn run(self) -> Run {
        let reader = self.directory.reader()?;
        let after = self.after.unwrap_or(Offset::ZERO);
        let letters = reader.dead_letters(&self.tenant, after, self.limit)?;
        for letter in &letters {
            if self.json { print(letter_json(letter)) } else { print(letter_line(letter)) }
        }
        if letters.is_empty() {
            note("no dead letters");
        }
        Ok(ExitCode::SUCCESS)
    }
}
