//! One publication on its way, until it is told or given up.

use std::collections::HashMap;
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
}

/// When a publisher first sent each event that bears no id.
#[derive(Default)]
pub(super) struct FirstSent(HashMap<String, Instant>);

impl FirstSent {
    /// Whether a job is to be sent now: what bears no id, and waited until the hub does not know it again, would be another event.
    pub(super) fn lets(&mut self, job: &Job, now: Instant) -> bool {
        let Publication { id, has_id, .. } = &job.publication;
        *has_id || now < *self.0.entry(id.clone()).or_insert(now) + REPEATED_FOR
    }
}

impl Job {
    pub(super) fn new(publication: Publication, insists: bool, again: bool) -> Self {
        Self { publication, insists, again, not_before: Instant::now() }
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
        goes_on.then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use foodtrack_contract::Priority;
    use foodtrack_simulation::Topic;

    use super::*;

    fn tap(id: &str, has_id: bool) -> Job {
        let publication = Publication {
            id: id.into(),
            has_id,
            topic: Topic::Created,
            about: String::from("order-1"),
            customer: None,
            priority: Priority::Medium,
            number: 1,
            padding_bytes: 0,
        };
        Job::new(publication, true, false)
    }

    #[test]
    fn what_bears_no_id_is_repeated_for_as_long_as_the_hub_knows_it_again_whoever_taps() {
        let (mut first, now) = (FirstSent::default(), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        assert!(first.lets(&tap("a", false), now));
        assert!(first.lets(&tap("a", false), after(7)), "it is known again");
        assert!(
            !first.lets(&tap("a", false), after(9)),
            "a second tap that waited is another event"
        );
        assert!(first.lets(&tap("b", false), after(9)), "nothing was sent of this one");
        assert!(first.lets(&tap("c", true), now) && first.lets(&tap("c", true), after(60)));
    }
}
