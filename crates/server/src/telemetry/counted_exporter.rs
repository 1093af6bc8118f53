//! What becomes of spans, counted; a collector that does not take them is told once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use opentelemetry_otlp::SpanExporter as OtlpExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

/// What became of spans. Those that were begun and neither sent nor refused wait, or found no room.
#[derive(Debug, Default)]
pub(crate) struct SpanCounts {
    begun: AtomicU64,
    sent: AtomicU64,
    refused: AtomicU64,
    is_away: AtomicBool,
}

impl SpanCounts {
    pub(super) fn begin(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// Those that are recorded.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Those that the collector took.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Those that it did not take.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn note(&self, spans: u64, result: &OTelSdkResult) {
        let counter = if result.is_ok() { &self.sent } else { &self.refused };
        counter.fetch_add(spans, Ordering::Relaxed);
        let was_away = self.is_away.swap(result.is_err(), Ordering::Relaxed);
        match result {
            Err(error) if !was_away => {
                tracing::warn!(%error, "the collector does not take spans: they are dropped");
            }
            Ok(()) if was_away => tracing::info!("the collector takes spans again"),
            _ => {}
        }
    }
}

/// Counts what it hands on.
#[derive(Debug)]
pub(super) struct CountedExporter {
    otlp: OtlpExporter,
    counts: Arc<SpanCounts>,
}

impl CountedExporter {
    pub(super) fn new(otlp: OtlpExporter, counts: &Arc<SpanCounts>) -> Self {
        Self { otlp, counts: Arc::clone(counts) }
    }
}

impl SpanExporter for CountedExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let result = self.otlp.export(batch).await;
        self.counts.note(spans, &result);
        result
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.otlp.set_resource(resource);
    }
}
