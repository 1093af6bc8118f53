//! What an append costs, beside the disk's own time and beside Redis Streams with an fsync for each reply:
//! `cargo bench -p foodtrack-tenant-log`. Takes two minutes; needs `redis-server` for the comparison.
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
const RUN: Duration = Duration::from_secs(2);
const TENANTS: usize = 100;
/// What a tenant keeps where there is trimming.
const KEPT: u64 = 500;

type Error = Box<dyn std::error::Error>;

/// Appends in a while, and how long each took.
struct Run {
    per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
}

impl Run {
    fn new(elapsed: Duration, mut took: Vec<Duration>) -> Self {
        took.sort_unstable();
        let at = |share: usize| {
            took.get(took.len() * share / 100).map_or(0.0, |it| it.as_secs_f64() * 1e3)
        };
        Self { per_s: took.len() as f64 / elapsed.as_secs_f64(), p50_ms: at(50), p99_ms: at(99) }
    }
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
    println!("in flight | kept | appends/s, p50, p99 | Redis: the same | ratio");
    for kept in [None, Some(KEPT)] {
        for in_flight in [1, 50, 500] {
            compare(in_flight, kept, has_redis)?;
        }
    }
    ours::replay(200_000)
}

fn compare(in_flight: usize, kept: Option<u64>, has_redis: bool) -> Result<(), Error> {
    let (mut disk, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let directory = tempfile::tempdir()?;
        disk.push(fdatasync(&directory.path().join("plain"), RUN / 4)?);
        ours.push(ours::append(&directory.path().join("log"), in_flight, kept)?);
        if has_redis {
            let directory = directory.path().join("redis");
            std::fs::create_dir(&directory)?;
            theirs.push(redis::append(&directory, in_flight, kept)?);
        }
    }
    let (Some(disk), Some(ours)) = (middle(disk), middle(ours)) else { return Ok(()) };
    let kept = kept.map_or_else(|| String::from("all"), |kept| kept.to_string());
    let text =
        |run: &Run| format!("{:.0}/s, {:.2} ms, {:.2} ms", run.per_s, run.p50_ms, run.p99_ms);
    let theirs = middle(theirs).map_or_else(String::new, |theirs| {
        format!(" | {} | {:.1} times Redis", text(&theirs), ours.per_s / theirs.per_s)
    });
    println!("{in_flight} | {kept} | {}{theirs}", text(&ours));
    println!(
        "    an fdatasync of 300 bytes: {}; ours at the median {:.2} of them",
        text(&disk),
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
    Ok(Run::new(start.elapsed(), took))
}
