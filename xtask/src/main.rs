//! Checks and generators in the project's own language: `cargo xtask <command>`.

mod codegen;
mod tidy;

use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Checks and generators of the project")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes error_code.rs, docs/reference and the generated files of clients/typescript.
    Codegen {
        /// Writes nothing; fails when a file is not what would be written.
        #[arg(long)]
        check: bool,
    },
    /// Checks what the compiler does not: who knows whom, licences, leftovers, fresh generated files.
    Tidy,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let failures = match arguments.command {
        Command::Codegen { check: true } => codegen::check(root),
        Command::Codegen { check: false } => codegen::write(root),
        Command::Tidy => tidy::run(root),
    };
    for failure in &failures {
        eprintln!("error: {failure}");
    }
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
