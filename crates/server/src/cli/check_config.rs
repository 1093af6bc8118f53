//! `foodtrack-websocket check-config`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::Run;
use super::outcome::{note, print};
use crate::WebSocketConfig;
use crate::config::keys::KEYS;
use crate::config::{Layers, load_checked};

const AFTER_HELP: &str = "\
Prints the effective configuration as TOML on stdout, secrets redacted, and every problem on stderr.

Examples:
  foodtrack-websocket check-config --config hub.toml
  foodtrack-websocket check-config --keys

Exit codes: 0 the hub would start with it, 2 it would not.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct CheckConfig {
    /// A TOML file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// List every key, its name in the environment, and what it means
    #[arg(long)]
    keys: bool,
}

impl CheckConfig {
    pub(super) fn run(self) -> Run {
        if self.keys {
            print_keys();
            return Ok(ExitCode::SUCCESS);
        }
        let layers = Layers::from_process(self.config);
        load_checked(&layers, |said| print(as_text(said).trim_end()))?;
        note("the configuration is good");
        Ok(ExitCode::SUCCESS)
    }
}

fn print_keys() {
    for key in KEYS {
        print(key.path);
        print(format_args!("    {}", key.about));
        if let Some(environment) = key.environment {
            print(format_args!("    Environment: {environment}"));
        }
    }
}

fn as_text(config: &WebSocketConfig) -> String {
    // TOML has no null, which a tenant's schema may hold.
    toml::to_string(config).or_else(|_| serde_json::to_string_pretty(config)).unwrap_or_default()
}
