//! `foodtrack-websocket keys`

mod list;
mod rotate;
mod rotate_master;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use foodtrack_keyring::MasterKey;

use super::Run;
use super::outcome::Outcome;
use crate::config::{ConfigErrors, Layers, load, master_key};
use crate::data::KeyFiles;

#[derive(Subcommand)]
pub(super) enum Keys {
    /// Say which keys tenants have, without any master key.
    List(list::List),
    /// Make a newer key for a tenant or for all, beside a running server too: what comes next is sealed with it.
    Rotate(rotate::Rotate),
    /// Wrap all keys with another master key. No server may be using them.
    RotateMaster(rotate_master::RotateMaster),
}

impl Keys {
    pub(super) fn run(self) -> Run {
        match self {
            Self::List(list) => list.run(),
            Self::Rotate(rotate) => rotate.run(),
            Self::RotateMaster(rotate) => rotate.run(),
        }
    }
}

/// Which keys, and where the master key is said.
#[derive(Args)]
struct KeysDirectory {
    /// The server's data directory; the keys are the directory `keys` in it
    #[arg(long = "data-dir", value_name = "DIRECTORY")]
    path: PathBuf,
    /// The server's TOML file, for its master key; the environment may have it as well
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl KeysDirectory {
    fn files(&self) -> Result<KeyFiles, Outcome> {
        KeyFiles::existing(&self.path)?.ok_or_else(|| {
            Outcome::Usage(format!(
                "{}: there are no keys; a server that is started with security.encryptionKey makes them",
                self.path.display()
            ))
        })
    }

    fn master_key(&self) -> Result<MasterKey, Outcome> {
        given_master_key(self.config.clone())?.ok_or_else(|| {
            Outcome::Usage("no master key is given; set WEBSOCKET_ENCRYPTION_KEY, or name the server's file with --config".into())
        })
    }
}

/// The master key that the environment or a file says; `None` where neither does.
pub(super) fn given_master_key(config: Option<PathBuf>) -> Result<Option<MasterKey>, Outcome> {
    let said = load(&Layers::from_process(config))?;
    let mut errors = ConfigErrors::default();
    let key = master_key(&said.security, &mut errors);
    Ok(errors.or(key)?)
}
