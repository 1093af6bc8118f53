//! A span: something that was done, as part of a trace.

use http::{HeaderMap, HeaderValue};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Span as _, SpanContext, Status, TraceContextExt};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_http::HeaderInjector;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::Span as SdkSpan;

/// It ends when it is dropped.
pub(crate) enum Span {
    /// The collector gets it.
    Recorded(Box<SdkSpan>),
    /// There is no collector: it stands for its parent, the publisher's.
    Passed(SpanContext),
}

impl Span {
    /// What those are told who are asked on its behalf.
    pub(crate) fn context(&self) -> &SpanContext {
        match self {
            Self::Recorded(span) => span.span_context(),
            Self::Passed(parent) => parent,
        }
    }

    /// The headers that tell it to who is asked next.
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let context = Context::new().with_remote_span_context(self.context().clone());
        TraceContextPropagator::new().inject_context(&context, &mut HeaderInjector(&mut headers));
        // It is set also where there is nothing to say.
        if headers.get(super::TRACE_STATE).is_some_and(HeaderValue::is_empty) {
            headers.remove(super::TRACE_STATE);
        }
        headers
    }

    /// Notes a fact: never anything of a payload or a token.
    pub(crate) fn note(&mut self, name: &'static str, value: impl Into<Value>) {
        if let Self::Recorded(span) = self {
            span.set_attribute(KeyValue::new(name, value));
        }
    }

    /// Notes that it failed, by a code or a word.
    pub(crate) fn fail(&mut self, code: &'static str) {
        if let Self::Recorded(span) = self {
            span.set_status(Status::error(code));
        }
    }
}
