//! `foodtrack-websocket dead-letters inspect`

use std::process::ExitCode;

use clap::Args;
use foodtrack_contract::{Offset, TenantId};
use serde_json::json;

use crate::cli::Run;
use crate::cli::log::{LogDirectory, parse_offset, parse_tenant};
use crate::cli::log_text::{entry_json, letter_json};
use crate::cli::outcome::{Outcome, print};

const AFTER_HELP: &str = "\
Works beside a running server. Prints JSON: the entry with its message, and its dead letters.

Examples:
  foodtrack-websocket dead-letters inspect --data-dir /var/lib/foodtrack --tenant pizza-roma --offset 420

Exit codes: 0 printed, 1 failed while reading, 2 bad usage, no dead letter there, or it cannot be opened.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Inspect {
    #[command(flatten)]
    directory: LogDirectory,
    /// The restaurant
    #[arg(long, value_name = "TENANT", value_parser = parse_tenant)]
    tenant: TenantId,
    /// The message
    #[arg(long, value_name = "OFFSET", value_parser = parse_offset)]
    offset: Offset,
}

impl Inspect {
    pub(in crate::cli) fn run(self) -> Run {
        let reader = self.directory.reader()?;
        let letters = reader.dead_letters_at(&self.tenant, self.offset)?;
        if letters.is_empty() {
            return Err(Outcome::Usage(format!(
                "tenant {} has no dead letter at {}; `dead-letters list` says where there are any",
                self.tenant, self.offset
            )));
        }
        let epoch = reader.stats(&self.tenant)?.last.epoch();
        let entry = reader.read_at(&self.tenant, &[self.offset])?;
        let report = json!({
            "entry": entry.first().map(|entry| entry_json(epoch, entry)),
            "deadLetters": letters.iter().map(letter_json).collect::<Vec<_>>(),
        });
        print(serde_json::to_string_pretty(&report).unwrap_or_default());
        Ok(ExitCode::SUCCESS)
    }
}
