//! What goes wrong with nodes, their disk, and what they share.

use std::time::Duration;

use fastrand::Rng;

use super::{NODES, RedisKind, Step, pick};

/// What nodes share is disturbed, or no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// A node is suspended.
    Freeze(usize),
    /// A node that was suspended goes on.
    Thaw(usize),
    /// Nothing passes between a node and Redis; connections stay.
    CutLine(usize),
    /// What passes between a node and Redis waits so long in each direction.
    SlowLine(usize, Duration),
    /// Everything passes again.
    MendLine(usize),
    /// A node's connections to Redis end.
    BreakLine(usize),
    /// Redis is suspended: of a master and a replica, the master.
    FreezeRedis,
    /// Redis goes on.
    ThawRedis,
    /// Redis is killed: of a master and a replica, the master.
    KillRedis,
    /// The replica is killed.
    KillReplica,
    /// What was killed of Redis is started again.
    StartRedis,
    /// The replica is put in the master's place, although that is well.
    FailOver,
    /// Redis has no memory left.
    FillRedis,
    /// Redis has memory again.
    FreeRedis,
}

/// Faults of a hub with a disk.
pub(super) fn alone(rng: &mut Rng, length_ms: u64, steps: &mut Vec<(Duration, Step)>) {
    for _ in 0..rng.usize(0..=2) {
        let (at, down) = (ms(rng.u64(0..length_ms)), ms(rng.u64(0..200)));
        steps.push((at, if rng.u8(0..3) > 0 { Step::Kill(0, down) } else { Step::Stop(0, down) }));
    }
    if rng.u8(0..4) == 0 {
        let (from, length) = (rng.u64(0..length_ms / 2), rng.u64(50..400));
        steps.push((ms(from), Step::FillDisk));
        steps.push((ms(from + length), Step::FreeDisk));
        if rng.bool() {
            let (at, down) = (ms(from + rng.u64(0..length)), ms(rng.u64(0..100)));
            steps.push((at, Step::Kill(0, down)));
        }
    }
}

/// Faults of nodes that share a Redis.
pub(super) fn in_a_cluster(
    rng: &mut Rng,
    kind: RedisKind,
    length_ms: u64,
    steps: &mut Vec<(Duration, Step)>,
) {
    for _ in 0..rng.usize(1..=4) {
        let at_ms = rng.u64(0..length_ms);
        let node = rng.usize(0..NODES);
        let down = ms(rng.u64(0..600));
        match rng.u8(0..10) {
            0..=2 => steps.push((ms(at_ms), Step::Kill(node, down))),
            3 => steps.push((ms(at_ms), Step::Stop(node, down))),
            4 => steps.push((ms(at_ms), Step::Disturb(at_once(kind, node)))),
            _ => {
                let (from, to) = for_a_while(rng, kind, node);
                let until = ms(at_ms + rng.u64(20..longest_ms(kind)));
                steps.push((ms(at_ms), Step::Disturb(from)));
                steps.push((until, Step::Disturb(to)));
            }
        }
    }
}

/// Nodes whose wall clocks jump, most often none: within what tokens are good for.
pub(super) fn of_clocks(rng: &mut Rng, length_ms: u64, steps: &mut Vec<(Duration, Step)>) {
    if rng.u8(0..3) > 0 {
        return;
    }
    for _ in 0..rng.usize(1..=3) {
        let (node, seconds) = (rng.usize(0..NODES), rng.i64(-3_600..10_800));
        steps.push((ms(rng.u64(0..length_ms)), Step::JumpClock(node, seconds)));
    }
}

/// What is over as soon as it happens.
fn at_once(kind: RedisKind, node: usize) -> Disturbance {
    match kind {
        RedisKind::One => Disturbance::BreakLine(node),
        RedisKind::Sentinel | RedisKind::Cluster => Disturbance::FailOver,
    }
}

/// What lasts, and what ends it.
fn for_a_while(rng: &mut Rng, kind: RedisKind, node: usize) -> (Disturbance, Disturbance) {
    let delay = ms(rng.u64(5..150));
    let of_one = [
        (Disturbance::Freeze(node), Disturbance::Thaw(node)),
        (Disturbance::CutLine(node), Disturbance::MendLine(node)),
        (Disturbance::SlowLine(node, delay), Disturbance::MendLine(node)),
        (Disturbance::FreezeRedis, Disturbance::ThawRedis),
        (Disturbance::KillRedis, Disturbance::StartRedis),
        (Disturbance::FillRedis, Disturbance::FreeRedis),
    ];
    let of_two = [
        (Disturbance::Freeze(node), Disturbance::Thaw(node)),
        (Disturbance::FreezeRedis, Disturbance::ThawRedis),
        (Disturbance::KillRedis, Disturbance::StartRedis),
        (Disturbance::KillRedis, Disturbance::StartRedis),
        (Disturbance::KillReplica, Disturbance::StartRedis),
    ];
    match kind {
        RedisKind::One => *pick(rng, &of_one),
        RedisKind::Sentinel | RedisKind::Cluster => *pick(rng, &of_two),
    }
}

fn longest_ms(kind: RedisKind) -> u64 {
    match kind {
        RedisKind::One => 1_500,
        RedisKind::Sentinel | RedisKind::Cluster => 4_000,
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
