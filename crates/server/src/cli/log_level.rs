//! `foodtrack-websocket log-level`

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::Run;
use super::running_hub::RunningHub;

const AFTER_HELP: &str = "\
Asks one node; the others go on as they do. What is written changes at once, holds for a while, and is the configured level again then. \
Without a level it says what is in force. Who changes it is a line in the log.

Examples:
  TOKEN=$(foodtrack-websocket token --tenant pizza-roma --user operator --role system)
  foodtrack-websocket log-level debug --seconds 300 --token $TOKEN
  foodtrack-websocket log-level debug --of-tenant --user chef-3 --token $TOKEN
  foodtrack-websocket log-level --reset --token $TOKEN

Exit codes: 0 done; 1 the hub refused or cannot be reached; 2 bad usage.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct LogLevel {
    /// error, warn, info, debug, trace, or a filter such as info,foodtrack_shard=debug
    level: Option<String>,
    /// Only lines about the tenant of the token
    #[arg(long, requires = "level")]
    of_tenant: bool,
    /// Of these, only lines about this user
    #[arg(long, value_name = "ID", requires = "of_tenant")]
    user: Option<String>,
    /// How long it holds [default: 600]
    #[arg(long, value_name = "SECONDS", requires = "level")]
    seconds: Option<u64>,
    /// The configured level again
    #[arg(long, conflicts_with = "level")]
    reset: bool,
    #[command(flatten)]
    running: RunningHub,
}

impl LogLevel {
    pub(super) fn run(self) -> Run {
        let path = &["log-level"];
        let Some(level) = self.level else {
            let method = if self.reset { Method::DELETE } else { Method::GET };
            return self.running.ask(method, path, None);
        };
        let mut body = json!({ "level": level });
        if self.of_tenant {
            body["of"] = Value::from("tenant");
        }
        if let Some(user) = self.user {
            body["userId"] = Value::from(user);
        }
        if let Some(seconds) = self.seconds {
            body["seconds"] = Value::from(seconds);
        }
        self.running.send(Method::PUT, path, &body)
    }
}
