//! Whether a quiet tenant notices that another floods the same server at ten times its limit.

use std::time::{Duration, Instant};

use super::steady::Metronome;
use super::{Fixture, OPEN_TIMEOUT, Publishers, Snapshot, WorkloadError, room_name};
use crate::metric::{Cell, Metric};
use crate::stamp;
use crate::swarm::Attention;

const MEMBERS: usize = 10;
const QUIET_EVENTS_PER_SECOND: u32 = 100;
/// How many of its own limit's worth of events the noisy tenant sends.
const FLOOD_FACTOR: u32 = 10;
/// A p99 wants samples, and the quiet tenant gives few.
const WINDOWS_MEASURED: u32 = 3;

/// Runs the load. `limit_events_per_second` is what the server's configuration allows a tenant.
pub(crate) fn run(
    fixture: &mut Fixture,
    limit_events_per_second: u32,
) -> Result<Vec<Cell>, WorkloadError> {
    let room = room_name(0);
    let mut quiet = Publishers::default();
    let mut noisy = Publishers::default();
    let template = fixture.swarm.dialect().publication(&room);
    let mut plans = Vec::new();
    for place in 0..MEMBERS {
        let member = fixture.member("quiet", &format!("q{place}"), vec![room.clone()])?;
        plans.push((member, Attention::Watches));
    }
    quiet.add(MEMBERS / 2, template.clone());
    for place in 0..MEMBERS {
        let member = fixture.member("noisy", &format!("n{place}"), vec![room.clone()])?;
        noisy.add(plans.len(), template.clone());
        plans.push((member, Attention::Expendable));
    }
    fixture.swarm.open(plans, OPEN_TIMEOUT)?;
    let mut beat = Metronome::new(QUIET_EVENTS_PER_SECOND);
    fixture.swarm.tick_every(Duration::from_millis(1))?;
    let alone = measure(fixture, "neighbour quiet", &mut quiet, &mut beat, None)?;
    let mut flood = Metronome::new(limit_events_per_second.saturating_mul(FLOOD_FACTOR));
    let flooded = Some((&mut noisy, &mut flood));
    let flooded = measure(fixture, "neighbour floods", &mut quiet, &mut beat, flooded)?;
    Ok(vec![alone, flooded])
}

fn measure(
    fixture: &mut Fixture,
    name: &str,
    quiet: &mut Publishers,
    beat: &mut Metronome,
    mut flood: Option<(&mut Publishers, &mut Metronome)>,
) -> Result<Cell, WorkloadError> {
    let mut refused = 0_u64;
    let mut start = None;
    let warm_until = Instant::now() + fixture.pace.warm_up;
    let end = warm_until + fixture.pace.measured * WINDOWS_MEASURED;
    while Instant::now() < end {
        if start.is_none() && Instant::now() >= warm_until {
            start = Some(Snapshot::take(fixture)?);
            quiet.latencies.clear();
            refused = 0;
        }
        beat.publish_due(quiet, &mut fixture.swarm)?;
        if let Some((noisy, metronome)) = &mut flood {
            metronome.publish_due(noisy, &mut fixture.swarm)?;
        }
        fixture.swarm.turn(&mut |client, payload, out| {
            if client < MEMBERS {
                return quiet.on_frame(client, payload, out);
            }
            // To be refused is what the noisy tenant is here for.
            refused += u64::from(stamp::read(payload).is_none());
            Ok(())
        })?;
    }
    let Some(start) = start else {
        return Err(WorkloadError::Silence { cell: name.to_owned(), waited: fixture.pace.warm_up });
    };
    let measured = start.until_now(fixture)?;
    let seconds = measured.elapsed.as_secs_f64();
    if quiet.latencies.len() == 0 {
        return Err(WorkloadError::Silence { cell: name.to_owned(), waited: measured.elapsed });
    }
    Ok(measured
        .delivery_cell(name, &mut quiet.latencies)?
        .with(Metric::RefusedPerSecond, refused as f64 / seconds)
        .with(Metric::ConnectionsLost, fixture.swarm.lost as f64))
}
