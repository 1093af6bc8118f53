//! `foodtrack-websocket log stats`

use std::process::ExitCode;

use clap::Args;
use foodtrack_contract::TenantId;
use foodtrack_tenant_log::TenantStats;
use serde_json::json;

use super::{LogDirectory, size_text};
use crate::cli::Run;
use crate::cli::outcome::print;

const AFTER_HELP: &str = "\
Works beside a running server.

Examples:
  foodtrack-websocket log stats --data-dir /var/lib/foodtrack
  foodtrack-websocket log stats --data-dir /var/lib/foodtrack --json | jq .entries

Exit codes: 0 printed, 1 failed while reading, 2 it cannot be opened.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Stats {
    #[command(flatten)]
    directory: LogDirectory,
    /// Print a line of JSON for each tenant
    #[arg(long)]
    json: bool,
}

impl Stats {
    pub(in crate::cli) fn run(self) -> Run {
        let reader = self.directory.reader()?;
        let tenants = reader.tenants()?;
        if !self.json {
            print(format_args!(
                "{:<32} {:>24} {:>12} {:>10} {:>12} {:>12}",
                "tenant", "last", "entries", "size", "gone through", "dead letters"
            ));
        }
        for tenant in tenants {
            let stats = reader.stats(&tenant)?;
            if self.json { print(line_json(&tenant, &stats)) } else { print(line(&tenant, &stats)) }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn line(tenant: &TenantId, stats: &TenantStats) -> String {
    format!(
        "{:<32} {:>24} {:>12} {:>10} {:>12} {:>12}",
        tenant.as_str(),
        stats.last.to_string(),
        stats.entries,
        size_text(stats.bytes),
        stats.trimmed_through,
        stats.dead_letters,
    )
}

fn line_json(tenant: &TenantId, stats: &TenantStats) -> String {
    json!({
        "tenant": tenant.as_str(),
        "epoch": stats.last.epoch().to_string(),
        "last": stats.last.through().get(),
        "entries": stats.entries,
        "bytes": stats.bytes,
        "trimmedThrough": stats.trimmed_through.get(),
        "deadLetters": stats.dead_letters,
    })
    .to_string()
}
