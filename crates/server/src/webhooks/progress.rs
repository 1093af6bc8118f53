//! How far a webhook is with one tenant, as who tells it knows it.

use foodtrack_contract::Offset;
use foodtrack_tenant_log::{Lease, WebhookPlace};

use super::place::Place;

/// How far it is with one tenant.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    pub(super) place: Place,
    /// As far as is kept.
    pub(super) kept: Place,
    /// Counts how often somebody else moved it, so that a turn that was under way does not move it back.
    pub(super) moves: u64,
    /// How often the next events were refused.
    pub(super) refusals: u32,
    /// Up to here events go one by one: among them is one that the receiver finds fault with.
    pub(super) alone_through: Offset,
    /// Under which it is told.
    pub(super) lease: Lease,
    /// No turn has ended under this lease.
    pub(super) is_fresh: bool,
}

impl Progress {
    /// Of a node that is alone with its log.
    pub(super) fn at(place: Place) -> Self {
        Self::under(Lease::ALONE, place, 0)
    }

    /// Of one that shares it.
    pub(super) fn under(lease: Lease, place: Place, moves: u64) -> Self {
        let (refusals, alone_through) = (0, Offset::ZERO);
        Self { place, kept: place, moves, refusals, alone_through, lease, is_fresh: true }
    }

    /// Whether what all nodes know is what this one kept there itself: then it may be further.
    pub(super) fn is_as_kept(&self, lease: Lease, kept: &WebhookPlace) -> bool {
        self.lease.token() == lease.token()
            && self.moves == kept.moves
            && kept.cursor.as_ref().map_or(Place::BEGINNING, Place::from) == self.kept
    }
}
