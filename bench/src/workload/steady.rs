//! A steady 20 000 deliveries a second, far from saturation: what a quiet restaurant's events cost and how long they take.

use std::time::{Duration, Instant};

use super::{Fixture, Publishers, Snapshot, TENANT, WorkloadError, open_rooms, run_out};
use crate::metric::Cell;
use crate::swarm::{Swarm, SwarmError};

const ROOMS: usize = 100;
const MEMBERS: usize = 10;
const DELIVERIES_PER_SECOND: u32 = 20_000;

/// Sends at a fixed rate, whatever comes back: each turn as many events as are due, publisher after publisher.
pub(crate) struct Metronome {
    period: Duration,
    next: Instant,
    place: usize,
}

impl Metronome {
    pub(crate) fn new(events_per_second: u32) -> Self {
        let period = Duration::from_secs(1) / events_per_second;
        Self { period, next: Instant::now(), place: 0 }
    }

    pub(crate) fn period(&self) -> Duration {
        self.period
    }

    /// From now on; what was due before is left out.
    pub(crate) fn begin(&mut self) {
        self.next = Instant::now();
    }

    /// Returns how many events were due.
    pub(crate) fn publish_due(
        &mut self,
        publishers: &mut Publishers,
        swarm: &mut Swarm,
    ) -> Result<u64, SwarmError> {
        let now = Instant::now();
        let mut sent = 0;
        while self.next <= now {
            self.next += self.period;
            self.place = (self.place + 1) % publishers.len();
            publishers.publish(self.place, swarm)?;
            sent += 1;
        }
        Ok(sent)
    }
}

/// Runs the load.
pub(crate) fn run(fixture: &mut Fixture) -> Result<Vec<Cell>, WorkloadError> {
    let members = u32::try_from(MEMBERS).unwrap_or(u32::MAX);
    let mut publishers = open_rooms(fixture, 0, ROOMS, MEMBERS, 1, |_| TENANT.to_owned())?;
    let mut metronome = Metronome::new(DELIVERIES_PER_SECOND / members);
    fixture.swarm.tick_every(metronome.period())?;
    play(fixture, &mut publishers, &mut metronome, fixture.pace.warm_up)?;
    publishers.latencies.clear();
    let start = Snapshot::take(fixture)?;
    play(fixture, &mut publishers, &mut metronome, fixture.pace.measured)?;
    let measured = start.until_now(fixture)?;
    let name = format!("steady {DELIVERIES_PER_SECOND}/s");
    let cell = measured.delivery_cell(name, &mut publishers.latencies)?;
    run_out(fixture, &mut publishers)?;
    Ok(vec![cell])
}

fn play(
    fixture: &mut Fixture,
    publishers: &mut Publishers,
    metronome: &mut Metronome,
    duration: Duration,
) -> Result<(), WorkloadError> {
    let end = Instant::now() + duration;
    while Instant::now() < end {
        metronome.publish_due(publishers, &mut fixture.swarm)?;
        fixture.swarm.turn(&mut |c, p, out| publishers.on_frame(c, p, out))?;
    }
    Ok(())
}
