//! One event, many receivers: publishers keep a window of their own events in flight.

use super::{Stand, TENANT, WorkloadError, keep_in_flight, open_rooms};
use crate::metric::Cell;

const WINDOWS: [usize; 2] = [1, 16];

/// One room of 1 000.
pub(crate) fn one_large_room(stand: &mut Stand) -> Result<Vec<Cell>, WorkloadError> {
    run(stand, 1, 1_000, 20)
}

/// A hundred rooms of 10, a publisher in each.
pub(crate) fn many_small_rooms(stand: &mut Stand) -> Result<Vec<Cell>, WorkloadError> {
    run(stand, 100, 10, 1)
}

fn run(
    stand: &mut Stand,
    rooms: usize,
    members: usize,
    watchers: usize,
) -> Result<Vec<Cell>, WorkloadError> {
    let mut publishers = open_rooms(stand, 0, rooms, members, watchers, |_| TENANT.to_owned())?;
    WINDOWS
        .map(|window| {
            let name = format!("{rooms} x {members}, {window} in flight");
            keep_in_flight(stand, &mut publishers, window, name)
        })
        .into_iter()
        .collect()
}
