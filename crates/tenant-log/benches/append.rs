//! What an append costs, beside the disk's own time and beside Redis Streams with an fsync for each reply:
//! `cargo bench -p foodtrack-tenant-log`. Takes three minutes; needs `redis-server` for the comparison. Numbers behind `--`
//! choose how many are in flight. `-- sealed` compares appends to a log that is sealed with those to one that is not, in turns.
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a bench reads the clock")]

#[path = "append/messages.rs"]
mod messages;
#[path = "append/ours.rs"]
mod ours;
#[path = "append/redis.rs"]
mod redis;
#[path = "append/sealed.rs"]
mod sealed;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;
const RUN: Duration = Duration::from_secs(1);
/// What all tenants together keep: a run is long enough to let as much go.
const KEPT: usize = 20_000;

type Error = Box<dyn std::error::Error>;

/// Appends in a while, and how long each took.
struct Run {
    per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// What it cost the one who appends, client's work included where it is the same process.
    cpu_us: f64,
}

impl Run {
    fn new(elapsed: Duration, cpu: Duration, mut took: Vec<Duration>) -> Self {
        took.sort_unstable();
        let at = |share: usize| {
            took.get(took.len() * share / 100).map_or(0.0, |it| it.as_secs_f64() * 1e3)
        };
        Self {
            per_s: took.len() as f64 / elapsed.as_secs_f64(),
            p50_ms: at(50),
            p99_ms: at(99),
            cpu_us: cpu.as_secs_f64() * 1e6 / took.len().max(1) as f64,
        }
    }
}

/// The CPU time of a process so far, by the kernel's ticks of 10 ms.
fn cpu(process: &str) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name, in brackets, may contain anything.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks = fields.skip(11).take(2).filter_map(|it| it.parse::<u64>().ok()).sum::<u64>();
    Duration::from_millis(10 * ticks)
}

/// The round in the middle.
fn middle(mut runs: Vec<Run>) -> Option<Run> {
    runs.sort_by(|a, b| a.per_s.total_cmp(&b.per_s));
    let place = runs.len() / 2;
    (!runs.is_empty()).then(|| runs.swap_remove(place))
}

fn main() -> Result<(), Error> {
    if std::env::args().any(|it| it == "sealed") {
        return sealed::compare();
    }
    let has_redis = redis::Server::start(tempfile::tempdir()?.path()).is_ok();
    if !has_redis {
        println!("no redis-server here: without the comparison");
    }
    println!(
        "Middle of {ROUNDS} alternating rounds of {RUN:?}; messages of about 300 bytes; retention keeps {KEPT} entries, so each append lets one go."
    );
    println!(
        "Redis: as many clients as are in flight; and one that pipelines. CPU: ours with its client, Redis' without."
    );
    println!();
    println!(
        "| tenants | in flight | ours /s | Redis /s | times | piped /s | times | ours p50 ms | p99 | Redis p50 ms | p99 | fdatasync p50 ms | p50 / fdatasync | CPU us | Redis' | piped |"
    );
    println!("|{}", " --- |".repeat(16));
    for tenants in [1, 100] {
        for in_flight in [1, 50, 500].into_iter().filter(|it| is_chosen(*it)) {
            compare(Setting { tenants, in_flight }, has_redis)?;
        }
    }
    println!();
    ours::replay(200_000)
}

/// What is measured.
#[derive(Clone, Copy)]
struct Setting {
    tenants: usize,
    in_flight: usize,
}

fn is_chosen(in_flight: usize) -> bool {
    let chosen: Vec<usize> = std::env::args().filter_map(|it| it.parse().ok()).collect();
    chosen.is_empty() || chosen.contains(&in_flight)
}

fn compare(setting: Setting, has_redis: bool) -> Result<(), Error> {
    let (mut disk, mut ours) = (Vec::new(), Vec::new());
    let (mut piped, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let directory = tempfile::tempdir()?;
        disk.push(fdatasync(&directory.path().join("plain"), RUN / 4)?);
        ours.push(ours::append(&directory.path().join("log"), setting, None)?);
        if has_redis {
            for (clients, runs) in [(1, &mut piped), (setting.in_flight, &mut theirs)] {
                let directory = tempfile::tempdir()?;
                runs.push(redis::append(directory.path(), clients, setting)?);
            }
        }
    }
    let (Some(disk), Some(ours)) = (middle(disk), middle(ours)) else { return Ok(()) };
    let none = || Run { per_s: f64::NAN, p50_ms: f64::NAN, p99_ms: f64::NAN, cpu_us: f64::NAN };
    let (theirs, piped) = (middle(theirs).unwrap_or_else(none), middle(piped).unwrap_or_else(none));
    println!(
        "| {} | {} | {:.0} | {:.0} | **{:.1}** | {:.0} | **{:.1}** | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.1} | {:.1} | {:.1} |",
        setting.tenants,
        setting.in_flight,
        ours.per_s,
        theirs.per_s,
        ours.per_s / theirs.per_s,
        piped.per_s,
        ours.per_s / piped.per_s,
        ours.p50_ms,
        ours.p99_ms,
        theirs.p50_ms,
        theirs.p99_ms,
        disk.p50_ms,
        ours.p50_ms / disk.p50_ms,
        ours.cpu_us,
        theirs.cpu_us,
        piped.cpu_us,
    );
    Ok(())
}

/// The disk by itself.
fn fdatasync(path: &Path, run: Duration) -> Result<Run, Error> {
    let mut file = File::options().create(true).append(true).open(path)?;
    let (start, mut took) = (Instant::now(), Vec::new());
    while start.elapsed() < run {
        let begun = Instant::now();
        file.write_all(&[b'x'; 300])?;
        file.sync_data()?;
        took.push(begun.elapsed());
    }
    Ok(Run::new(start.elapsed(), Duration::ZERO, took))
}
