//! What a slow or polling client has yet to take: bounded, urgent first, each entity's events in order.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::frame::{Frame, FrameMeta};

/// What became of a frame that was pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It waits; so many droppable frames made room for it.
    Queued { dropped: u32 },
    /// It was droppable and there was no room.
    Dropped,
    /// There is no room left even without the droppable ones: the reader is to be closed.
    Overflow,
}

const LANES: usize = 4;

/// Frames by priority. Shares the frames' bytes with every other queue they wait in.
#[derive(Debug, Default)]
pub(crate) struct DeliveryQueue {
    /// Most urgent last, as [`FrameMeta::lane`] counts.
    lanes: [VecDeque<Arc<Frame>>; LANES],
    messages: usize,
    bytes: usize,
}

impl DeliveryQueue {
    pub(crate) fn is_empty(&self) -> bool {
        self.messages == 0
    }

    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends a frame within the bounds.
    pub(crate) fn push(
        &mut self,
        frame: Arc<Frame>,
        messages_max: usize,
        bytes_max: usize,
    ) -> Pushed {
        let mut dropped = 0;
        while self.messages >= messages_max || self.bytes + frame.bytes.len() > bytes_max {
            // A single frame beyond the bound still goes to an empty queue: nothing else could deliver it.
            if self.messages == 0 {
                break;
            }
            if self.drop_one() {
                dropped += 1;
            } else if frame.meta.droppable {
                return Pushed::Dropped;
            } else {
                return Pushed::Overflow;
            }
        }
        let lane = frame.meta.lane();
        self.bring_along(&frame.meta, lane);
        self.messages += 1;
        self.bytes += frame.bytes.len();
        self.lanes[lane].push_back(frame);
        Pushed::Queued { dropped }
    }

    /// An urgent event overtakes other entities' events only: earlier ones of its own entity go first.
    fn bring_along(&mut self, meta: &FrameMeta, lane: usize) {
        if meta.entity == 0 {
            return;
        }
        for slower in 0..lane {
            if !self.lanes[slower].iter().any(|waiting| waiting.meta.entity == meta.entity) {
                continue;
            }
            let (same, others): (VecDeque<_>, VecDeque<_>) = self.lanes[slower]
                .drain(..)
                .partition(|waiting| waiting.meta.entity == meta.entity);
            self.lanes[slower] = others;
            self.lanes[lane].extend(same);
        }
    }

    /// Drops the oldest droppable frame of the least urgent lane that has one.
    fn drop_one(&mut self) -> bool {
        for lane in &mut self.lanes {
            if let Some(place) = lane.iter().position(|waiting| waiting.meta.droppable)
                && let Some(frame) = lane.remove(place)
            {
                self.messages -= 1;
                self.bytes -= frame.bytes.len();
                return true;
            }
        }
        false
    }

    /// Takes the frame that is to go next.
    pub(crate) fn pop(&mut self) -> Option<Arc<Frame>> {
        let frame = self.lanes.iter_mut().rev().find_map(VecDeque::pop_front)?;
        self.messages -= 1;
        self.bytes -= frame.bytes.len();
        Some(frame)
    }

    /// The frame that is to go next.
    pub(crate) fn next(&self) -> Option<&Frame> {
        self.lanes.iter().rev().find_map(VecDeque::front).map(Arc::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Urgency;

    fn frame(name: u8, urgency: Urgency, entity: u64, droppable: bool) -> Arc<Frame> {
        let meta = FrameMeta { urgency, entity, droppable, ..FrameMeta::default() };
        Arc::new(Frame { bytes: Box::new([name; 10]), meta })
    }

    fn drain(queue: &mut DeliveryQueue) -> Vec<u8> {
        std::iter::from_fn(|| queue.pop()).map(|frame| frame.bytes[0]).collect()
    }

    #[test]
    fn urgent_overtakes_others_but_takes_its_own_along() {
        let mut queue = DeliveryQueue::default();
        for (name, urgency, entity) in [
            (1, Urgency::Medium, 42),
            (2, Urgency::Medium, 7),
            (3, Urgency::Low, 42),
            (4, Urgency::Urgent, 42),
            (5, Urgency::High, 7),
        ] {
            queue.push(frame(name, urgency, entity, false), 100, 10_000);
        }
        let order = drain(&mut queue);
        let place = |name| order.iter().position(|other| *other == name).unwrap();
        assert!(place(1) < place(4) && place(3) < place(4), "{order:?}");
        assert!(place(4) < place(2) && place(2) < place(5), "{order:?}");
    }

    #[test]
    fn droppable_frames_make_room_and_the_rest_overflows() {
        let mut queue = DeliveryQueue::default();
        queue.push(frame(1, Urgency::Medium, 0, false), 2, 10_000);
        queue.push(frame(2, Urgency::Low, 0, true), 2, 10_000);
        let third = queue.push(frame(3, Urgency::Medium, 0, false), 2, 10_000);
        assert_eq!(third, Pushed::Queued { dropped: 1 });
        assert_eq!(queue.push(frame(4, Urgency::Low, 0, true), 2, 10_000), Pushed::Dropped);
        assert_eq!(queue.push(frame(5, Urgency::Low, 0, false), 2, 10_000), Pushed::Overflow);
        assert_eq!(drain(&mut queue), [1, 3]);
    }

    #[test]
    fn bytes_are_bounded_and_counted_back_to_zero() {
        let mut queue = DeliveryQueue::default();
        (0..3).for_each(|n| _ = queue.push(frame(n, Urgency::Medium, 0, false), 100, 30));
        assert_eq!(queue.push(frame(9, Urgency::Medium, 0, false), 100, 30), Pushed::Overflow);
        assert_eq!(queue.bytes(), 30);
        drain(&mut queue);
        assert_eq!((queue.bytes(), queue.is_empty()), (0, true));
    }
}
