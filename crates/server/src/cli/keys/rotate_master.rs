//! `foodtrack-websocket keys rotate-master`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::KeysDirectory;
use crate::cli::outcome::{Outcome, note};
use crate::cli::{Run, audit_command};
use crate::config::{ConfigErrors, SecurityConfig, master_key};
use crate::data::DataDir;

const AFTER_HELP: &str = "\
The log stays as it is: only the small files with tenants' keys are written. Where it is stopped on its way, no server starts until it is \
run again with the same two keys. Copies of the keys that were made before are opened by the old master key still: destroy them with it.

Examples:
  openssl rand -hex 32 > new.key
  foodtrack-websocket keys rotate-master --data-dir /var/lib/foodtrack --config hub.toml --new-key-file new.key

Exit codes: 0 all keys are wrapped by the new one, 1 failed while writing, 2 bad usage, a wrong key, or a server is running.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct RotateMaster {
    #[command(flatten)]
    directory: KeysDirectory,
    /// A file with the new master key; --config or the environment says the old one
    #[arg(long, value_name = "FILE")]
    new_key_file: PathBuf,
}

impl RotateMaster {
    pub(in crate::cli) fn run(self) -> Run {
        let old = self.directory.master_key()?;
        let new = SecurityConfig {
            encryption_key_file: Some(self.new_key_file.to_string_lossy().into_owned()),
            ..SecurityConfig::default()
        };
        let mut errors = ConfigErrors::default();
        let new = master_key(&new, &mut errors);
        let Some(new) = errors.or(new)? else {
            return Err(Outcome::Usage("no new master key is given".into()));
        };
        let files = self.directory.files()?;
        let _directory = DataDir::open(&self.directory.path)
            .map_err(|error| Outcome::Usage(error.to_string()))?;
        audit_command(&self.directory.path, "keys rotate-master", None, None);
        let tenants = files.rotate_master(&old, &new)?;
        note(format_args!(
            "the keys of {tenants} tenants are wrapped by the master key {}; give the server that one from now on",
            new.id()
        ));
        Ok(ExitCode::SUCCESS)
    }
}
