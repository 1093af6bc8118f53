//! `foodtrack-websocket schema`

use std::process::ExitCode;

use clap::Args;
use foodtrack_contract::{builtin_schemas, nearest};

use super::Run;
use super::outcome::{Outcome, print};

const AFTER_HELP: &str = "\
Examples:
  foodtrack-websocket schema
  foodtrack-websocket schema order:created
  foodtrack-websocket schema WebSocketMessage

Exit codes: 0 printed, 2 no such event.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Schema {
    /// One event, or WebSocketMessage for the envelope; without it, all of them
    #[arg(value_name = "EVENT")]
    event: Option<String>,
}

impl Schema {
    pub(super) fn run(self) -> Run {
        let all = builtin_schemas();
        let wanted = match &self.event {
            None => Some(&all),
            Some(event) => all.get(event),
        };
        let Some(wanted) = wanted else {
            let names =
                || all.as_object().into_iter().flat_map(|all| all.keys().map(String::as_str));
            let said = self.event.as_deref().unwrap_or_default();
            return Err(Outcome::Usage(match nearest(said, names()) {
                Some(meant) => format!("no such event; did you mean {meant}?"),
                None => {
                    let names = names().collect::<Vec<_>>().join(", ");
                    format!("no such event; there are {names}")
                }
            }));
        };
        print(format_args!("{wanted:#}"));
        Ok(ExitCode::SUCCESS)
    }
}
