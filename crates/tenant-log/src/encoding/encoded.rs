//! Entries on their way into a run.

use super::{EntryParts, encode};
use crate::EntryRef;

/// Neighbours' ids, heads and bodies, each one behind the other. Their offsets follow each other, and are not in them.
#[derive(Debug, Default)]
pub(crate) struct Encoded {
    pub(crate) ids: Vec<u8>,
    pub(crate) heads: Vec<u8>,
    pub(crate) bodies: Vec<u8>,
    /// Where each one's head and body end.
    ends: Vec<[usize; 2]>,
}

impl Encoded {
    /// Lets all entries go, and keeps the memory.
    pub(crate) fn clear(&mut self) {
        let Self { ids, heads, bodies, ends } = self;
        [ids, heads, bodies].into_iter().for_each(Vec::clear);
        ends.clear();
    }

    /// Appends an entry.
    pub(crate) fn push(&mut self, entry: &EntryRef<'_>) {
        self.ids.extend_from_slice(entry.id.as_bytes());
        encode(entry, &mut self.heads, &mut self.bodies);
        self.ends.push([self.heads.len(), self.bodies.len()]);
    }

    /// Appends others.
    pub(crate) fn append(&mut self, others: &Self) {
        let [heads, bodies] = [self.heads.len(), self.bodies.len()];
        self.ids.extend_from_slice(&others.ids);
        self.heads.extend_from_slice(&others.heads);
        self.bodies.extend_from_slice(&others.bodies);
        self.ends.extend(others.ends.iter().map(|[head, body]| [heads + head, bodies + body]));
    }

    /// How many heads and bodies there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Each entry's head and body.
    pub(crate) fn parts(&self) -> impl Iterator<Item = EntryParts<'_>> {
        let starts = std::iter::once([0; 2]).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|([head, body], [head_end, body_end])| {
            EntryParts::new(&self.heads[head..*head_end], &self.bodies[body..*body_end])
        })
    }

    /// Lets all heads and bodies go but the last; the ids stay.
    pub(crate) fn keep_last(&mut self) {
        let [head, body] = self.ends.iter().rev().nth(1).copied().unwrap_or_default();
        self.heads.drain(..head);
        self.bodies.drain(..body);
        let last = self.ends.pop().map(|[head_end, body_end]| [head_end - head, body_end - body]);
        self.ends.clear();
        self.ends.extend(last);
    }
}
