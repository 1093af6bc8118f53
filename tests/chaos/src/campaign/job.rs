//! One publication on its way, until it is told or given up.

use std::time::{Duration, Instant};

use crate::recorder::Recorder;
use foodtrack_history_checker::What;
use foodtrack_simulation::Answer;
use foodtrack_simulation::Publication;

/// Between a refusal that may change and the next attempt.
const RETRY: Duration = Duration::from_millis(50);

/// How long an event is repeated that bears no id: the hub knows it again for ten seconds.
const REPEATED_FOR: Duration = Duration::from_secs(8);

pub(super) struct Job {
    pub(super) publication: Publication,
    /// Tries until it is told.
    pub(super) insists: bool,
    /// Sends it once more although it was told.
    pub(super) again: bool,
    pub(super) not_before: Instant,
    began: Instant,
}

impl Job {
    pub(super) fn new(publication: Publication, insists: bool, again: bool) -> Self {
        let now = Instant::now();
        Self { publication, insists, again, not_before: now, began: now }
    }

    /// Notes that it is sent now, and gives the message.
    pub(super) fn attempt(&self, tenant: &str, recorder: &Recorder) -> String {
        recorder.note(What::Attempted(self.publication.attempt(tenant)));
        self.publication.message(tenant)
    }

    /// Notes what became of the attempt; gives the job back where there is to be another.
    pub(super) fn answered(
        mut self,
        tenant: &str,
        answer: Answer,
        recorder: &Recorder,
    ) -> Option<Self> {
        let (tenant, id) = (tenant.to_owned(), self.publication.id.clone());
        let goes_on = match answer {
            Answer::Acknowledged(offset) => {
                recorder.note(What::Acknowledged { tenant, id, offset });
                std::mem::take(&mut self.again)
            }
            Answer::Refused { code, certain, may_retry } => {
                recorder.note(What::Refused { tenant, id, code, certain });
                self.not_before = Instant::now() + RETRY;
                may_retry && self.insists
            }
            Answer::Unknown => {
                recorder.note(What::Unknown { tenant, id });
                self.insists
            }
        };
        // Later it would be another one.
        let is_known_again = self.publication.has_id || self.began.elapsed() < REPEATED_FOR;
        (goes_on && is_known_again).then_some(self)
    }
}
