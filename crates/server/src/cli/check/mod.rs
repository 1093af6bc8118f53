//! `foodtrack-websocket check`

mod indicators;
mod probe;

use std::process::ExitCode;

use clap::Args;

use super::Run;
use super::outcome::{Outcome, failed, print, wait};
use super::running_hub::RunningHub;
use indicators::Indicators;
use probe::Probe;

const AFTER_HELP: &str = "\
Comes to a running hub as socket.io-client does where it polls, and sends itself events as a back end does: through whatever proxies are in \
front. Nobody else gets them, and nothing of it is in the log. It says how long it took to come in, to publish, and to get what was published, and \
what /ready and /health say.

The token is a back end's, of a tenant of its own for such checks or any other: it takes the role system.

Examples:
  TOKEN=$(foodtrack-websocket token --tenant checks --user probe --role system)
  foodtrack-websocket check --url https://hub.example.com --token $TOKEN
  foodtrack-websocket check --url https://hub.example.com --token $TOKEN --events 200 --json --p99-max-ms 100

Exit codes: 0 all came, within --p99-max-ms where it says so; 1 something did not come, is too slow, or /ready says no; 2 bad usage.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Check {
    /// How many events it sends itself, one after the other
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    events: u32,
    /// Fail where one of a hundred took longer from publishing to arriving
    #[arg(long, value_name = "MILLISECONDS")]
    p99_max_ms: Option<f64>,
    /// Where clients connect
    #[arg(long, value_name = "PATH", default_value = "/socket.io/")]
    path: String,
    /// Print what was measured as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    running: RunningHub,
}

impl Check {
    pub(super) fn run(self) -> Run {
        let probe = Probe::new(&self.running, &self.path)?;
        let indicators = wait(measure(&probe, self.events))?;
        let indicators = indicators.map_err(|fault| failed(&fault))?;
        if self.json {
            print(format_args!("{:#}", indicators.to_json()));
        } else {
            indicators.lines().iter().for_each(print);
        }
        if let Some(max) = self.p99_max_ms
            && indicators.delivery.p99_ms() > max
        {
            let p99 = indicators.delivery.p99_ms();
            return Err(Outcome::Failed(format!(
                "the slowest hundredth took {p99:.1} ms, more than {max} ms"
            )));
        }
        Ok(if indicators.is_ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

async fn measure(probe: &Probe, events: u32) -> Result<Indicators, probe::Fault> {
    let (is_ready, health) = probe.status().await?;
    let mut indicators = Indicators { is_ready, health, ..Indicators::default() };
    let mut client = probe.join(&mut indicators).await?;
    for number in 0..events {
        client.round_trip(number, &mut indicators).await?;
    }
    client.leave().await?;
    Ok(indicators)
}
