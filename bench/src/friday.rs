//! A Friday evening of many restaurants: the load that a hub is for, with everything that goes wrong on such an evening.

mod cast;
mod crowd;
mod evening;
mod judge;
mod night;
mod order;
mod outcome;
mod speech;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{Args, ValueEnum};

use crate::contender::Contender;
use crate::figures::Column;
use crate::machine::MachineOptions;
use crate::os;
use crate::run::{RunError, prepare_on};
use crate::servers::{Plan, Servers};
use crate::swarm::Swarm;
use crate::workload::WorkloadError;
use cast::PEOPLE;
use crowd::Crowd;
use evening::Evening;
use night::Night;
pub(crate) use outcome::FridayReport;
use outcome::{Scale, outcome};

/// How many descriptors of a process the default evening uses, where there are so many.
const DESCRIPTORS: u64 = 20_000;
/// Of these, what is left for files, for lines that are about to close, and for the server itself.
const DESCRIPTORS_LEFT: u64 = 1_000;

/// What an evening is played with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FridayServer {
    Hub,
    /// Socket.IO on Node with the Redis Streams adapter; clients join rooms, and are answered once Redis has an event
    SocketioStreams,
}

impl FridayServer {
    fn contender(self) -> Contender {
        match self {
            Self::Hub => Contender::Hub,
            Self::SocketioStreams => Contender::Express,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Hub => "hub",
            Self::SocketioStreams => "socketio-streams",
        }
    }
}

#[derive(Args)]
pub(crate) struct FridayOptions {
    /// Servers, one evening each
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [FridayServer::Hub])]
    server: Vec<FridayServer>,
    /// Restaurants, of 18 people each [default: as many as 20 000 descriptors of a process allow]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3_000))]
    restaurants: Option<u32>,
    /// Nodes: 1, or 3 that share a Redis, of which one is killed in the middle
    #[arg(long, default_value_t = 1, value_parser = nodes)]
    nodes: usize,
    /// Minutes of the evening that are measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=600))]
    minutes: u32,
    /// How much faster than a clock the evening goes
    #[arg(long, default_value_t = 1.0, value_parser = speed)]
    speed: f64,
    /// The same seed plans the same evening
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    machine: MachineOptions,
    /// Write the results there, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

fn nodes(text: &str) -> Result<usize, String> {
    let nodes = text.parse().ok().filter(|nodes| [1, 3].contains(nodes));
    nodes.ok_or_else(|| "1 or 3".to_owned())
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed| (0.1..=60.0).contains(speed));
    speed.ok_or_else(|| "from 0.1 to 60".to_owned())
}

/// Plays an evening with each server.
///
/// # Errors
/// A server is missing, refuses somebody at the beginning, or ends although nobody killed it. Every server that was started has ended.
pub(crate) fn run(options: &FridayOptions) -> Result<FridayReport, RunError> {
    let (origin, interrupted) =
        prepare_on(options.machine.server_core, options.machine.generator_core)?;
    let descriptors = os::raise_descriptors_max().map_err(RunError::Prepare)?;
    let restaurants =
        options.restaurants.map_or_else(|| default_restaurants(descriptors), |it| it as usize);
    let mut outcomes = Vec::new();
    for &server in &options.server {
        let outcome = play(server, restaurants, options, &interrupted);
        outcomes
            .push(outcome.map_err(|source| RunError::Friday { server: server.name(), source })?);
    }
    let FridayOptions { nodes, minutes, speed, seed, .. } = *options;
    let scale = Scale { restaurants, people: restaurants * PEOPLE, nodes, minutes, speed, seed };
    Ok(FridayReport { origin, scale, outcomes })
}

fn default_restaurants(descriptors: u64) -> usize {
    let clients = descriptors.min(DESCRIPTORS).saturating_sub(DESCRIPTORS_LEFT);
    usize::try_from(clients).map_or(1, |clients| (clients / PEOPLE).max(1))
}

fn play(
    server: FridayServer,
    restaurants: usize,
    options: &FridayOptions,
    interrupted: &Arc<AtomicBool>,
) -> Result<Column, WorkloadError> {
    let contender = server.contender();
    let servers = Servers::start(&Plan {
        contender,
        nodes: options.nodes,
        has_redis: options.nodes > 1 || contender.needs_redis(),
        machine: &options.machine,
        folder: "friday",
    })?;
    let swarm = Swarm::new(contender.dialect(), servers.address(0), None, Arc::clone(interrupted))?;
    let mut evening = Evening::new(options.seed, options.speed);
    let orders = evening.plan(restaurants, options.minutes, night::phones(restaurants));
    let crowd = Crowd::new(contender.dialect(), restaurants * PEOPLE, orders)?;
    let mut night = Night::new(servers, swarm, crowd, evening, options.machine.cores());
    let measured = night.play(options.minutes)?;
    Ok(outcome(server.name(), &mut night, &measured))
}

/// What a restaurant's evening consists of, for who computes with it.
pub(crate) struct Shape {
    /// Of a restaurant.
    pub(crate) people: f64,
    /// Durable ones.
    pub(crate) events_per_order: f64,
    /// Of all durable events of an order together.
    pub(crate) receipts_per_order: f64,
    /// Of one word of a courier about where it is.
    pub(crate) receipts_per_location: f64,
}

#[expect(clippy::cast_precision_loss, reason = "a handful")]
pub(crate) fn shape() -> Shape {
    let order = order::Order::within(0, 0.0, &mut crate::chance::Chance::new(1));
    let people = (0..PEOPLE).map(cast::Person::of_client);
    let receipts =
        |step| people.clone().filter(|&person| order.is_for(step, person)).count() as f64;
    let at_location =
        |person: &cast::Person| person.rooms().iter().any(|room| order.rooms(None).contains(room));
    Shape {
        people: PEOPLE as f64,
        events_per_order: order::STEPS as f64,
        receipts_per_order: (0..order::STEPS).map(receipts).sum(),
        receipts_per_location: people.clone().filter(at_location).count() as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_has_a_dozen_events_for_six_people_on_average() {
        let Shape { people, events_per_order, receipts_per_order, receipts_per_location } = shape();
        assert_eq!(
            [people, events_per_order, receipts_per_order, receipts_per_location],
            [18.0, 12.0, 72.0, 4.0]
        );
    }

    #[test]
    fn the_default_evening_fits_its_descriptors() {
        assert_eq!(default_restaurants(20_000), 1_055);
        assert_eq!(default_restaurants(1_048_576), 1_055);
        assert_eq!(default_restaurants(4_096), 172);
        assert_eq!(default_restaurants(256), 1);
    }
}
