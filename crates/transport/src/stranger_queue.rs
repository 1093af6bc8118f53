//! Strangers' sockets that have something to read: they have a part of a turn, in the order of coming.

use std::collections::VecDeque;

use foodtrack_session::LinkId;

use crate::links::Links;

/// What a stranger's link waits for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Waits {
    /// It is among those that wait.
    is_queued: bool,
    /// Something may be there to read.
    is_readable: bool,
    /// And then the end.
    has_hung_up: bool,
    /// Its reading was put off, and goes on.
    resumes: bool,
}

impl Waits {
    /// Something may be there to read; and then the end, where it `has_hung_up`.
    pub(crate) fn note_readable(&mut self, has_hung_up: bool) {
        self.is_readable = true;
        self.has_hung_up |= has_hung_up;
    }

    /// Reading was put off, and goes on.
    pub(crate) fn note_resumed(&mut self) {
        self.resumes = true;
    }

    /// Whether reading was put off, and goes on.
    pub(crate) fn resumes(self) -> bool {
        self.resumes
    }

    /// Whether something may be there to read, and if so whether the end comes behind it.
    pub(crate) fn readable(self) -> Option<bool> {
        self.is_readable.then_some(self.has_hung_up)
    }
}

/// Links of strangers that wait for their part of a turn, each once.
#[derive(Default)]
pub(crate) struct StrangerQueue {
    links: VecDeque<LinkId>,
}

impl StrangerQueue {
    pub(crate) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Puts a link behind the others, unless it waits already.
    pub(crate) fn push(&mut self, links: &mut Links, link: LinkId) {
        if let Some(state) = links.get_mut(link)
            && !std::mem::replace(&mut state.waits.is_queued, true)
        {
            self.links.push_back(link);
        }
    }

    /// Takes the link that waits longest, with what it waits for; one that is gone is passed over.
    pub(crate) fn pop(&mut self, links: &mut Links) -> Option<(LinkId, Waits)> {
        loop {
            let link = self.links.pop_front()?;
            if let Some(state) = links.get_mut(link) {
                return Some((link, std::mem::take(&mut state.waits)));
            }
        }
    }
}
