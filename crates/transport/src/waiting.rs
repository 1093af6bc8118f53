//! Frames that wait, each in several lists at once: to leave from the middle costs what leaving from the front does.

use std::sync::Arc;

use foodtrack_wire::Urgency;

use slab::Slab;

use crate::frame::Frame;

/// No frame's place.
pub(crate) const NOWHERE: u32 = u32::MAX;

/// What a list is by. A frame is in one list of each kind at most.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By {
    /// Frames of one lane, as they are to go.
    Lane,
    /// Frames about one entity, as they came.
    Entity,
    /// Those of one lane that may be dropped, oldest first.
    Droppable,
    /// Entries of the log, lowest offset first.
    Entry,
}

const LISTS: usize = 4;

#[derive(Clone, Copy, Debug)]
struct Neighbours {
    before: u32,
    after: u32,
}

/// A frame that waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) frame: Arc<Frame>,
    /// Whose lane it is in: its own, or that of one that brought it along.
    pub(crate) lane: Urgency,
    /// Whether it counts as an entry of the log.
    pub(crate) is_entry: bool,
    /// Whether a ping waits for it to go first.
    pub(crate) is_before_ping: bool,
    neighbours: [Neighbours; LISTS],
}

impl Waiting {
    pub(crate) fn new(frame: Arc<Frame>, lane: Urgency, is_entry: bool) -> Self {
        let nobody = Neighbours { before: NOWHERE, after: NOWHERE };
        Self { frame, lane, is_entry, is_before_ping: false, neighbours: [nobody; LISTS] }
    }
}

/// The ends of a list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List {
    pub(crate) first: u32,
    pub(crate) last: u32,
}

impl Default for List {
    fn default() -> Self {
        Self { first: NOWHERE, last: NOWHERE }
    }
}

impl List {
    pub(crate) fn is_empty(&self) -> bool {
        self.first == NOWHERE
    }
}

/// The frames of one queue by their places.
#[derive(Debug, Default)]
pub(crate) struct WaitingFrames {
    slots: Slab<Waiting>,
}

impl WaitingFrames {
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn get(&self, place: u32) -> Option<&Waiting> {
        self.slots.get(place as usize)
    }

    pub(crate) fn get_mut(&mut self, place: u32) -> Option<&mut Waiting> {
        self.slots.get_mut(place as usize)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Waiting)> {
        self.slots.iter().map(|(place, waiting)| (crate::links::key(place), waiting))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Waiting> {
        self.slots.iter_mut().map(|(_, waiting)| waiting)
    }

    /// Takes a frame in; it is in no list yet.
    pub(crate) fn insert(&mut self, waiting: Waiting) -> u32 {
        crate::links::key(self.slots.insert(waiting))
    }

    /// Lets a frame go that is in no list any more.
    pub(crate) fn remove(&mut self, place: u32) -> Waiting {
        self.slots.remove(place as usize)
    }

    /// The one before a frame in its list of a kind.
    pub(crate) fn before(&self, by: By, place: u32) -> u32 {
        self.slots[place as usize].neighbours[by as usize].before
    }

    /// The one behind a frame in its list of a kind.
    pub(crate) fn after(&self, by: By, place: u32) -> u32 {
        self.slots[place as usize].neighbours[by as usize].after
    }

    /// Puts a frame at the end of a list.
    pub(crate) fn append(&mut self, by: By, list: &mut List, place: u32) {
        let neighbours = Neighbours { before: list.last, after: NOWHERE };
        self.slots[place as usize].neighbours[by as usize] = neighbours;
        match list.last {
            NOWHERE => list.first = place,
            last => self.slots[last as usize].neighbours[by as usize].after = place,
        }
        list.last = place;
    }

    /// Takes a frame out of the list it is in.
    pub(crate) fn unlink(&mut self, by: By, list: &mut List, place: u32) {
        let Neighbours { before, after } = self.slots[place as usize].neighbours[by as usize];
        match before {
            NOWHERE => list.first = after,
            before => self.slots[before as usize].neighbours[by as usize].after = after,
        }
        match after {
            NOWHERE => list.last = before,
            after => self.slots[after as usize].neighbours[by as usize].before = before,
        }
    }
}
