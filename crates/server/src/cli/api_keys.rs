//! `foodtrack-websocket api-keys`

use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Run;
use super::running_hub::RunningHub;
use super::token::parse_ttl;

const AFTER_HELP: &str = "\
Asks a running hub, for the tenant of the token. A key is shown once: keep it where the back end's other secrets are.

Examples:
  export FOODTRACK_TOKEN=$(foodtrack-websocket token --tenant pizza-roma --user gateway --role system)
  foodtrack-websocket api-keys create billing --permission write:orders
  foodtrack-websocket api-keys list
  foodtrack-websocket api-keys rotate 1f0c.. --grace 1h
  foodtrack-websocket api-keys revoke 1f0c..

Exit codes: 0 done; 1 the hub refused; 2 bad usage.";

#[derive(Subcommand)]
#[command(after_help = AFTER_HELP)]
pub(super) enum ApiKeys {
    /// Make a key, and show it.
    Create(Create),
    /// List the tenant's keys, without their secrets.
    List(RunningHub),
    /// Give a key another secret, and show it; the one before is good for a while.
    Rotate(Rotate),
    /// Take a key away: it opens nothing from now on.
    Revoke(Revoke),
}

#[derive(Args)]
pub(super) struct Create {
    /// What it is called, for people
    name: String,
    /// What it may do, such as write:orders or admin:access; may be repeated
    #[arg(long = "permission", value_name = "PERMISSION", required = true)]
    permissions: Vec<String>,
    /// How long it is good: a number and s, m, h or d; 90d where there is none
    #[arg(long = "for", value_name = "TIME", value_parser = parse_ttl)]
    good: Option<Duration>,
    #[command(flatten)]
    running: RunningHub,
}

#[derive(Args)]
pub(super) struct Rotate {
    /// The key's id, as the list has it
    id: String,
    /// How long the other secret is good: a number and s, m, h or d; 90d where there is none
    #[arg(long = "for", value_name = "TIME", value_parser = parse_ttl)]
    good: Option<Duration>,
    /// How long the secret before is still good; 1d where there is none
    #[arg(long, value_name = "TIME", value_parser = parse_ttl)]
    grace: Option<Duration>,
    /// The secret before is good no more: somebody has it who should not
    #[arg(long, conflicts_with = "grace")]
    at_once: bool,
    #[command(flatten)]
    running: RunningHub,
}

#[derive(Args)]
pub(super) struct Revoke {
    /// The key's id, as the list has it
    id: String,
    #[command(flatten)]
    running: RunningHub,
}

impl ApiKeys {
    pub(super) fn run(self) -> Run {
        match self {
            Self::Create(Create { name, permissions, good, running }) => {
                let mut body = json!({ "name": name, "permissions": permissions });
                expires(&mut body, good);
                running.send(Method::POST, &["api-keys"], &body)
            }
            Self::List(running) => running.ask(Method::GET, &["api-keys"], None),
            Self::Rotate(Rotate { id, good, grace, at_once, running }) => {
                let mut body = json!({});
                expires(&mut body, good);
                if let Some(grace) = grace.or(at_once.then_some(Duration::ZERO)) {
                    body["graceSeconds"] = grace.as_secs().into();
                }
                running.send(Method::POST, &["api-keys", &id, "rotate"], &body)
            }
            Self::Revoke(Revoke { id, running }) => {
                running.ask(Method::DELETE, &["api-keys", &id], None)
            }
        }
    }
}

/// Says until when, where somebody said for how long.
fn expires(body: &mut Value, good: Option<Duration>) {
    let until = good.map(|good| OffsetDateTime::from(SystemTime::now() + good));
    if let Some(until) = until.and_then(|until| until.format(&Rfc3339).ok()) {
        body["expiresAt"] = Value::from(until);
    }
}
