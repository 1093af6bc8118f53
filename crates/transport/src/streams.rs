//! Answers whose bodies come in pieces, and what their producers are to be told.

use ahash::HashMap;
use foodtrack_session::LinkId;

/// One such answer.
struct Stream {
    /// Each piece says its length: the peer tells a whole answer from one that was cut off.
    is_chunked: bool,
    /// What is sent when nothing else was for a while.
    heartbeat: Option<&'static [u8]>,
    /// When it was last given something.
    given_ms: u64,
    /// Its producer was refused a piece, and waits to hear that there is room.
    is_awaited: bool,
    /// It has something for this turn's write.
    is_dirty: bool,
}

/// What an idle stream is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Idle {
    /// It is not there any more.
    Gone,
    /// It was given something meanwhile: look again then.
    Wait { look_ms: u64 },
    /// It sends this.
    Beat(&'static [u8]),
    /// Its producer has forgotten it.
    GiveUp,
}

/// A shard's streams, by their sockets. Sockets without a stream pay nothing.
#[derive(Default)]
pub(crate) struct Streams {
    streams: HashMap<LinkId, Stream>,
    dirty: Vec<LinkId>,
    drained: Vec<LinkId>,
    ended: Vec<LinkId>,
}

impl Streams {
    /// A stream begins.
    pub(crate) fn begin(
        &mut self,
        link: LinkId,
        is_chunked: bool,
        heartbeat: Option<&'static [u8]>,
        now_ms: u64,
    ) {
        let stream =
            Stream { is_chunked, heartbeat, given_ms: now_ms, is_awaited: false, is_dirty: false };
        self.streams.insert(link, stream);
    }

    /// Notes a piece that goes out with this turn's write. Returns whether it says its length; `None` where there is no stream.
    pub(crate) fn give(&mut self, link: LinkId, now_ms: u64) -> Option<bool> {
        let stream = self.streams.get_mut(&link)?;
        stream.given_ms = now_ms;
        if !std::mem::replace(&mut stream.is_dirty, true) {
            self.dirty.push(link);
        }
        Some(stream.is_chunked)
    }

    /// The producer waits to hear that there is room.
    pub(crate) fn await_room(&mut self, link: LinkId) {
        if let Some(stream) = self.streams.get_mut(&link) {
            stream.is_awaited = true;
        }
    }

    /// The socket has taken everything. Its producer is told, where it waits for that.
    pub(crate) fn note_drained(&mut self, link: LinkId) {
        if let Some(stream) = self.streams.get_mut(&link)
            && std::mem::take(&mut stream.is_awaited)
        {
            self.drained.push(link);
        }
    }

    /// The producer has ended its stream; it is told nothing more. What it gave before still goes out.
    pub(crate) fn end(&mut self, link: LinkId) {
        self.streams.remove(&link);
    }

    /// The socket is gone: the producer is told.
    pub(crate) fn lose(&mut self, link: LinkId) {
        if self.streams.remove(&link).is_some() {
            self.ended.push(link);
        }
    }

    /// What to do about a stream that nothing was given for a while: after `beat_ms` without its heartbeat, or after `idle_ms`
    /// where it has none.
    pub(crate) fn look(&self, link: LinkId, beat_ms: u64, idle_ms: u64, now_ms: u64) -> Idle {
        let Some(stream) = self.streams.get(&link) else { return Idle::Gone };
        let look_ms = stream.given_ms + stream.heartbeat.map_or(idle_ms, |_| beat_ms);
        match stream.heartbeat {
            _ if look_ms > now_ms => Idle::Wait { look_ms },
            Some(heartbeat) => Idle::Beat(heartbeat),
            None => Idle::GiveUp,
        }
    }

    /// Sockets with something for this turn's write.
    pub(crate) fn take_dirty(&mut self) -> Vec<LinkId> {
        for link in &self.dirty {
            if let Some(stream) = self.streams.get_mut(link) {
                stream.is_dirty = false;
            }
        }
        std::mem::take(&mut self.dirty)
    }

    /// Sockets whose producers are to be told that there is room, and those whose producers are to be told of the end.
    pub(crate) fn take_news(&mut self) -> (Vec<LinkId>, Vec<LinkId>) {
        (std::mem::take(&mut self.drained), std::mem::take(&mut self.ended))
    }

    /// Whether there is something to write or to tell.
    pub(crate) fn has_news(&self) -> bool {
        !(self.dirty.is_empty() && self.drained.is_empty() && self.ended.is_empty())
    }

    /// Streams that are open.
    pub(crate) fn len(&self) -> usize {
        self.streams.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: LinkId = LinkId::new(3, 1);

    #[test]
    fn a_producer_hears_once_that_there_is_room_and_once_that_its_peer_is_gone() {
        let mut streams = Streams::default();
        streams.begin(LINK, true, None, 0);
        streams.note_drained(LINK);
        assert!(!streams.has_news(), "it did not ask");
        streams.await_room(LINK);
        streams.note_drained(LINK);
        streams.note_drained(LINK);
        assert_eq!(streams.take_news(), (vec![LINK], vec![]));
        streams.lose(LINK);
        streams.lose(LINK);
        assert_eq!(streams.take_news(), (vec![], vec![LINK]));
        assert_eq!(streams.give(LINK, 0), None);
    }

    #[test]
    fn a_stream_that_its_producer_ended_is_told_nothing_more() {
        let mut streams = Streams::default();
        streams.begin(LINK, true, None, 0);
        streams.await_room(LINK);
        assert_eq!(streams.give(LINK, 0), Some(true));
        streams.end(LINK);
        streams.note_drained(LINK);
        streams.lose(LINK);
        assert_eq!(streams.take_dirty(), [LINK], "what it gave before still goes out");
        assert!(!streams.has_news());
    }

    #[test]
    fn an_idle_stream_beats_or_is_given_up() {
        let mut streams = Streams::default();
        let other = LinkId::new(4, 1);
        streams.begin(LINK, true, Some(b":\n\n"), 0);
        streams.begin(other, true, None, 0);
        assert_eq!(streams.look(LINK, 15, 60, 14), Idle::Wait { look_ms: 15 });
        assert_eq!(streams.look(LINK, 15, 60, 15), Idle::Beat(b":\n\n"));
        streams.give(LINK, 15);
        assert_eq!(streams.look(LINK, 15, 60, 16), Idle::Wait { look_ms: 30 });
        assert_eq!(streams.look(other, 15, 60, 59), Idle::Wait { look_ms: 60 });
        assert_eq!(streams.look(other, 15, 60, 60), Idle::GiveUp);
        assert_eq!(streams.look(LinkId::new(3, 2), 15, 60, 99), Idle::Gone);
    }
}
