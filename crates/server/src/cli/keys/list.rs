//! `foodtrack-websocket keys list`

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::KeysDirectory;
use crate::cli::Run;
use crate::cli::log_text::time_text;
use crate::cli::outcome::{note, print};

const AFTER_HELP: &str = "\
One line for each key: tenant, key, when it was made, and whether new events are sealed with it. Nothing of a key itself is shown.

Examples:
  foodtrack-websocket keys list --data-dir /var/lib/foodtrack
  foodtrack-websocket keys list --data-dir /var/lib/foodtrack --json

Exit codes: 0 listed, 2 bad usage, or there are no keys.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    directory: KeysDirectory,
    /// One JSON object per line
    #[arg(long)]
    json: bool,
}

impl List {
    pub(in crate::cli) fn run(self) -> Run {
        let files = self.directory.files()?;
        for tenant in files.tenants()? {
            let keys = files.wrapped(&tenant)?.unwrap_or_default();
            let newest = keys.last().map(|key| key.kid);
            for key in &keys {
                let made_at = time_text(key.made_at_ms);
                let is_newest = Some(key.kid) == newest;
                if self.json {
                    let (tenant, master) = (tenant.as_str(), &key.master);
                    print(
                        json!({ "tenant": tenant, "key": key.kid, "madeAt": made_at, "isNewest": is_newest, "masterKey": master }),
                    );
                } else {
                    let role = if is_newest { "seals" } else { "opens" };
                    print(format_args!("{tenant}  {}  {made_at}  {role}", key.kid));
                }
            }
        }
        note(format_args!("wrapped by the master key {}", files.master()?));
        Ok(ExitCode::SUCCESS)
    }
}
