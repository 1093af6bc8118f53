//! Which traces the newest messages are a part of.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use foodtrack_contract::TenantId;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use uuid::Uuid;

/// Messages that are remembered, of all tenants together; the oldest are forgotten first.
const MESSAGES_MAX: usize = 16_384;

type Key = (TenantId, Uuid);

/// A bounded table.
#[derive(Default)]
pub(super) struct TraceBook {
    known: Mutex<Known>,
    /// Who looks something up where nothing is takes no lock.
    is_used: AtomicBool,
}

#[derive(Default)]
struct Known {
    traces: HashMap<Key, Remembered>,
    order: VecDeque<Key>,
}

/// A trace in few bytes: as it is read, its state is a list of texts.
struct Remembered {
    trace: TraceId,
    span: SpanId,
    flags: TraceFlags,
    /// As in the header; publishers' are 512 bytes at most.
    state: Option<Box<str>>,
}

impl Remembered {
    fn of(context: &SpanContext) -> Self {
        let state = context.trace_state().header();
        Self {
            trace: context.trace_id(),
            span: context.span_id(),
            flags: context.trace_flags(),
            state: (!state.is_empty()).then(|| state.into()),
        }
    }

    fn context(&self) -> SpanContext {
        let state = self.state.as_ref().and_then(|state| state.parse::<TraceState>().ok());
        SpanContext::new(self.trace, self.span, self.flags, true, state.unwrap_or_default())
    }
}

impl TraceBook {
    pub(super) fn put(&self, tenant: &TenantId, message: Uuid, context: &SpanContext) {
        let remembered = Remembered::of(context);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (tenant.clone(), message);
        if known.traces.insert(key.clone(), remembered).is_none() {
            known.order.push_back(key);
        }
        if known.order.len() > MESSAGES_MAX
            && let Some(oldest) = known.order.pop_front()
        {
            known.traces.remove(&oldest);
        }
        self.is_used.store(true, Ordering::Relaxed);
    }

    pub(super) fn get(&self, tenant: &TenantId, message: Uuid) -> Option<SpanContext> {
        if !self.is_used.load(Ordering::Relaxed) {
            return None;
        }
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.traces.get(&(tenant.clone(), message)).map(Remembered::context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_remembered_and_the_oldest_are_forgotten() {
        let (book, tenant) = (TraceBook::default(), TenantId::parse("t1").unwrap());
        for n in 0..MESSAGES_MAX as u128 + 10 {
            book.put(&tenant, Uuid::from_u128(n), &SpanContext::NONE);
            book.put(&tenant, Uuid::from_u128(n), &SpanContext::NONE);
        }
        let known = book.known.lock().unwrap();
        assert_eq!((known.traces.len(), known.order.len()), (MESSAGES_MAX, MESSAGES_MAX));
        drop(known);
        assert!(book.get(&tenant, Uuid::from_u128(9)).is_none());
        assert!(book.get(&tenant, Uuid::from_u128(10)).is_some());
    }
}
