//! Strangers' sockets that have something to read: they have a part of a turn, in the order of coming.

use std::collections::VecDeque;

use foodtrack_session::LinkId;

use crate::link::Waits;
use crate::links::Links;

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
            && state.waits.enqueue()
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
