//! Bounds on what a check takes, as lines over the length of the payload.

use super::count;

/// `fixed + per_byte * bytes` nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Line {
    pub(super) fixed: f64,
    pub(super) per_byte: f64,
}

impl Line {
    fn plus(self, other: Self) -> Self {
        Self { fixed: self.fixed + other.fixed, per_byte: self.per_byte + other.per_byte }
    }

    fn ns(self, bytes: f64) -> f64 {
        self.fixed + self.per_byte * bytes
    }

    fn bytes_within(self, ns: f64) -> f64 {
        if self.fixed >= ns { 0.0 } else { (ns - self.fixed) / self.per_byte.max(1e-9) }
    }
}

/// Two bounds on the same cost; both are true.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bound {
    /// The better one for one large value: each named property is there once.
    pub(super) once: Line,
    /// The better one for many small values: what each named property costs is paid for by its bytes.
    pub(super) many: Line,
}

impl Bound {
    /// The same line for both.
    pub(super) fn of(fixed: f64, per_byte: f64) -> Self {
        let line = Line { fixed, per_byte };
        Self { once: line, many: line }
    }

    /// So many nanoseconds whatever the length.
    pub(super) fn fixed(ns: f64) -> Self {
        Self::of(ns, 0.0)
    }

    /// So many nanoseconds for each byte.
    pub(super) fn per_byte(ns: f64) -> Self {
        Self::of(0.0, ns)
    }

    /// Both, applied to the same bytes.
    pub(super) fn plus(self, other: Self) -> Self {
        Self { once: self.once.plus(other.once), many: self.many.plus(other.many) }
    }

    /// Applied to each of many values that take at least `bytes_min` bytes each.
    pub(super) fn of_each(self, bytes_min: f64) -> Self {
        Self::per_byte(self.many.per_byte + self.many.fixed / bytes_min)
    }

    /// Applied to one value of at least `bytes_min` bytes, beside `other`, which is applied to different bytes.
    pub(super) fn beside(self, other: Self, bytes_min: f64) -> Self {
        let by_byte = self.many.per_byte + self.many.fixed / bytes_min;
        Self {
            once: Line {
                fixed: self.once.fixed + other.once.fixed,
                per_byte: self.once.per_byte.max(other.once.per_byte),
            },
            many: Line { fixed: other.many.fixed, per_byte: by_byte.max(other.many.per_byte) },
        }
    }

    /// Nanoseconds for so many bytes.
    pub(super) fn ns(self, bytes: usize) -> f64 {
        self.once.ns(count(bytes)).min(self.many.ns(count(bytes)))
    }

    /// The most bytes that cost at most `ns`.
    pub(super) fn bytes_within(self, ns: f64) -> usize {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let bytes = self.once.bytes_within(ns).max(self.many.bytes_within(ns)) as usize;
        bytes
    }
}
