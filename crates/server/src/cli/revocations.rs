//! `foodtrack-websocket revoke` and `revocations`

use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Run;
use super::outcome::Outcome;
use super::running_hub::RunningHub;
use super::token::parse_ttl;

const AFTER_HELP: &str = "\
Asks a running hub, for the tenant of the token. From when this returns, no node takes such a token, and who was connected with one has
been sent away. Tokens that are made later are good, unless one token or a session is revoked.

Examples:
  export FOODTRACK_TOKEN=$(foodtrack-websocket token --tenant pizza-roma --user gateway --role system)
  foodtrack-websocket revoke user ada --reason 'left the company'
  foodtrack-websocket revoke token 5f1c... --for 1h
  foodtrack-websocket revoke device tablet-3
  foodtrack-websocket revoke tenant

Exit codes: 0 done; 1 the hub refused; 2 bad usage.";

const AFTER_LIST_HELP: &str = "\
Examples:
  foodtrack-websocket revocations list
  foodtrack-websocket revocations remove 01998c1e-...

Exit codes: 0 done; 1 the hub refused; 2 bad usage.";

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// One token, by its jti
    Token,
    /// A user's tokens
    User,
    /// What a device shows
    Device,
    /// What comes back to a session, by its connection's id
    Session,
    /// All of the tenant, the one that asks too
    Tenant,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::User => "user",
            Self::Device => "device",
            Self::Session => "session",
            Self::Tenant => "tenant",
        }
    }
}

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Revoke {
    /// What is revoked
    kind: Kind,
    /// The jti, user, device or session; none for the tenant
    value: Option<String>,
    /// How long it is kept: a number and s, m, h or d, as long as such tokens live; 30d where there is none
    #[arg(long = "for", value_name = "TIME", value_parser = parse_ttl)]
    kept: Option<Duration>,
    /// For people
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    running: RunningHub,
}

#[derive(Subcommand)]
#[command(after_help = AFTER_LIST_HELP)]
pub(super) enum Revocations {
    /// Say what is revoked, as JSON.
    List(RunningHub),
    /// Take a revocation back.
    Remove(Remove),
}

#[derive(Args)]
pub(super) struct Remove {
    /// The revocation's id, as the list has it
    id: String,
    #[command(flatten)]
    running: RunningHub,
}

impl Revoke {
    pub(super) fn run(self) -> Run {
        if self.value.is_none() != matches!(self.kind, Kind::Tenant) {
            let sentence =
                "name what is revoked, such as `revoke user ada`; `revoke tenant` takes no name";
            return Err(Outcome::Usage(sentence.into()));
        }
        let expires_at = self
            .kept
            .and_then(|kept| OffsetDateTime::from(SystemTime::now() + kept).format(&Rfc3339).ok());
        let mut body = json!({ "kind": self.kind.as_str() });
        let fields = [("value", self.value), ("expiresAt", expires_at), ("reason", self.reason)];
        for (name, value) in fields {
            if let Some(value) = value {
                body[name] = value.into();
            }
        }
        self.running.send(Method::POST, &["revocations"], &body)
    }
}

impl Revocations {
    pub(super) fn run(self) -> Run {
        match self {
            Self::List(running) => running.ask(Method::GET, &["revocations"], None),
            Self::Remove(Remove { id, running }) => {
                running.ask(Method::DELETE, &["revocations", &id], None)
            }
        }
    }
}
