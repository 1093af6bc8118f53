//! The command line.
#![allow(clippy::print_stdout, reason = "this is what prints")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use chaos::hub::{find_hub, raise_descriptors_max};
use clap::Parser;

use crate::arena::{self, ArenaError, Terms};
use crate::attack::{Attack, Surroundings};
use crate::attacks;
use crate::crowd::CrowdSize;
use crate::report;
use crate::verdict::{Bounds, broken};

/// What the run of all attacks at once is called.
const ALL: &str = "all";

/// Attacks a hub as hostile strangers and tenants do, and judges what well-behaved clients notice: their 99th percentile at
/// most doubles and stays under 20 ms at 1 000 events a second, nobody of them is disconnected or loses an event, and the hub
/// stays under 256 MiB. Each attack has a hub of its own, on loopback. The exit code is 1 if a promise is broken, 2 if the
/// attacks could not be run.
#[derive(Parser)]
#[command(name = "attack")]
struct Cli {
    /// Only this attack; may be said again. `all` is all of them at once
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Not this attack, neither alone nor among all at once; may be said again
    #[arg(long, value_name = "NAME")]
    except: Vec<String>,
    /// Lists the attacks
    #[arg(long)]
    list: bool,
    /// How long each attack lasts
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Hostile connections of all kinds where they attack at once
    #[arg(long, default_value_t = 2_000)]
    connections: usize,
    /// All at once alone, with 400 connections, a small crowd, and bounds that a debug build on a busy machine keeps
    #[arg(long)]
    quick: bool,
    /// The hub to attack [default: the one beside this program]
    #[arg(long, value_name = "PATH")]
    hub: Option<PathBuf>,
}

/// A trial to run.
struct Round<'a> {
    name: &'a str,
    attacks: Vec<(&'a Attack, usize)>,
    surroundings: Surroundings,
}

pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    let mut attacks = attacks::all();
    if cli.list {
        for attack in &attacks {
            println!("{:<22} {:>5}  {}", attack.name, attack.connections, attack.about);
        }
        println!("{ALL:<22} {:>5}  all of them at once", cli.connections);
        return ExitCode::SUCCESS;
    }
    let known = |name: &String| name == ALL || attacks.iter().any(|attack| attack.name == name);
    if let Some(name) = cli.only.iter().chain(&cli.except).find(|name| !known(name)) {
        eprintln!("attack: there is no attack {name}; --list names them");
        return ExitCode::from(2);
    }
    attacks.retain(|attack| !cli.except.iter().any(|except| except == attack.name));
    match cli.attack(&attacks) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failed) => {
            println!("{failed} attacks show broken promises");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("attack: {error}");
            ExitCode::from(2)
        }
    }
}

impl Cli {
    fn attack(&self, attacks: &[Attack]) -> Result<usize, ArenaError> {
        raise_descriptors_max()?;
        let hub = find_hub(self.hub.as_deref())?;
        let (terms, bounds) = self.terms();
        let rounds = self.rounds(attacks);
        println!("{}: {} rounds of about {} s", hub.display(), rounds.len(), self.seconds + 8);
        report::head();
        let mut failed = 0;
        for round in &rounds {
            failed += usize::from(!attack(&hub, round, terms, &bounds)?);
        }
        Ok(failed)
    }

    fn terms(&self) -> (Terms, Bounds) {
        let assault = Duration::from_secs(self.seconds);
        if self.quick {
            let (crowd, baseline) = (CrowdSize::SMALL, Duration::from_secs(1));
            return (Terms { crowd, baseline, assault }, Bounds::COARSE);
        }
        let (crowd, baseline) = (CrowdSize::FULL, Duration::from_secs(3));
        (Terms { crowd, baseline, assault }, Bounds::PROMISED)
    }

    fn rounds<'a>(&self, attacks: &'a [Attack]) -> Vec<Round<'a>> {
        let is_asked = |name: &str| {
            if self.only.is_empty() {
                !self.quick || name == ALL
            } else {
                self.only.iter().any(|only| only == name)
            }
        };
        let alone = attacks.iter().filter(|attack| is_asked(attack.name));
        let mut rounds: Vec<Round<'_>> = alone
            .map(|attack| Round {
                name: attack.name,
                attacks: vec![(attack, attack.connections)],
                surroundings: attack.surroundings,
            })
            .collect();
        if is_asked(ALL) {
            let connections = if self.quick { 400 } else { self.connections };
            let attacks = share(attacks, connections);
            rounds.push(Round { name: ALL, attacks, surroundings: Surroundings::USUAL });
        }
        rounds
    }
}

fn attack(
    hub: &Path,
    round: &Round<'_>,
    terms: Terms,
    bounds: &Bounds,
) -> Result<bool, ArenaError> {
    let (attacks, surroundings) = (&round.attacks, round.surroundings);
    match arena::run(hub, round.name, attacks, surroundings, terms) {
        Ok(trial) => {
            let broken = broken(&trial, bounds);
            report::line(&trial, &broken);
            Ok(broken.is_empty())
        }
        // That is a broken promise too: it says how many are in.
        Err(ArenaError::Crowd(error)) => {
            println!("{:<22} FAILS\n    {error}", round.name);
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Shares out connections by how many each attack has alone.
fn share(attacks: &[Attack], connections: usize) -> Vec<(&Attack, usize)> {
    let whole: usize = attacks.iter().map(|attack| attack.connections).sum();
    let part = |attack: &Attack| (attack.connections * connections / whole.max(1)).max(1);
    attacks.iter().map(|attack| (attack, part(attack))).collect()
}
