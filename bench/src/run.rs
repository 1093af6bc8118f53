//! One run: servers in turns, round after round.

use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;
use test_support::{Certificates, ClientTls};

use crate::back_end::BackEnd;
use crate::contender::Contender;
use crate::metric::{Cell, Metric};
use crate::report::{Failure, Measurement, Origin, Report, number};
use crate::scenario::Scenario;
use crate::server_process::{Launch, ServerProcess};
use crate::swarm::{Swarm, SwarmError};
use crate::workload::{Fixture, Pace, WorkloadError};
use crate::{Options, os, redis};

#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("prepare this process")]
    Prepare(#[source] io::Error),
    #[error("cores {server} and {generator}: the server and the generator need one each")]
    SameCore { server: usize, generator: usize },
    #[error("{} with {scenario:?}", .contender.name())]
    Workload { contender: Contender, scenario: Scenario, source: WorkloadError },
    #[error("write {path}")]
    Write { path: PathBuf, source: io::Error },
    #[error("{scenario:?} cannot change between servers; fan-out-large and fan-out-small can")]
    NoTurns { scenario: Scenario },
    #[error("Friday evening with {server}")]
    Friday { server: &'static str, source: WorkloadError },
    #[error("{load}")]
    Cluster { load: String, source: WorkloadError },
    #[error("compute the capacity")]
    Capacity(#[source] crate::capacity::CapacityError),
    #[error("TLS handshakes")]
    Handshakes(#[source] WorkloadError),
    #[error("none of the scenarios applies to any of the servers")]
    Nothing,
}

/// Measures `contenders` as `options` say.
///
/// # Errors
/// A server is missing, or the run was interrupted. Every server that was started has ended. A load that a server does not
/// get through is no error but a [`Failure`] in the report.
pub(crate) fn run(contenders: &[Contender], options: &Options) -> Result<Report, RunError> {
    let (origin, interrupted) = prepare(options)?;
    let scenarios: Vec<Scenario> = match options.scenario.as_slice() {
        [] => {
            let all = Scenario::value_variants().iter().copied();
            all.filter(|scenario| !(options.quick && scenario.is_long())).collect()
        }
        chosen => chosen.to_vec(),
    };
    let rounds = options.rounds.unwrap_or(if options.quick { 1 } else { 3 });
    let mut measurements = Vec::new();
    let mut failures = Vec::new();
    for round in 1..=rounds {
        for &scenario in &scenarios {
            for &contender in contenders.iter().filter(|&&c| scenario.applies_to(c)) {
                let source = match measure(contender, scenario, options, &interrupted) {
                    Ok(cells) => {
                        for cell in cells {
                            print_progress(round, contender, &cell);
                            measurements.push(Measurement { round, contender, scenario, cell });
                        }
                        continue;
                    }
                    Err(source) => source,
                };
                let ends_the_run = source.ends_the_run();
                let error = RunError::Workload { contender, scenario, source };
                if ends_the_run {
                    return Err(error);
                }
                // The other measurements are worth keeping, and that this one failed is a result too.
                print_error(&error);
                let reason = causes(&error).join(": ");
                failures.push(Failure { round, contender, scenario, reason });
            }
        }
    }
    if measurements.is_empty() && failures.is_empty() {
        return Err(RunError::Nothing);
    }
    Ok(Report::new(origin, measurements, failures))
}

/// Makes this process ready to measure. Returns where the figures will be from, and what becomes true when somebody
/// interrupts it.
pub(crate) fn prepare(options: &Options) -> Result<(Origin, Arc<AtomicBool>), RunError> {
    prepare_on(options.server_core, options.generator_core)
}

/// The same for the cores of the server and of the generator.
pub(crate) fn prepare_on(
    server: usize,
    generator: usize,
) -> Result<(Origin, Arc<AtomicBool>), RunError> {
    if server == generator {
        return Err(RunError::SameCore { server, generator });
    }
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted)).map_err(RunError::Prepare)?;
    }
    os::raise_descriptors_max().map_err(RunError::Prepare)?;
    // Asked before pinning, which leaves this process one core to see.
    let origin = Origin::here();
    os::pin_to_core(generator).map_err(RunError::Prepare)?;
    Ok((origin, interrupted))
}

fn measure(
    contender: Contender,
    scenario: Scenario,
    options: &Options,
    interrupted: &Arc<AtomicBool>,
) -> Result<Vec<Cell>, WorkloadError> {
    let config =
        if scenario.needs_limits() { &options.hub_limited_config } else { &options.hub_config };
    let back_end = scenario.needs_back_end().then(BackEnd::start).transpose()?;
    let to = Path::new("target/bench/back-end.toml");
    let with_back_end = back_end.as_ref().map(|it| it.configure(config, to)).transpose()?;
    let config = with_back_end.as_deref().unwrap_or(config);
    let mut fixture =
        fixture(contender, [&options.hub, config], contender.name(), options, interrupted)?;
    fixture.back_end = back_end;
    let result = scenario.run(&mut fixture, options.tenant_events_per_second);
    or_last_words(result, &mut fixture.server)
}

/// The same; or, where it failed because the server has ended, what the server said.
pub(crate) fn or_last_words<T>(
    result: Result<T, WorkloadError>,
    server: &mut ServerProcess,
) -> Result<T, WorkloadError> {
    if !matches!(result, Ok(_) | Err(WorkloadError::Swarm(SwarmError::Interrupted))) {
        // A dead server shows first as a closed connection; its own last words say more.
        thread::sleep(Duration::from_millis(200));
        server.check_alive()?;
    }
    result
}

/// A server with nobody connected yet. `hub` is the hub's binary and its configuration; `name` is what nobody else here is
/// called.
pub(crate) fn fixture(
    contender: Contender,
    hub: [&Path; 2],
    name: &str,
    options: &Options,
    interrupted: &Arc<AtomicBool>,
) -> Result<Fixture, WorkloadError> {
    let scratch = Path::new("target/bench").join(name);
    // What a server stored for the load before would be there again in this one.
    match fs::remove_dir_all(&scratch) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => fs::create_dir_all(&scratch)?,
    }
    let absolute = |path: &Path| std::path::absolute(path);
    let [hub, config] = hub;
    let mut launch = contender.launch(&absolute(hub)?, &absolute(config)?, &absolute(&scratch)?);
    let log = scratch.with_extension("log");
    // On the server's core: what it keeps there is the server's cost.
    let redis = if contender.needs_redis() {
        let (redis, log) =
            (redis::launch(&absolute(&scratch)?), scratch.with_extension("redis.log"));
        Some(ServerProcess::start(&redis, options.server_core, &log)?)
    } else {
        None
    };
    let tls = if contender.is_encrypted() { Some(encrypt(&mut launch, &scratch)?) } else { None };
    launch.environment.extend(redis.as_ref().map(|redis| ("REDIS_URL", redis::url(redis))));
    let server = ServerProcess::start(&launch, options.server_core, &log)?;
    let swarm = Swarm::new(contender.dialect(), server.address, tls, Arc::clone(interrupted))?;
    let cores = [options.server_core, options.generator_core];
    let pace = if options.quick { Pace::QUICK } else { Pace::FULL };
    Ok(Fixture { server, swarm, pace, cores, redis, back_end: None })
}

/// Has a server speak TLS with a certificate of its own; returns what its clients believe.
pub(crate) fn encrypt(launch: &mut Launch, scratch: &Path) -> io::Result<ClientTls> {
    let made = Certificates::make(scratch);
    let certificates = made.ok_or_else(|| io::Error::other("openssl is not installed"))?;
    for (name, path) in
        [("TLS_CERT_FILE", certificates.certificate()), ("TLS_KEY_FILE", certificates.key())]
    {
        let path = std::path::absolute(path)?.display().to_string();
        launch.environment.push((name, path));
    }
    Ok(ClientTls::trusting(&certificates.authority()))
}

fn print_progress(round: u32, contender: Contender, cell: &Cell) {
    let main = [
        Metric::CpuUsPerDelivery,
        Metric::CpuUsPerRequest,
        Metric::RssKibPerConnection,
        Metric::CpuUsPerConnection,
        Metric::DeliveriesPerSecond,
        Metric::EventsPerSecond,
        Metric::LatencyUsP50,
        Metric::LatencyUsP99,
    ];
    let values = main.iter().filter_map(|metric| {
        let value = cell.values.get(metric)?;
        Some(format!("{} {}", metric.title(), number(Some(*value))))
    });
    let values = values.collect::<Vec<_>>().join(", ");
    println!("round {round}: {} {}: {values}", contender.name(), cell.name);
}

/// Writes a report as JSON.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn write_json(report: &impl Serialize, path: &Path) -> Result<(), RunError> {
    let write = |source| RunError::Write { path: path.to_owned(), source };
    let json = serde_json::to_vec_pretty(report).map_err(|error| write(error.into()))?;
    fs::write(path, json).map_err(write)
}

/// Writes a report as JSON and Markdown; `path` is without its ending.
///
/// # Errors
/// A file cannot be written.
pub(crate) fn write_results(
    report: &impl Serialize,
    markdown: &str,
    path: &Path,
) -> Result<(), RunError> {
    let write = |path: &Path| {
        let path = path.to_owned();
        move |source| RunError::Write { path, source }
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(write(folder))?;
    }
    // Not `with_extension`: a name may have a dot.
    let named = |ending| PathBuf::from(format!("{}.{ending}", path.display()));
    write_json(report, &named("json"))?;
    let path = named("md");
    fs::write(&path, markdown).map_err(write(&path))
}

/// Prints an error and its causes, a line each.
#[allow(clippy::print_stderr, reason = "a command-line tool")]
pub(crate) fn print_error(error: &RunError) {
    let mut lines = causes(error).into_iter();
    if let Some(line) = lines.next() {
        eprintln!("error: {line}");
    }
    lines.for_each(|line| eprintln!("  because: {line}"));
}

fn causes(error: &RunError) -> Vec<String> {
    let mut lines = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        lines.push(error.to_string());
        cause = error.source();
    }
    lines
}
