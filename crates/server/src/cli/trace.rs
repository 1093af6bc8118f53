//! `foodtrack-websocket trace`

use std::process::ExitCode;

use clap::Args;
use reqwest::Method;
use serde_json::Value;
use uuid::Uuid;

use super::Run;
use super::outcome::print;
use super::running_hub::RunningHub;

const AFTER_HELP: &str = "\
Asks the hub what became of one message of the token's tenant: who has it, by when, over which nodes, and who not and why. The id is what the \
answer to its sender has, and what lines of the log and dead letters name.

Examples:
  TOKEN=$(foodtrack-websocket token --tenant pizza-roma --user operator --role system)
  foodtrack-websocket trace 01890a5d-ac96-774b-bcce-b302099a8057 --token $TOKEN
  foodtrack-websocket trace 01890a5d-ac96-774b-bcce-b302099a8057 --json --token $TOKEN

Exit codes: 0 done; 1 the hub refused, knows no such message, or cannot be reached; 2 bad usage.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Trace {
    /// The message's id
    #[arg(value_name = "MESSAGE_ID")]
    id: Uuid,
    /// Print what the hub says as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    running: RunningHub,
}

impl Trace {
    pub(super) fn run(self) -> Run {
        let id = self.id.to_string();
        let found = self.running.data(Method::GET, &["messages", &id, "trace"], None)?;
        if self.json {
            print(format_args!("{found:#}"));
        } else {
            told(&found).iter().for_each(print);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What the hub says, a line each.
fn told(found: &Value) -> Vec<String> {
    let entry = &found["entry"];
    let order = entry["orderId"].as_str().map(|order| format!(" of order {}", plain(order)));
    let mut lines = vec![format!(
        "{}{}: accepted {}, at {} of the log",
        text(&entry["event"]),
        order.unwrap_or_default(),
        text(&entry["at"]),
        text(&entry["cursor"]),
    )];
    let audience = ["applications", "rooms"].map(|kind| list(&entry["audience"][kind]));
    let audience: Vec<String> = audience.into_iter().flatten().collect();
    lines.push(match audience.is_empty() {
        true => "for nobody".into(),
        false => format!("for {}", audience.join(", ")),
    });
    for recipient in found["recipients"].as_array().into_iter().flatten() {
        let device = match &recipient["deviceId"] {
            Value::String(device) => format!(" ({})", plain(device)),
            _ => String::new(),
        };
        let nodes = list(&recipient["nodes"]).join(", ");
        let over = if nodes.is_empty() { String::new() } else { format!(", over {nodes}") };
        let by = match &recipient["confirmedBy"] {
            Value::String(at) => format!(", by {}", plain(at)),
            _ => String::new(),
        };
        lines.push(format!(
            "  {:<9} {} {}{device}{by}{over}: {}",
            text(&recipient["state"]),
            text(&recipient["applicationType"]),
            text(&recipient["userId"]),
            text(&recipient["why"]),
        ));
    }
    if found["moreRecipients"].as_u64().is_some_and(|more| more > 0) {
        lines.push(format!("  and {} more", found["moreRecipients"]));
    }
    for webhook in found["webhooks"].as_array().into_iter().flatten() {
        let state = if webhook["isPast"] == true { "is past it" } else { "is not there yet" };
        lines.push(format!("  webhook {} {state}", text(&webhook["name"])));
    }
    for node in list(&found["missingNodes"]) {
        lines.push(format!("  node {node} did not answer: who is there seems to be away"));
    }
    lines
}

fn list(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), plain)
}

/// A name as text that stays on its line and steers no terminal.
fn plain(name: &str) -> String {
    let tame = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    name.chars().map(tame).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_trace_is_a_line_for_each_device_whatever_its_name_is_made_of() {
        let found = json!({
            "entry": {
                "event": "order:created", "orderId": "7\n8", "at": "2026-01-05T18:30:00Z", "cursor": "1k3f9z-42",
                "audience": { "applications": ["kitchen_app"], "rooms": ["order:7"] },
            },
            "recipients": [{
                "userId": "carl\u{1b}[31m", "applicationType": "kitchen_app", "deviceId": "tablet\r2", "state": "confirmed",
                "why": "the device has confirmed it", "confirmedBy": "2026-01-05T18:30:01Z", "nodes": ["a"],
            }],
            "moreRecipients": 3, "webhooks": [{ "name": "billing", "isPast": true }], "missingNodes": ["b"],
        });
        let lines = told(&found);
        assert_eq!(lines.len(), 6);
        assert!(lines.iter().all(|line| !line.contains(char::is_control)), "{lines:?}");
        assert_eq!(
            lines[2],
            r"  confirmed kitchen_app carl\u{1b}[31m (tablet\r2), by 2026-01-05T18:30:01Z, over a: the device has confirmed it"
        );
    }
}
