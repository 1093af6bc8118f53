//! Traces: what publishers say of theirs is passed on to back ends, and spans go to a collector where one is configured. Without one,
//! and without a publisher that names a trace, nothing is made, kept or sent.

mod collector;
mod counted_exporter;
mod delivery_span;
mod span;
mod trace_book;
mod trace_parent;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use foodtrack_contract::TenantId;
use http::HeaderMap;
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanKind, TraceContextExt, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, Span as SdkSpan};
use uuid::Uuid;

use crate::config::TracingConfig;
use counted_exporter::CountedExporter;
pub(crate) use counted_exporter::SpanCounts;
pub(crate) use span::Span;
use trace_book::TraceBook;
pub(crate) use trace_parent::trace_parent;

/// The header beside `traceparent` that names what other systems know of the trace.
const TRACE_STATE: &str = "tracestate";
/// How long the last spans may take to be sent when the server stops.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// What is traced.
#[derive(Default)]
pub(crate) struct Telemetry {
    exporting: Option<Exporting>,
    book: TraceBook,
}

struct Exporting {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    counts: Arc<SpanCounts>,
}

impl Exporting {
    fn begin(&self, builder: SpanBuilder, parent: Option<SpanContext>) -> SdkSpan {
        let context = parent
            .map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent));
        let span = self.tracer.build_with_context(builder, &context);
        if span.is_recording() {
            self.counts.begin();
        }
        span
    }
}

impl Telemetry {
    /// # Errors
    /// No HTTP client can be made, or what the environment says of the collector is of no use.
    pub(crate) fn start(config: &TracingConfig, node: &str) -> io::Result<Self> {
        let Some(url) = config.url() else { return Ok(Self::default()) };
        let exporter = collector::exporter(url)?;
        let counts = Arc::<SpanCounts>::default();
        let resource = Resource::builder()
            .with_service_name("foodtrack-websocket")
            .with_attributes([
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
                KeyValue::new("service.instance.id", node.to_owned()),
            ])
            .build();
        let root = Sampler::TraceIdRatioBased(config.sample_ratio);
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_sampler(Sampler::ParentBased(Box::new(root)))
            .with_batch_exporter(CountedExporter::new(exporter, &counts))
            .build();
        let tracer = provider.tracer("foodtrack-server");
        tracing::info!("spans are sent to the collector");
        let exporting = Exporting { provider, tracer, counts };
        Ok(Self { exporting: Some(exporting), book: TraceBook::default() })
    }

    /// Begins a span. `None`: there is no collector, and no trace that it is a part of.
    pub(crate) fn span(
        &self,
        name: &'static str,
        kind: SpanKind,
        parent: Option<SpanContext>,
    ) -> Option<Span> {
        let Some(exporting) = &self.exporting else { return parent.map(Span::Passed) };
        let builder = exporting.tracer.span_builder(name).with_kind(kind);
        Some(Span::Recorded(Box::new(exporting.begin(builder, parent))))
    }

    /// Whether spans are sent.
    pub(crate) fn is_on(&self) -> bool {
        self.exporting.is_some()
    }

    /// The span of a publication over HTTP, as a part of the trace that the request names. Where it names none and there is no collector,
    /// that costs a look for a header.
    pub(crate) fn publication(&self, name: &'static str, headers: &HeaderMap) -> Option<Span> {
        self.span(name, SpanKind::Server, trace_parent(headers))
    }

    /// Remembers which trace a message is a part of, for those who are told of it.
    pub(crate) fn remember(&self, tenant: &TenantId, message: Uuid, span: &Span) {
        self.book.put(tenant, message, span.context());
    }

    /// The trace that a message is a part of, where it came to this node and is one of the newest.
    pub(crate) fn trace_of(&self, tenant: &TenantId, message: Uuid) -> Option<SpanContext> {
        self.book.get(tenant, message)
    }

    /// What became of spans, where they are sent.
    pub(crate) fn counts(&self) -> Option<&SpanCounts> {
        self.exporting.as_ref().map(|it| &*it.counts)
    }

    /// Sends what is left, for a moment.
    pub(crate) fn stop(&self) {
        if let Some(exporting) = &self.exporting
            && let Err(error) = exporting.provider.shutdown_with_timeout(STOP_WITHIN)
        {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Instant;

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn without_a_collector_a_span_stands_for_its_parent_and_without_one_there_is_none() {
        let telemetry = Telemetry::default();
        let (one, other) = (TenantId::parse("t1").unwrap(), TenantId::parse("t2").unwrap());
        let mut headers = HeaderMap::new();
        assert!(telemetry.publication("publish", &headers).is_none());
        headers.insert("traceparent", GOOD.parse().unwrap());
        headers.insert(TRACE_STATE, "vendor=7".parse().unwrap());
        let span = telemetry.publication("publish", &headers).unwrap();
        assert_eq!(span.headers(), headers);
        let message = Uuid::from_u128(1);
        telemetry.remember(&one, message, &span);
        assert_eq!(telemetry.trace_of(&one, message).as_ref(), Some(span.context()));
        assert_eq!(telemetry.trace_of(&other, message), None, "another tenant's");
        assert!(telemetry.counts().is_none());
    }

    /// With so many spans begun and ended that no queue has room for them. Returns what is sent where.
    fn crowded(url: String) -> Telemetry {
        let config = TracingConfig { otlp_url: Some(url), ..TracingConfig::default() };
        let telemetry = Telemetry::start(&config, "n1").unwrap();
        let begun = Instant::now();
        for _ in 0..10_000 {
            telemetry.span("publish", SpanKind::Server, None);
        }
        assert!(begun.elapsed() < Duration::from_secs(2), "whoever ends a span waits for nobody");
        telemetry
    }

    #[test]
    fn a_collector_that_never_answers_and_one_that_is_away_cost_spans_and_nobodys_time() {
        // It takes connections, and nobody looks at them.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        for (address, is_away) in [(silent.local_addr().unwrap(), false), (away, true)] {
            let telemetry = crowded(format!("http://{address}/v1/traces"));
            let begun = Instant::now();
            telemetry.stop();
            assert!(begun.elapsed() < STOP_WITHIN + Duration::from_secs(3));
            let counts = telemetry.counts().unwrap();
            assert_eq!((counts.begun(), counts.sent()), (10_000, 0));
            assert_eq!(counts.refused() > 0, is_away, "{counts:?}");
        }
    }

    #[test]
    fn a_trace_that_is_not_to_be_sampled_is_passed_on_and_not_sent() {
        let config = TracingConfig {
            otlp_url: Some("http://127.0.0.1:9/v1/traces".into()),
            sample_ratio: 0.0,
        };
        let telemetry = Telemetry::start(&config, "n1").unwrap();
        let span = telemetry.span("publish", SpanKind::Server, None).unwrap();
        assert!(span.headers()["traceparent"].to_str().unwrap().ends_with("-00"));
        assert!(!span.headers().contains_key(TRACE_STATE));
        assert_eq!(telemetry.counts().unwrap().begun(), 0);
    }
}
