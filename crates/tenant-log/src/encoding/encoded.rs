//! Entries on their way into a run.

use std::ops::Range;

use super::last_traits::LastTraits;
use super::{EntryParts, HeadNumbers, flags, push_body, push_rest};
use crate::EntryRef;

/// Neighbours' ids, heads and bodies, taken apart. Their offsets follow each other, and are not in them.
#[derive(Debug, Default)]
pub(crate) struct Encoded {
    pub(crate) ids: Vec<u8>,
    /// What stands behind the numbers of heads; once where neighbours have the same.
    rests: Vec<u8>,
    pub(crate) bodies: Vec<u8>,
    entries: Vec<EncodedEntry>,
    /// The last entry's, where it was pushed.
    last: LastTraits,
}

/// An entry's numbers, and where the rest of its head and its body are.
#[derive(Debug)]
struct EncodedEntry {
    numbers: HeadNumbers,
    rest: Range<usize>,
    body: Range<usize>,
}

impl Encoded {
    /// Lets all entries go, and keeps the memory.
    pub(crate) fn clear(&mut self) {
        let Self { ids, rests, bodies, entries, last } = self;
        last.forget();
        [ids, rests, bodies].into_iter().for_each(Vec::clear);
        entries.clear();
    }

    /// Appends an entry.
    pub(crate) fn push(&mut self, entry: &EntryRef<'_>) {
        let Self { ids, rests, bodies, entries, last } = self;
        ids.extend_from_slice(entry.id.as_bytes());
        let body = bodies.len();
        let is_without_id = push_body(entry, bodies);
        let flags = flags(entry, is_without_id);
        let rest = match (last.are_those_of(entry, flags), entries.last()) {
            (true, Some(last)) => last.rest.clone(),
            _ => {
                let start = rests.len();
                push_rest(entry, flags, rests);
                start..rests.len()
            }
        };
        let (numbers, body) = (HeadNumbers::of(entry), body..bodies.len());
        entries.push(EncodedEntry { numbers, rest, body });
    }

    /// Appends others.
    pub(crate) fn append(&mut self, others: &Self) {
        self.last.forget();
        let [rests, bodies] = [self.rests.len(), self.bodies.len()];
        self.ids.extend_from_slice(&others.ids);
        self.rests.extend_from_slice(&others.rests);
        self.bodies.extend_from_slice(&others.bodies);
        self.entries.extend(others.entries.iter().map(|it| it.moved(rests, bodies)));
    }

    /// How many heads and bodies there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Each entry's head and body.
    pub(crate) fn parts(&self) -> impl Iterator<Item = EntryParts<'_>> {
        self.entries.iter().map(|it| EntryParts {
            numbers: it.numbers,
            rest: &self.rests[it.rest.clone()],
            body: &self.bodies[it.body.clone()],
        })
    }

    /// Lets all heads and bodies go but the last; the ids stay.
    pub(crate) fn keep_last(&mut self) {
        let Some(mut last) = self.entries.pop() else { return };
        self.rests.truncate(last.rest.end);
        self.rests.drain(..last.rest.start);
        self.bodies.drain(..last.body.start);
        self.entries.clear();
        last.rest = 0..last.rest.len();
        last.body = 0..last.body.len();
        self.entries.push(last);
    }
}

impl EncodedEntry {
    /// The same behind so many bytes more.
    fn moved(&self, rests: usize, bodies: usize) -> Self {
        let moved = |range: &Range<usize>, by: usize| range.start + by..range.end + by;
        Self {
            numbers: self.numbers,
            rest: moved(&self.rest, rests),
            body: moved(&self.body, bodies),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LogEntry;
    use crate::encoding::samples::{encoded, full, plain};

    #[test]
    fn neighbours_share_what_they_have_in_common_also_behind_those_that_were_let_go() {
        let entry = |n: u64| LogEntry {
            entity: Some("42".into()),
            fingerprint: Some(n),
            message: format!("{n}").into(),
            ..plain(n)
        };
        let mut all = encoded(&[entry(1)]);
        let rest_bytes = all.rests.len();
        all.push(&full(2).by_ref());
        (3..7).for_each(|n| all.push(&entry(n).by_ref()));
        let bytes = all.rests.len();
        all.keep_last();
        assert_eq!((all.len(), all.rests.len(), bytes > 2 * rest_bytes), (1, rest_bytes, true));
        (7..9).for_each(|n| all.push(&entry(n).by_ref()));
        assert_eq!((all.len(), all.rests.len()), (3, rest_bytes));
        all.append(&encoded(&[entry(9)]));
        let last = encoded(&[entry(9)]);
        let is_same = |(one, other): (EntryParts<'_>, EntryParts<'_>)| {
            (one.rest, one.body) == (other.rest, other.body)
        };
        assert!(all.parts().skip(3).zip(last.parts()).all(is_same));
    }
}
