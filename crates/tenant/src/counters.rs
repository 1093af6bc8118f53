//! What a shard counts. Written by the shard alone, read by whoever renders metrics.

use foodtrack_contract::{DeliveryClass, ErrorCode, EventGroup, EventName};
use foodtrack_measures::{Counter, Histogram};

macro_rules! counters {
    ($( $(#[$doc:meta])* $name:ident; )*) => {
        /// One shard's counters; they only grow, except those named as gauges.
        #[derive(Debug, Default)]
        pub struct Counters {
            $( $(#[$doc])* pub $name: Counter, )*
            /// Refusals of clients' events and handshakes, by their code; not those that a handle is told.
            pub refusals: Refusals,
            /// Authenticated clients that went away, by why.
            pub disconnects: Disconnects,
            /// Accepted events, by class and group.
            pub events: EventCounts,
            /// What was handed to recipients' transports or queues, by class and group; not what clients had missed.
            pub delivered: EventCounts,
            /// How long things took.
            pub times: Times,
        }

        impl Counters {
            /// Every counter with its name, for rendering.
            pub fn each(&self, mut see: impl FnMut(&'static str, u64)) {
                $( see(stringify!($name), self.$name.get()); )*
            }

            /// An event was accepted.
            pub fn accepted(&self, event: &EventName, class: DeliveryClass) {
                self.events.add(event, class, 1);
            }
        }
    };
}

counters! {
    /// Gauge: connections with an authenticated client.
    connections;
    /// Gauge: tenants with at least one connection.
    tenants;
    /// Clients that authenticated.
    connections_opened;
    /// Authenticated clients that went away.
    connections_closed;
    /// Handshakes that were refused.
    handshakes_refused;
    /// Events refused.
    events_refused;
    /// Of the refused, those that named another tenant.
    tenant_mismatches;
    /// Of the refused, those over a rate.
    rate_limited;
    /// Repeated ids answered with their first result.
    duplicates;
    /// Frames handed to a recipient's transport or queue.
    deliveries;
    /// Frames dropped for slow readers (volatile and low priority only).
    deliveries_dropped;
    /// Events that could not be sent to a client, because they cannot be said in its parser.
    undeliverable;
    /// Events that an application's page would not survive, or that cannot be said in its names: not sent to its connections,
    /// counted once for each application.
    untranslated;
    /// Events that were not sent to those from whom a part is hidden, since it could not be left out.
    unredacted;
    /// Connections closed for reading too slowly.
    slow_readers_closed;
    /// Clients that waited for their turn to come in.
    arrivals_delayed;
    /// Clients whose session came back.
    sessions_recovered;
    /// Sessions that were forgotten because their user or tenant had too many.
    sessions_forgotten;
    /// Events sent to clients that had missed them.
    replayed;
    /// Clients that got some.
    replays;
    /// Events that a client had missed and that were past their time.
    replay_expired;
    /// Events that a client had missed and that a later one made superfluous.
    replay_compacted;
    /// Clients that were told that something they had missed is gone.
    gaps_told;
    /// Clients told that their token ends soon.
    tokens_expiring;
    /// Events that clients acknowledged.
    acknowledged;
    /// Events sent again because no acknowledgement came.
    retries;
    /// Events given up for a subscriber.
    dead_letters;
    /// Events that were not confirmed in time.
    escalations;
    /// Clients' requests that were handed on to the business back end.
    requests_forwarded;
    /// Panics in a tenant's turn: it was opened again from its log.
    tenant_panics;
    /// Gauge: what tenants' tables of ids, orders and emissions take, in bytes.
    table_bytes;
    /// Tables of a tenant that were given up: its log is asked instead.
    tables_given_up;
    /// Tenants that were dropped from memory because nobody had been there for a while.
    tenants_closed;
    /// Gauge: frames that wait for slow or polling readers, as of about a second ago.
    queued_frames;
    /// Gauge: their bytes.
    queued_bytes;
    /// Gauge: tenants whose log is away.
    logs_away;
    /// Gauge: 1 once the disk of the log has failed.
    log_failed;
}

macro_rules! times {
    ($( $(#[$doc:meta])* $name:ident; )*) => {
        /// How long things took in one shard.
        #[derive(Debug, Default)]
        pub struct Times {
            $( $(#[$doc])* pub $name: Histogram, )*
        }

        impl Times {
            /// Each with its name, for rendering.
            pub fn each(&self, mut see: impl FnMut(&'static str, &Histogram)) {
                $( see(stringify!($name), &self.$name); )*
            }
        }
    };
}

times! {
    /// Turns of the loop, without waiting for something to do.
    turn;
    /// From reading the first event of a turn to having flushed, of turns in which an event of a client was delivered.
    publish_to_write;
    /// From accepting an event to its release by the log, of events that waited for it; to the millisecond.
    publish_to_commit;
    /// From sending an event that asks for an acknowledgement to getting it, to the millisecond.
    publish_to_confirm;
    /// From a client's entering to its being up to date, of clients that had missed something; to the millisecond.
    replay;
}

/// Groups of events, and one more: what tenants declared.
const GROUPS: usize = EventGroup::ALL.len() + 1;

/// Events by their class and group: a closed set, so it is bounded.
#[derive(Debug, Default)]
pub struct EventCounts([[Counter; GROUPS]; DeliveryClass::ALL.len()]);

impl EventCounts {
    /// Counts `n` of an event.
    pub fn add(&self, event: &EventName, class: DeliveryClass, n: u64) {
        let group = match event {
            EventName::Builtin(event_type) => event_type.group() as usize,
            EventName::Declared(_) => GROUPS - 1,
        };
        self.0[class as usize][group].add(n);
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.0.iter().flatten().map(Counter::get).sum()
    }

    /// Every class and group with its number. What tenants declared is the group `declared`.
    pub fn each(&self) -> impl Iterator<Item = (DeliveryClass, &'static str, u64)> {
        let names = || EventGroup::ALL.map(EventGroup::as_str).into_iter().chain(["declared"]);
        DeliveryClass::ALL.into_iter().zip(&self.0).flat_map(move |(class, groups)| {
            names().zip(groups).map(move |(group, count)| (class, group, count.get()))
        })
    }
}

/// Refusals by their code: a closed set, so it is bounded.
#[derive(Debug)]
pub struct Refusals(Box<[Counter]>);

impl Default for Refusals {
    fn default() -> Self {
        Self(ErrorCode::ALL.iter().map(|_| Counter::default()).collect())
    }
}

impl Refusals {
    /// Counts one.
    pub fn add(&self, code: ErrorCode) {
        if let Some(place) = ErrorCode::ALL.iter().position(|other| *other == code) {
            self.0[place].add(1);
        }
    }

    /// Every code with its number.
    pub fn each(&self) -> impl Iterator<Item = (ErrorCode, u64)> {
        ErrorCode::ALL.iter().copied().zip(self.0.iter().map(Counter::get))
    }
}

/// Why authenticated clients go away, as logs and metrics name it.
pub const DISCONNECT_REASONS: [&str; 13] = [
    "transport_closed",
    "transport_error",
    "ping_timeout",
    "connect_timeout",
    "protocol_error",
    "slow_reader",
    "disconnected",
    "server_closed",
    ErrorCode::DeviceReplaced.as_str(),
    ErrorCode::TokenRevoked.as_str(),
    "resumed_elsewhere",
    "left",
    "other",
];

/// Clients that went away, by why: a closed set, so it is bounded.
#[derive(Debug, Default)]
pub struct Disconnects([Counter; DISCONNECT_REASONS.len()]);

impl Disconnects {
    /// Counts one; a reason that is not listed is `other`.
    pub fn add(&self, reason: &str) {
        let place = DISCONNECT_REASONS.iter().position(|other| *other == reason);
        self.0[place.unwrap_or(DISCONNECT_REASONS.len() - 1)].add(1);
    }

    /// Every reason with its number.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, u64)> {
        DISCONNECT_REASONS.into_iter().zip(self.0.iter().map(Counter::get))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foodtrack_contract::EventType;

    #[test]
    fn events_are_counted_by_their_class_and_group_and_nowhere_else() {
        for (place, group) in EventGroup::ALL.into_iter().enumerate() {
            assert_eq!(group as usize, place, "{}", group.as_str());
        }
        for (place, class) in DeliveryClass::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, place, "{}", class.as_str());
        }
        let counts = EventCounts::default();
        counts.add(&EventType::OrderCreated.into(), DeliveryClass::Durable, 3);
        counts.add(&EventName::Declared("loyalty:points".into()), DeliveryClass::Volatile, 2);
        let counted: Vec<_> = counts.each().filter(|(.., count)| *count > 0).collect();
        let expected =
            [(DeliveryClass::Durable, "order", 3), (DeliveryClass::Volatile, "declared", 2)];
        assert_eq!(counted, expected);
        assert_eq!(counts.each().count(), 33);
    }
}
