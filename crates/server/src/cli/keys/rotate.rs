//! `foodtrack-websocket keys rotate`

use std::process::ExitCode;

use clap::Args;
use foodtrack_contract::TenantId;

use super::KeysDirectory;
use crate::cli::Run;
use crate::cli::log::{now_ms, parse_tenant};
use crate::cli::outcome::print;
use crate::data::KeyStore;

const AFTER_HELP: &str = "\
Works beside a running server, which seals with the newer key within a minute, and at once after a restart. What older keys sealed is \
opened with them as ever.

Examples:
  foodtrack-websocket keys rotate --data-dir /var/lib/foodtrack --config hub.toml --tenant pizza-roma
  foodtrack-websocket keys rotate --data-dir /var/lib/foodtrack --config hub.toml --all

Exit codes: 0 made, 1 failed while writing, 2 bad usage, or the master key is another one.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Rotate {
    #[command(flatten)]
    directory: KeysDirectory,
    /// The restaurant
    #[arg(long, value_name = "TENANT", value_parser = parse_tenant, required_unless_present = "all")]
    tenant: Option<TenantId>,
    /// Every restaurant that has keys
    #[arg(long, conflicts_with = "tenant")]
    all: bool,
}

impl Rotate {
    pub(in crate::cli) fn run(self) -> Run {
        let (files, master) = (self.directory.files()?, self.directory.master_key()?);
        // Or else the newer keys would be of another master key than the older ones.
        KeyStore::open(&self.directory.path, master.clone())?;
        let tenants = match self.tenant {
            Some(tenant) => vec![tenant],
            None => files.tenants()?,
        };
        for tenant in tenants {
            let keys = files.make(&tenant, &master, now_ms(), true)?;
            if let Some(newest) = keys.last() {
                print(format_args!("{tenant}: key {} seals what comes next", newest.kid));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
