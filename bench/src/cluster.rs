//! Nodes that share a Redis: what the way between two of them costs, whether a node pays for tenants that are elsewhere, and how
//! sessions of a killed node come back.

mod goal;
pub(crate) mod hop;
mod load;
pub(crate) mod pinned;
pub(crate) mod recovery;

use std::fmt::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::contender::Contender;
use crate::figures::{Column, table};
use crate::machine::MachineOptions;
use crate::meter;
use crate::report::Origin;
use crate::run::{RunError, prepare_on};
use crate::servers::{Plan, Servers};
use crate::workload::WorkloadError;
use goal::Goal;
use load::Timing;

/// What nodes run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClusterServer {
    /// Every event of these loads is durable: Redis has it before anybody sees it
    Hub,
    /// The hub where these events are in no log
    HubVolatile,
    /// Socket.IO on Node with the Redis Streams adapter; answers once Redis has an event
    SocketioStreams,
}

impl ClusterServer {
    fn contender(self) -> Contender {
        match self {
            Self::Hub => Contender::Hub,
            Self::HubVolatile => Contender::HubVolatile,
            Self::SocketioStreams => Contender::Express,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Hub => "hub",
            Self::HubVolatile => "hub-volatile",
            Self::SocketioStreams => "socketio-streams",
        }
    }

    /// What a column is called.
    fn on(self, nodes: usize) -> String {
        format!("{}, {nodes} node{}", self.name(), if nodes == 1 { "" } else { "s" })
    }

    fn start(
        self,
        nodes: usize,
        folder: &'static str,
        machine: &MachineOptions,
    ) -> Result<Servers, WorkloadError> {
        let contender = self.contender();
        Servers::start(&Plan { contender, nodes, has_redis: true, machine, folder })
    }
}

/// What the loads on 1, 2, 4 nodes have in common.
#[derive(Args)]
pub(crate) struct NodesOptions {
    /// Servers, one after the other
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [ClusterServer::Hub])]
    server: Vec<ClusterServer>,
    /// How many nodes share the Redis, one load each
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4], value_parser = nodes)]
    nodes: Vec<usize>,
    /// Seconds that are measured
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Seconds before that
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    warm_up: u64,
    #[command(flatten)]
    machine: MachineOptions,
    /// Write the results there, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

fn nodes(text: &str) -> Result<usize, String> {
    let nodes = text.parse().ok().filter(|nodes| (1..=16).contains(nodes));
    nodes.ok_or_else(|| "from 1 to 16".to_owned())
}

impl NodesOptions {
    /// Measures every server on every number of nodes.
    fn measure(
        &self,
        mut measure: impl FnMut(ClusterServer, usize, Timing) -> Result<Column, WorkloadError>,
    ) -> Result<Vec<Column>, RunError> {
        let mut columns = Vec::new();
        for &server in &self.server {
            for &nodes in &self.nodes {
                let timing = Timing::of_seconds(self.warm_up, self.seconds);
                let column = measure(server, nodes, timing)
                    .map_err(|source| RunError::Cluster { load: server.on(nodes), source })?;
                columns.push(column);
            }
        }
        Ok(columns)
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct ClusterReport {
    origin: Origin,
    how: String,
    columns: Vec<Column>,
    goals: Vec<Goal>,
}

impl ClusterReport {
    pub(crate) fn markdown(&self) -> String {
        let mut text = self.origin.heading(&self.how);
        text.extend(meter::caveat(&self.columns));
        text.push_str(&table(&self.columns));
        if !self.goals.is_empty() {
            let _ =
                write!(text, "\n| goal | limit | measured | met |\n| --- | ---: | ---: | --- |\n");
            self.goals.iter().for_each(|goal| text.push_str(&goal.row()));
        }
        text
    }
}

fn prepare(
    machine: &MachineOptions,
) -> Result<(Origin, std::sync::Arc<std::sync::atomic::AtomicBool>), RunError> {
    prepare_on(machine.server_core, machine.generator_core)
}
