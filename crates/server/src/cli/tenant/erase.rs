//! `foodtrack-websocket tenant erase`

use std::process::ExitCode;

use clap::Args;
use foodtrack_contract::TenantId;
use foodtrack_tenant_log::{Erased, erase_spooled, erase_tenant};

use crate::cli::log::{LogDirectory, parse_tenant, tell};
use crate::cli::outcome::{Outcome, note, print};
use crate::cli::{Run, audit_command};
use crate::data::{DataDir, KeyFiles, destroy_tenant_files};

const AFTER_HELP: &str = "\
First the tenant's keys are destroyed: what they sealed is closed for good, in every copy of the log too. Then its rows go, those too that wait for a cluster's Redis, the file is \
written anew, and what it declared and revoked over HTTP goes. It needs as much free disk as the log takes. Where it is stopped on its way, run it again. \
Copies of the directory `keys`, and of logs that were not sealed, are yours to destroy.

Examples:
  foodtrack-websocket tenant erase --data-dir /var/lib/foodtrack --tenant pizza-roma --confirm pizza-roma

Exit codes: 0 erased, also where there was nothing, 1 failed on the way, 2 bad usage, or it cannot be opened, also while a server runs.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Erase {
    #[command(flatten)]
    directory: LogDirectory,
    /// The restaurant
    #[arg(long, value_name = "TENANT", value_parser = parse_tenant)]
    tenant: TenantId,
    /// The same once more: nothing brings it back
    #[arg(long, value_name = "TENANT")]
    confirm: String,
}

impl Erase {
    pub(in crate::cli) fn run(self) -> Run {
        let (tenant, path) = (&self.tenant, &self.directory.path);
        if self.confirm != tenant.as_str() {
            return Err(Outcome::Usage("--confirm names another tenant than --tenant".into()));
        }
        let has_log = path.join("log.db").exists();
        // What a node of a cluster has of a tenant on its disk is what waits for Redis.
        if !has_log && !path.join("spool.db").exists() {
            return Err(Outcome::Usage(format!("{}: there is no log here", path.display())));
        }
        let _directory = DataDir::open(path).map_err(|error| Outcome::Usage(error.to_string()))?;
        audit_command(path, "tenant erase", Some(tenant), None);
        let keys = KeyFiles::existing(path)?;
        if let Some(keys) = &keys {
            keys.destroy(tenant)?;
        }
        destroy_tenant_files(path, tenant).map_err(|error| {
            Outcome::Failed(format!("what it declared or revoked is still there: {error}"))
        })?;
        let spooled =
            erase_spooled(path, tenant).map_err(|error| Outcome::Failed(error.to_string()))?;
        let erased = match has_log {
            true => erase_tenant(path, tenant, &mut tell)?,
            false => Erased::default(),
        };
        let entries = erased.entries + spooled;
        print(format_args!("{tenant} erased: {entries} entries, {} other rows", erased.others));
        if spooled > 0 {
            note("some of them waited for a cluster's Redis; what it has is there still");
        }
        if keys.is_none() {
            note("the log is not sealed: backups have its events still, and are yours to destroy");
        }
        Ok(ExitCode::SUCCESS)
    }
}
