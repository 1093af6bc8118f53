//! The `foodtrack-websocket` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    foodtrack_server::cli::run()
}
