//! The frames of one turn and who gets them. A turn's frames lie in one buffer; a recipient's share of it is a range,
//! and consecutive frames for the same recipient are one range, so that a socket is written once a turn, straight from
//! the shared bytes: nothing is copied or allocated per recipient.

use std::io::IoSlice;
use std::sync::Arc;

use foodtrack_wire::rfc6455::{self, Opcode};

use crate::frame::{Frame, FrameMeta, split_server_frame};
use crate::stamp::before_offset;

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
/// No node, or no link.
pub(crate) const NONE: u32 = u32::MAX;

/// How a client's frames reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Straight from the turn's buffer.
    Direct,
    /// By a longer way: it polls, speaks msgpack, or is backlogged.
    Indirect,
    /// Not at all: it is closing, or the place is free.
    Gone,
}

/// Whether a client is to be asked soon if what it was sent of the log has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confirmation {
    /// It was sent nothing since it was asked, and no timer runs.
    None,
    /// It was sent something, and the timer runs.
    Due,
    /// It was asked a moment ago, and was sent nothing since. The timer runs.
    Asked,
}

/// What the fan-out loop touches of a client, and nothing else: 24 bytes, so that a room of a thousand stays in cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hot {
    range: Range,
    /// Further ranges, as places in the turn's nodes.
    first: u32,
    last: u32,
    pub(crate) link: u32,
    pub(crate) mode: Mode,
    pub(crate) dirty: bool,
    pub(crate) confirmation: Confirmation,
}

const _: () = assert!(size_of::<Hot>() == 24);

impl Hot {
    pub(crate) const FREE: Self = Self {
        range: Range { start: 0, end: 0 },
        first: NONE,
        last: NONE,
        link: NONE,
        mode: Mode::Gone,
        dirty: false,
        confirmation: Confirmation::None,
    };

    pub(crate) fn has_pending(&self) -> bool {
        self.range.start != self.range.end
    }

    pub(crate) fn clear(&mut self) {
        (self.range, self.first, self.last) = (Range::default(), NONE, NONE);
    }
}

struct Node {
    range: Range,
    next: u32,
}

struct TurnFrame {
    range: Range,
    msgpack: Option<Range>,
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
    pub(crate) dirty: Vec<u32>,
    /// Whether one of the frames is an entry of a log.
    pub(crate) has_entries: bool,
    /// The kernel may still read the buffers.
    is_kept_for_good: bool,
}

impl Outbox {
    pub(crate) fn bytes(&self) -> usize {
        self.shared.len() + self.direct.len()
    }

    /// Encodes a frame once for all its recipients: `write` gives the Engine.IO message, `4` and all.
    pub(crate) fn frame(
        &mut self,
        meta: FrameMeta,
        write: impl FnOnce(&mut Vec<u8>),
        attachments: &[Vec<u8>],
    ) -> FrameId {
        let range = append(&mut self.shared, write, attachments);
        self.note_entry(&meta);
        self.frames.push(TurnFrame { range, msgpack: None, meta, shared: None });
        FrameId(u32::try_from(self.frames.len() - 1).unwrap_or(NONE))
    }

    /// Notes that a frame with this meta goes out.
    pub(crate) fn note_entry(&mut self, meta: &FrameMeta) {
        self.has_entries |= meta.place.is_some_and(|place| place.is_entry);
    }

    /// Encodes a frame for one recipient.
    pub(crate) fn direct(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>),
        attachments: &[Vec<u8>],
    ) -> Range {
        let range = append(&mut self.direct, write, attachments);
        Range { start: range.start | DIRECT, end: range.end | DIRECT }
    }

    /// Appends bytes that are frames already (or an HTTP response) for one recipient.
    pub(crate) fn direct_raw(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Range {
        let start = place(&self.direct);
        write(&mut self.direct);
        Range { start: start | DIRECT, end: place(&self.direct) | DIRECT }
    }

    pub(crate) fn range(&self, frame: FrameId) -> Range {
        self.frames[frame.0 as usize].range
    }

    pub(crate) fn slice(&self, range: Range) -> &[u8] {
        let buffer = if range.start & DIRECT == 0 { &self.shared } else { &self.direct };
        &buffer[(range.start & !DIRECT) as usize..(range.end & !DIRECT) as usize]
    }

    /// Whether frames end as `meta` says that they do.
    pub(crate) fn is_stamped_as(&self, range: Range, meta: &FrameMeta) -> bool {
        meta.place.filter(|place| place.is_stamped).is_none_or(|place| {
            split_server_frame(self.slice(range))
                .is_some_and(|(_, text, _)| before_offset(text, place.offset).is_some())
        })
    }

    /// The frame as something that outlives the turn; made once, whoever else asks.
    pub(crate) fn shared(&mut self, frame: FrameId) -> Arc<Frame> {
        let place = frame.0 as usize;
        if let Some(shared) = &self.frames[place].shared {
            return Arc::clone(shared);
        }
        let TurnFrame { range, meta, .. } = self.frames[place];
        let shared = Arc::new(Frame { bytes: self.slice(range).into(), meta });
        self.frames[place].shared = Some(Arc::clone(&shared));
        shared
    }

    /// The frame for clients of the msgpack parser; made once. `None` where it cannot be said in msgpack.
    pub(crate) fn msgpack(&mut self, frame: FrameId) -> Option<Range> {
        let place = frame.0 as usize;
        if let Some(range) = self.frames[place].msgpack {
            return Some(range);
        }
        let range = self.encode_msgpack(self.frames[place].range, false)?;
        self.frames[place].msgpack = Some(range);
        Some(range)
    }

    /// Re-encodes frames of the default parser as one msgpack message.
    pub(crate) fn encode_msgpack(&mut self, range: Range, direct: bool) -> Option<Range> {
        let mut encoded = Vec::new();
        transcode(self.slice(range), &mut encoded)?;
        let buffer = if direct { &mut self.direct } else { &mut self.shared };
        let start = place(buffer);
        rfc6455::write_frame(buffer, Opcode::Binary, &encoded);
        let bit = if direct { DIRECT } else { 0 };
        Some(Range { start: start | bit, end: place(buffer) | bit })
    }

    /// Adds a range to what the client is to get this turn.
    pub(crate) fn push(&mut self, client: u32, hot: &mut Hot, range: Range) {
        if !hot.has_pending() {
            hot.range = range;
            self.mark(client, hot);
        } else if hot.first == NONE {
            if hot.range.end == range.start {
                hot.range.end = range.end;
            } else {
                let node = self.node(range);
                (hot.first, hot.last) = (node, node);
            }
        } else {
            let last = &mut self.nodes[hot.last as usize];
            if last.range.end == range.start {
                last.range.end = range.end;
            } else {
                let node = self.node(range);
                self.nodes[hot.last as usize].next = node;
                hot.last = node;
            }
        }
    }

    pub(crate) fn mark(&mut self, client: u32, hot: &mut Hot) {
        if !hot.dirty {
            hot.dirty = true;
            self.dirty.push(client);
        }
    }

    fn node(&mut self, range: Range) -> u32 {
        self.nodes.push(Node { range, next: NONE });
        u32::try_from(self.nodes.len() - 1).unwrap_or(NONE)
    }

    /// What the client is to get: the whole of it if it is one stretch.
    pub(crate) fn single(&self, hot: &Hot) -> Option<&[u8]> {
        (hot.first == NONE).then(|| self.slice(hot.range))
    }

    /// What the client is to get, stretch by stretch, in order.
    pub(crate) fn each<'a>(&'a self, hot: &Hot) -> impl Iterator<Item = &'a [u8]> {
        let mut next = hot.first;
        std::iter::once(self.slice(hot.range)).chain(std::iter::from_fn(move || {
            let node = self.nodes.get(next as usize)?;
            next = node.next;
            Some(self.slice(node.range))
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

/// Appends a text frame that `write` fills, and binary frames behind it.
fn append(
    buffer: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>),
    attachments: &[Vec<u8>],
) -> Range {
    let start = buffer.len();
    // The header's length depends on the payload's, which is not known yet: guess the common one, and move if wrong.
    const GUESS: usize = 4;
    buffer.extend_from_slice(&[0; GUESS]);
    write(buffer);
    let payload_bytes = buffer.len() - start - GUESS;
    // Written behind the payload first: no memory of its own for ten bytes.
    let end = buffer.len();
    rfc6455::write_header(buffer, Opcode::Text, payload_bytes);
    let mut header = [0; rfc6455::HEADER_BYTES_MAX];
    let header_bytes = buffer.len() - end;
    header[..header_bytes].copy_from_slice(&buffer[end..]);
    buffer.truncate(end);
    let header = &header[..header_bytes];
    if header_bytes == GUESS {
        buffer[start..start + GUESS].copy_from_slice(header);
    } else {
        buffer.splice(start..start + GUESS, header.iter().copied());
    }
    for attachment in attachments {
        rfc6455::write_frame(buffer, Opcode::Binary, attachment);
    }
    Range { start: place(&buffer[..start]), end: place(buffer) }
}

/// The frames of one Socket.IO packet as one msgpack packet.
pub(crate) fn transcode(frames: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (mut text, mut attachments) = (None, Vec::new());
    crate::frame::each_server_frame(frames, |is_text, payload| {
        if is_text {
            text = std::str::from_utf8(payload).ok().map(str::to_owned);
        } else {
            attachments.push(payload.to_vec());
        }
    });
    let text = text?;
    let packet = foodtrack_wire::socket_io::decode(text.strip_prefix('4')?).ok()?;
    let attachments: Vec<&[u8]> = attachments.iter().map(Vec::as_slice).collect();
    foodtrack_wire::msgpack::write_packet(out, &packet, &attachments).ok()
}

/// Fills `slices` from `parts`; returns how many.
pub(crate) fn gather<'a>(
    parts: impl Iterator<Item = &'a [u8]>,
    slices: &mut [IoSlice<'a>],
) -> usize {
    let mut count = 0;
    for (slice, part) in slices.iter_mut().zip(parts) {
        *slice = IoSlice::new(part);
        count += 1;
    }
    count
}
