//! `foodtrack-websocket drain`

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};

use super::Run;
use super::outcome::print;
use super::running_hub::RunningHub;

const AFTER_HELP: &str = "\
Asks one node; the others are not asked. Its /ready says no at once, its listener stays open, and its clients are sent elsewhere, some at \
a time. `GET /health` says how far that is (`drain.phase`: announced, moving, drained). Whoever starts nodes may start it anew once its \
process has ended.

Examples:
  TOKEN=$(foodtrack-websocket token --tenant pizza-roma --user operator --role system)
  foodtrack-websocket drain --url http://10.0.0.7:4001 --token $TOKEN
  foodtrack-websocket drain --url http://10.0.0.7:4001 --token $TOKEN --then stay --within-ms 30000

Exit codes: 0 it drains; 1 the hub refused or cannot be reached; 2 bad usage.";

/// What comes once the clients are elsewhere.
#[derive(Clone, Copy, ValueEnum)]
enum Then {
    /// The process ends
    Exit,
    /// The node stays, and sends on who comes
    Stay,
}

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Drain {
    /// What comes once the clients are elsewhere
    #[arg(long, value_enum, default_value_t = Then::Exit)]
    then: Then,
    /// How long /ready says it before anything else changes [default: the node's shutdown.drainDelayMs]
    #[arg(long, value_name = "MILLISECONDS")]
    delay_ms: Option<u32>,
    /// How long it takes to send clients elsewhere [default: the node's shutdown.spreadMs, or 5000]
    #[arg(long, value_name = "MILLISECONDS")]
    within_ms: Option<u32>,
    #[command(flatten)]
    running: RunningHub,
}

impl Drain {
    pub(super) fn run(self) -> Run {
        let then = match self.then {
            Then::Exit => "exit",
            Then::Stay => "stay",
        };
        let mut body = json!({ "then": then });
        for (field, ms) in [("delayMs", self.delay_ms), ("withinMs", self.within_ms)] {
            if let Some(ms) = ms {
                body[field] = Value::from(ms);
            }
        }
        let report = self.running.data_for(Method::POST, &["drain"], &body)?;
        print(format_args!("{report:#}"));
        Ok(ExitCode::SUCCESS)
    }
}
