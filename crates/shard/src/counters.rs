//! What a shard counts. Written by the shard alone, read by whoever renders metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($( $(#[$doc:meta])* $name:ident; )*) => {
        /// One shard's counters; they only grow, except those named as gauges.
        #[derive(Debug, Default)]
        pub struct Counters { $( $(#[$doc])* pub $name: Counter, )* }

        impl Counters {
            /// Every counter with its name, for rendering.
            pub fn each(&self, mut see: impl FnMut(&'static str, u64)) {
                $( see(stringify!($name), self.$name.get()); )*
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
    /// Events accepted from clients and back ends.
    events_accepted;
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
    /// Connections closed for reading too slowly.
    slow_readers_closed;
    /// Clients that waited for their turn to come in.
    entrances_delayed;
    /// Clients whose session came back.
    sessions_recovered;
    /// Sessions that were forgotten because their user or tenant had too many.
    sessions_forgotten;
    /// Events sent to clients that had missed them.
    replayed;
    /// Clients that got some.
    replays;
    /// Sum over these of the time from entering to being up to date, in milliseconds.
    replay_ms_sum;
    /// Events that a client had missed and that were past their time.
    replay_expired;
    /// Events that a client had missed and that a later one made superfluous.
    replay_compacted;
    /// Clients that were told that something they had missed is gone.
    gaps_told;
    /// Events that clients acknowledged.
    acknowledged;
    /// Events sent again because no acknowledgement came.
    retries;
    /// Events given up for a subscriber.
    dead_letters;
    /// Events that were not confirmed in time.
    escalations;
    /// Panics in a tenant's turn: it was opened again from its log.
    tenant_panics;
    /// Gauge: tenants whose log is away.
    logs_away;
    /// Gauge: 1 once the disk of the log has failed.
    log_failed;
    /// Sum over these turns of the time from reading the first event to having flushed, in microseconds.
    fan_out_us_sum;
    /// Turns of the loop in which an event of a client was delivered.
    fan_out_turns;
}

/// A number that one thread writes.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. A plain load and store: only the shard writes.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Takes `n` off a gauge.
    pub fn sub(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(n), Relaxed);
    }

    /// The value now.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
