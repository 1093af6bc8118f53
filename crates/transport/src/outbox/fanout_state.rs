//! What the fan-out touches of a client.

use foodtrack_session::LinkId;

use super::Range;
use crate::client::{ClientKey, Generation, NOBODY};

/// No node, or no link.
pub(super) const NONE: u32 = u32::MAX;

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
enum Confirmation {
    /// It was sent nothing since it was asked, and no timer runs.
    None,
    /// It was sent something, and the timer runs.
    Due,
    /// It was asked a moment ago, and was sent nothing since. The timer runs.
    Asked,
}

/// What the fan-out loop touches of a client, and nothing else: 24 bytes, so that a room of a thousand stays in cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FanoutState {
    /// What it is to get this turn.
    pub(super) range: Range,
    /// The last of further ranges, as an index of the turn's nodes: each names the next, and the last one the first.
    pub(super) last: u32,
    /// The index of its socket.
    link: u32,
    /// That of the client: a key of another one finds nobody here.
    generation: Generation,
    mode: Mode,
    pub(super) is_dirty: bool,
    confirmation: Confirmation,
}

const _: () = assert!(size_of::<FanoutState>() == 24);

impl FanoutState {
    /// Of an index where no client is.
    pub(crate) const FREE: Self = Self {
        range: Range { start: 0, end: 0 },
        last: NONE,
        link: NONE,
        generation: NOBODY,
        mode: Mode::Gone,
        is_dirty: false,
        confirmation: Confirmation::None,
    };

    /// Of a client that is reached by nothing yet.
    pub(crate) const fn of(client: ClientKey) -> Self {
        Self { mode: Mode::Indirect, generation: client.generation(), ..Self::FREE }
    }

    /// Whether the client of this key is the one here.
    #[inline]
    pub(crate) fn is_of(&self, client: ClientKey) -> bool {
        self.generation == client.generation()
    }

    pub(crate) fn has_pending(&self) -> bool {
        self.range.start != self.range.end
    }

    /// Forgets what it was to get this turn.
    pub(crate) fn clear(&mut self) {
        (self.range, self.last) = (Range::default(), NONE);
    }

    /// The client is looked at at the end of the turn: what comes from now on marks it anew.
    pub(crate) fn begin_flush(&mut self) {
        self.is_dirty = false;
    }

    /// The index of its WebSocket among the links.
    pub(crate) fn link(&self) -> u32 {
        self.link
    }

    /// Its WebSocket from now on.
    pub(crate) fn attach(&mut self, link: LinkId) {
        self.link = link.place();
    }

    /// It has no WebSocket any more.
    pub(crate) fn detach(&mut self) {
        self.link = NONE;
    }

    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether it gets nothing any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.mode == Mode::Gone
    }

    /// It gets nothing any more.
    pub(crate) fn close(&mut self) {
        self.mode = Mode::Gone;
    }

    /// Its frames go straight from the turn's buffer from now on, or by a longer way.
    pub(crate) fn settle(&mut self, is_direct: bool) {
        if self.mode != Mode::Gone {
            self.mode = if is_direct { Mode::Direct } else { Mode::Indirect };
        }
    }

    /// Its socket takes no more at the moment.
    pub(crate) fn note_blocked(&mut self) {
        if self.mode == Mode::Direct {
            self.mode = Mode::Indirect;
        }
    }

    /// It is sent something of the log: it is to be asked soon whether that arrived. Returns whether a timer is to be set for that.
    pub(crate) fn confirm_soon(&mut self) -> bool {
        if self.mode == Mode::Gone || self.confirmation == Confirmation::Due {
            return false;
        }
        let is_timed = self.confirmation == Confirmation::Asked;
        self.confirmation = Confirmation::Due;
        !is_timed
    }

    /// The timer came. Returns whether it was sent something since it was asked; otherwise no timer runs from now on.
    pub(crate) fn is_confirmation_due(&mut self) -> bool {
        let is_due = self.confirmation == Confirmation::Due;
        if !is_due {
            self.confirmation = Confirmation::None;
        }
        is_due
    }

    /// It is asked now; the timer runs on.
    pub(crate) fn note_asked(&mut self) {
        self.confirmation = Confirmation::Asked;
    }

    /// There was nothing to ask: no timer runs.
    pub(crate) fn forget_confirmation(&mut self) {
        self.confirmation = Confirmation::None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: ClientKey = ClientKey::NOBODY;

    #[test]
    fn a_client_has_one_timer_however_much_it_is_sent() {
        let mut state = FanoutState::of(KEY);
        assert!(state.confirm_soon() && !state.confirm_soon());
        assert!(state.is_confirmation_due());
        state.note_asked();
        assert!(!state.confirm_soon(), "the timer runs on");
        assert!(state.is_confirmation_due());
        state.note_asked();
        assert!(!state.is_confirmation_due());
        assert!(state.confirm_soon(), "no timer runs any more");
    }

    #[test]
    fn who_is_gone_gets_nothing_whatever_its_socket_does() {
        let mut state = FanoutState::of(KEY);
        state.settle(true);
        state.note_blocked();
        assert_eq!(state.mode(), Mode::Indirect);
        state.close();
        state.settle(true);
        assert!(state.is_gone() && !state.confirm_soon());
    }
}
