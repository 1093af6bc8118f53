//! The table.
#![allow(clippy::print_stdout, reason = "this is what prints")]

use crate::arena::Trial;
use crate::verdict::ms;

/// The table's head.
pub(crate) fn head() {
    println!(
        "{:<22} {:>5} {:>19} {:>19} {:>6} {:>11} {:>8} {:>6} {:>7} {:>7} {:>7} {:>7}  verdict",
        "attack",
        "conns",
        "quiet p50/p99",
        "attacked p50/p99",
        "ratio",
        "cores",
        "peak RSS",
        "fds",
        "opened",
        "closed",
        "failed",
        "log/s"
    );
}

/// A trial's line, and a line for each promise that it shows broken.
pub(crate) fn line(trial: &Trial, broken: &[String]) {
    let pair = |noticed: &crate::crowd::Noticed| {
        format!("{} / {}", ms(noticed.latencies.at(50)), ms(noticed.latencies.at(99)))
    };
    let before = trial.baseline.latencies.at(99).as_secs_f64().max(1e-9);
    let ratio = trial.assault.latencies.at(99).as_secs_f64() / before;
    println!(
        "{:<22} {:>5} {:>19} {:>19} {:>6.1} {:>11} {:>4} MiB {:>6} {:>7} {:>7} {:>7} {:>7.0}  {}",
        trial.name,
        trial.connections,
        pair(&trial.baseline),
        pair(&trial.assault),
        ratio,
        format!("{:.2} / {:.2}", trial.quiet_cores, trial.attacked_cores),
        trial.peak.resident_bytes / 1024 / 1024,
        trial.peak.descriptors,
        trial.tally.opened,
        trial.tally.closed,
        trial.tally.failed,
        trial.log_lines_per_second,
        if broken.is_empty() { "holds" } else { "FAILS" }
    );
    for sentence in broken {
        println!("    {sentence}");
    }
}
