//! The span of an event's way through this node: from its coming to the write to the last of its recipients.

use std::time::{Duration, SystemTime};

use foodtrack_shard::{DeliveryNews, DeliveryTracer};
use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, SpanKind, Tracer};

use super::Telemetry;

impl DeliveryTracer for Telemetry {
    fn delivered(&self, news: &DeliveryNews<'_>) {
        let Some(exporting) = &self.exporting else { return };
        let ends = SystemTime::now();
        let begins = ends.checked_sub(Duration::from_millis(news.waited_ms)).unwrap_or(ends);
        let builder = exporting.tracer.span_builder("deliver an event");
        let builder = builder.with_kind(SpanKind::Internal).with_start_time(begins);
        let mut span = exporting.begin(builder, self.trace_of(news.tenant, news.id));
        if span.is_recording() {
            let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
            span.set_attributes([
                KeyValue::new("foodtrack.tenant", news.tenant.as_str().to_owned()),
                KeyValue::new("foodtrack.message_id", news.id.to_string()),
                KeyValue::new("foodtrack.event", news.event.as_str().to_owned()),
                KeyValue::new("foodtrack.recipients", number(news.recipients as u64)),
            ]);
            if let Some(offset) = news.offset {
                span.set_attribute(KeyValue::new("foodtrack.offset", number(offset.get())));
            }
            span.end_with_timestamp(ends);
        }
    }
}
