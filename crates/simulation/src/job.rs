//! One publication on its way, until it is told or given up.

use foodtrack_history_checker::{Class, What};

use crate::{Answer, Publication};

/// Between a refusal that may change and the next attempt, in milliseconds.
const RETRY_MS: u64 = 300;
/// How long an event is repeated that bears no id: the hub knows it again for ten seconds.
const REPEATS_MS_MAX: u64 = 8_000;
/// How long a volatile event is repeated: minutes later it is of no use.
const VOLATILE_MS_MAX: u64 = 120_000;

/// A publication, and who publishes it.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) tenant: String,
    /// A person over their connection; a back end where absent.
    pub(crate) person: Option<usize>,
    pub(crate) publication: Publication,
    /// Tries until it is told.
    pub(crate) insists: bool,
    /// Sends it once more although it was told.
    pub(crate) again: bool,
    pub(crate) not_before_ms: u64,
    /// When it was tried first.
    pub(crate) tried_ms: Option<u64>,
}

impl Job {
    /// Notes that it is tried now. Returns whether it still may be.
    pub(crate) fn may_try(&mut self, now_ms: u64) -> bool {
        let first_ms = *self.tried_ms.get_or_insert(now_ms);
        let is_volatile = self.publication.topic.class() == Class::Volatile;
        (self.publication.has_id || now_ms <= first_ms + REPEATS_MS_MAX)
            && !(is_volatile && now_ms > first_ms + VOLATILE_MS_MAX)
    }

    /// Notes what became of an attempt; gives the job back where there is to be another.
    pub(crate) fn answered(mut self, now_ms: u64, answer: Answer) -> (What, Option<Self>) {
        let (tenant, id) = (self.tenant.clone(), self.publication.id.clone());
        self.not_before_ms = now_ms + RETRY_MS;
        let (what, goes_on) = match answer {
            Answer::Acknowledged(offset) => {
                (What::Acknowledged { tenant, id, offset }, std::mem::take(&mut self.again))
            }
            Answer::Refused { code, certain, may_retry } => {
                (What::Refused { tenant, id, code, certain }, may_retry && self.insists)
            }
            Answer::Unknown => (What::Unknown { tenant, id }, self.insists),
        };
        (what, goes_on.then_some(self))
    }
}
