//! A recipient's session, as far as it got.

use std::collections::{HashMap, HashSet};

use foodtrack_contract::{Cursor, Priority};

use super::covers;
use crate::facts::Place;

/// A recipient's present session.
#[derive(Default)]
pub(super) struct Session {
    pub(super) chain: usize,
    /// What must arrive in it, by place.
    pub(super) due: Vec<(Place, usize)>,
    /// How many of those the last cursor's beginning covers.
    pub(super) covered: usize,
    /// Where it began; not known before the first cursor.
    pub(super) start: Option<(usize, Cursor)>,
    pub(super) last: Option<(usize, Cursor)>,
    pub(super) received: HashSet<usize>,
    /// The furthest place that arrived, by how urgent it was in effect.
    pub(super) furthest: [Option<Place>; Priority::ALL.len()],
    pub(super) furthest_of_entity: HashMap<String, Place>,
    pub(super) said_cursor_is_missing: bool,
}

impl Session {
    /// Takes the cursor of a frame, and names to `lacking` what it newly covers, was due and did not arrive.
    pub(super) fn take_cursor(
        &mut self,
        (rank, cursor): (usize, Cursor),
        mut lacking: impl FnMut(Place, usize, &Cursor),
    ) {
        let through = (rank, cursor.through());
        let reach = self.due.partition_point(|(place, _)| *place <= through);
        let newly = self.due.get(self.covered..reach).unwrap_or_default();
        let beyond = self.due[reach..].iter().filter(|(place, _)| {
            covers(rank, &cursor, *place)
                && !self.last.as_ref().is_some_and(|(r, last)| covers(*r, last, *place))
        });
        for (place, event) in newly.iter().chain(beyond) {
            let before = self.start.as_ref().is_some_and(|(r, start)| covers(*r, start, *place));
            if !before && !self.received.contains(event) {
                lacking(*place, *event, &cursor);
            }
        }
        self.covered = self.covered.max(reach);
        self.last = Some((rank, cursor));
    }
}
