//! Which processes run where.

use std::path::PathBuf;

use clap::Args;

#[derive(Args)]
pub(crate) struct MachineOptions {
    #[arg(long, default_value_t = 0)]
    pub(crate) server_core: usize,
    #[arg(long, default_value_t = 1)]
    pub(crate) generator_core: usize,
    /// The hub's binary
    #[arg(long, default_value = "target/release/foodtrack-websocket")]
    pub(crate) hub: PathBuf,
    /// The hub's configuration; nodes get `REDIS_URL` beside it
    #[arg(long, default_value = "bench/hub.toml")]
    pub(crate) hub_config: PathBuf,
}

impl MachineOptions {
    /// The servers' and the generator's.
    pub(crate) fn cores(&self) -> [usize; 2] {
        [self.server_core, self.generator_core]
    }
}
