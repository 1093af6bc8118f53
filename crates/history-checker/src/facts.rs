//! What a history says before anybody judges it: events with their places, recipients with their sessions.

mod reader;

use std::collections::HashMap;

use foodtrack_contract::{Cursor, Epoch, Offset};

use self::reader::Reader;
use crate::{Attempt, Class, Kind, Receipt, Recipient, Record, Verdict};

/// A place in a tenant's log. Epochs are ranked as they appeared.
pub(crate) type Place = (usize, Offset);

/// An event that somebody tried to publish.
pub(crate) struct Event<'a> {
    pub(crate) attempt: &'a Attempt,
    /// The record of the first attempt.
    pub(crate) first_attempt: usize,
    attempts: usize,
    certain_refusals: usize,
    /// The record of the first acknowledgement.
    pub(crate) acknowledged: Option<usize>,
    /// Where it lies in the log, as far as anybody was told.
    pub(crate) place: Option<Place>,
    /// Where it lies, as its publisher was told last.
    answered: Option<Place>,
    /// Whether it was at two places, of which the log has let go of one.
    is_moved: bool,
    /// Whether its publisher was told that it is in no log: what need not be kept goes on without one.
    pub(crate) is_unlogged: bool,
    /// Whether it reached anybody.
    pub(crate) seen: bool,
    /// The last place that its tenant's publishers had been told when it was first sent.
    told_before: Option<Place>,
}

impl Event<'_> {
    /// Whether the hub had said of every attempt that it does not take it.
    pub(crate) fn is_refused(&self) -> bool {
        self.acknowledged.is_none() && self.certain_refusals >= self.attempts
    }

    /// It lies there. Of one that was elsewhere before, in a log that went back since, no place is taken for certain.
    fn put_at(&mut self, place: Option<Place>, may_move: bool) {
        self.is_moved |= may_move && self.place.is_some_and(|before| place != Some(before));
        self.place = place.filter(|_| !self.is_moved);
    }

    /// Whether it is for somebody whatever rooms they are in.
    pub(crate) fn stands_for(&self, who: &Recipient) -> bool {
        let audience = &self.attempt.audience;
        audience.applications.contains(&who.application) || audience.users.contains(&who.user)
    }
}

/// A recipient's session: its connections from one that was not recovered to the next such.
#[derive(Default)]
pub(crate) struct Chain<'a> {
    /// Orders it was in the room of: from the record of the answer to that of leaving.
    pub(crate) subscriptions: Vec<(&'a str, usize, usize)>,
}

impl Chain<'_> {
    /// For each room by which the event is for its recipient, the record of leaving it; the largest number where it stayed.
    pub(crate) fn leavings(&self, event: &Event<'_>) -> impl Iterator<Item = usize> {
        let makes_due = |(order, from, to): &&(&str, usize, usize)| {
            event.attempt.audience.orders.iter().any(|wanted| wanted == order)
                && *from < event.first_attempt
                && (*to == usize::MAX || event.acknowledged.is_some_and(|at| at < *to))
        };
        self.subscriptions.iter().filter(makes_due).map(|(.., to)| *to)
    }
}

/// One recipient.
pub(crate) struct Stream<'a> {
    pub(crate) who: &'a Recipient,
    /// The record before its first connection, and its time.
    began: usize,
    began_us: u64,
    pub(crate) subscriber: usize,
    pub(crate) chains: Vec<Chain<'a>>,
    /// Orders whose room it asked for, and the record of the answer that it has left; the largest number before that.
    pub(crate) asked_for: HashMap<&'a str, usize>,
    pub(crate) is_open: bool,
    /// Whether the hub gave it a private id when it connected last.
    has_pid: bool,
}

impl Stream<'_> {
    /// Whether the event may be for it by a room that it asked for.
    pub(crate) fn may_hear_in_a_room(&self, event: &Event<'_>) -> bool {
        let is_in = |order: &String| {
            self.asked_for.get(order.as_str()).is_some_and(|left_at| event.first_attempt < *left_at)
        };
        event.attempt.audience.orders.iter().any(is_in)
    }
}

/// Those whose cursor on the hub is one: a device, or a user with an application.
#[derive(Default)]
pub(crate) struct Subscriber<'a> {
    tenant: &'a str,
    /// The record of its first connection, as far as the hub can know of it: what it notes of somebody who came is safe once
    /// something durable that was sent later is.
    pub(crate) since: Option<usize>,
    is_kept: bool,
    /// A crash may have taken it: only who still has their private id brings it back.
    is_doubtful: bool,
    /// It came where the node may have had no way to the log, and the others may not know of it before this time, in microseconds.
    unheard_until_us: Option<u64>,
}

/// The whole.
#[derive(Default)]
pub(crate) struct Facts<'a> {
    pub(crate) events: Vec<Event<'a>>,
    pub(crate) streams: Vec<Stream<'a>>,
    pub(crate) subscribers: Vec<Subscriber<'a>>,
    by_id: HashMap<(&'a str, &'a str), usize>,
    by_name: HashMap<&'a str, usize>,
    epochs: HashMap<&'a str, Vec<Epoch>>,
    /// The last record after which what only memory held may be gone.
    pub(crate) forgot_at: Option<usize>,
    /// The last time that a hub was killed: who was about to connect before it may be greeted by it after its end.
    killed_at: Option<usize>,
    /// The last time that a log which nodes share was disturbed, or a node of it began.
    pub(crate) disturbed_at: Option<usize>,
    /// Until when a node may have no way to the log, in microseconds since the Unix epoch.
    disturbed_until_us: u64,
    /// Whether several nodes share the log.
    pub(crate) is_shared: bool,
    /// The last end of a hub's process.
    pub(crate) ended_at: Option<usize>,
    /// Whether the log that nodes share, or a way to it, was disturbed on the way.
    pub(crate) is_disturbed: bool,
    /// Whether the log that nodes share may have gone back on the way ([`What::LogReplaced`]). What is left of it has the places that
    /// it had, whatever epoch they are of then: epochs are not ranked.
    pub(crate) is_replaced: bool,
}

impl<'a> Facts<'a> {
    /// Reads a history; what publishers were told is judged on the way.
    pub(crate) fn read(records: &'a [Record], verdict: &mut Verdict) -> Self {
        Reader::new(verdict).read(records)
    }

    /// An event by its tenant and id.
    pub(crate) fn find(&self, tenant: &str, id: &str) -> Option<usize> {
        self.by_id.get(&(tenant, id)).copied()
    }

    /// A recipient by its name.
    pub(crate) fn stream(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// A recipient asked to be in an order's room; `left_at` is as in [`Stream::asked_for`].
    fn asks_for(&mut self, name: &str, order: &'a str, left_at: usize) {
        if let Some(stream) = self.stream(name) {
            self.streams[stream].asked_for.insert(order, left_at);
        }
    }

    fn chain(&mut self, name: &str) -> Option<&mut Chain<'a>> {
        let stream = self.stream(name)?;
        self.streams[stream].chains.last_mut()
    }

    /// The rank of an epoch among its tenant's; `None` for one that nobody was shown.
    pub(crate) fn rank(&self, tenant: &str, epoch: Epoch) -> Option<usize> {
        if self.is_replaced {
            return Some(0);
        }
        self.epochs.get(tenant)?.iter().position(|known| *known == epoch)
    }

    fn rank_of_new(&mut self, tenant: &'a str, epoch: Epoch) -> usize {
        if self.is_replaced {
            return 0;
        }
        let epochs = self.epochs.entry(tenant).or_default();
        epochs.iter().position(|known| *known == epoch).unwrap_or_else(|| {
            epochs.push(epoch);
            epochs.len() - 1
        })
    }

    fn attempted(&mut self, at: usize, attempt: &'a Attempt, told_before: Option<Place>) {
        let key = (attempt.tenant.as_str(), attempt.id.as_str());
        let event = *self.by_id.entry(key).or_insert_with(|| {
            self.events.push(Event {
                attempt,
                first_attempt: at,
                attempts: 0,
                certain_refusals: 0,
                acknowledged: None,
                place: None,
                answered: None,
                is_moved: false,
                is_unlogged: false,
                seen: false,
                told_before,
            });
            self.events.len() - 1
        });
        self.events[event].attempts += 1;
    }

    fn acknowledged(
        &mut self,
        at: usize,
        tenant: &'a str,
        id: &str,
        offset: Option<&str>,
        verdict: &mut Verdict,
    ) -> Option<Place> {
        let event = self.find(tenant, id)?;
        let place = offset.and_then(|text| self.place(tenant, text));
        // A process without its log does not know what that has, and what need not be kept goes on without it.
        let ended_at = self.ended_at.filter(|_| offset.is_none());
        let gone_at = self.forgot_at.max(ended_at);
        let event = &mut self.events[event];
        // A process that took a recoverable event to its grave leaves the next one free to give it another place; the answer
        // may arrive after its sender's end was noted.
        let is_gone = event.attempt.class == Class::Recoverable
            && gone_at.is_some_and(|at| at > event.first_attempt);
        // A node whose log is away takes what need not be kept without it, as another one may have taken it into the log. Of what
        // comes again it may know that it is there, and not where.
        let is_beside_the_log =
            (offset.is_none() || event.is_unlogged) && self.disturbed_at.is_some();
        let before = if self.is_replaced { event.answered } else { event.place };
        event.answered = place;
        if event.acknowledged.is_some() && before != place && !is_gone && !is_beside_the_log {
            verdict.add(Kind::Answer, format!("{tenant}: {id} was answered with two offsets"));
        }
        event.acknowledged.get_or_insert(at);
        if offset.is_none() && event.attempt.class == Class::Recoverable {
            (event.is_unlogged, event.place) = (true, None);
            return None;
        }
        // The answer counts for more than what a frame seemed to say.
        let answered = place.or(event.place);
        event.put_at(answered, self.is_replaced);
        answered
    }

    /// Something durable was acknowledged: what was noted before it was sent is safe.
    fn keep_subscribers(&mut self, tenant: &str, id: &str) {
        let event = self.find(tenant, id).map(|event| &self.events[event]);
        let Some(event) = event.filter(|it| it.attempt.class == Class::Durable) else { return };
        for subscriber in self.subscribers.iter_mut().filter(|it| it.tenant == tenant) {
            subscriber.is_kept |= subscriber.since.is_some_and(|at| at < event.first_attempt);
        }
    }

    /// The place that an answer names: a cursor, or an offset alone, which is one of the latest epoch that was shown.
    fn place(&mut self, tenant: &'a str, text: &str) -> Option<Place> {
        if let Some(cursor) = Cursor::parse(text) {
            return Some((self.rank_of_new(tenant, cursor.epoch()), cursor.through()));
        }
        let latest = self.epochs.get(tenant).map_or(0, |epochs| epochs.len().saturating_sub(1));
        text.parse().ok().and_then(Offset::new).map(|offset| (latest, offset))
    }

    fn opened(
        &mut self,
        (at, now_us): (usize, u64),
        name: &str,
        (recovered, is_unknown): (bool, bool),
        verdict: &mut Verdict,
    ) {
        let Some(stream) = self.stream(name) else { return };
        let stream = &mut self.streams[stream];
        verdict.count_connection(!stream.chains.is_empty(), recovered);
        if !recovered || stream.chains.is_empty() {
            stream.chains.push(Chain::default());
        }
        stream.is_open = true;
        let brings_nothing = !std::mem::replace(&mut stream.has_pid, !is_unknown);
        let subscriber = &mut self.subscribers[stream.subscriber];
        if brings_nothing {
            let began_us = stream.began_us;
            let is_unheard = subscriber.unheard_until_us.take().is_some_and(|it| began_us < it);
            if std::mem::take(&mut subscriber.is_doubtful) || is_unheard {
                subscriber.since = None;
            }
        }
        if !is_unknown {
            let may_be_killed = self.killed_at.is_some_and(|at| at > stream.began);
            if subscriber.since.is_none() {
                subscriber.is_doubtful |= may_be_killed;
                let until_us = Some(self.disturbed_until_us);
                subscriber.unheard_until_us = until_us.filter(|until_us| *until_us > now_us);
            }
            subscriber.since.get_or_insert(at);
        }
    }

    fn received(&mut self, receipt: &'a Receipt, cursors: &mut HashMap<&'a str, Cursor>) {
        let Some(stream) = self.stream(&receipt.recipient) else { return };
        let tenant = self.streams[stream].who.tenant.as_str();
        let cursor = receipt.cursor.as_deref().and_then(Cursor::parse);
        let Some(cursor) = cursor else { return self.saw(tenant, receipt, None) };
        let rank = self.rank_of_new(tenant, cursor.epoch());
        // A frame that stands for itself alone; where others had overtaken, its cursor may say more than its own place.
        let is_plain = |cursor: &Cursor| cursor.beyond().is_empty();
        let plain = is_plain(&cursor) && cursors.get(&*receipt.recipient).is_none_or(is_plain);
        // One that overtook is what its cursor names beside the rest and the one before did not. Where the rest is more than
        // before, it did not overtake: what is named came without a cursor of its own, and asked for an acknowledgement. So it may
        // be where there was no cursor before.
        let before = cursors.get(&*receipt.recipient);
        let goes_on = before.is_none_or(|before| cursor.through() > before.through());
        let mut fresh =
            cursor.beyond().iter().filter(|it| !before.is_some_and(|at| at.covers(**it)));
        let overtook = match (fresh.next(), fresh.next()) {
            (Some(offset), None) if !goes_on => Some((rank, *offset)),
            _ => None,
        };
        self.saw(tenant, receipt, plain.then(|| (rank, cursor.through())).or(overtook));
        cursors.insert(&receipt.recipient, cursor);
    }

    fn saw(&mut self, tenant: &str, receipt: &Receipt, place: Option<Place>) {
        let event = receipt.id.as_deref().and_then(|id| self.find(tenant, id));
        let Some(event) = event.map(|event| &mut self.events[event]) else { return };
        event.seen = true;
        if event.attempt.class != Class::Volatile && !event.is_unlogged {
            let place = match self.is_replaced {
                true => place.or(event.place),
                false => event.place.or(place),
            };
            event.put_at(place, self.is_replaced);
        }
    }

    /// A process ended: what it was noting of those who came to it may be gone.
    fn killed(&mut self, at: usize) {
        (self.ended_at, self.killed_at) = (Some(at), Some(at));
        self.subscribers.iter_mut().for_each(|it| it.is_doubtful |= !it.is_kept);
    }

    /// The log that nodes share is disturbed for so long. Who came to a node that has no way to it stays unheard of.
    fn disturbed(&mut self, at: usize, (now_us, for_ms): (u64, u64)) {
        self.disturbed_at = Some(at);
        let until_us = now_us + for_ms * 1_000;
        self.disturbed_until_us = self.disturbed_until_us.max(until_us);
        let unheard = self.subscribers.iter_mut().filter_map(|it| it.unheard_until_us.as_mut());
        unheard.filter(|it| **it > now_us).for_each(|it| *it = until_us.max(*it));
    }

    /// The log that nodes share may have gone back: so may what it knew of those who came.
    fn replaced(&mut self, at: usize) {
        (self.forgot_at, self.disturbed_at) = (Some(at), Some(at));
        self.subscribers.iter_mut().for_each(|it| it.is_doubtful |= !it.is_kept);
    }

    /// A recoverable event that went with a process, and was published again, has two places.
    fn forget_places(&mut self) {
        let forgot_at = self.forgot_at;
        let may_be_gone = |event: &&mut Event<'_>| {
            event.attempt.class == Class::Recoverable
                && forgot_at.is_some_and(|at| at > event.first_attempt)
        };
        self.events.iter_mut().filter(may_be_gone).for_each(|event| event.place = None);
    }

    fn check_offsets_rise(&self, verdict: &mut Verdict) {
        for event in &self.events {
            let (Some(place), Some(before)) = (event.place, event.told_before) else { continue };
            if event.acknowledged.is_some() && place <= before {
                let (id, tenant) = (&event.attempt.id, &event.attempt.tenant);
                let about = format!("{tenant}: {id} lies at {place:?}, after {before:?} was told");
                verdict.add(Kind::Answer, about);
            }
        }
    }
}
