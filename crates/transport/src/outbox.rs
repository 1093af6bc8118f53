//! The frames of one turn and who gets them. A turn's frames lie in one buffer; a recipient's share of it is a range,
//! and consecutive frames for the same recipient are one range, so that a socket is written once a turn, straight from
//! the shared bytes: nothing is copied or allocated per recipient.

mod fanout_state;

use std::sync::Arc;

use foodtrack_wire::FrameMeta;

use crate::form::{Form, Parts};
use crate::frame::Frame;
use crate::frame_layout::Layout;

use fanout_state::NONE;
pub(crate) use fanout_state::{FanoutState, Mode};

/// A frame of this turn. Invalid once the turn is flushed; the reactor flushes only between two calls of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameId(u32);

/// A stretch of the shared or of the direct buffer; the top bit tells which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

const DIRECT: u32 = 1 << 31;
struct Node {
    range: Range,
    next: u32,
}

struct TurnFrame {
    range: Range,
    layout: Layout,
    /// The forms other than the text form that sockets were written in, by number.
    forms: [Option<Range>; Form::DIRECT_COUNT],
    meta: FrameMeta,
    shared: Option<Arc<Frame>>,
}

/// One turn's frames.
#[derive(Default)]
pub(crate) struct Outbox {
    /// Frames with several recipients.
    shared: Vec<u8>,
    /// Frames with one; apart, so that an acknowledgement between two broadcasts does not tear the ranges of both.
    direct: Vec<u8>,
    frames: Vec<TurnFrame>,
    nodes: Vec<Node>,
    dirty: Vec<u32>,
    /// Whether one of the frames is an entry of a log.
    has_entries: bool,
    /// The kernel may still read the buffers.
    is_kept_for_good: bool,
}

impl Outbox {
    pub(crate) fn bytes(&self) -> usize {
        self.shared.len() + self.direct.len()
    }

    /// Takes the clients that are to be looked at at the end of the turn, to be [given back](Self::give_dirty_back).
    pub(crate) fn take_dirty(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.dirty)
    }

    /// Gives the list back, for its memory; who was marked meanwhile is looked at next time.
    pub(crate) fn give_dirty_back(&mut self, mut dirty: Vec<u32>) {
        dirty.clear();
        dirty.append(&mut self.dirty);
        self.dirty = dirty;
    }

    /// Whether one of the turn's frames is an entry of a log.
    pub(crate) fn has_entries(&self) -> bool {
        self.has_entries
    }

    /// Encodes a frame once for all its recipients: `write` appends its text form.
    pub(crate) fn frame(
        &mut self,
        meta: FrameMeta,
        write: impl FnOnce(&mut Vec<u8>) -> Layout,
    ) -> FrameId {
        let start = place(&self.shared);
        let layout = write(&mut self.shared);
        let range = Range { start, end: place(&self.shared) };
        self.note_entry(&meta);
        self.frames.push(TurnFrame {
            range,
            layout,
            forms: [None; Form::DIRECT_COUNT],
            meta,
            shared: None,
        });
        FrameId(u32::try_from(self.frames.len() - 1).unwrap_or(NONE))
    }

    /// Notes that a frame with this meta goes out.
    pub(crate) fn note_entry(&mut self, meta: &FrameMeta) {
        self.has_entries |= meta.place.is_some_and(|place| place.is_entry);
    }

    /// Encodes something for one recipient: `write` appends a frame in its text form, or what is none of ours.
    pub(crate) fn direct<L>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> L) -> (Range, L) {
        let start = place(&self.direct);
        let layout = write(&mut self.direct);
        (Range { start: start | DIRECT, end: place(&self.direct) | DIRECT }, layout)
    }

    pub(crate) fn range(&self, frame: FrameId) -> Range {
        self.frames[frame.0 as usize].range
    }

    pub(crate) fn slice(&self, range: Range) -> &[u8] {
        let buffer = if range.start & DIRECT == 0 { &self.shared } else { &self.direct };
        &buffer[(range.start & !DIRECT) as usize..(range.end & !DIRECT) as usize]
    }

    /// The frame as something that outlives the turn; made once, whoever else asks.
    pub(crate) fn shared(&mut self, frame: FrameId) -> Arc<Frame> {
        let turn_frame = &self.frames[frame.0 as usize];
        if let Some(shared) = &turn_frame.shared {
            return Arc::clone(shared);
        }
        let TurnFrame { range, forms, meta, ref layout, .. } = *turn_frame;
        let mut shared = Frame::new(meta, layout.clone(), self.slice(range).into());
        for (form, range) in forms.into_iter().enumerate() {
            if let Some(range) = range {
                shared = shared.with_form(form, self.slice(range));
            }
        }
        let shared = Arc::new(shared);
        self.frames[frame.0 as usize].shared = Some(Arc::clone(&shared));
        shared
    }

    /// The frame in a form that sockets are written in, other than the text form; made once. `None` where it cannot be said in that.
    pub(crate) fn in_form(&mut self, frame: FrameId, form: Form) -> Option<Range> {
        let TurnFrame { range, forms, ref layout, .. } = self.frames[frame.0 as usize];
        if let Some(known) = forms.get(form as usize)?.as_ref() {
            return Some(*known);
        }
        let mut encoded = Vec::new();
        Parts::of(self.slice(range), layout)?.write(form, &mut encoded)?;
        let start = place(&self.shared);
        self.shared.extend_from_slice(&encoded);
        let made = Some(Range { start, end: place(&self.shared) });
        self.frames[frame.0 as usize].forms[form as usize] = made;
        made
    }

    /// As [`Self::in_form`], of a frame for one recipient.
    pub(crate) fn direct_in(&mut self, range: Range, layout: &Layout, form: Form) -> Option<Range> {
        let mut encoded = Vec::new();
        Parts::of(self.slice(range), layout)?.write(form, &mut encoded)?;
        Some(self.direct(|out| out.extend_from_slice(&encoded)).0)
    }

    /// Adds a range to what the client is to get this turn.
    pub(crate) fn push(&mut self, client: u32, state: &mut FanoutState, range: Range) {
        let index_of_next = crate::links::key(self.nodes.len());
        if !state.has_pending() {
            state.range = range;
            self.mark(client, state);
        } else if let Some(last) = self.nodes.get_mut(state.last as usize) {
            if last.range.end == range.start {
                last.range.end = range.end;
            } else {
                let next = std::mem::replace(&mut last.next, index_of_next);
                state.last = self.node(range, next);
            }
        } else if state.range.end == range.start {
            state.range.end = range.end;
        } else {
            state.last = self.node(range, index_of_next);
        }
    }

    pub(crate) fn mark(&mut self, client: u32, state: &mut FanoutState) {
        if !state.is_dirty {
            state.is_dirty = true;
            self.dirty.push(client);
        }
    }

    fn node(&mut self, range: Range, next: u32) -> u32 {
        self.nodes.push(Node { range, next });
        crate::links::key(self.nodes.len() - 1)
    }

    /// What the client is to get: the whole of it if it is one stretch.
    pub(crate) fn single(&self, state: &FanoutState) -> Option<&[u8]> {
        (state.last == NONE).then(|| self.slice(state.range))
    }

    /// What the client is to get, stretch by stretch, in order.
    pub(crate) fn each<'a>(&'a self, state: &FanoutState) -> impl Iterator<Item = &'a [u8]> {
        let (last, mut at) = (state.last, state.last);
        let mut is_over = last == NONE;
        std::iter::once(self.slice(state.range)).chain(std::iter::from_fn(move || {
            if is_over {
                return None;
            }
            at = self.nodes.get(at as usize)?.next;
            is_over = at == last;
            Some(self.slice(self.nodes.get(at as usize)?.range))
        }))
    }

    /// Never frees or changes what this turn's buffers hold: the kernel was given them and does not say that it is done.
    pub(crate) fn keep_for_good(&mut self) {
        self.is_kept_for_good = true;
    }

    /// Forgets the turn, once every dirty client was flushed.
    pub(crate) fn reset(&mut self) {
        if std::mem::take(&mut self.is_kept_for_good) {
            std::mem::forget(std::mem::take(&mut self.shared));
            std::mem::forget(std::mem::take(&mut self.direct));
        }
        self.shared.clear();
        self.direct.clear();
        self.frames.clear();
        self.nodes.clear();
        self.has_entries = false;
        // One large message must not keep its memory for good.
        for buffer in [&mut self.shared, &mut self.direct] {
            if buffer.capacity() > 4 * crate::limits::TURN_BYTES_MAX {
                *buffer = Vec::new();
            }
        }
    }
}

fn place(buffer: &[u8]) -> u32 {
    // A turn is flushed long before 2 GiB: between two messages at the latest.
    u32::try_from(buffer.len()).unwrap_or(DIRECT - 1).min(DIRECT - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame_layout::{Data, write_packet};
    use crate::packet_parts::PacketParts;
    use foodtrack_session::NamespaceId;

    #[test]
    fn a_frame_is_encoded_once_for_a_form_whoever_gets_it() {
        let mut outbox = Outbox::default();
        let meta = FrameMeta::default();
        let head = PacketParts::event(NamespaceId::ROOT, meta).head("/");
        let data = Data::Arguments(|out: &mut Vec<u8>| out.extend_from_slice(b"\"x\""));
        let frame = outbox.frame(meta, |out| write_packet(out, &head, data, None, &[]));
        let range = outbox.in_form(frame, Form::WebSocketMsgpack).unwrap();
        assert_eq!(outbox.in_form(frame, Form::WebSocketMsgpack), Some(range));
        let plain = outbox.in_form(frame, Form::PlainJson).unwrap();
        assert_eq!(outbox.in_form(frame, Form::PlainJson), Some(plain));
        // What is queued has what was encoded for sockets.
        let shared = outbox.shared(frame);
        assert!(Arc::ptr_eq(&shared, &outbox.shared(frame)));
        let mut queued = Vec::new();
        assert!(shared.append(Form::WebSocketMsgpack, &mut queued));
        assert_eq!(queued, outbox.slice(range));
        queued.clear();
        assert!(shared.append(Form::PlainJson, &mut queued));
        assert_eq!(queued, outbox.slice(plain));
        assert_eq!(outbox.frames.len(), 1);
    }
}
