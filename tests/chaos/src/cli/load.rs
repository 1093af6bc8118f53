//! `chaos jitter` and `chaos storm`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use chaos::hub::find_hub;
use chaos::load;
use clap::{Args, ValueEnum};

use super::Run;

#[derive(Args)]
pub(super) struct Jitter {
    /// How many sessions
    #[arg(long, default_value_t = 10_000)]
    sessions: usize,
    /// How long there are broadcasts
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    #[command(flatten)]
    fixture: Fixture,
}

#[derive(Args)]
pub(super) struct Storm {
    /// How many sessions
    #[arg(long, default_value_t = 18_000)]
    sessions: usize,
    /// How the server ends
    #[arg(long, value_enum, default_value_t = How::Sigterm)]
    how: How,
    #[command(flatten)]
    fixture: Fixture,
}

#[derive(Args)]
struct Fixture {
    /// Unmodified clients beside the sessions, in a Node process
    #[arg(long, value_name = "CLIENTS", default_value_t = 0)]
    node: usize,
    /// The hub to test [default: the one beside this program]
    #[arg(long, value_name = "PATH")]
    hub: Option<PathBuf>,
    /// What chance decides by
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum How {
    Sigterm,
    Kill,
}

impl Jitter {
    pub(super) fn run(self) -> Run {
        let hub = find_hub(self.fixture.hub.as_deref())?;
        let report = load::Jitter {
            duration: Duration::from_secs(self.seconds),
            node_clients: self.fixture.node,
            seed: self.fixture.seed,
            ..load::Jitter::published(hub, self.sessions)
        }
        .run()?;
        println!("{report}");
        Ok(if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl Storm {
    pub(super) fn run(self) -> Run {
        let hub = find_hub(self.fixture.hub.as_deref())?;
        let how = match self.how {
            How::Sigterm => load::How::Sigterm,
            How::Kill => load::How::Kill,
        };
        let (sessions, node_clients, seed) = (self.sessions, self.fixture.node, self.fixture.seed);
        let report = load::Storm { hub, sessions, how, node_clients, seed }.run()?;
        println!("{report}");
        Ok(if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
