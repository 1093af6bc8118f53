//! `foodtrack-websocket tenant erase`

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use foodtrack_contract::TenantId;
use foodtrack_tenant_log::{Erased, erase_spooled, erase_tenant};

use crate::cli::log::{LogDirectory, parse_tenant, tell};
use crate::cli::outcome::{Outcome, note, print};
use crate::cli::{Run, audit_command};
use crate::data::{DataDir, KeyFiles, TenantRecords, destroy_tenant_files};
use crate::revocations::{KeptRevocations, now_s};

const AFTER_HELP: &str = "\
First all tokens that the tenant has are refused: one revocation takes the place of all that it revoked, and names nobody. Then its keys are destroyed: what they sealed is \
closed for good, in every copy of the log too. What it declared over HTTP and its API keys go, then its rows, those too that wait for a cluster's Redis, and the file is written anew. \
It needs as much free disk as the log takes. Where it is stopped on its way, run it again. \
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
        if has_log {
            refuse_tokens(path, tenant)?;
        }
        let keys = KeyFiles::existing(path)?;
        if let Some(keys) = &keys {
            keys.destroy(tenant)?;
        }
        destroy_tenant_files(path, tenant).map_err(|error| {
            Outcome::Failed(format!("what it declared, or its API keys, are still there: {error}"))
        })?;
        let spooled =
            erase_spooled(path, tenant).map_err(|error| Outcome::Failed(error.to_string()))?;
        let erased = match has_log {
            true => erase_tenant(path, tenant, &mut tell)?,
            false => Erased::default(),
        };
        let entries = erased.entries + spooled;
        print(format_args!("{tenant} erased: {entries} entries, {} other rows", erased.others));
        if has_log {
            note(
                "the tokens that it has are refused for 366 days, and so are those made within a minute from now; `revocations remove` takes that back",
            );
        } else {
            note(
                "the tokens that it has are good still: revoke them at the cluster (`revoke tenant`)",
            );
        }
        if spooled > 0 {
            note("some of them waited for a cluster's Redis; what it has is there still");
        }
        if keys.is_none() {
            note("the log is not sealed: backups have its events still, and are yours to destroy");
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn refuse_tokens(path: &Path, tenant: &TenantId) -> Result<(), Outcome> {
    let now_s = now_s();
    let leave = |kept: &KeptRevocations| kept.of_erased_tenant(now_s);
    TenantRecords::<KeptRevocations>::erase_on_disk(path, tenant, leave)
        .map_err(|error| Outcome::Failed(format!("its tokens cannot be refused: {error}")))
}
