//! The trace that a request says it is a part of: the headers of W3C Trace Context.

use http::HeaderMap;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;

use super::TRACE_STATE;

const TRACE_PARENT: &str = "traceparent";
/// A longer `tracestate` is left out. The specification wants so many passed on.
const TRACE_STATE_BYTES_MAX: usize = 512;
/// `00-TRACE-SPAN-FLAGS`
const VERSION_0_BYTES: usize = 55;

/// What a request says of its trace; `None` where it says nothing, or nothing that is good. Its `tracestate` counts where it is short.
pub(crate) fn trace_parent(headers: &HeaderMap) -> Option<SpanContext> {
    let mut said = headers.get_all(TRACE_PARENT).iter();
    let (first, second) = (said.next()?, said.next());
    if second.is_some() || !is_well_formed(first.as_bytes()) {
        return None;
    }
    let state = headers.get(TRACE_STATE);
    let mut brief = HeaderMap::with_capacity(2);
    brief.insert(TRACE_PARENT, first.clone());
    if let Some(state) = state.filter(|state| state.len() <= TRACE_STATE_BYTES_MAX) {
        brief.insert(TRACE_STATE, state.clone());
    }
    let context = TraceContextPropagator::new().extract(&HeaderExtractor(&brief));
    let span = context.span().span_context().clone();
    span.is_valid().then_some(span)
}

/// Whether it is four parts of small hexadecimal digits, of the lengths that they have. The library that reads them takes shorter ones.
/// Versions to come may have more parts.
fn is_well_formed(text: &[u8]) -> bool {
    let Some((first, more)) = text.split_at_checked(VERSION_0_BYTES) else { return false };
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_right = |(place, byte): (usize, &u8)| match place {
        2 | 35 | 52 => *byte == b'-',
        _ => is_digit(byte),
    };
    let is_end_right = match first.starts_with(b"00") {
        true => more.is_empty(),
        false => more.first().is_none_or(|byte| *byte == b'-'),
    };
    first.iter().enumerate().all(is_right) && is_end_right && !first.starts_with(b"ff")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn parent(text: &str, state: Option<&str>) -> Option<SpanContext> {
        let mut headers = HeaderMap::new();
        headers.insert(TRACE_PARENT, text.parse().unwrap());
        if let Some(state) = state {
            headers.insert(TRACE_STATE, state.parse().unwrap());
        }
        trace_parent(&headers)
    }

    #[test]
    fn a_trace_that_is_named_well_is_read_and_all_else_is_as_though_nothing_were_said() {
        assert!(parent(GOOD, None).unwrap().is_sampled());
        assert!(!parent(&GOOD.replace("-01", "-00"), None).unwrap().is_sampled());
        assert!(parent(&format!("01{}-more", &GOOD[2..]), None).is_some(), "a version to come");
        for bad in [
            "",
            "00",
            "no trace",
            "0-1-1-1",
            "+0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            &GOOD[..54],
            &format!("{GOOD}-"),
            &format!("{GOOD}-more"),
            &format!("01{}more", &GOOD[2..]),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            &GOOD.replace("00-4", "ff-4"),
            &GOOD.replace("4bf", "4BF"),
            &GOOD.replace("4bf", "4bg"),
            &"0".repeat(8_000),
        ] {
            assert_eq!(parent(bad, None), None, "{bad}");
        }
        let mut twice = HeaderMap::new();
        twice.append(TRACE_PARENT, GOOD.parse().unwrap());
        twice.append(TRACE_PARENT, GOOD.parse().unwrap());
        assert_eq!(trace_parent(&twice), None);
        assert_eq!(trace_parent(&HeaderMap::new()), None);
    }

    #[test]
    fn a_trace_state_is_passed_on_where_it_is_short() {
        let state = |text: &str| parent(GOOD, Some(text)).unwrap().trace_state().header();
        assert_eq!(state("vendor=7,other=8"), "vendor=7,other=8");
        assert_eq!(state(&format!("vendor={}", "7".repeat(600))), "");
    }
}
