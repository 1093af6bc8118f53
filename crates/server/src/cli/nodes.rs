//! `foodtrack-websocket nodes`

use std::process::ExitCode;

use clap::Args;
use reqwest::Method;
use serde_json::Value;

use super::Run;
use super::outcome::print;
use super::running_hub::RunningHub;

const AFTER_HELP: &str = "\
Asks one node of a cluster; it answers for all that live, with what each said last.

Examples:
  TOKEN=$(foodtrack-websocket token --tenant pizza-roma --user gateway --role system)
  foodtrack-websocket nodes --token $TOKEN
  foodtrack-websocket nodes --json --hub http://10.0.0.7:4001 --token $TOKEN

Exit codes: 0 done; 1 the hub refused or cannot be reached; 2 bad usage.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Nodes {
    /// Print what the hub says as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    running: RunningHub,
}

impl Nodes {
    pub(super) fn run(self) -> Run {
        let found = self.running.data(Method::GET, &["nodes"], None)?;
        if self.json {
            print(format_args!("{found:#}"));
            return Ok(ExitCode::SUCCESS);
        }
        let text = |node: &Value, field: &str| match &node[field] {
            Value::String(text) => text.clone(),
            Value::Null => "-".into(),
            other => other.to_string(),
        };
        let row = |id: &str, rest: [String; 6]| {
            let [address, version, started, connections, tenants, draining] = rest;
            print(format_args!(
                "{id:<28} {address:<28} {version:<10} {started:<24} {connections:>11} {tenants:>7}  {draining}"
            ));
        };
        let heads = ["ADDRESS", "VERSION", "STARTED", "CONNECTIONS", "TENANTS", "DRAINING"];
        row("NODE", heads.map(String::from));
        for node in found["nodes"].as_array().into_iter().flatten() {
            let fields = ["address", "version", "startedAt", "connections", "tenants", "draining"];
            row(&text(node, "id"), fields.map(|field| text(node, field)));
        }
        if found["isMixed"] == true {
            print("nodes of another cluster are under the same redis.prefix");
        }
        if found["strange"].as_u64().is_some_and(|strange| strange > 0) {
            print(format_args!(
                "{} values among the nodes in Redis are no node's",
                found["strange"]
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}
