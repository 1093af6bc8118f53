//! What a client that is slow or polls has yet to take: its queue, which is there while something waits.

use std::sync::Arc;

use foodtrack_session::{CloseReason, End, LastPacket, PollAnswer};

use super::Client;
use crate::delivery_queue::{DeliveryQueue, Pushed};
use crate::frame::Frame;
use crate::limits::{DRAIN_BYTES_MAX, Limits};

impl Client {
    /// What waits for it; `None` where nothing does.
    pub(crate) fn queue(&self) -> Option<&DeliveryQueue> {
        self.queue.as_deref()
    }

    /// Whether a ping is among what waits.
    pub(crate) fn holds_ping(&self) -> bool {
        self.queue().is_some_and(DeliveryQueue::holds_ping)
    }

    /// Adds a frame to what waits for it.
    pub(crate) fn enqueue(&mut self, frame: Arc<Frame>, limits: &Limits) -> Pushed {
        let queue = self.queue.get_or_insert_default();
        queue.speak(self.session.parser());
        queue.push(frame, limits.queue_messages_max, limits.queue_bytes_max)
    }

    /// Adds a ping to what waits for it.
    pub(crate) fn enqueue_ping(&mut self) {
        let queue = self.queue.get_or_insert_default();
        queue.speak(self.session.parser());
        queue.push_ping();
    }

    /// Takes a batch of what waits for a socket, into `batch`. Returns whether anything waited.
    pub(crate) fn take_batch(&mut self, batch: &mut Vec<u8>) -> bool {
        batch.clear();
        let Some(queue) = &mut self.queue else { return false };
        while batch.len() < DRAIN_BYTES_MAX && queue.pop_frames(batch) {}
        self.drop_empty_queue();
        true
    }

    /// Answers its waiting poll with what waits, then `last`.
    pub(crate) fn answer_poll(
        &mut self,
        bytes_max: usize,
        last: Option<LastPacket>,
    ) -> Option<PollAnswer> {
        let held_entries = self.queue().is_some_and(DeliveryQueue::held_entries);
        self.engine.answer_poll(&mut self.queue, held_entries, bytes_max, last)
    }

    /// Whom the log's frames were for has left: whoever joins by the same transport must not get them. Returns whether nothing
    /// waits any more.
    pub(crate) fn forget_log(&mut self) -> bool {
        self.engine.forget_mark();
        if let Some(queue) = &mut self.queue {
            queue.forget_log();
        }
        self.drop_empty_queue()
    }

    /// It ends; what waits may still go out as the last answer to a poll.
    pub(crate) fn end(self, reason: CloseReason, bytes_max: usize) -> End<DeliveryQueue> {
        self.engine.end(reason, self.queue, bytes_max)
    }

    /// Lets an empty queue go. Returns whether it went.
    fn drop_empty_queue(&mut self) -> bool {
        self.queue.take_if(|queue| queue.is_empty()).is_some()
    }
}
