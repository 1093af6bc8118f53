//! `foodtrack-websocket openapi`

use std::process::ExitCode;

use clap::Args;

use super::Run;
use super::outcome::print;

const AFTER_HELP: &str = "\
Examples:
  foodtrack-websocket openapi > openapi.json

A running hub answers the same at /api/v1/openapi.json.

Exit codes: 0 printed.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct OpenApi {}

impl OpenApi {
    #[expect(clippy::unused_self, reason = "every command is run alike")]
    pub(super) fn run(self) -> Run {
        print(format!("{:#}", crate::http::description()));
        Ok(ExitCode::SUCCESS)
    }
}
