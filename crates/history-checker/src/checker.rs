//! What a history must show, and where it does not.

mod replaced_log;
mod session;

use std::collections::{HashMap, HashSet};

use foodtrack_contract::{Cursor, Offset};

use self::session::Session;
use crate::facts::{Event, Facts, Place, Stream};
use crate::{Class, Kind, Receipt, Record, Verdict, What};

/// Judges a history that ended quietly: everybody who was to come back had come back, and nothing was under way.
///
/// An event must reach a recipient when it is in the log (acknowledged, or shown to anybody), its audience holds the recipient
/// for certain, and it was first sent after the recipient had first connected. Who has several sockets under one cursor of
/// the hub (no device named) must have it on one of them, and each session must have all from where it began. Who asks to
/// leave an order, and is torn off before it has what came about it, is not brought it later.
pub fn check(records: &[Record]) -> Verdict {
    let mut verdict = Verdict::default();
    let facts = Facts::read(records, &mut verdict);
    let mut checker = Checker::new(&facts);
    for (at, record) in records.iter().enumerate() {
        match &record.what {
            What::Opened { recipient, recovered, .. } => checker.opened(at, recipient, *recovered),
            What::Received(receipt) => {
                checker.now_us = record.at_us;
                checker.received(at, receipt, &mut verdict);
            }
            What::Torn { recipient } => checker.torn(at, recipient),
            What::HubUp | What::NodeKilled { .. } => checker.confirmed.clear(),
            What::Confirmed { recipient, id } => checker.confirmed(record.at_us, recipient, id),
            What::GapTold { recipient } => checker.gap_told(at, recipient),
            What::LogRead { tenant, ids } => checker.log_read(tenant, ids, &mut verdict),
            _ => {}
        }
    }
    checker.end(&mut verdict);
    verdict
}

/// How long an event may be on its way to somebody whose acknowledgement of it has come, in microseconds.
const ON_ITS_WAY_US_MAX: u64 = 12_000_000;

struct Checker<'a> {
    facts: &'a Facts<'a>,
    now_us: u64,
    /// When an acknowledgement came, by stream and event. A process that begins anew may not know of it, and neither does a
    /// session that begins anew without a device: then the event may come once more.
    confirmed: HashMap<(usize, usize), u64>,
    /// What each stream or another page of its device acknowledged, and the hub heard of: a session that it begins anew need
    /// not bring that again.
    acknowledged: Vec<HashSet<usize>>,
    /// How urgent each event is in effect: an urgent one takes earlier ones of its entity along.
    urgency: Vec<usize>,
    sessions: Vec<Option<Session>>,
    received: Vec<HashSet<usize>>,
    received_by_subscriber: Vec<HashSet<usize>>,
    /// Events that came to somebody beside the log, which has them as well.
    beside: HashSet<usize>,
    /// For each subscriber the last record at which it was told that it may lack something, where the log may have gone back.
    told_of_gap: Vec<usize>,
    /// For each recipient the record of its last connection.
    connected_at: Vec<Option<usize>>,
}

impl<'a> Checker<'a> {
    fn new(facts: &'a Facts<'a>) -> Self {
        let streams = facts.streams.len();
        Self {
            facts,
            now_us: 0,
            confirmed: HashMap::new(),
            acknowledged: vec![HashSet::new(); streams],
            urgency: urgency(facts),
            sessions: (0..streams).map(|_| None).collect(),
            received: vec![HashSet::new(); streams],
            received_by_subscriber: vec![HashSet::new(); facts.subscribers.len()],
            beside: HashSet::new(),
            told_of_gap: vec![0; facts.subscribers.len()],
            connected_at: vec![None; streams],
        }
    }

    fn confirmed(&mut self, at_us: u64, name: &str, id: &str) {
        let Some(stream) = self.facts.stream(name) else { return };
        if let Some(event) = self.facts.find(&self.facts.streams[stream].who.tenant, id) {
            self.confirmed.entry((stream, event)).or_insert(at_us);
            let own = &self.facts.streams[stream];
            for (place, other) in self.facts.streams.iter().enumerate() {
                let is_same_device = own.who.device.is_some() && other.subscriber == own.subscriber;
                if place == stream || is_same_device {
                    self.acknowledged[place].insert(event);
                }
            }
        }
    }

    /// Takes in an event that asks for an acknowledgement: it comes in any order, and again, until the hub has that.
    fn arrived_asking(&mut self, stream: usize, event: usize, name: &str, verdict: &mut Verdict) {
        let subscriber = self.facts.streams[stream].subscriber;
        // What a node could not note no other one knows.
        let confirmed = self.confirmed.get(&(stream, event)).filter(|_| !self.facts.is_disturbed);
        if confirmed.is_some_and(|at_us| self.now_us > at_us + ON_ITS_WAY_US_MAX) {
            let id = &self.facts.events[event].attempt.id;
            let about = format!("{name} got {id} again after the hub had its acknowledgement");
            verdict.add(Kind::Repeated, about);
        }
        self.received[stream].insert(event);
        self.received_by_subscriber[subscriber].insert(event);
        if let Some(session) = &mut self.sessions[stream] {
            session.received.insert(event);
        }
    }

    fn opened(&mut self, at: usize, name: &str, recovered: bool) {
        let Some(stream) = self.facts.stream(name) else { return };
        self.connected_at[stream] = Some(at);
        if recovered && self.sessions[stream].is_some() {
            return;
        }
        // Without a device the hub knows what a session acknowledged, and not what the one before it did.
        if self.facts.streams[stream].who.device.is_none() {
            self.confirmed.retain(|(other, _), _| *other != stream);
        }
        let chain = self.sessions[stream].take().map_or(0, |session| session.chain + 1);
        let mut due: Vec<(Place, usize)> = (0..self.facts.events.len())
            .filter(|event| self.is_due(stream, Some(chain), *event))
            .filter_map(|event| Some((self.facts.events[event].place?, event)))
            .collect();
        due.sort_unstable();
        self.sessions[stream] = Some(Session { chain, due, ..Session::default() });
    }

    /// Whether the event must reach the stream: for what it is, or in the chain for the rooms it was in.
    fn is_due(&self, stream: usize, chain: Option<usize>, event: usize) -> bool {
        let event = &self.facts.events[event];
        let stream = &self.facts.streams[stream];
        let since = self.facts.subscribers[stream.subscriber].since;
        let kept = match event.attempt.class {
            Class::Durable => {
                event.acknowledged.is_some() || (event.seen && !self.facts.is_replaced)
            }
            Class::Recoverable => {
                event.acknowledged.is_some()
                    && !event.is_unlogged
                    && self.facts.forgot_at.is_none_or(|at| at < event.first_attempt)
            }
            Class::Volatile => false,
        };
        let is_told = event.first_attempt < self.told_of_gap[stream.subscriber];
        if !kept || is_told || event.attempt.tenant != stream.who.tenant {
            return false;
        }
        // Who was greeted without the log alone is not known to it, nor are the rooms that they entered.
        if since.is_none_or(|since| since >= event.first_attempt) {
            return false;
        }
        if event.stands_for(stream.who) {
            return true;
        }
        let Some(chain) = chain.and_then(|chain| stream.chains.get(chain)) else { return false };
        // Where nodes share the log, somebody leaves a room where their node stands, which may not have heard of the event yet.
        chain.leavings(event).any(|left_at| left_at == usize::MAX || !self.facts.is_shared)
    }

    /// What is due for a room that was left, and did not arrive while the line held, is due no more.
    fn torn(&mut self, at: usize, name: &str) {
        let Some(stream) = self.facts.stream(name) else { return };
        let Some(Session { chain, due, received, last, .. }) = &mut self.sessions[stream] else {
            return;
        };
        let Stream { who, chains, .. } = &self.facts.streams[stream];
        let Some(chain) = chains.get(*chain) else { return };
        due.retain(|(place, event)| {
            let facts = &self.facts.events[*event];
            let stands = facts.stands_for(who);
            let is_in_room = chain.leavings(facts).any(|left_at| left_at > at);
            let has_come = received.contains(event)
                || last.as_ref().is_some_and(|(rank, last)| covers(*rank, last, *place));
            stands || is_in_room || has_come
        });
    }

    fn received(&mut self, at: usize, receipt: &Receipt, verdict: &mut Verdict) {
        let Some(stream) = self.facts.stream(&receipt.recipient) else { return };
        let who = self.facts.streams[stream].who;
        let name = format!("{} of {}", who.recipient, who.tenant);
        let strange = |tenant: &Option<String>| tenant.as_ref().is_some_and(|t| *t != who.tenant);
        if strange(&receipt.tenant) || strange(&receipt.origin) {
            verdict.add(Kind::Foreign, format!("{name} got {receipt:?}"));
            return;
        }
        if self.sessions[stream].is_none() {
            verdict.add(Kind::Cursor, format!("{name} got {} before CONNECT", receipt.event_type));
            return;
        }
        // The server's own messages have ids too, and are nobody's publication.
        let id = receipt.id.as_ref().filter(|_| !receipt.event_type.starts_with("system:"));
        let event = id.and_then(|id| self.facts.find(&who.tenant, id));
        if let (Some(id), None) = (id, event) {
            verdict.add(Kind::Foreign, format!("{name} got {id}, which nobody sent"));
        }
        if let (true, Some(event)) = (receipt.asks, event) {
            return self.arrived_asking(stream, event, &name, verdict);
        }
        if let Some(event) = event
            && self.came_beside_the_log(stream, event, receipt)
        {
            self.arrived_beside_the_log(stream, event, verdict);
            return self.cursor(at, stream, receipt, None, &name, verdict);
        }
        let is_repeat = event.is_some_and(|event| !self.arrived(stream, event, &name, verdict));
        self.cursor(at, stream, receipt, event.filter(|_| !is_repeat), &name, verdict);
    }

    /// Whether a node whose log was away sent an event that need not be kept, though another one took it into the log: its cursor
    /// says nothing of it.
    fn came_beside_the_log(&self, stream: usize, event: usize, receipt: &Receipt) -> bool {
        let facts = &self.facts.events[event];
        let (Class::Recoverable, Some(place)) = (facts.attempt.class, facts.place) else {
            return false;
        };
        let tenant = &self.facts.streams[stream].who.tenant;
        let cursor = receipt.cursor.as_deref().and_then(Cursor::parse);
        let rank = cursor.as_ref().and_then(|it| self.facts.rank(tenant, it.epoch()));
        let covers_it = rank.zip(cursor).is_some_and(|(rank, it)| covers(rank, &it, place));
        self.facts.disturbed_at.is_some() && !covers_it
    }

    /// Takes in an event that came beside the log. From the log it may come once more.
    fn arrived_beside_the_log(&mut self, stream: usize, event: usize, verdict: &mut Verdict) {
        self.beside.insert(event);
        let Some(session) = &mut self.sessions[stream] else { return };
        if !session.received.insert(event) || !self.received[stream].insert(event) {
            verdict.count_reshown();
        }
        self.received_by_subscriber[self.facts.streams[stream].subscriber].insert(event);
    }

    /// Takes an event in; false where it is a repeat.
    fn arrived(&mut self, stream: usize, event: usize, name: &str, verdict: &mut Verdict) -> bool {
        let facts = &self.facts.events[event];
        let own_stream = &self.facts.streams[stream];
        let who = own_stream.who;
        // What a device missed in the rooms it was in is for it also when it has begun anew.
        let may_hear = |other: &&Stream<'_>| {
            let is_same_device = who.device.is_some() && other.subscriber == own_stream.subscriber;
            (is_same_device || std::ptr::eq(*other, own_stream)) && other.may_hear_in_a_room(facts)
        };
        let attempt = facts.attempt;
        let described = format!("{} {}", attempt.event_type, attempt.id);
        let is_meant = facts.stands_for(who) || self.facts.streams.iter().any(|it| may_hear(&it));
        if !is_meant {
            verdict.add(Kind::Foreign, format!("{name} is not in the audience of {described}"));
        }
        if facts.is_refused() {
            verdict.add(Kind::Phantom, format!("{name} got {described}, which was refused"));
        }
        let Some(session) = &mut self.sessions[stream] else { return false };
        if !session.received.insert(event) {
            if self.may_repeat(stream, event) {
                verdict.count_reshown();
            } else {
                verdict.add(Kind::Repeated, format!("{name} got {described} twice in one session"));
            }
            return false;
        }
        if !self.received[stream].insert(event) {
            verdict.count_reshown();
        }
        self.received_by_subscriber[self.facts.streams[stream].subscriber].insert(event);
        if let Some(place) = facts.place {
            let own = attempt.priority as usize;
            // What is for it by a room alone that it entered later may come once the hub knows that it is in there.
            let chain = own_stream.chains.get(session.chain);
            let is_due = facts.stands_for(who)
                || chain.is_some_and(|it| it.leavings(facts).next().is_some());
            let is_behind = |other: &Place| *other > place;
            let overtook = is_due && session.furthest[..=own].iter().flatten().any(is_behind);
            let entity = attempt.entity.as_deref();
            let before = entity.and_then(|entity| session.furthest_of_entity.get(entity));
            if overtook || before.is_some_and(|before| *before > place) {
                let about = format!("{name} got {described} at {place:?} after a later one");
                verdict.add(Kind::Disorder, about);
            }
            let furthest = &mut session.furthest[self.urgency[event]];
            *furthest = (*furthest).max(Some(place));
            if let Some(entity) = entity {
                let furthest = session.furthest_of_entity.entry(entity.to_owned()).or_insert(place);
                *furthest = place.max(*furthest);
            }
        }
        true
    }

    /// Whether an event may come twice in a session: of what memory alone held, a new process cannot know the ids.
    fn may_repeat(&self, stream: usize, event: usize) -> bool {
        let event_facts = &self.facts.events[event];
        let Facts { forgot_at, ended_at, disturbed_at, .. } = self.facts;
        let gone_at = match event_facts.attempt.class {
            Class::Durable => None,
            // A node may be without the log for longer than that was disturbed.
            Class::Recoverable
                if self.beside.contains(&event)
                    || (event_facts.is_unlogged && disturbed_at.is_some()) =>
            {
                return true;
            }
            Class::Recoverable if event_facts.is_unlogged => *forgot_at.max(ended_at),
            Class::Recoverable => *forgot_at,
            // What nodes pass on to each other is late where the way between them is, and then its recipient may have moved.
            Class::Volatile => {
                // A node where nobody of the tenant was has not heard of what was sent before, and takes it when it is sent again.
                let moved_at = self.connected_at[stream].filter(|_| self.facts.is_shared);
                *ended_at.max(disturbed_at).max(&moved_at)
            }
        };
        gone_at.is_some_and(|at| at > event_facts.first_attempt)
    }

    /// Compares the cursor of a frame with what arrived. `event` is what the frame brought that was new.
    fn cursor(
        &mut self,
        at: usize,
        stream: usize,
        receipt: &Receipt,
        event: Option<usize>,
        name: &str,
        verdict: &mut Verdict,
    ) {
        let facts = self.facts;
        let acknowledged = &self.acknowledged[stream];
        let Some(session) = &mut self.sessions[stream] else { return };
        let what = &receipt.event_type;
        let tenant = &facts.streams[stream].who.tenant;
        let parsed = receipt.cursor.as_deref().and_then(Cursor::parse);
        let ranked = parsed.and_then(|cursor| Some((facts.rank(tenant, cursor.epoch())?, cursor)));
        let Some((rank, cursor)) = ranked else {
            // Before the hub knows where a new session stands it says nothing; what is in no log may come all the same.
            let is_in_no_log = event.is_none_or(|event| may_be_in_no_log(&facts.events[event]));
            // Nor does a node that does not know yet how far the log goes from which the session is back.
            let is_elsewhere = session.last.is_none() || facts.disturbed_at.is_some();
            let may_lack = receipt.cursor.is_none() && is_in_no_log && is_elsewhere;
            if !may_lack && !std::mem::replace(&mut session.said_cursor_is_missing, true) {
                let about = format!("{name}: {what} came with {:?}, no cursor", receipt.cursor);
                verdict.add(Kind::Cursor, about);
            }
            return;
        };
        let place = event
            .filter(|event| facts.events[*event].attempt.class != Class::Volatile)
            .and_then(|event| facts.events[event].place);
        if place.is_some_and(|place| !covers(rank, &cursor, place)) {
            let about = format!("{name}: {what} at {place:?} came with {cursor}, without itself");
            verdict.add(Kind::Cursor, about);
        }
        let subscriber = facts.streams[stream].subscriber;
        match &session.last {
            None => {
                let start = start(rank, &cursor, place);
                let had = &self.received_by_subscriber[subscriber];
                for (place, event) in session.due.iter().filter(|_| !facts.is_replaced) {
                    let published = facts.events[*event].first_attempt < at;
                    if published && covers(start.0, &start.1, *place) && !had.contains(event) {
                        let id = &facts.events[*event].attempt.id;
                        let about = format!("{name}: begins at {} without {id}", start.1);
                        verdict.add(Kind::Cursor, about);
                    }
                }
                session.start = Some(start);
            }
            Some((last_rank, last)) => {
                if !follows((*last_rank, last), (rank, &cursor)) {
                    let about = format!("{name}: {cursor} came after {last}, with {what}");
                    verdict.add(Kind::Cursor, about);
                }
                if place.is_some_and(|place| covers(*last_rank, last, place)) {
                    let about = format!("{name}: {what} at {place:?} came after {last}");
                    verdict.add(Kind::Cursor, about);
                }
            }
        }
        session.take_cursor((rank, cursor), |place, event, cursor| {
            // Another one may have been there, of which a log that went back has let go. Who lacks what is seen at the end.
            if acknowledged.contains(&event) || facts.is_replaced {
                return;
            }
            let id = &facts.events[event].attempt.id;
            let about = format!("{name}: {cursor} came with {what}, but {id} at {place:?} did not");
            verdict.add(Kind::Cursor, about);
        });
    }

    /// Who lacks what, now that all is quiet.
    fn end(&self, verdict: &mut Verdict) {
        let facts = self.facts;
        let mut told = HashSet::new();
        let is_open = |stream: &usize| facts.streams[*stream].is_open;
        let lost = |stream: usize, event: &Event<'_>, verdict: &mut Verdict| {
            let who = facts.streams[stream].who;
            let Event { attempt, place, .. } = event;
            let (name, tenant, kind, id) =
                (&who.recipient, &who.tenant, &attempt.event_type, &attempt.id);
            verdict.add(Kind::Lost, format!("{name} of {tenant} lacks {kind} {id} at {place:?}"));
        };
        for stream in (0..facts.streams.len()).filter(is_open) {
            let subscriber = facts.streams[stream].subscriber;
            for (index, event) in facts.events.iter().enumerate() {
                if !self.is_due(stream, None, index) || !told.insert((subscriber, index)) {
                    continue;
                }
                verdict.count_expected();
                if !self.received_by_subscriber[subscriber].contains(&index) {
                    lost(stream, event, verdict);
                } else {
                    told.remove(&(subscriber, index));
                }
            }
            let Some(session) = &self.sessions[stream] else { continue };
            for (place, index) in &session.due {
                let begins_behind =
                    session.start.as_ref().is_none_or(|(rank, start)| covers(*rank, start, *place));
                let is_told = told.contains(&(subscriber, *index));
                let has_it =
                    session.received.contains(index) || self.acknowledged[stream].contains(index);
                if !begins_behind && !is_told && !has_it {
                    lost(stream, &facts.events[*index], verdict);
                }
            }
        }
    }
}

/// Whether the event may come without the log: where the log is away, what need not be kept goes on without it.
fn may_be_in_no_log(event: &Event<'_>) -> bool {
    match event.attempt.class {
        Class::Durable => false,
        Class::Recoverable => event.place.is_none(),
        Class::Volatile => true,
    }
}

/// For each event how urgent the most urgent one of its entity is that does not lie before it.
fn urgency(facts: &Facts<'_>) -> Vec<usize> {
    let mut urgency: Vec<usize> =
        facts.events.iter().map(|event| event.attempt.priority as usize).collect();
    let mut order: Vec<usize> =
        (0..urgency.len()).filter(|event| facts.events[*event].place.is_some()).collect();
    order.sort_unstable_by_key(|event| std::cmp::Reverse(facts.events[*event].place));
    let mut highest: HashMap<(&str, &str), usize> = HashMap::new();
    // One that asked for an acknowledgement, and whose publisher was told nothing, may lie behind any.
    let may_be_behind = |event: &&Event<'_>| {
        event.seen && event.place.is_none() && event.attempt.class == Class::Durable
    };
    for event in facts.events.iter().filter(may_be_behind) {
        let Some(entity) = &event.attempt.entity else { continue };
        let highest = highest.entry((&event.attempt.tenant, entity)).or_insert(0);
        *highest = (event.attempt.priority as usize).max(*highest);
    }
    for event in order {
        let attempt = facts.events[event].attempt;
        let Some(entity) = &attempt.entity else { continue };
        let highest = highest.entry((&attempt.tenant, entity)).or_insert(0);
        *highest = urgency[event].max(*highest);
        urgency[event] = *highest;
    }
    urgency
}

fn covers(rank: usize, cursor: &Cursor, place: Place) -> bool {
    place.0 < rank || (place.0 == rank && cursor.covers(place.1))
}

/// Whether the second cursor covers all that the first covers.
fn follows((rank, before): (usize, &Cursor), (new_rank, after): (usize, &Cursor)) -> bool {
    rank < new_rank
        || (rank == new_rank
            && before.through() <= after.through()
            && before.beyond().iter().all(|offset| after.covers(*offset)))
}

/// Where a session began whose first frame has this cursor and brings the event of this place.
fn start(rank: usize, cursor: &Cursor, place: Option<Place>) -> (usize, Cursor) {
    let own = place.filter(|place| place.0 == rank).map(|(_, offset)| offset);
    let through = match own {
        Some(own) if own == cursor.through() => Offset::new(own.get().saturating_sub(1)),
        _ => None,
    };
    let mut start = Cursor::new(cursor.epoch(), through.unwrap_or(cursor.through()));
    for offset in cursor.beyond().iter().filter(|offset| Some(**offset) != own) {
        // The list came out of a cursor: it fits into one.
        let _fits = start.add(*offset);
    }
    (rank, start)
}
