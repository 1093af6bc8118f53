//! The command line.
#![allow(clippy::print_stdout, reason = "this is what prints")]

mod campaign;
mod load;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Faults against a running hub, and a judge of what its clients saw.
#[derive(Parser)]
#[command(name = "chaos")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs schedules of faults, each made from a seed, and judges their histories.
    Campaign(campaign::Campaign),
    /// Tears everybody's connection again and again while broadcasts go on
    Jitter(load::Jitter),
    /// Restarts the server under everybody
    Storm(load::Storm),
}

type Run = Result<ExitCode, Box<dyn std::error::Error>>;

pub(crate) fn run() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Campaign(campaign) => campaign.run(),
        Command::Jitter(jitter) => jitter.run(),
        Command::Storm(storm) => storm.run(),
    };
    outcome.unwrap_or_else(|error| {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(source) = cause {
            text += &format!(": {source}");
            cause = source.source();
        }
        eprintln!("chaos: {text}");
        ExitCode::from(2)
    })
}
