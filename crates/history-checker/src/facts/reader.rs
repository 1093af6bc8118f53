//! Reads a history, record by record.

use std::collections::HashMap;

use foodtrack_contract::Cursor;

use super::{Facts, Place, Stream, Subscriber};
use crate::{Class, Kind, Recipient, Record, Verdict, What};

/// The facts so far, and what the next record is compared with.
pub(super) struct Reader<'a, 'v> {
    facts: Facts<'a>,
    verdict: &'v mut Verdict,
    /// The last place that a tenant's publishers were told.
    told: HashMap<&'a str, Place>,
    /// Whose a place is, by the first answer that named it.
    owners: HashMap<(&'a str, Place), &'a str>,
    /// By tenant, user, application and device.
    subscribers: HashMap<(&'a str, &'a str, &'a str, Option<&'a str>), usize>,
    /// The last cursor that a recipient was shown.
    cursors: HashMap<&'a str, Cursor>,
    /// When the disk had room again, until the hub is known to have found out.
    freed_at: Option<usize>,
}

impl<'a, 'v> Reader<'a, 'v> {
    pub(super) fn new(verdict: &'v mut Verdict) -> Self {
        Self {
            facts: Facts::default(),
            verdict,
            told: HashMap::new(),
            owners: HashMap::new(),
            subscribers: HashMap::new(),
            cursors: HashMap::new(),
            freed_at: None,
        }
    }

    pub(super) fn read(mut self, records: &'a [Record]) -> Facts<'a> {
        self.facts.is_replaced = records.iter().any(|it| matches!(it.what, What::LogReplaced));
        let is_disturbance = |it: &Record| matches!(it.what, What::LogDisturbed { .. });
        self.facts.is_disturbed = records.iter().any(is_disturbance);
        self.facts.is_shared = records.iter().any(|it| matches!(it.what, What::NodeUp { .. }));
        for (at, record) in records.iter().enumerate() {
            self.publishers(at, &record.what);
            self.recipients((at, record.at_us), &record.what);
            self.hub((at, record.at_us), &record.what);
        }
        if self.freed_at.is_some() {
            self.facts.forgot_at = Some(records.len());
        }
        self.facts.forget_places();
        self.facts.check_offsets_rise(self.verdict);
        self.facts
    }

    /// What publishers sent and were answered.
    fn publishers(&mut self, at: usize, what: &'a What) {
        match what {
            What::Attempted(attempt) => {
                let told_before = self.told.get(attempt.tenant.as_str()).copied();
                self.facts.attempted(at, attempt, told_before);
            }
            What::Acknowledged { tenant, id, offset } => {
                self.acknowledged(at, tenant, id, offset.as_deref());
            }
            What::Refused { tenant, id, certain: true, .. } => {
                if let Some(event) = self.facts.find(tenant, id) {
                    self.facts.events[event].certain_refusals += 1;
                }
            }
            _ => {}
        }
    }

    fn acknowledged(&mut self, at: usize, tenant: &'a str, id: &'a str, offset: Option<&str>) {
        self.verdict.count_acknowledged();
        // The log tries a full disk again by and by. Once it keeps what was sent since, it has found out.
        if let Some(freed) = self.freed_at
            && let Some(event) = self.facts.find(tenant, id).map(|it| &self.facts.events[it])
            && event.attempt.class == Class::Durable
            && event.first_attempt > freed
        {
            (self.facts.forgot_at, self.freed_at) = (Some(at), None);
        }
        self.facts.keep_subscribers(tenant, id);
        let place = self.facts.acknowledged(at, tenant, id, offset, self.verdict);
        let Some(place) = place else { return };
        let class = self.facts.find(tenant, id).map(|it| self.facts.events[it].attempt.class);
        // What need not be kept may be gone, and another one may be where it was.
        if self.facts.is_replaced && class != Some(Class::Durable) {
            return;
        }
        let last = self.told.entry(tenant).or_insert(place);
        *last = place.max(*last);
        let owner = *self.owners.entry((tenant, place)).or_insert(id);
        if owner != id {
            let about = format!("{tenant}: {owner} and {id} have one offset");
            self.verdict.add(Kind::Answer, about);
        }
    }

    /// What recipients did and were shown.
    fn recipients(&mut self, (at, now_us): (usize, u64), what: &'a What) {
        let facts = &mut self.facts;
        match what {
            What::Recipient(who) => self.recipient((at, now_us), who),
            What::Opened { recipient, recovered, is_unknown, .. } => {
                facts.opened((at, now_us), recipient, (*recovered, *is_unknown), self.verdict);
                if !recovered {
                    self.cursors.remove(recipient.as_str());
                }
            }
            What::Received(receipt) => facts.received(receipt, &mut self.cursors),
            What::Subscribing { recipient, order } => facts.asks_for(recipient, order, usize::MAX),
            What::Subscribed { recipient, order } => {
                if let Some(chain) = facts.chain(recipient) {
                    chain.subscriptions.push((order, at, usize::MAX));
                }
            }
            What::Unsubscribing { recipient, order } => {
                if let Some(chain) = facts.chain(recipient) {
                    let open = |entry: &&mut (&str, usize, usize)| {
                        entry.0 == order && entry.2 == usize::MAX
                    };
                    chain.subscriptions.iter_mut().filter(open).for_each(|entry| entry.2 = at);
                }
            }
            What::Unsubscribed { recipient, order } => facts.asks_for(recipient, order, at),
            What::Torn { recipient } | What::Ended { recipient } => {
                if let Some(stream) = facts.stream(recipient) {
                    facts.streams[stream].is_open = false;
                }
            }
            _ => {}
        }
    }

    fn recipient(&mut self, (began, began_us): (usize, u64), who: &'a Recipient) {
        let facts = &mut self.facts;
        let key = (&*who.tenant, &*who.user, &*who.application, who.device.as_deref());
        let subscriber = *self.subscribers.entry(key).or_insert_with(|| {
            let tenant = &who.tenant;
            facts.subscribers.push(Subscriber { tenant, ..Subscriber::default() });
            facts.subscribers.len() - 1
        });
        facts.by_name.insert(&who.recipient, facts.streams.len());
        let (chains, asked_for) = (Vec::new(), HashMap::new());
        let (is_open, has_pid) = (false, false);
        facts.streams.push(Stream {
            who,
            began,
            began_us,
            subscriber,
            chains,
            asked_for,
            is_open,
            has_pid,
        });
    }

    /// What became of the hub's process and of its disk.
    fn hub(&mut self, (at, now_us): (usize, u64), what: &What) {
        let facts = &mut self.facts;
        match what {
            What::HubKilled => {
                facts.forgot_at = Some(at);
                facts.killed(at);
            }
            // What the nodes share outlives each of them, and what need not be kept as well.
            What::NodeKilled { .. } => facts.killed(at),
            What::HubStopping | What::NodeStopping { .. } => facts.ended_at = Some(at),
            What::DiskFull => facts.forgot_at = Some(at),
            What::DiskFreed => (facts.forgot_at, self.freed_at) = (Some(at), Some(at)),
            // A new process finds the disk as it is.
            What::HubUp if self.freed_at.take().is_some() => facts.forgot_at = Some(at),
            What::NodeUp { .. } => facts.disturbed_at = Some(at),
            What::LogDisturbed { for_ms, .. } => facts.disturbed(at, (now_us, *for_ms)),
            What::LogReplaced => facts.replaced(at),
            What::Stuck { about } => self.verdict.add(Kind::Stuck, about.clone()),
            _ => {}
        }
    }
}
