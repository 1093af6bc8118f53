//! `foodtrack-websocket explain`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use foodtrack_contract::{ApplicationType, Permission, TenantId, UserRole};

use super::Run;
use super::explain_profile::ProfileQuestion;
use super::outcome::{Outcome, print};
use super::token::{parse_application, parse_permission, parse_role};
use crate::config::{ConfigErrors, Layers, load, policies};
use crate::explain::Question;

const AFTER_HELP: &str = "\
Needs no running hub and no secret: it reads the rules of the configuration, or the default ones.

Examples:
  foodtrack-websocket explain --event order:created --source client_app --order 42
  foodtrack-websocket explain --event order:status_changed --source kitchen_app --role chef --order 42 --customer u7
  foodtrack-websocket explain --event notification:info --source tenant_dashboard --target kitchen_app --json
  foodtrack-websocket explain --profile --event accept_delivery
  foodtrack-websocket explain --profile --event order:cancelled --payload '{ \"orderId\": \"42\" }'

Exit codes: 0 explained, also where the event would be refused; 2 bad usage or configuration.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Explain {
    /// The event's name
    #[arg(long, value_name = "EVENT")]
    event: String,
    /// client_app, tenant_dashboard, kitchen_app, delivery_app or system
    #[arg(long, value_name = "SOURCE", default_value = "system")]
    source: String,
    /// The sender's role; without it, the usual one of the source
    #[arg(long, value_name = "ROLE", value_parser = parse_role)]
    role: Option<UserRole>,
    /// A permission of the sender; may be repeated; without any, the role's defaults
    #[arg(long, value_name = "PERMISSION", value_parser = parse_permission)]
    permission: Vec<Permission>,
    /// An application that the message names as its target; may be repeated
    #[arg(long, value_name = "APPLICATION", value_parser = parse_application)]
    target: Vec<ApplicationType>,
    /// The order it is about
    #[arg(long, value_name = "ID")]
    order: Option<String>,
    /// That order's customer
    #[arg(long, value_name = "USER")]
    customer: Option<String>,
    /// The kitchen station it is about
    #[arg(long, value_name = "ID")]
    station: Option<String>,
    /// The delivery route it is about
    #[arg(long, value_name = "ID")]
    route: Option<String>,
    /// The user it assigns something to
    #[arg(long, value_name = "USER")]
    assignee: Option<String>,
    /// The tenant, for rules of its own
    #[arg(long, value_name = "TENANT", default_value = "tenant")]
    tenant: String,
    /// A TOML file, for its rules and events
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Show what today's applications are sent of the event, or what they mean by a name of theirs
    #[arg(long, conflicts_with = "json")]
    profile: bool,
    /// With --profile, a payload to show it with
    #[arg(long, value_name = "JSON", requires = "profile")]
    payload: Option<String>,
}

impl Explain {
    pub(super) fn run(self) -> Run {
        let usage = |error: &dyn std::fmt::Display| Outcome::Usage(error.to_string());
        let tenant = TenantId::parse(&self.tenant).map_err(|error| usage(&error))?;
        let config = load(&Layers::from_process(self.config))?;
        let mut errors = ConfigErrors::default();
        let policies = policies(&config, &mut errors);
        let policies = errors.or(policies)?;
        if self.profile {
            let question = ProfileQuestion {
                tables: &policies.profiles.tables,
                tenant: &tenant,
                name: &self.event,
                payload: self.payload.as_deref(),
            };
            let sentence = || format!("no application of today has the name {}", self.event);
            print(question.answer().ok_or_else(|| Outcome::Usage(sentence()))?.trim_end());
            return Ok(ExitCode::SUCCESS);
        }
        let question = Question {
            event: self.event,
            source: Some(self.source),
            role: self.role,
            permissions: (!self.permission.is_empty()).then_some(self.permission),
            target: (!self.target.is_empty()).then_some(self.target),
            order: self.order,
            customer: self.customer,
            station: self.station,
            route: self.route,
            assignee: self.assignee,
        };
        let explanation = question.answer(&tenant, &policies).map_err(|error| usage(&error))?;
        if self.json {
            let json = serde_json::to_string_pretty(&explanation).map_err(|error| usage(&error))?;
            print(json);
        } else {
            print(explanation);
        }
        Ok(ExitCode::SUCCESS)
    }
}
