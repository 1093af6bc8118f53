//! What one part of a schema costs, and which part within it most.

use super::{Bound, ERROR_NS, LOOK_NS};

/// What a part and all within it cost.
pub(super) struct Part {
    pub(super) check: Bound,
    pub(super) explain: Bound,
    /// The pointer of the dearest part.
    pub(super) dearest: String,
}

/// What costs so much wherever it applies.
pub(super) fn simple(ns: f64, at: String) -> Part {
    let check = Bound::fixed(ns);
    Part { check, explain: check.plus(Bound::fixed(ERROR_NS)), dearest: at }
}

impl Part {
    /// And this, which names no part that may be the dearest.
    pub(super) fn plus(self, cost: Bound) -> Self {
        Self { check: self.check.plus(cost), explain: self.explain.plus(cost), ..self }
    }

    /// Both apply to the same bytes.
    pub(super) fn and(self, other: Self) -> Self {
        let dearest =
            if other.check.ns(4_096) > self.check.ns(4_096) { other.dearest } else { self.dearest };
        Self {
            check: self.check.plus(other.check),
            explain: self.explain.plus(other.explain),
            dearest,
        }
    }

    /// As [`Bound::beside`].
    pub(super) fn beside(self, other: Self, bytes_min: f64) -> Self {
        let dearest =
            if self.check.ns(4_096) > other.check.ns(4_096) { self.dearest } else { other.dearest };
        Self {
            check: self.check.beside(other.check, bytes_min),
            explain: self.explain.beside(other.explain, bytes_min),
            dearest,
        }
    }

    /// As [`Bound::of_each`].
    pub(super) fn of_each(self, bytes_min: f64) -> Self {
        Self {
            check: self.check.of_each(bytes_min).plus(Bound::fixed(LOOK_NS)),
            explain: self.explain.of_each(bytes_min).plus(Bound::fixed(LOOK_NS)),
            ..self
        }
    }

    /// To be explained, it is checked first and then checked again for all its errors.
    pub(super) fn twice(self) -> Self {
        Self { explain: self.explain.plus(self.check), ..self }
    }
}
