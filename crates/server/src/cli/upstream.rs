//! `foodtrack-websocket upstream`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use foodtrack_contract::{ApplicationType, DeviceId, Room, TenantId, UserId, UserRole};
use foodtrack_shard::{Hook, HookQuestion};
use serde_json::value::RawValue;

use super::Run;
use super::outcome::{Outcome, print, wait};
use super::token::{parse_application, parse_role};
use crate::config::{Layers, load_checked};
use crate::upstream::{Question, Said, UpstreamClient, hook_payload, names};

const AFTER_HELP: &str = "\
Asks the back end of the configuration one question, as the hub does for a client, and shows what went and what came.

Examples:
  foodtrack-websocket upstream test --config hub.toml --event kitchen:get_orders --tenant pizza-roma
  foodtrack-websocket upstream test --config hub.toml --hook connect --tenant pizza-roma --user ada --role customer
  foodtrack-websocket upstream test --config hub.toml --hook join --room order:pizza-roma:42 --tenant pizza-roma
  foodtrack-websocket upstream test --config hub.toml --event order:get_details --payload '{\"orderId\":\"42\"}' --role customer --application client_app

Exit codes: 0 answered, also with a refusal; 1 no answer; 2 bad usage or configuration.";

#[derive(Subcommand)]
pub(super) enum Upstream {
    /// Ask the business back end once.
    Test(Test),
}

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Test {
    /// The event's name
    #[arg(long, value_name = "EVENT", required_unless_present = "hook")]
    event: Option<String>,
    /// Ask what a hook asks, instead of an event
    #[arg(long, value_name = "HOOK", value_enum, conflicts_with_all = ["event", "payload"])]
    hook: Option<AskedHook>,
    /// The room of the hook join, such as order:TENANT:42
    #[arg(long, value_name = "ROOM", required_if_eq("hook", "join"))]
    room: Option<String>,
    /// The device, in hooks
    #[arg(long, value_name = "DEVICE", requires = "hook")]
    device: Option<String>,
    /// The event's argument, as JSON
    #[arg(long, value_name = "JSON", default_value = "{}")]
    payload: String,
    /// The restaurant
    #[arg(long, value_name = "TENANT", default_value = "tenant")]
    tenant: String,
    /// Who asks
    #[arg(long, value_name = "USER", default_value = "user")]
    user: String,
    /// With this role and its permissions
    #[arg(long, value_name = "ROLE", value_parser = parse_role, default_value = "restaurant_owner")]
    role: UserRole,
    /// From this application
    #[arg(long, value_name = "APPLICATION", value_parser = parse_application)]
    application: Option<ApplicationType>,
    /// A TOML file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum AskedHook {
    Connect,
    Join,
}

impl Upstream {
    pub(super) fn run(self) -> Run {
        match self {
            Self::Test(test) => test.run(),
        }
    }
}

impl Test {
    /// What a hook is asked.
    fn hook_question(&self, tenant: &TenantId) -> Result<Option<HookQuestion>, Outcome> {
        let usage = |error: &dyn std::fmt::Display| Outcome::Usage(error.to_string());
        let Some(hook) = self.hook else { return Ok(None) };
        let room = self.room.as_deref().unwrap_or_default();
        let hook = match hook {
            AskedHook::Connect => Hook::Connect,
            AskedHook::Join => {
                let room = Room::parse(room).map_err(|error| usage(&error))?;
                if room.tenant() != tenant {
                    return Err(Outcome::Usage("--room names another tenant's room".into()));
                }
                Hook::Join(room.name().into())
            }
        };
        let device = self.device.as_deref().map(DeviceId::parse).transpose();
        Ok(Some(HookQuestion {
            hook,
            tenant: tenant.clone(),
            user: UserId::parse(&self.user).map_err(|error| usage(&error))?,
            role: self.role,
            permissions: self.role.default_permissions(),
            application: self.application,
            device: device.map_err(|error| usage(&error))?,
        }))
    }

    fn question<'a>(&'a self, payload: &'a RawValue) -> Question<'a> {
        Question {
            event: self.event.as_deref().unwrap_or_default(),
            payload,
            tenant_id: &self.tenant,
            user_id: &self.user,
            role: self.role.as_str(),
            application: self.application.map(ApplicationType::as_str),
            permissions: names(self.role.default_permissions()),
            connection_id: Some("test"),
            device_id: None,
        }
    }

    fn run(self) -> Run {
        let usage = |error: &dyn std::fmt::Display| Outcome::Usage(error.to_string());
        let failed = |error: std::io::Error| Outcome::Failed(error.to_string());
        let tenant = TenantId::parse(&self.tenant).map_err(|error| usage(&error))?;
        let hook = self.hook_question(&tenant)?;
        let hook_payload = hook.as_ref().map(hook_payload);
        let payload: &RawValue = serde_json::from_str(&self.payload)
            .map_err(|error| Outcome::Usage(format!("--payload is not JSON: {error}")))?;
        let config = load_checked(&Layers::from_process(self.config.clone()), |_| {})?;
        let said = config.said();
        let Some(url) = &said.upstream.url else {
            return Err(Outcome::Usage("no back end is configured; set upstream.url".into()));
        };
        let bytes_max = usize::try_from(said.limits.payload_bytes_max).unwrap_or(usize::MAX);
        let client = UpstreamClient::new(&said.upstream, url, bytes_max).map_err(failed)?;
        let question = match (&hook, &hook_payload) {
            (Some(hook), Some(payload)) => Question::of_hook(hook, payload),
            _ => self.question(payload),
        };
        let exchange = wait(client.ask(&question, reqwest::header::HeaderMap::new()))?;
        print(format_args!("POST {url}\n{}\n", exchange.sent));
        if let Some(status) = exchange.status {
            print(format_args!("{status}\n{}\n", String::from_utf8_lossy(&exchange.body)));
        }
        let ms = exchange.took.as_secs_f64() * 1_000.0;
        if let Some(failure) = exchange.failure() {
            return Err(Outcome::Failed(format!("no answer after {ms:.1} ms: {failure}")));
        }
        let Said { answer, events } = exchange.into_said();
        for (_, message) in &events {
            print(format_args!("published first:\n{message}\n"));
        }
        match answer {
            Ok(answer) => {
                print(format_args!("the client gets, after {ms:.1} ms:"));
                print(String::from_utf8_lossy(&answer));
            }
            Err(refusal) => {
                print(format_args!(
                    "the client is refused, after {ms:.1} ms:\n{}",
                    refusal.to_json()
                ));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
