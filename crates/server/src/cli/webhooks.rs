//! `foodtrack-websocket webhooks`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use foodtrack_contract::TenantId;
use reqwest::{Client, Method};
use serde_json::Value;

use super::Run;
use super::outcome::{Outcome, print, wait};
use crate::config::{Layers, load_checked};
use crate::webhooks::test_once;

/// How long a hub may take to answer.
const TIMEOUT: Duration = Duration::from_secs(150);

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
    List(Running),
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

/// A hub that runs.
#[derive(Args)]
pub(super) struct Running {
    /// Where it listens
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:4001")]
    hub: String,
    /// A back end's or an administrator's token
    #[arg(long, value_name = "TOKEN", env = "FOODTRACK_TOKEN", hide_env_values = true)]
    token: String,
}

#[derive(Args)]
pub(super) struct Named {
    /// The webhook's name
    name: String,
    #[command(flatten)]
    running: Running,
}

#[derive(Args)]
pub(super) struct Replay {
    /// The webhook's name
    name: String,
    /// Only what comes after this place, such as 1k3f9z-42; all that the log has where there is none
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    #[command(flatten)]
    running: Running,
}

#[derive(Args)]
pub(super) struct ReplayLetter {
    /// The webhook's name
    name: String,
    /// The event's offset, as the list of dead letters shows it
    #[arg(long, value_name = "OFFSET")]
    offset: u64,
    #[command(flatten)]
    running: Running,
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
            Self::List(running) => running.ask(Method::GET, &[], None),
            Self::Pause(Named { name, running }) => {
                running.ask(Method::POST, &[&name, "pause"], None)
            }
            Self::Resume(Named { name, running }) => {
                running.ask(Method::POST, &[&name, "resume"], None)
            }
            Self::Replay(Replay { name, cursor, running }) => {
                running.ask(Method::POST, &[&name, "replay"], cursor.as_deref())
            }
            Self::ReplayLetter(ReplayLetter { name, offset, running }) => {
                let offset = offset.to_string();
                running.ask(Method::POST, &[&name, "dead-letters", &offset, "replay"], None)
            }
            Self::Test(test) => test.run(),
        }
    }
}

fn failed(error: &dyn std::fmt::Display) -> Outcome {
    Outcome::Failed(error.to_string())
}

impl Running {
    /// Asks the hub, and prints what it says.
    fn ask(&self, method: Method, path: &[&str], cursor: Option<&str>) -> Run {
        let usage = |sentence: &str| Outcome::Usage(format!("--hub {}: {sentence}", self.hub));
        let mut url = reqwest::Url::parse(&self.hub).map_err(|error| usage(&error.to_string()))?;
        url.path_segments_mut()
            .map_err(|()| usage("no URL of a hub; write one such as http://127.0.0.1:4001"))?
            .pop_if_empty()
            .extend(["api", "v1", "webhooks"])
            .extend(path);
        if let Some(cursor) = cursor {
            url.query_pairs_mut().append_pair("cursor", cursor);
        }
        let ask = async {
            let client = Client::builder().timeout(TIMEOUT).no_proxy().build()?;
            let answer = client.request(method, url).bearer_auth(&self.token).send().await?;
            answer.bytes().await
        };
        let answer = wait(ask)?.map_err(|error| failed(&format!("{}: {error}", self.hub)))?;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        if answer["success"] == true {
            print(format_args!("{:#}", answer["data"]));
            return Ok(ExitCode::SUCCESS);
        }
        let sentence = answer["detail"].as_str().unwrap_or("the answer is not a hub's");
        Err(failed(&sentence))
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
