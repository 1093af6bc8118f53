//! What a slow or polling client has yet to take: bounded, urgent first, each entity's events in order, and each frame with
//! the cursor that is true when it goes.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use ahash::HashMap;
use foodtrack_session::{Backlog, Parser};
use foodtrack_wire::{FrameMeta, Urgency};

use crate::form::{Form, PING};
use crate::frame::Frame;
use crate::waiting::{By, List, NOWHERE, Waiting, WaitingFrames};
use crate::written_cursor::WrittenCursor;

/// What became of a frame that was pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It waits; so many droppable frames made room for it, or were older values of the same.
    Queued { dropped: u32 },
    /// It was droppable and there was no room. So many were dropped, itself among them.
    Dropped { dropped: u32 },
    /// There is no room left even without the droppable ones: the reader is to be closed.
    Overflow,
}

/// What leaves a queue.
#[derive(Debug)]
enum Outgoing {
    /// Engine.IO's ping.
    Ping,
    /// As all recipients share it.
    Shared(Arc<Frame>),
    /// With a cursor of this recipient's own.
    Own(Arc<Frame>, String),
}

impl Outgoing {
    /// Appends it in a form. Returns whether it can be said in that.
    fn append(&self, form: Form, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Ping => {
                form.join(out, form.ping());
                true
            }
            Self::Shared(frame) => frame.append(form, out),
            Self::Own(frame, cursor) => frame.append_with(cursor, form, out),
        }
    }
}

const LANES: usize = 4;

/// Frames about one entity.
#[derive(Debug)]
struct Entity {
    /// As they came; the later ones are in no more urgent lane than those before them.
    frames: List,
    /// The one whose place a newer value takes.
    conflating: u32,
}

/// Frames by priority. Shares the frames' bytes with every other queue they wait in.
///
/// Cost: a push or a pop touches as much however many frames wait. An urgent frame that brings others along touches each of
/// them, and each can be brought along three times at most.
#[derive(Debug, Default)]
pub(crate) struct DeliveryQueue {
    waiting: WaitingFrames,
    /// Most urgent last, as [`FrameMeta::lane`] counts.
    lanes: [List; LANES],
    droppable: [List; LANES],
    entries: List,
    entities: HashMap<u64, Entity>,
    bytes: usize,
    /// The highest entry that was ever queued here.
    last_entry: u64,
    written: WrittenCursor,
    /// A ping that waits, and how many frames are to go before it.
    ping_behind: Option<usize>,
    parser: Parser,
}

impl DeliveryQueue {
    /// Whether nothing waits: then the queue is to be let go.
    pub(crate) fn is_empty(&self) -> bool {
        let is_empty = self.waiting.len() == 0 && self.ping_behind.is_none();
        // Or else the next frame, sent without a queue, would carry a cursor as if nothing had overtaken.
        debug_assert!(!is_empty || self.written.beyond().is_empty(), "{:?}", self.written);
        is_empty
    }

    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.bytes
    }

    /// Messages that wait, and their bytes.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.waiting.len(), self.bytes)
    }

    /// Which encoding the client's packets leave the queue in.
    pub(crate) fn speak(&mut self, parser: Parser) {
        self.parser = parser;
    }

    /// Appends a frame within the bounds.
    pub(crate) fn push(
        &mut self,
        frame: Arc<Frame>,
        messages_max: usize,
        bytes_max: usize,
    ) -> Pushed {
        let mut dropped = 0;
        if let Some(older) = self.older_value(&frame.meta) {
            dropped += 1;
            if self.can_stand_in(&frame, older, bytes_max) {
                self.stand_in(frame, older);
                return Pushed::Queued { dropped };
            }
            self.remove(older);
        }
        while self.waiting.len() >= messages_max || self.bytes + frame.bytes() > bytes_max {
            // A single frame beyond the bound still goes to an empty queue: nothing else could deliver it.
            if self.waiting.len() == 0 {
                break;
            }
            if self.drop_one() {
                dropped += 1;
            } else if frame.meta.droppable {
                return Pushed::Dropped { dropped: dropped + 1 };
            } else {
                return Pushed::Overflow;
            }
        }
        self.insert(frame);
        Pushed::Queued { dropped }
    }

    /// Appends a ping behind everything that waits: later frames may go before it, earlier ones do. It needs no room.
    pub(crate) fn push_ping(&mut self) {
        debug_assert!(!self.holds_ping(), "one ping at a time");
        self.waiting.iter_mut().for_each(|waiting| waiting.is_before_ping = true);
        self.ping_behind = Some(self.waiting.len());
    }

    /// Whether a ping waits.
    pub(crate) fn holds_ping(&self) -> bool {
        self.ping_behind.is_some()
    }

    /// Whether an entry of the log was ever queued here.
    pub(crate) fn held_entries(&self) -> bool {
        self.last_entry > 0
    }

    /// Forgets every frame that has a place in the log: whom they were for is gone, and another may come.
    pub(crate) fn forget_log(&mut self) {
        let of_log =
            |(place, waiting): (u32, &Waiting)| waiting.frame.meta.place.is_some().then_some(place);
        for place in self.waiting.iter().filter_map(of_log).collect::<Vec<_>>() {
            self.remove(place);
        }
        (self.last_entry, self.written) = (0, WrittenCursor::default());
    }

    /// Takes what is to go next and appends it as WebSocket frames. Returns whether there was anything.
    pub(crate) fn pop_frames(&mut self, out: &mut Vec<u8>) -> bool {
        self.pop_as(Form::of(self.parser, false), out)
    }

    fn pop_as(&mut self, form: Form, out: &mut Vec<u8>) -> bool {
        while let Some(outgoing) = self.take() {
            // What cannot be said in the client's form is not said.
            if outgoing.append(form, out) {
                return true;
            }
        }
        false
    }

    fn take(&mut self) -> Option<Outgoing> {
        if self.ping_behind == Some(0) {
            self.ping_behind = None;
            return Some(Outgoing::Ping);
        }
        let waiting = self.next_place().map(|place| self.remove(place))?;
        Some(self.with_cursor(&waiting))
    }

    /// How large the next one is: bytes of its text form with the cursor that all share, and packets.
    fn next_size(&mut self) -> Option<(usize, usize)> {
        if self.ping_behind == Some(0) {
            return Some((PING.len(), 1));
        }
        let next = self.next_place()?;
        let frame = &self.waiting.get(next)?.frame;
        Some((frame.bytes(), frame.packets()))
    }

    fn next_place(&mut self) -> Option<u32> {
        let front = self.lanes.iter().rev().find(|lane| !lane.is_empty())?.first;
        let lowest = self.entries.first;
        if lowest != front && self.waiting.get(front)?.is_entry {
            self.written.settle(self.lowest_offset());
            if self.written.is_full() {
                // Nothing overtakes any more; but what is about the same entity goes before it as ever.
                let entity = self.waiting.get(lowest)?.frame.meta.entity;
                return Some(self.entities.get(&entity).map_or(lowest, |of| of.frames.first));
            }
        }
        Some(front)
    }

    /// Gives a frame that goes now the cursor that is true now.
    fn with_cursor(&mut self, waiting: &Waiting) -> Outgoing {
        let (frame, lowest) = (Arc::clone(&waiting.frame), self.lowest_offset());
        let Some(place) = frame.meta.place else {
            self.written.settle(lowest);
            return Outgoing::Shared(frame);
        };
        self.written.pass(place, waiting.is_entry, lowest);
        self.written.settle(lowest);
        let is_shared_one = self.written.through(lowest) == place.offset;
        if !frame.has_cursor() || (is_shared_one && self.written.beyond().is_empty()) {
            return Outgoing::Shared(frame);
        }
        let cursor = self.written.to_text(lowest);
        Outgoing::Own(frame, cursor)
    }

    fn lowest_offset(&self) -> Option<u64> {
        let lowest = self.waiting.get(self.entries.first)?;
        lowest.frame.meta.place.map(|place| place.offset)
    }

    fn insert(&mut self, frame: Arc<Frame>) {
        let meta = frame.meta;
        let lane = meta.urgency as usize;
        self.bytes += frame.bytes();
        let is_entry = self.is_entry(&meta);
        let place = self.waiting.insert(Waiting::new(frame, meta.urgency, is_entry));
        if meta.entity != 0 {
            self.bring_along(meta.entity, meta.urgency);
            let entity = self
                .entities
                .entry(meta.entity)
                .or_insert(Entity { frames: List::default(), conflating: NOWHERE });
            self.waiting.append(By::Entity, &mut entity.frames, place);
            if meta.droppable && meta.conflates {
                entity.conflating = place;
            }
        }
        self.waiting.append(By::Lane, &mut self.lanes[lane], place);
        if meta.droppable {
            self.waiting.append(By::Droppable, &mut self.droppable[lane], place);
        }
        if is_entry {
            self.waiting.append(By::Entry, &mut self.entries, place);
        }
    }

    /// Whether a frame is an entry that comes in the log's order: then it counts in the cursor.
    fn is_entry(&mut self, meta: &FrameMeta) -> bool {
        match meta.place {
            Some(place) if place.is_entry && place.offset > self.last_entry => {
                self.last_entry = place.offset;
                true
            }
            _ => false,
        }
    }

    /// An urgent event overtakes other entities' events only: earlier ones of its own entity go first.
    fn bring_along(&mut self, entity: u64, urgency: Urgency) {
        let Some(Entity { frames, .. }) = self.entities.get(&entity) else { return };
        // Those in slower lanes are the last of the entity: each was brought along by those behind it.
        let (lane, mut first, mut next) = (urgency as usize, NOWHERE, frames.last);
        while let Some(waiting) = self.waiting.get(next)
            && waiting.lane < urgency
        {
            first = next;
            next = self.waiting.before(By::Entity, next);
        }
        while let Some(waiting) = self.waiting.get_mut(first) {
            let slower = std::mem::replace(&mut waiting.lane, urgency) as usize;
            let droppable = waiting.frame.meta.droppable;
            self.waiting.unlink(By::Lane, &mut self.lanes[slower], first);
            self.waiting.append(By::Lane, &mut self.lanes[lane], first);
            if droppable {
                self.waiting.unlink(By::Droppable, &mut self.droppable[slower], first);
                self.waiting.append(By::Droppable, &mut self.droppable[lane], first);
            }
            first = self.waiting.after(By::Entity, first);
        }
    }

    /// The frame that waits with an older value of what `meta` is the newest of.
    fn older_value(&self, meta: &FrameMeta) -> Option<u32> {
        if !(meta.conflates && meta.droppable) {
            return None;
        }
        let older = self.entities.get(&meta.entity)?.conflating;
        (older != NOWHERE).then_some(older)
    }

    /// Whether a newer value may go where the older one was to go: so it gets its turn however often it changes. Not where it
    /// would overtake a frame of its entity, nor where the log's order counts.
    fn can_stand_in(&self, frame: &Frame, older: u32, bytes_max: usize) -> bool {
        let Some(waiting) = self.waiting.get(older) else { return false };
        waiting.lane == frame.meta.urgency
            && !waiting.is_entry
            && !frame.meta.place.is_some_and(|place| place.is_entry)
            && self.waiting.after(By::Entity, older) == NOWHERE
            && self.bytes - waiting.frame.bytes() + frame.bytes() <= bytes_max
    }

    fn stand_in(&mut self, frame: Arc<Frame>, older: u32) {
        let Some(waiting) = self.waiting.get_mut(older) else { return };
        self.bytes += frame.bytes();
        self.bytes -= std::mem::replace(&mut waiting.frame, frame).bytes();
    }

    /// Drops the oldest droppable frame of the least urgent lane that has one.
    fn drop_one(&mut self) -> bool {
        let oldest = self.droppable.iter().find(|lane| !lane.is_empty());
        let Some(List { first, .. }) = oldest.copied() else { return false };
        self.remove(first);
        true
    }

    fn remove(&mut self, place: u32) -> Waiting {
        let Some(&Waiting { ref frame, lane, is_entry, is_before_ping, .. }) =
            self.waiting.get(place)
        else {
            unreachable!("a list names a frame that does not wait");
        };
        let (meta, lane) = (frame.meta, lane as usize);
        self.bytes -= frame.bytes();
        self.waiting.unlink(By::Lane, &mut self.lanes[lane], place);
        if meta.droppable {
            self.waiting.unlink(By::Droppable, &mut self.droppable[lane], place);
        }
        if is_entry {
            self.waiting.unlink(By::Entry, &mut self.entries, place);
        }
        if meta.entity != 0
            && let Entry::Occupied(mut entity) = self.entities.entry(meta.entity)
        {
            let of = entity.get_mut();
            self.waiting.unlink(By::Entity, &mut of.frames, place);
            if of.conflating == place {
                of.conflating = NOWHERE;
            }
            if of.frames.is_empty() {
                entity.remove();
            }
        }
        if is_before_ping && let Some(frames) = &mut self.ping_behind {
            *frames -= 1;
        }
        self.waiting.remove(place)
    }
}

impl Backlog for DeliveryQueue {
    fn peek(&mut self) -> Option<(usize, usize)> {
        self.next_size()
    }

    fn pop(&mut self, body: &mut Vec<u8>) -> bool {
        self.pop_as(Form::of(self.parser, true), body)
    }

    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

#[cfg(test)]
mod tests;
