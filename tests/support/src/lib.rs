//! What tests of several packages share: waiting for a fact, letting time pass, saying that a test was skipped.

mod certificates;
mod client_stream;
mod files_with;
mod line;
mod redis_cluster;
mod redis_sentinels;
mod redis_server;

use std::io::Write as _;
use std::time::{Duration, Instant};

pub use certificates::Certificates;
pub use client_stream::{ClientStream, ClientTls, der_of};
pub use files_with::files_with;
pub use line::Line;
pub use redis_cluster::RedisCluster;
pub use redis_sentinels::RedisSentinels;
pub use redis_server::{RedisServer, free_port};

/// How long a fact may take to come about. Generous: the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks at a fact that nobody announces.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// The file to which skipped tests are written, a line each; a runner names it, since it shows no output of tests that pass.
const SKIPPED_FILE: &str = "SKIPPED_TESTS_FILE";

/// Waits until `fact` is there, and returns it.
///
/// # Panics
/// After [`PATIENCE`]; `what` says what did not come about.
#[track_caller]
pub fn eventually<T>(what: &str, mut fact: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(fact) = fact() {
            return fact;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Waits until `is_so`.
///
/// # Panics
/// After [`PATIENCE`]; `what` says what did not come about.
#[track_caller]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    eventually(what, || is_so().then_some(()));
}

/// Watches for `span` that `happened` stays false.
///
/// # Panics
/// Where it becomes true; `what` says what happened.
#[track_caller]
pub fn stays_false_for(span: Duration, what: &str, mut happened: impl FnMut() -> bool) {
    let end = Instant::now() + span;
    loop {
        assert!(!happened(), "within {span:?}: {what}");
        if Instant::now() >= end {
            return;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Lets time pass where time itself is what is tested: a deadline, an age, the pace of a peer. Not for waiting until something
/// has happened: that is [`wait_until`].
pub fn let_pass(span: Duration) {
    std::thread::sleep(span);
}

/// Says that the test of this thread cannot run here, and why. The test returns then; it counts as passed, and whoever reads
/// the run's summary sees that it proved nothing.
pub fn skipped(why: &str) {
    let thread = std::thread::current();
    let line = format!("skipped: {}: {why}\n", thread.name().unwrap_or("a test"));
    let mut stderr = std::io::stderr();
    // Whoever does not take it cannot be told.
    let _ = stderr.write_all(line.as_bytes());
    if let Some(path) = std::env::var_os(SKIPPED_FILE)
        && let Ok(mut file) = std::fs::OpenOptions::new().create(true).append(true).open(path)
    {
        let _ = file.write_all(line.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_that_comes_about_is_returned() {
        let mut looks = 0;
        let third = eventually("a third look", || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(third, 3);
    }

    #[test]
    #[should_panic(expected = "it rained")]
    fn what_happens_within_the_time_is_noticed() {
        let mut looks = 0;
        stays_false_for(Duration::from_secs(60), "it rained", || {
            looks += 1;
            looks == 3
        });
    }

    #[test]
    fn what_stays_away_for_the_time_is_no_failure() {
        stays_false_for(Duration::from_millis(5), "it rained", || false);
    }
}
