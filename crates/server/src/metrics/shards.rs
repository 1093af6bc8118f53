//! What the shards count.

use std::sync::Arc;

use foodtrack_contract::ErrorCode;
use foodtrack_measures::HistogramReading;
use foodtrack_shard::Counters;

use super::page::{Labels, Page, seconds};

/// What a number is, for who reads the page.
struct Description {
    name: &'static str,
    help: &'static str,
    is_gauge: bool,
}

macro_rules! describe {
    ($( $kind:ident $name:ident: $help:literal; )*) => {
        &[ $( Description {
            name: stringify!($name),
            help: $help,
            is_gauge: describe!(@ $kind),
        }, )* ]
    };
    (@ gauge) => { true };
    (@ counter) => { false };
}

const SHARD_NUMBERS: &[Description] = describe! {
    gauge connections: "Authenticated connections now.";
    gauge tenants: "Tenants with at least one connection now.";
    counter connections_opened: "Clients that authenticated.";
    counter connections_closed: "Authenticated clients that went away.";
    counter handshakes_refused: "Handshakes that were refused.";
    counter events_refused: "Events refused.";
    counter tenant_mismatches: "Refused events that named another tenant.";
    counter rate_limited: "Refused events that were over a rate.";
    counter duplicates: "Repeated messages, answered with their first result.";
    counter deliveries: "Frames handed to a recipient's transport or queue.";
    counter deliveries_dropped: "Frames dropped for slow readers.";
    counter untranslated: "Events that were not sent to the connections of an application of the profile, because they cannot be made what its pages survive; once for each application.";
    counter unredacted: "Events that were not sent to those from whom a part is hidden, because it could not be left out; once for each way to see them.";
    counter undeliverable: "Events that cannot be said in the parser of a client that they were for.";
    counter slow_readers_closed: "Connections closed for reading too slowly.";
    counter arrivals_delayed: "Clients that waited for their turn to come in.";
    counter sessions_recovered: "Clients whose session came back.";
    counter sessions_forgotten: "Sessions that were forgotten because their user or tenant had too many.";
    counter replayed: "Events sent to clients that had missed them.";
    counter replays: "Clients that got events they had missed.";
    counter replay_expired: "Missed events that were past their time.";
    counter replay_compacted: "Missed events that a later one made superfluous.";
    counter gaps_told: "Clients told that something they had missed is gone.";
    counter tokens_expiring: "Clients told that their token ends soon.";
    counter acknowledged: "Events that clients acknowledged.";
    counter retries: "Events sent again because no acknowledgement came.";
    counter dead_letters: "Events given up for a subscriber.";
    counter escalations: "Events that were not confirmed in time.";
    counter requests_forwarded: "Clients' requests that were handed on to the business back end.";
    counter tenant_panics: "Panics in a tenant's turn: its clients connected again, and it was opened again from its log.";
    gauge table_bytes: "Memory of tenants' tables of ids seen, of orders' owners and of what was emitted last, about.";
    counter tables_given_up: "Tables of a tenant that were given up for others': its log is asked instead.";
    counter tenants_closed: "Tenants whose log was closed because nobody had been there for a while.";
    gauge queued_frames: "Frames that wait for slow or polling readers.";
    gauge queued_bytes: "Bytes of the frames that wait for slow or polling readers.";
    gauge logs_away: "Tenants that go on without their log.";
    gauge log_failed: "1 once the disk of the log has failed: durable events are refused until the server is started anew.";
};

/// What took how long, of all shards together.
const TIMES: [(&str, &str, &str); 5] = [
    ("turn", "turn_seconds", "Turns of the shards' loops, without waiting for something to do."),
    (
        "publish_to_write",
        "publish_to_write_seconds",
        "From reading a client's event to having written its frames to the sockets, of each turn that delivered some.",
    ),
    (
        "publish_to_commit",
        "publish_to_commit_seconds",
        "From accepting an event to its release by the log, of events that waited for it.",
    ),
    (
        "publish_to_confirm",
        "publish_to_confirm_seconds",
        "From delivering an event that asks for an acknowledgement to getting one.",
    ),
    (
        "replay",
        "replay_seconds",
        "From a client's coming in to its being up to date, of clients that had missed something.",
    ),
];

type Read = fn(&Counters) -> u64;

/// Why somebody whom an event was for did not get it, and the counter that says how often.
const DROPS: [(&str, Read); 7] = [
    ("slow_reader", |it| it.deliveries_dropped.get()),
    ("untranslated", |it| it.untranslated.get()),
    ("unredacted", |it| it.unredacted.get()),
    ("undeliverable", |it| it.undeliverable.get()),
    ("expired", |it| it.replay_expired.get()),
    ("compacted", |it| it.replay_compacted.get()),
    ("given_up", |it| it.dead_letters.get()),
];

/// What each shard counts, and what all of them do.
pub(super) fn of_shards(page: &mut Page, shards: &[Arc<Counters>]) {
    let mut names = Vec::new();
    Counters::default().each(|name, _| names.push(name));
    for name in names {
        let Some(known) = SHARD_NUMBERS.iter().find(|number| number.name == name) else { continue };
        let samples = of_each(shards, |shard| {
            let mut of_name = 0;
            shard.each(|each, value| of_name += if each == name { value } else { 0 });
            of_name
        });
        let full = format!("foodtrack_{name}");
        match known.is_gauge {
            true => page.gauges(&full, known.help, samples),
            false => page.counters(&full, known.help, samples),
        }
    }
    let accepted = of_each(shards, |shard| shard.events.total());
    let help = "Events accepted from clients and back ends.";
    page.counters("foodtrack_events_accepted", help, accepted);
    let busy = of_each(shards, |shard| seconds(shard.times.turn.read().sum_us));
    let help = "Time that a shard's loop was at work: of a second, so much of its core is used.";
    page.counters("foodtrack_shard_busy_seconds", help, busy);
    of_times(page, shards);
    of_events(page, shards);
    of_reasons(page, shards);
}

fn of_each<N>(shards: &[Arc<Counters>], read: impl Fn(&Counters) -> N) -> Vec<(Labels, N)> {
    let sample =
        |(i, shard): (usize, &Arc<Counters>)| (vec![("shard", i.to_string())], read(shard));
    shards.iter().enumerate().map(sample).collect()
}

fn of_times(page: &mut Page, shards: &[Arc<Counters>]) {
    for (name, shown, help) in TIMES {
        let mut all = HistogramReading::default();
        for shard in shards {
            shard.times.each(|each, histogram| {
                if each == name {
                    all.add(&histogram.read());
                }
            });
        }
        page.histogram(&format!("foodtrack_{shown}"), help, all);
    }
}

/// Events and deliveries by their class and group.
fn of_events(page: &mut Page, shards: &[Arc<Counters>]) {
    type Kind = fn(&Counters) -> &foodtrack_shard::EventCounts;
    let of_kind = |read: Kind| {
        let mut all: Vec<(Labels, u64)> = Vec::new();
        for shard in shards {
            for (i, (class, group, count)) in read(shard).each().enumerate() {
                if let Some((_, sum)) = all.get_mut(i) {
                    *sum += count;
                    continue;
                }
                let labels =
                    vec![("class", class.as_str().to_owned()), ("group", group.to_owned())];
                all.push((labels, count));
            }
        }
        all
    };
    let help = "Accepted events, by how they travel and what they are about.";
    page.counters("foodtrack_events", help, of_kind(|it| &it.events));
    let help = "Deliveries of events as they came, by how those travel and what they are about; an event counts as durable where it waited for a disk.";
    page.counters("foodtrack_event_deliveries", help, of_kind(|it| &it.delivered));
}

fn of_reasons(page: &mut Page, shards: &[Arc<Counters>]) {
    let sum = |read: &dyn Fn(&Counters) -> u64| shards.iter().map(|shard| read(shard)).sum::<u64>();
    let drops = DROPS.map(|(reason, read)| (vec![("reason", reason.to_owned())], sum(&read)));
    page.counters("foodtrack_drops", "What was not delivered, by why.", drops);
    let reasons = Counters::default();
    let disconnects = reasons.disconnects.each().map(|(reason, _)| {
        let of_shard = |shard: &Counters| {
            shard.disconnects.each().find(|(other, _)| *other == reason).map_or(0, |(_, n)| n)
        };
        (vec![("reason", reason.to_owned())], sum(&of_shard))
    });
    let help = "Authenticated clients that went away, by why.";
    page.counters("foodtrack_disconnects", help, disconnects);
}

/// How often the shards refused with a code.
pub(super) fn refusals(shards: &[Arc<Counters>], code: ErrorCode) -> u64 {
    let of_shard = |shard: &Arc<Counters>| {
        shard.refusals.each().find(|(other, _)| *other == code).map_or(0, |(_, count)| count)
    };
    shards.iter().map(of_shard).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use foodtrack_shard::Times;

    #[test]
    fn every_number_and_time_of_a_shard_is_described() {
        Counters::default().each(|name, _| {
            assert!(SHARD_NUMBERS.iter().any(|number| number.name == name), "{name}");
        });
        Times::default().each(|name, _| {
            assert!(TIMES.iter().any(|(known, ..)| *known == name), "{name}");
        });
    }
}
