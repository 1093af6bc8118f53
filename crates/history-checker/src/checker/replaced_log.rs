//! A log that may have gone back: who was told, and what it has at the end.

use std::collections::HashSet;

use super::Checker;
use crate::{Class, Kind, Verdict};

impl Checker<'_> {
    /// Somebody was told that the hub cannot bring what they may have missed. Where the log may have gone back, that may be all
    /// that was sent before; whether the log has lost any of that is seen at its end.
    pub(super) fn gap_told(&mut self, at: usize, name: &str) {
        let Some(stream) = self.facts.stream(name).filter(|_| self.facts.is_replaced) else {
            return;
        };
        let subscriber = self.facts.streams[stream].subscriber;
        self.told_of_gap[subscriber] = at;
        let events = &self.facts.events;
        let of_subscriber = self.facts.streams.iter().zip(&mut self.sessions);
        let sessions = of_subscriber
            .filter(|(it, _)| it.subscriber == subscriber)
            .filter_map(|(_, session)| session.as_mut());
        for session in sessions {
            session.due.retain(|(_, event)| events[*event].first_attempt >= at);
            session.covered = 0;
        }
    }

    /// A tenant's log was read: it has what publishers were told that it keeps.
    pub(super) fn log_read(&self, tenant: &str, ids: &[String], verdict: &mut Verdict) {
        let ids: HashSet<&str> = ids.iter().map(String::as_str).collect();
        let must_be_there = self.facts.events.iter().filter(|event| {
            let attempt = event.attempt;
            attempt.tenant == tenant
                && attempt.class == Class::Durable
                && event.acknowledged.is_some()
        });
        for event in must_be_there.filter(|event| !ids.contains(event.attempt.id.as_str())) {
            let attempt = event.attempt;
            let about = format!(
                "the log of {tenant} lacks {} {}, which was acknowledged at {:?}",
                attempt.event_type, attempt.id, event.place
            );
            verdict.add(Kind::Lost, about);
        }
    }
}
