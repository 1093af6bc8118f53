//! What a history proves against the hub.

use std::collections::BTreeMap;
use std::fmt;

/// How a promise can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Somebody in the audience never got an event that the hub had.
    Lost,
    /// An event came twice in one session.
    Repeated,
    /// An event came to another tenant, or to somebody who is not in its audience.
    Foreign,
    /// An event came after a later one that may not overtake it.
    Disorder,
    /// A cursor is missing, goes back, or says something else than what arrived.
    Cursor,
    /// A publisher's answer contradicts another: two offsets for one id, one offset for two, or an offset that goes back.
    Answer,
    /// An event came that the hub had refused.
    Phantom,
    /// Something did not come back in time.
    Stuck,
}

/// One broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which promise.
    pub kind: Kind,
    /// Who noticed, and what.
    pub about: String,
}

/// All of them, and what the run amounted to.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Broken promises, in the order of their discovery.
    pub violations: Vec<Violation>,
    /// Events that came again to a session that was not recovered: allowed, and best kept few.
    pub reshown: usize,
    /// Events that had to arrive: one for each recipient.
    pub expected: usize,
    /// Connections that took up their session.
    pub recovered: usize,
    /// Connections that were made after the first of their recipient.
    pub reconnected: usize,
    /// Publications that were acknowledged.
    pub acknowledged: usize,
}

impl Verdict {
    pub(crate) fn add(&mut self, kind: Kind, about: String) {
        self.violations.push(Violation { kind, about });
    }

    pub(crate) fn count_acknowledged(&mut self) {
        self.acknowledged += 1;
    }

    pub(crate) fn count_reshown(&mut self) {
        self.reshown += 1;
    }

    pub(crate) fn count_expected(&mut self) {
        self.expected += 1;
    }

    /// A connection was made, perhaps after another one of its recipient, and perhaps with its session back.
    pub(crate) fn count_connection(&mut self, is_again: bool, is_recovered: bool) {
        self.reconnected += usize::from(is_again);
        self.recovered += usize::from(is_recovered);
    }

    /// How often a promise broke.
    pub fn count(&self, kind: Kind) -> usize {
        self.violations.iter().filter(|violation| violation.kind == kind).count()
    }

    /// Whether every promise held.
    pub fn holds(&self) -> bool {
        self.violations.is_empty()
    }

    /// Adds another run's.
    pub fn absorb(&mut self, other: Self) {
        self.violations.extend(other.violations);
        self.reshown += other.reshown;
        self.expected += other.expected;
        self.recovered += other.recovered;
        self.reconnected += other.reconnected;
        self.acknowledged += other.acknowledged;
    }
}

/// The broken promises by kind; those that are always told first.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut counts: BTreeMap<Kind, usize> = BTreeMap::new();
        for violation in &self.violations {
            *counts.entry(violation.kind).or_default() += 1;
        }
        let count = |kind| counts.get(&kind).copied().unwrap_or(0);
        write!(
            f,
            "{} lost, {} repeated, {} foreign, {} disorder",
            count(Kind::Lost),
            count(Kind::Repeated),
            count(Kind::Foreign),
            count(Kind::Disorder)
        )?;
        for (kind, name) in [
            (Kind::Cursor, "false cursors"),
            (Kind::Answer, "false answers"),
            (Kind::Phantom, "phantoms"),
            (Kind::Stuck, "stuck"),
        ] {
            if count(kind) > 0 {
                write!(f, ", {} {name}", count(kind))?;
            }
        }
        write!(f, " ({} reshown)", self.reshown)
    }
}
