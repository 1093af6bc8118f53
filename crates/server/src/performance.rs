//! Rates: what the counters did over the last seconds.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use foodtrack_measures::HistogramReading;
use foodtrack_shard::Counters;
use serde::Serialize;

use crate::health::MemoryUsage;
use crate::process;

/// How often the counters are looked at.
pub(crate) const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);
/// How many looks make the window that rates are taken over.
const SAMPLES_MAX: usize = 11;

/// How the node performs: rates and averages over the last ten seconds.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PerformanceMetrics {
    /// Clients that authenticated, per second.
    pub connections_per_second: f64,
    /// Events accepted, per second.
    pub messages_per_second: f64,
    /// From reading an event to writing its frames, in milliseconds.
    pub average_latency: f64,
    /// Of the events that came, the share that was refused: 0 to 1.
    pub error_rate: f64,
    /// Memory now.
    pub memory_usage: MemoryUsage,
    /// Processor time, in percent of one core; 200 is two cores busy.
    pub cpu_usage: f64,
}

/// The counters' sums at one moment.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    opened: u64,
    accepted: u64,
    refused: u64,
    /// How long fan-outs took.
    writes: HistogramReading,
    cpu: Duration,
}

/// Looks at the counters from time to time.
pub(crate) struct Performance {
    counters: Vec<Arc<Counters>>,
    samples: Mutex<VecDeque<(Instant, Sample)>>,
}

impl Performance {
    pub(crate) fn new(counters: Vec<Arc<Counters>>) -> Self {
        Self { counters, samples: Mutex::default() }
    }

    /// The shards' counters.
    pub(crate) fn counters(&self) -> &[Arc<Counters>] {
        &self.counters
    }

    /// Remembers the counters as they are at `now`.
    pub(crate) fn sample(&self, now: Instant) {
        let sample = self.read();
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.len() == SAMPLES_MAX {
            samples.pop_front();
        }
        samples.push_back((now, sample));
    }

    /// The rates between the oldest and the newest look; zero before there are two.
    pub(crate) fn metrics(&self) -> PerformanceMetrics {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let (from, to) = (samples.front().copied(), samples.back().copied());
        drop(samples);
        let ((from_at, from), (to_at, to)) = from.zip(to).unwrap_or_else(|| {
            ((Instant::now(), Sample::default()), (Instant::now(), Sample::default()))
        });
        let seconds = to_at.saturating_duration_since(from_at).as_secs_f64();
        let grown = |read: fn(&Sample) -> u64| read(&to).saturating_sub(read(&from));
        let came = grown(|sample| sample.accepted + sample.refused);
        PerformanceMetrics {
            connections_per_second: share(grown(|sample| sample.opened), seconds),
            messages_per_second: share(grown(|sample| sample.accepted), seconds),
            average_latency: share(
                grown(|sample| sample.writes.sum_us),
                real(grown(|sample| sample.writes.count())),
            ) / 1_000.0,
            error_rate: share(grown(|sample| sample.refused), real(came)),
            memory_usage: MemoryUsage::now(),
            cpu_usage: if seconds > 0.0 {
                to.cpu.saturating_sub(from.cpu).as_secs_f64() / seconds * 100.0
            } else {
                0.0
            },
        }
    }

    fn read(&self) -> Sample {
        let sum = |read: fn(&Counters) -> u64| self.counters.iter().map(|shard| read(shard)).sum();
        let mut writes = HistogramReading::default();
        for shard in &self.counters {
            writes.add(&shard.times.publish_to_write.read());
        }
        Sample {
            opened: sum(|shard| shard.connections_opened.get()),
            accepted: sum(|shard| shard.events.total()),
            refused: sum(|shard| shard.events_refused.get()),
            writes,
            cpu: process::cpu_time().unwrap_or_default(),
        }
    }
}

/// `part` per `whole`, and nothing of nothing.
fn share(part: u64, whole: f64) -> f64 {
    if whole > 0.0 { real(part) / whole } else { 0.0 }
}

/// A count as a real number; counts beyond 2^53 would be off by a few.
#[allow(clippy::cast_precision_loss)]
fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use foodtrack_contract::{DeliveryClass, EventType};

    use super::*;

    fn accept(counters: &Counters, count: u64) {
        counters.events.add(&EventType::OrderCreated.into(), DeliveryClass::Durable, count);
    }

    #[test]
    fn rates_are_what_the_counters_grew_by_over_the_window() {
        let counters = Arc::new(Counters::default());
        let performance = Performance::new(vec![Arc::clone(&counters)]);
        let start = Instant::now();
        accept(&counters, 1_000);
        performance.sample(start);
        accept(&counters, 60);
        counters.events_refused.add(20);
        counters.connections_opened.add(8);
        for us in [1_000, 2_000, 6_000] {
            counters.times.publish_to_write.observe_us(us);
        }
        performance.sample(start + Duration::from_secs(2));
        let metrics = performance.metrics();
        assert_eq!(metrics.messages_per_second, 30.0);
        assert_eq!(metrics.connections_per_second, 4.0);
        assert_eq!(metrics.average_latency, 3.0);
        assert_eq!(metrics.error_rate, 0.25);
    }

    #[test]
    fn the_window_forgets_what_is_older_than_ten_seconds() {
        let counters = Arc::new(Counters::default());
        let performance = Performance::new(vec![Arc::clone(&counters)]);
        let start = Instant::now();
        performance.sample(start);
        accept(&counters, 500);
        for second in 1..=11 {
            performance.sample(start + Duration::from_secs(second));
        }
        assert_eq!(performance.metrics().messages_per_second, 0.0);
    }

    #[test]
    fn without_a_window_every_rate_is_zero() {
        let metrics = Performance::new(vec![Arc::default()]).metrics();
        assert_eq!((metrics.messages_per_second, metrics.cpu_usage), (0.0, 0.0));
    }
}
