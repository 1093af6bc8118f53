//! Load generator: what a message costs the hub, and what it costs its peers on the same machine.
//!
//! The generator runs pinned to one core and the server to another; the server's CPU time and memory are read from `/proc`.
#![allow(clippy::print_stdout, reason = "a command-line tool: its results are its output")]

mod back_end;
mod capacity;
mod chance;
mod cluster;
mod contender;
mod dialect;
mod figures;
mod frame;
mod friday;
mod handshakes;
mod heard;
mod latencies;
mod machine;
mod meter;
mod metric;
mod os;
mod pair;
mod redis;
mod report;
mod run;
mod scenario;
mod server_process;
mod servers;
mod stamp;
mod swarm;
mod target;
mod token;
mod workload;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::capacity::CapacityOptions;
use crate::cluster::ClusterReport;
use crate::cluster::hop::HopOptions;
use crate::cluster::pinned::PinnedOptions;
use crate::cluster::recovery::RecoveryOptions;
use crate::contender::Contender;
use crate::friday::FridayOptions;
use crate::handshakes::HandshakeOptions;
use crate::run::RunError;
use crate::scenario::Scenario;

/// Measures the hub and its peers: CPU per delivery, latency, memory per connection.
#[derive(Parser)]
#[command(name = "bench")]
struct Cli {
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(Subcommand)]
enum BenchCommand {
    /// Measure one server, or a few beside each other
    Run {
        #[arg(long, value_enum, value_delimiter = ',', required = true)]
        server: Vec<Contender>,
        /// Write the results there, as JSON
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
        #[command(flatten)]
        options: Options,
    },
    /// Measure several servers in turns (A B C D, A B C D, ...), print medians and ratios, and write both to `results`
    Compare {
        #[arg(
            long,
            value_enum,
            value_delimiter = ',',
            default_values_t = [
                Contender::Hub, Contender::Bun, Contender::Socketio, Contender::Socketioxide, Contender::Express
            ]
        )]
        servers: Vec<Contender>,
        /// Folder for `DATE-COMMIT.json` and `.md`
        #[arg(long, default_value = "bench/results")]
        results: PathBuf,
        #[command(flatten)]
        options: Options,
    },
    /// Play a Friday evening: many restaurants with their people, phones that sleep, torn lines and a node that is killed
    Friday(FridayOptions),
    /// Measure what a TLS handshake costs the hub, and what it costs nginx
    Handshakes(HandshakeOptions),
    /// Nodes that share a Redis, every tenant at all of them: what the way between nodes adds to an event and costs
    Hop(HopOptions),
    /// Nodes that share a Redis, every tenant at one of them: whether a node pays for what others do
    Pinned(PinnedOptions),
    /// A node with 10 000 sessions is killed: when they are back at the others, and what they missed
    Recovery(RecoveryOptions),
    /// Compute how many nodes and Redis servers 10 000 to 10 000 000 connections take, and place tenants on them
    Capacity(CapacityOptions),
    /// Measure two servers that run at once, the load changing between them within the second: for costs that lie close together
    #[command(
        after_help = "Rounds are turns here [default: 80, or 10 with --quick]. Loads are fan-out-large and fan-out-small.\n\n\
            What the log costs:  bench pair hub-volatile hub-recoverable\n\
            What TLS costs:      bench pair hub-volatile hub-volatile-tls --in-flight 16\n\
            What a change costs: bench pair hub hub --hub BEFORE --second-hub AFTER"
    )]
    Pair {
        #[arg(value_enum)]
        first: Contender,
        #[arg(value_enum)]
        second: Contender,
        /// The hub's binary for the second, where that is another one
        #[arg(long, value_name = "FILE")]
        second_hub: Option<PathBuf>,
        /// How often both are started anew, every second time the second one first
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
        runs: u32,
        /// Only with so many of each publisher's events in flight
        #[arg(long, value_parser = in_flight)]
        in_flight: Option<usize>,
        /// Write `DATE-COMMIT-pair.json` and `.md` into this folder
        #[arg(long, value_name = "FOLDER")]
        results: Option<PathBuf>,
        #[command(flatten)]
        options: Options,
    },
}

#[derive(Args)]
struct Options {
    /// Loads to run, comma separated [default: all that apply]
    #[arg(long, value_enum, value_delimiter = ',')]
    scenario: Vec<Scenario>,
    /// How often everything is measured; results are medians [default: 3, or 1 with --quick]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,
    /// Shorter windows, one round, no 19 000 connections: for a look, not for a claim
    #[arg(long)]
    quick: bool,
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    #[arg(long, default_value_t = 1)]
    generator_core: usize,
    /// The hub's binary
    #[arg(long, default_value = "target/release/foodtrack-websocket")]
    hub: PathBuf,
    /// The hub's configuration with every limit out of the way
    #[arg(long, default_value = "bench/hub.toml")]
    hub_config: PathBuf,
    /// The hub's configuration with a tenant's limit in place, for `noisy-neighbour`
    #[arg(long, default_value = "bench/hub-limited.toml")]
    hub_limited_config: PathBuf,
    /// What that configuration allows a tenant
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    tenant_events_per_second: u32,
}

fn in_flight(text: &str) -> Result<usize, String> {
    let windows = workload::fan_out::WINDOWS;
    let window = text.parse().ok().filter(|window| windows.contains(window));
    window.ok_or_else(|| format!("one of {windows:?}"))
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        BenchCommand::Run { server, json, options } => {
            run::run(&server, &options).and_then(|report| {
                println!("{}", report.markdown());
                json.map_or(Ok(()), |file| run::write_json(&report, &file))?;
                Ok(report.failures.is_empty())
            })
        }
        BenchCommand::Compare { servers, results, options } => run::run(&servers, &options)
            .and_then(|report| {
                let markdown = report.markdown();
                println!("{markdown}");
                run::write_results(&report, &markdown, &results.join(report.origin.name()))?;
                Ok(report.failures.is_empty())
            }),
        BenchCommand::Friday(options) => friday::run(&options).and_then(|report| {
            println!("{}", report.markdown());
            options.json.map_or(Ok(()), |file| run::write_json(&report, &file))?;
            Ok(true)
        }),
        BenchCommand::Hop(options) => cluster::hop::run(&options)
            .and_then(|report| print_nodes(&report, options.nodes.json.as_deref())),
        BenchCommand::Pinned(options) => cluster::pinned::run(&options)
            .and_then(|report| print_nodes(&report, options.nodes.json.as_deref())),
        BenchCommand::Recovery(options) => cluster::recovery::run(&options)
            .and_then(|report| print_nodes(&report, options.json.as_deref())),
        BenchCommand::Capacity(options) => capacity::run(&options)
            .map(|tables| {
                tables.iter().for_each(|tables| println!("{tables}"));
                true
            })
            .map_err(RunError::Capacity),
        BenchCommand::Handshakes(options) => {
            handshakes::run(&options).map(|()| true).map_err(RunError::Handshakes)
        }
        BenchCommand::Pair { first, second, second_hub, runs, in_flight, results, options } => {
            let hubs = [&options.hub, second_hub.as_ref().unwrap_or(&options.hub)];
            let hubs = hubs.map(PathBuf::as_path);
            pair::run([first, second], hubs, in_flight, runs, &options).and_then(|report| {
                let markdown = report.markdown();
                println!("{markdown}");
                results.map_or(Ok(()), |folder| {
                    let name = format!("{}-pair", report.origin.name());
                    run::write_results(&report, &markdown, &folder.join(name))
                })?;
                Ok(true)
            })
        }
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            run::print_error(&error);
            ExitCode::FAILURE
        }
    }
}

fn print_nodes(report: &ClusterReport, json: Option<&Path>) -> Result<bool, RunError> {
    println!("{}", report.markdown());
    json.map_or(Ok(()), |file| run::write_json(report, file))?;
    Ok(true)
}
