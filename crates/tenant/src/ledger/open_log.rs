//! A log that is open: what is on its way there, and up to where it may be delivered.

use std::collections::VecDeque;

use foodtrack_contract::{Epoch, Offset};
use foodtrack_tenant_log::Sequence;

use super::Pending;
use super::counted_by_store::CountedByStore;

/// A log that is open.
#[derive(Debug)]
pub(super) struct OpenLog {
    pub(super) counting: Counting,
    /// Everything up to here is gone, as far as the store has said.
    pub(super) trimmed_through: Offset,
    /// Everything up to here was handed to everyone it is for.
    pub(super) delivered_through: Offset,
    /// Accepted and not delivered yet; ascending.
    pub(super) pending: VecDeque<Pending>,
    /// Of these, the first and the last, nobody knows whether the store has them. Nothing from there on is delivered: who
    /// brought a cursor beyond it would never get them.
    pub(super) in_doubt: Option<(Offset, Offset)>,
}

/// Who counts a log's offsets.
#[derive(Debug)]
pub(super) enum Counting {
    /// This node: the log is its own.
    Here(Sequence),
    /// The store: others write to the log as well.
    ByStore(CountedByStore),
}

impl OpenLog {
    pub(super) fn by_store(&self) -> Option<&CountedByStore> {
        match &self.counting {
            Counting::Here(_) => None,
            Counting::ByStore(store) => Some(store),
        }
    }

    pub(super) fn epoch(&self) -> Epoch {
        match &self.counting {
            Counting::Here(sequence) => sequence.epoch(),
            Counting::ByStore(store) => store.epoch(),
        }
    }

    /// What is not delivered.
    pub(super) fn into_undelivered(self) -> Vec<Pending> {
        let mut undelivered: Vec<Pending> = self.pending.into();
        if let Counting::ByStore(store) = self.counting {
            undelivered.extend(store.into_submitted());
        }
        undelivered
    }

    pub(super) fn take_out(&mut self, from: Offset, through: Offset) -> Vec<Pending> {
        let is_meant = |pending: &Pending| (from..=through).contains(&pending.entry.offset);
        let (taken, left) = self.pending.drain(..).partition::<Vec<_>, _>(is_meant);
        self.pending = left.into();
        taken
    }

    /// Releases what may be delivered now, and returns up to where that is.
    pub(super) fn release(&mut self) -> Offset {
        let released = match &mut self.counting {
            Counting::Here(sequence) => sequence.release(),
            Counting::ByStore(store) => store.complete_through(),
        };
        self.in_front_of_doubt(released)
    }

    /// Up to where may be delivered what was released.
    pub(super) fn released(&self) -> Offset {
        self.in_front_of_doubt(match &self.counting {
            Counting::Here(sequence) => sequence.released(),
            Counting::ByStore(store) => store.complete_through(),
        })
    }

    fn in_front_of_doubt(&self, released: Offset) -> Offset {
        let before = |(first, _): (Offset, Offset)| Offset::ZERO.plus(first.get() - 1);
        self.in_doubt.map_or(released, |in_doubt| released.min(before(in_doubt)))
    }
}
