//! `chaos campaign`

use std::path::PathBuf;
use std::process::ExitCode;

use chaos::campaign::{Campaign as Schedules, Plan, RedisKind, Setting};
use chaos::hub::find_hub;
use clap::Args;

use super::Run;

#[derive(Args)]
pub(super) struct Campaign {
    /// How many schedules
    #[arg(long, default_value_t = 500)]
    schedules: u64,
    /// What the schedules are made from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Runs the one schedule of this seed, as a failure names it
    #[arg(long, value_name = "SEED", conflicts_with_all = ["schedules", "seed"])]
    schedule_seed: Option<u64>,
    /// The hub to test [default: the one beside this program]
    #[arg(long, value_name = "PATH")]
    hub: Option<PathBuf>,
    /// Where what is left of a failed schedule goes
    #[arg(long, value_name = "FOLDER", default_value = "target/chaos")]
    remains: PathBuf,
    /// Three nodes that share a Redis, in place of one hub with its log on a disk
    #[arg(long)]
    cluster: bool,
    /// What that Redis is
    #[arg(long, value_name = "KIND", default_value = "one", requires = "cluster")]
    redis: RedisKind,
    /// Clients of the library in each schedule, beside its own: they need Node and the packages of tests/interop
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    node_clients: usize,
    /// Schedules at once
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// The schedules' publications without their faults, to see whether the harness itself is right
    #[arg(long)]
    calm: bool,
}

impl Campaign {
    pub(super) fn run(self) -> Run {
        let seeds = match self.schedule_seed {
            Some(seed) => vec![seed],
            None => (0..self.schedules).map(|index| Plan::seed(self.seed, index)).collect(),
        };
        let hub = find_hub(self.hub.as_deref())?;
        let Self { remains, jobs, calm, node_clients, .. } = self;
        let setting = if self.cluster { Setting::Cluster(self.redis) } else { Setting::Alone };
        let campaign = Schedules { seeds, hub, remains, setting, node_clients, jobs, calm };
        let outcome = campaign.run(&|text| println!("{text}"));
        for error in &outcome.errors {
            println!("{error}");
        }
        let verdict = &outcome.verdict;
        println!(
            "{} events due, {} publications acknowledged, {} of {} sessions recovered",
            verdict.expected, verdict.acknowledged, verdict.recovered, verdict.reconnected
        );
        println!("{} schedules, {verdict}", outcome.schedules);
        Ok(if outcome.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
