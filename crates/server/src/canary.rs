//! A canary: something that goes through each shard once a second, so that one that is late is noticed before clients do.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use foodtrack_measures::{Histogram, HistogramReading};
use foodtrack_shard::ConnectionManager;
use tokio::task::JoinSet;

use crate::health_book::{HealthBook, HealthCondition};

/// How often it flies.
const EVERY: Duration = Duration::from_secs(1);
/// Later than this it is late.
const LATE: Duration = Duration::from_secs(1);
/// So long a transaction may wait for the log's disk.
pub(crate) const DISK_LATE: Duration = Duration::from_secs(2);

/// What came of all flights.
#[derive(Debug, Default)]
pub(crate) struct Canary {
    /// Written by the canary's task alone.
    took: Histogram,
    late: AtomicU64,
}

impl Canary {
    /// How long the way through a shard took.
    pub(crate) fn took(&self) -> HistogramReading {
        self.took.read()
    }

    /// How often it was late.
    pub(crate) fn late(&self) -> u64 {
        self.late.load(Ordering::Relaxed)
    }

    /// Sends one through each shard once a second until the server stops, and says in the health book which are late.
    pub(crate) async fn fly(
        &self,
        shards: &ConnectionManager,
        book: &HealthBook,
        is_stopping: impl Fn() -> bool,
    ) {
        loop {
            let late = self.fly_once(shards, LATE).await;
            if is_stopping() {
                return;
            }
            let sentence = format!(
                "shard {} of {} did not answer within {} s: its clients wait; see its thread, and whether the machine has processors to spare",
                late.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
                shards.shards(),
                LATE.as_secs(),
            );
            book.set(HealthCondition::ShardLate, !late.is_empty(), &sentence);
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Sends one through each shard. Returns those that did not let it through in time.
    async fn fly_once(&self, shards: &ConnectionManager, patience: Duration) -> Vec<usize> {
        let mut flights = JoinSet::new();
        for shard in 0..shards.shards() {
            let shards = shards.clone();
            flights.spawn(async move {
                let begun = Instant::now();
                let passes = tokio::time::timeout(patience, shards.passes(shard)).await;
                (shard, passes == Ok(true), begun.elapsed())
            });
        }
        let mut late = Vec::new();
        while let Some(flight) = flights.join_next().await {
            let Ok((shard, has_passed, took)) = flight else { continue };
            self.took.observe(took);
            if !has_passed {
                self.late.fetch_add(1, Ordering::Relaxed);
                late.push(shard);
            }
        }
        late.sort_unstable();
        late
    }
}
