//! Short runs of what `make chaos`, `make jitter` and `make storm` do at length.
//!
//! They start the hub that cargo built in the same profile: `cargo build -p foodtrack-server` comes first, as `.ci/test-rust`
//! has it.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test's helpers fail the test, and say how"
)]

use std::path::PathBuf;
use std::time::Duration;

use chaos::campaign::{Campaign, Plan, RedisKind, Setting};
use chaos::hub::find_hub;
use chaos::load::{How, Jitter, Storm};

fn hub() -> PathBuf {
    find_hub(None).unwrap()
}

#[track_caller]
fn check_campaign(schedules: u64, setting: Setting, calm: bool) {
    let outcome = Campaign {
        seeds: (0..schedules).map(|index| Plan::seed(1, index)).collect(),
        hub: hub(),
        remains: PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("chaos"),
        setting,
        node_clients: 0,
        jobs: 2,
        calm,
    }
    .run(&|text| println!("{text}"));
    assert!(outcome.holds(), "{:?} {}", outcome.errors, outcome.verdict);
    assert!(outcome.verdict.expected > 100 * outcome.schedules);
}

#[test]
fn a_calm_run_loses_nothing() {
    check_campaign(2, Setting::Alone, true);
}

#[test]
fn short_campaign_loses_nothing() {
    check_campaign(8, Setting::Alone, false);
}

/// Whether a Redis can be started for nodes to share.
fn has_redis() -> bool {
    let is_there = test_support::RedisServer::start(&[]).is_some();
    if !is_there {
        test_support::skipped("redis-server is not installed");
    }
    is_there
}

#[test]
fn a_calm_run_of_nodes_beside_each_other_loses_nothing() {
    if has_redis() {
        check_campaign(2, Setting::Cluster(RedisKind::One), true);
    }
}

#[test]
fn a_short_campaign_of_nodes_beside_each_other_loses_nothing() {
    if has_redis() {
        check_campaign(6, Setting::Cluster(RedisKind::One), false);
    }
}

#[test]
fn a_short_campaign_with_a_redis_cluster_loses_nothing_that_was_acknowledged() {
    if has_redis() {
        check_campaign(2, Setting::Cluster(RedisKind::Cluster), false);
    }
}

#[test]
fn torn_connections_get_everything() {
    let report = Jitter {
        duration: Duration::from_secs(8),
        torn_every: Duration::from_secs(3),
        away: Duration::from_millis(500),
        ..Jitter::published(hub(), 200)
    }
    .run()
    .unwrap();
    assert!(report.holds(), "{report}");
}

#[test]
fn everybody_comes_back_to_a_server_that_stopped() {
    check_storm(How::Sigterm);
}

#[test]
fn everybody_comes_back_to_a_server_that_was_killed() {
    check_storm(How::Kill);
}

#[track_caller]
fn check_storm(how: How) {
    let report = Storm { hub: hub(), sessions: 500, how, node_clients: 0, seed: 1 }.run().unwrap();
    assert!(report.holds(), "{report}");
}
