//! The `foodtrack-websocket` command: serve, demo, and what helps to get there.

mod api_keys;
mod audit;
mod backup;
mod check;
mod check_config;
mod completions;
mod copy_rate;
mod dead_letters;
mod demo;
mod demo_cluster;
mod demo_node;
mod demo_parts;
mod doctor;
mod drain;
mod explain;
mod explain_profile;
mod given_listener;
mod held_child;
mod keys;
mod log;
mod log_level;
mod log_text;
mod manual;
mod nodes;
mod openapi;
mod outcome;
mod revocations;
mod running_hub;
mod schema;
mod serve;
mod service_manager;
mod shutdown;
mod tenant;
mod token;
mod trace;
mod upstream;
mod webhooks;

use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use foodtrack_contract::TenantId;
use rustix::fs::Mode;

use crate::logging;
use outcome::Outcome;

/// What the command is called.
const NAME: &str = "foodtrack-websocket";

const EXIT_CODES: &str = "\
Exit codes:
  0  fine
  1  failed while running
  2  bad usage, configuration or data directory
  3  the address is in use, or cannot be listened on";

const EXAMPLES: &str = "\
Examples:
  foodtrack-websocket demo
  JWT_SECRET=... foodtrack-websocket serve --port 4001
  foodtrack-websocket serve --config hub.toml
  foodtrack-websocket explain --event order:created --source client_app --order 42";

/// FoodTrack's real-time hub: restaurants' events to their customers, dashboards, kitchens and couriers.
#[derive(Parser)]
#[command(name = NAME, version, after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the hub until SIGTERM or SIGINT; a second signal ends it at once.
    Serve(serve::Serve),
    /// Run the hub with two made-up restaurants and a page to play with; needs no configuration.
    Demo(demo::Demo),
    /// One node of a demo of several.
    #[command(hide = true)]
    DemoNode(demo_node::DemoNode),
    /// Run a program that ends with the process that started it.
    #[command(hide = true)]
    HeldChild(held_child::HeldChild),
    /// Make a token for a client or a backend service; prints nothing but the token.
    Token(token::Token),
    /// Say what the configuration amounts to, or everything that is wrong with it.
    CheckConfig(check_config::CheckConfig),
    /// Look at configuration, clock, descriptors, disk, Redis and certificate, and say what to do.
    Doctor(doctor::Doctor),
    /// Try a hub that runs as a client and a back end would, and say how it does.
    Check(check::Check),
    /// Print the JSON Schemas of the built-in events.
    Schema(schema::Schema),
    /// Print the description of the HTTP API, OpenAPI 3.1.
    #[command(name = "openapi")]
    OpenApi(openapi::OpenApi),
    /// Say where an event would go, and why.
    Explain(explain::Explain),
    /// Ask the business back end as the hub does.
    #[command(subcommand)]
    Upstream(upstream::Upstream),
    /// Say how webhooks do, try, pause and repeat them.
    #[command(subcommand)]
    Webhooks(webhooks::Webhooks),
    /// Refuse tokens before their end, and end the connections that were opened with them.
    Revoke(revocations::Revoke),
    /// Make, list, replace and revoke API keys of back ends.
    #[command(subcommand)]
    ApiKeys(api_keys::ApiKeys),
    /// List what is revoked, and take it back.
    #[command(subcommand)]
    Revocations(revocations::Revocations),
    /// List the nodes of a cluster: where they are, since when, and their load.
    Nodes(nodes::Nodes),
    /// Have a node send its clients elsewhere, and then end or stay as it is.
    Drain(drain::Drain),
    /// Say which lines a node writes to its log, and change that for a while.
    LogLevel(log_level::LogLevel),
    /// Say what became of one message: who has it, and who not and why.
    Trace(trace::Trace),
    /// Look through the tenants' log, read it, and put it in order.
    #[command(subcommand)]
    Log(log::Log),
    /// Write all of a data directory into one file, verify such a file, and make a data directory of it.
    #[command(subcommand)]
    Backup(backup::Backup),
    /// List tenants' keys, make newer ones, and change the master key.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Give out all that is kept of a restaurant, or erase it, or what concerns one person.
    #[command(subcommand)]
    Tenant(tenant::Tenant),
    /// Read the audit log, and say whether it is what was written.
    Audit(audit::Audit),
    /// List, replay and drop messages that could not be delivered.
    #[command(subcommand)]
    DeadLetters(dead_letters::DeadLetters),
    /// Print what has a shell complete commands and flags.
    Completions(completions::Completions),
    /// Write manual pages.
    Manual(manual::Manual),
}

/// Runs the command of this process's arguments.
pub fn run() -> ExitCode {
    // Whatever this process makes is its user's alone: events, keys, copies of them.
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // `--help` and `--version` go to stdout.
        Err(answer) if !answer.use_stderr() => answer.exit(),
        Err(error) => return Outcome::bad_arguments(&error),
    };
    let outcome = match cli.command {
        Command::Serve(serve) => serve.run(),
        Command::Demo(demo) => demo.run(),
        Command::DemoNode(node) => node.run(),
        Command::HeldChild(child) => child.run(),
        Command::Token(token) => token.run(),
        Command::CheckConfig(check) => check.run(),
        Command::Doctor(doctor) => doctor.run(),
        Command::Check(check) => check.run(),
        Command::Schema(schema) => schema.run(),
        Command::OpenApi(openapi) => openapi.run(),
        Command::Upstream(upstream) => upstream.run(),
        Command::Webhooks(webhooks) => webhooks.run(),
        Command::Revoke(revoke) => revoke.run(),
        Command::ApiKeys(keys) => keys.run(),
        Command::Revocations(revocations) => revocations.run(),
        Command::Explain(explain) => explain.run(),
        Command::Nodes(nodes) => nodes.run(),
        Command::Drain(drain) => drain.run(),
        Command::LogLevel(log_level) => log_level.run(),
        Command::Trace(trace) => trace.run(),
        Command::Log(log) => log.run(),
        Command::Backup(backup) => backup.run(),
        Command::Keys(keys) => keys.run(),
        Command::Tenant(tenant) => tenant.run(),
        Command::Audit(audit) => audit.run(),
        Command::DeadLetters(dead_letters) => dead_letters.run(),
        Command::Completions(completions) => completions.run(),
        Command::Manual(manual) => manual.run(),
    };
    logging::flush();
    outcome.unwrap_or_else(Outcome::report)
}

/// Tells the data directory's audit log of a command; that it cannot be told keeps no command from being run.
fn audit_command(data_dir: &Path, command: &str, tenant: Option<&TenantId>, subject: Option<&str>) {
    if let Err(error) = crate::audit::tell_of_command(data_dir, command, tenant, subject) {
        outcome::note(format_args!("the audit log is not told of this: {error}"));
    }
}

/// A port, in words where it is none.
fn parse_port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "a port is a number from 0 to 65535; 0 takes a free one".into())
}

type Run = Result<ExitCode, Outcome>;
