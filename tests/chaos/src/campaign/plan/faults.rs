//! What goes wrong with nodes, their disk, and what they share.

use std::time::Duration;

use fastrand::Rng;

use super::{Setting, Step, pick};

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
    /// Redis is suspended.
    FreezeRedis,
    /// Redis goes on.
    ThawRedis,
    /// Redis is killed.
    KillRedis,
    /// Redis is started again.
    StartRedis,
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
pub(super) fn in_a_cluster(rng: &mut Rng, length_ms: u64, steps: &mut Vec<(Duration, Step)>) {
    for _ in 0..rng.usize(1..=4) {
        let at_ms = rng.u64(0..length_ms);
        let node = rng.usize(0..Setting::Cluster.nodes());
        let down = ms(rng.u64(0..600));
        match rng.u8(0..10) {
            0..=2 => steps.push((ms(at_ms), Step::Kill(node, down))),
            3 => steps.push((ms(at_ms), Step::Stop(node, down))),
            4 => steps.push((ms(at_ms), Step::Disturb(Disturbance::BreakLine(node)))),
            _ => {
                let delay = ms(rng.u64(5..150));
                let (from, to) = *pick(
                    rng,
                    &[
                        (Disturbance::Freeze(node), Disturbance::Thaw(node)),
                        (Disturbance::CutLine(node), Disturbance::MendLine(node)),
                        (Disturbance::SlowLine(node, delay), Disturbance::MendLine(node)),
                        (Disturbance::FreezeRedis, Disturbance::ThawRedis),
                        (Disturbance::KillRedis, Disturbance::StartRedis),
                        (Disturbance::FillRedis, Disturbance::FreeRedis),
                    ],
                );
                let until = ms(at_ms + rng.u64(20..1_500));
                steps.push((ms(at_ms), Step::Disturb(from)));
                steps.push((until, Step::Disturb(to)));
            }
        }
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
