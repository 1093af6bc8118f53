//! A hub, its well-behaved crowd, and an attack on it.

use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use chaos::hub::{Hub, HubError, HubSpec};

use crate::attack::{Attack, Demand, Surroundings};
use crate::crowd::{Crowd, CrowdError, CrowdSize, Noticed};
use crate::horde::{Horde, Member, Tally};
use crate::vitals::{LogLines, Processor, Vitals, Watch};

/// The horde arrives and the hub gets used to it before anything is measured; what is lost or refused counts from the start.
const LISTEN_AFTER: Duration = Duration::from_secs(6);
/// Clients who come first while the hub is attacked.
const NEWCOMERS: u32 = 8;
/// How soon memory and sockets must be back.
const RETURN_WITHIN: Duration = Duration::from_secs(8);

/// How long and with whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) crowd: CrowdSize,
    pub(crate) baseline: Duration,
    pub(crate) assault: Duration,
}

/// What an attack did.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) name: String,
    pub(crate) connections: usize,
    pub(crate) baseline: Noticed,
    pub(crate) at_rest: Vitals,
    pub(crate) assault: Noticed,
    pub(crate) peak: Vitals,
    pub(crate) log_lines_per_second: f64,
    /// What must become of the attack, and how long it lasted.
    pub(crate) demand: Option<Demand>,
    pub(crate) lasted: Duration,
    /// Processors that the hub kept busy, on average, without the attack and with it.
    pub(crate) quiet_cores: f64,
    pub(crate) attacked_cores: f64,
    pub(crate) tally: Tally,
    pub(crate) afterwards: Vitals,
    /// The hub's process ended by itself.
    pub(crate) is_hub_gone: bool,
}

/// The attack could not be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArenaError {
    /// The hub does not run.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// The well-behaved do not run.
    #[error(transparent)]
    Crowd(#[from] CrowdError),
    /// A file, or the horde's own sockets.
    #[error("a file or a socket of the run")]
    Io(#[from] io::Error),
}

/// Attacks a hub of its own with these, `connections` in all.
pub(crate) fn run(
    program: &Path,
    name: &str,
    attacks: &[(&Attack, usize)],
    surroundings: Surroundings,
    terms: Terms,
) -> Result<Trial, ArenaError> {
    let folder = tempfile::Builder::new().prefix("attack-").tempdir()?;
    let mut hub = start(program, folder.path(), surroundings)?;
    let pid = hub.pid().unwrap_or_default();
    if let Some(prepare) = surroundings.preparation {
        prepare(hub.address())?;
    }
    let mut crowd = Crowd::gather(hub.address(), terms.crowd)?;
    // A second to warm up.
    crowd.work(Duration::from_secs(1))?;
    crowd.hear_out(LISTEN_AFTER)?;
    let processor = Processor::of(pid);
    crowd.work(terms.baseline)?;
    let quiet_cores = processor.cores();
    let baseline = crowd.hear_out(LISTEN_AFTER)?;
    let at_rest = Vitals::of(pid);

    let mut lines = LogLines::of(&hub.log());
    lines.take();
    let watch = Watch::start(pid);
    let members = muster(attacks);
    let connections = members.len();
    let began = Instant::now();
    let processor = Processor::of(pid);
    let horde = Horde::loose(hub.address(), members);
    // The first come when the horde is there, and the last have time to try again.
    crowd.work(terms.assault / 4)?;
    crowd.expect_newcomers(NEWCOMERS, terms.assault / 4);
    crowd.work(terms.assault * 3 / 4)?;
    let attacked_cores = processor.cores();
    let log_lines_per_second = lines.take() as f64 / began.elapsed().as_secs_f64();
    let assault = crowd.hear_out(LISTEN_AFTER)?;
    let tally = horde.call_off()?;
    let lasted = began.elapsed();
    let demand = if let [(attack, _)] = attacks { attack.demand } else { None };
    let peak = watch.finish();
    let is_hub_gone = hub.status() == chaos::hub::Status::Down;
    let afterwards = wait_for_return(pid, at_rest, &mut crowd)?;
    Ok(Trial {
        name: name.to_owned(),
        connections,
        baseline,
        at_rest,
        assault,
        peak,
        log_lines_per_second,
        demand,
        lasted,
        quiet_cores,
        attacked_cores,
        tally,
        afterwards,
        is_hub_gone,
    })
}

fn start(program: &Path, folder: &Path, surroundings: Surroundings) -> Result<Hub, HubError> {
    let level = if surroundings.is_stderr_unread { "debug" } else { "info" };
    let mut hub = Hub::new(HubSpec {
        program: program.to_owned(),
        folder: PathBuf::from(folder),
        config: CONFIG.replace("LEVEL", level) + surroundings.more_config,
        data_dir: Some(folder.join("data")),
        clock: None,
    })?;
    if let Some(descriptors_max) = surroundings.descriptors_max {
        hub.limit_descriptors(descriptors_max);
    }
    if surroundings.is_stderr_unread {
        hub.leave_stderr_unread();
    }
    hub.start_and_wait(Duration::from_secs(30))?;
    Ok(hub)
}

/// All attacks' connections, mixed, so that each kind is there from the beginning.
fn muster(attacks: &[(&Attack, usize)]) -> Vec<Member> {
    let most = attacks.iter().map(|(_, count)| *count).max().unwrap_or(0);
    let mut members = Vec::new();
    for round in 0..most {
        for (attack, count) in attacks {
            if round < *count {
                let hostile = (attack.hostile)(round);
                members.push(Member { hostile, source: attack.sources.address(members.len()) });
            }
        }
    }
    members
}

fn wait_for_return(pid: u32, at_rest: Vitals, crowd: &mut Crowd) -> Result<Vitals, CrowdError> {
    let deadline = Instant::now() + RETURN_WITHIN;
    loop {
        // The crowd answers its pings meanwhile.
        crowd.hear_out(Duration::ZERO)?;
        crowd.work(Duration::from_millis(500))?;
        let now = Vitals::of(pid);
        if now.descriptors <= at_rest.descriptors || Instant::now() > deadline {
            return Ok(now);
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// The hub's defaults, but for an event that need not wait for the disk: its speed is not what is measured here.
const CONFIG: &str = "\
[[delivery]]
event = \"delivery:in_transit\"
class = \"recoverable\"

[logging]
level = \"LEVEL\"
format = \"json\"
";
