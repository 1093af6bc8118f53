//! One event, many receivers: publishers keep a window of their own events in flight.

use super::{Fixture, Publishers, TENANT, WorkloadError, keep_in_flight, open_rooms};
use crate::metric::Cell;

/// How many events of each publisher are under way.
pub(crate) const WINDOWS: [usize; 2] = [1, 16];

/// Rooms of one size, a publisher in each.
#[derive(Clone, Copy)]
pub(crate) struct Rooms {
    rooms: usize,
    members: usize,
    watchers: usize,
}

/// One room of 1 000.
pub(crate) const ONE_LARGE: Rooms = Rooms { rooms: 1, members: 1_000, watchers: 20 };
/// A hundred rooms of 10.
pub(crate) const MANY_SMALL: Rooms = Rooms { rooms: 100, members: 10, watchers: 1 };

/// Connects everybody.
pub(crate) fn open(fixture: &mut Fixture, of: Rooms) -> Result<Publishers, WorkloadError> {
    open_rooms(fixture, 0, of.rooms, of.members, of.watchers, |_| TENANT.to_owned())
}

impl Rooms {
    /// What a cell is called.
    pub(crate) fn name(self, window: usize) -> String {
        format!("{} x {}, {window} in flight", self.rooms, self.members)
    }
}

/// Runs the load.
pub(crate) fn run(fixture: &mut Fixture, of: Rooms) -> Result<Vec<Cell>, WorkloadError> {
    let mut publishers = open(fixture, of)?;
    WINDOWS
        .map(|window| keep_in_flight(fixture, &mut publishers, window, of.name(window)))
        .into_iter()
        .collect()
}
