//! `foodtrack-websocket webhooks`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use foodtrack_contract::TenantId;
use reqwest::Method;

use super::Run;
use super::outcome::{Outcome, failed, print, wait};
use super::running_hub::RunningHub;
use crate::config::{Layers, load_checked};
use crate::webhooks::test_once;

const AFTER_HELP: &str = "\
Webhooks are set up in the configuration ([[webhooks]]). These commands ask a running hub, for the tenant of the token; `test` needs
neither.

Examples:
  TOKEN=$(foodtrack-websocket token --tenant pizza-roma --user gateway --role system)
  foodtrack-websocket webhooks list --token $TOKEN
  foodtrack-websocket webhooks pause billing --token $TOKEN
  foodtrack-websocket webhooks replay billing --cursor 1k3f9z-42 --token $TOKEN
  foodtrack-websocket webhooks replay-letter billing --offset 420 --token $TOKEN
  foodtrack-websocket webhooks test billing --config hub.toml --tenant pizza-roma

Exit codes: 0 done; 1 the hub refused, or the receiver did not take a test; 2 bad usage or configuration.";

#[derive(Subcommand)]
#[command(after_help = AFTER_HELP)]
pub(super) enum Webhooks {
    /// Say how the tenant's webhooks do, as JSON.
    List(RunningHub),
    /// Send a webhook nothing of the tenant for now.
    Pause(Named),
    /// Go on with what waited.
    Resume(Named),
    /// Send a webhook the tenant's events again.
    Replay(Replay),
    /// Post the event of a webhook's dead letter to its receiver once more.
    ReplayLetter(ReplayLetter),
    /// Post a request without events to a webhook's receiver, from here, by the configuration.
    Test(Test),
}

#[derive(Args)]
pub(super) struct Named {
    /// The webhook's name
    name: String,
    #[command(flatten)]
    running: RunningHub,
}

#[derive(Args)]
pub(super) struct Replay {
    /// The webhook's name
    name: String,
    /// Only what comes after this place, such as 1k3f9z-42; all that the log has where there is none
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    #[command(flatten)]
    running: RunningHub,
}

#[derive(Args)]
pub(super) struct ReplayLetter {
    /// The webhook's name
    name: String,
    /// The event's offset, as the list of dead letters shows it
    #[arg(long, value_name = "OFFSET")]
    offset: u64,
    #[command(flatten)]
    running: RunningHub,
}

#[derive(Args)]
pub(super) struct Test {
    /// The webhook's name
    name: String,
    /// The restaurant
    #[arg(long, value_name = "TENANT", default_value = "tenant")]
    tenant: String,
    /// A TOML file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Webhooks {
    pub(super) fn run(self) -> Run {
        match self {
            Self::List(running) => running.ask(Method::GET, &["webhooks"], None),
            Self::Pause(Named { name, running }) => {
                running.ask(Method::POST, &["webhooks", &name, "pause"], None)
            }
            Self::Resume(Named { name, running }) => {
                running.ask(Method::POST, &["webhooks", &name, "resume"], None)
            }
            Self::Replay(Replay { name, cursor, running }) => {
                running.ask(Method::POST, &["webhooks", &name, "replay"], cursor.as_deref())
            }
            Self::ReplayLetter(ReplayLetter { name, offset, running }) => {
                let offset = offset.to_string();
                let path = ["webhooks", &name, "dead-letters", &offset, "replay"];
                running.ask(Method::POST, &path, None)
            }
            Self::Test(test) => test.run(),
        }
    }
}

impl Test {
    fn run(self) -> Run {
        let tenant =
            TenantId::parse(&self.tenant).map_err(|error| Outcome::Usage(error.to_string()))?;
        let config = load_checked(&Layers::from_process(self.config), |_| {})?;
        let webhooks = &config.said().webhooks;
        let Some(webhook) = webhooks.iter().find(|webhook| webhook.name == self.name) else {
            let names: Vec<_> = webhooks.iter().map(|webhook| webhook.name.as_str()).collect();
            let there = match names[..] {
                [] => "the configuration has none; write [[webhooks]]".into(),
                _ => format!("there are {}", names.join(", ")),
            };
            return Err(Outcome::Usage(format!("no webhook is called {}: {there}", self.name)));
        };
        let report = wait(test_once(&config, webhook, &tenant))?.map_err(|error| failed(&error))?;
        print(format_args!("POST {}, {:.1} ms", report.url, report.took_ms));
        match report.error {
            None => {
                print(format_args!("taken, with status {}", report.status.unwrap_or_default()));
                Ok(ExitCode::SUCCESS)
            }
            Some(error) => Err(Outcome::Failed(format!("not taken: {error}"))),
        }
    }
}
