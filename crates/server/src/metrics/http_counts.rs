//! Requests to the HTTP API, by route and status.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use foodtrack_measures::{Histogram, HistogramReading};

use super::page::Page;

/// Methods that are told apart; a stranger may make up others.
const METHODS: [Method; 6] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS];
/// Combinations that are told apart. There are fewer: routes are ours, and so are the statuses of answers.
const SERIES_MAX: usize = 2_048;

/// What is counted of the HTTP API.
#[derive(Default)]
pub(crate) struct HttpCounts(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    requests: BTreeMap<(String, &'static str, u16), u64>,
    took: Histogram,
}

impl HttpCounts {
    /// Counts an answer. `route` is the pattern of the path, and never the path itself; `None` where nothing is there.
    pub(crate) fn add(
        &self,
        route: Option<&str>,
        method: &Method,
        status: StatusCode,
        took: Duration,
    ) {
        let known = METHODS.iter().position(|known| known == method);
        let method = known.map_or("other", |place| NAMES[place]);
        let key = (route.unwrap_or("none").to_owned(), method, status.as_u16());
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever holds the lock is the one that writes.
        counts.took.observe(took);
        let is_full = counts.requests.len() >= SERIES_MAX;
        match counts.requests.get_mut(&key) {
            Some(count) => *count += 1,
            None if is_full => {}
            None => _ = counts.requests.insert(key, 1),
        }
    }

    pub(super) fn tell(&self, page: &mut Page) {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = counts.requests.iter().map(|((route, method, status), count)| {
            let labels = vec![
                ("route", route.clone()),
                ("method", (*method).to_owned()),
                ("status", status.to_string()),
            ];
            (labels, *count)
        });
        let help = "Requests to the HTTP API that were answered, by the route's pattern, the method and the status.";
        page.counters("foodtrack_http_requests", help, requests);
        let took: HistogramReading = counts.took.read();
        let help = "How long the HTTP API took to answer, without waiting for its thread.";
        page.histogram("foodtrack_http_request_seconds", help, took);
    }
}

/// As the page names them: `Method::as_str` borrows from what may be dropped.
const NAMES: [&str; METHODS.len()] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::PageFormat;

    #[test]
    fn whatever_strangers_ask_for_the_series_are_bounded() {
        let counts = HttpCounts::default();
        let add = |route: Option<&str>, method: &str| {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            counts.add(route, &method, StatusCode::NOT_FOUND, Duration::ZERO);
        };
        for n in 0..3_000 {
            add(None, &format!("MADE{n}UP"));
            add(Some(&format!("/route/{n}")), "GET");
        }
        assert_eq!(counts.0.lock().unwrap().requests.len(), SERIES_MAX);
        let mut page = Page::default();
        counts.tell(&mut page);
        let text = page.told(PageFormat::Text);
        let line =
            "foodtrack_http_requests_total{route=\"none\",method=\"other\",status=\"404\"} 3000\n";
        assert!(text.contains(line), "{text}");
    }
}
