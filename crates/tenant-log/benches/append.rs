//! What an append costs, beside the disk's own time and beside Redis Streams with an fsync for each reply:
//! `cargo bench -p foodtrack-tenant-log`. Takes two minutes; needs `redis-server` for the comparison. Numbers behind `--`
//! choose how many are in flight.
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a bench reads the clock")]

#[path = "append/ours.rs"]
mod ours;
#[path = "append/redis.rs"]
mod redis;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

const ROUNDS: usize = 3;
const RUN: Duration = Duration::from_secs(1);
const TENANTS: usize = 100;
/// What a tenant keeps where there is trimming.
const KEPT: u64 = 500;

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
    let has_redis = redis::Server::start(tempfile::tempdir()?.path()).is_ok();
    if !has_redis {
        println!("no redis-server here: without the comparison");
    }
    println!(
        "middle of {ROUNDS} alternating rounds of {RUN:?}; messages of 300 bytes, {TENANTS} tenants"
    );
    println!("appends/s, p50, p99, CPU each");
    for kept in [None, Some(KEPT)] {
        for in_flight in [1, 50, 500].into_iter().filter(|it| is_chosen(*it)) {
            compare(in_flight, kept, has_redis)?;
        }
    }
    ours::replay(200_000)
}

fn is_chosen(in_flight: usize) -> bool {
    let chosen: Vec<usize> = std::env::args().filter_map(|it| it.parse().ok()).collect();
    chosen.is_empty() || chosen.contains(&in_flight)
}

fn compare(in_flight: usize, kept: Option<u64>, has_redis: bool) -> Result<(), Error> {
    let (mut disk, mut ours) = (Vec::new(), Vec::new());
    let (mut piped, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let directory = tempfile::tempdir()?;
        disk.push(fdatasync(&directory.path().join("plain"), RUN / 4)?);
        ours.push(ours::append(&directory.path().join("log"), in_flight, kept)?);
        if has_redis {
            for (clients, runs) in [(1, &mut piped), (in_flight, &mut theirs)] {
                let directory = tempfile::tempdir()?;
                runs.push(redis::append(directory.path(), clients, in_flight, kept)?);
            }
        }
    }
    let (Some(disk), Some(ours)) = (middle(disk), middle(ours)) else { return Ok(()) };
    let kept = kept.map_or_else(|| String::from("all"), |kept| kept.to_string());
    let text = |run: &Run| {
        let Run { per_s, p50_ms, p99_ms, cpu_us } = run;
        format!("{per_s:.0}/s, {p50_ms:.2} ms, {p99_ms:.2} ms, {cpu_us:.1} us")
    };
    println!("{in_flight} in flight, {kept} kept: {}", text(&ours));
    for (clients, runs) in [(in_flight, theirs), (1, piped)] {
        if let Some(theirs) = middle(runs) {
            let times = ours.per_s / theirs.per_s;
            println!("    Redis, {clients} clients: {}; {times:.1} times it", text(&theirs));
        }
    }
    println!(
        "    an fdatasync of 300 bytes: {:.2} ms, {:.2} ms; ours at the median {:.2} of them",
        disk.p50_ms,
        disk.p99_ms,
        ours.p50_ms / disk.p50_ms
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
