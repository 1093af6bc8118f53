//! What the back ends were told and asked, and what was heard of them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::page::{Labels, Page};
use crate::emitters::EmitterCounts;
use crate::issuer_keys::KeyCounts;
use crate::revocations::now_s;
use crate::telemetry::SpanCounts;
use crate::upstream::UpstreamCounts;
use crate::webhooks::WebhookCounts;

/// What is known of the back ends that the hub tells, asks and hears.
#[derive(Default)]
pub(crate) struct BackEndCounts<'a> {
    pub(crate) webhooks: Vec<WebhookCounts>,
    pub(crate) emitters: &'a [(String, Arc<EmitterCounts>)],
    /// Of the business back end, where there is one.
    pub(crate) upstream: Option<&'a UpstreamCounts>,
    /// Of issuers whose keys are fetched.
    pub(crate) issuer_keys: &'a [(String, Arc<KeyCounts>)],
    /// Of a collector of spans, where there is one.
    pub(crate) spans: Option<&'a SpanCounts>,
}

pub(super) fn of_back_ends(page: &mut Page, back_ends: &BackEndCounts<'_>) {
    of_webhooks(page, &back_ends.webhooks);
    of_emitters(page, back_ends.emitters);
    if let Some(upstream) = back_ends.upstream {
        of_upstream(page, upstream);
    }
    of_issuers(page, back_ends.issuer_keys);
    if let Some(spans) = back_ends.spans {
        of_spans(page, spans);
    }
}

/// What became of spans for the collector.
fn of_spans(page: &mut Page, spans: &SpanCounts) {
    let help = "Spans that are for the collector; those that are neither sent nor refused wait, or found no room.";
    page.counter("foodtrack_spans", help, spans.begun());
    page.counter("foodtrack_spans_sent", "Spans that the collector took.", spans.sent());
    let help = "Spans that the collector did not take, and that are lost.";
    page.counter("foodtrack_spans_refused", help, spans.refused());
}

/// What each webhook did.
fn of_webhooks(page: &mut Page, webhooks: &[WebhookCounts]) {
    let each = |read: fn(&WebhookCounts) -> u64| -> Vec<(Labels, u64)> {
        let sample = |it: &WebhookCounts| (vec![("webhook", it.name.clone())], read(it));
        webhooks.iter().map(sample).collect()
    };
    let help = "Events that a webhook's receiver took.";
    page.counters("foodtrack_webhook_delivered", help, each(|it| it.delivered));
    let help = "Requests that a webhook's receiver did not take.";
    page.counters("foodtrack_webhook_failed_requests", help, each(|it| it.failed));
    let help = "Events that a webhook gave up.";
    page.counters("foodtrack_webhook_dead_letters", help, each(|it| it.dead_letters));
    let help = "Whether a webhook's receiver is away.";
    let away = each(|it| it.is_receiver_away.into());
    page.gauges("foodtrack_webhook_receiver_away", help, away);
}

/// What came of what back ends published through Redis.
fn of_emitters(page: &mut Page, emitters: &[(String, Arc<EmitterCounts>)]) {
    type Read = fn(&EmitterCounts) -> &std::sync::atomic::AtomicU64;
    let numbers: [(&str, &str, Read); 3] = [
        ("published", "Events of an emitter that were accepted.", |it| &it.published),
        ("refused", "Events of an emitter that were refused.", |it| &it.refused),
        ("malformed", "Messages of an emitter that came to nothing.", |it| &it.malformed),
    ];
    for (name, help, read) in numbers {
        let samples = emitters.iter().map(|(emitter, counts)| {
            (vec![("emitter", emitter.clone())], read(counts).load(Ordering::Relaxed))
        });
        page.counters(&format!("foodtrack_emitter_{name}"), help, samples);
    }
}

/// What the business back end was asked.
fn of_upstream(page: &mut Page, upstream: &UpstreamCounts) {
    let outcomes = upstream.outcomes();
    let outcomes = outcomes.map(|(outcome, n)| (vec![("outcome", outcome.to_owned())], n));
    let help = "Requests of clients and hooks to the business back end, by what became of them.";
    page.counters("foodtrack_upstream_requests", help, outcomes);
    let help = "How long the business back end took to answer, or not to.";
    page.histogram("foodtrack_upstream_request_seconds", help, upstream.took.read());
    let help = "Whether the business back end is left alone for a while, since it did not answer.";
    page.gauge("foodtrack_upstream_away", help, Some(upstream.is_away()));
}

/// What came of fetching issuers' keys.
fn of_issuers(page: &mut Page, issuers: &[(String, Arc<KeyCounts>)]) {
    let label = |issuer: &String| ("issuer", issuer.clone());
    let fetches = issuers.iter().flat_map(|(issuer, counts)| {
        let of =
            move |(result, n): (&str, u64)| (vec![label(issuer), ("result", result.to_owned())], n);
        counts.fetches().map(of)
    });
    let help = "Looks for an issuer's keys, by what came of them.";
    page.counters("foodtrack_issuer_key_fetches", help, fetches);
    let keys = issuers.iter().map(|(issuer, counts)| (vec![label(issuer)], counts.keys()));
    page.gauges("foodtrack_issuer_keys", "Keys of an issuer that are in force.", keys);
    let now_s = now_s();
    let ages = issuers
        .iter()
        .filter_map(|(issuer, counts)| Some((vec![label(issuer)], counts.age_s(now_s)?)));
    page.gauges(
        "foodtrack_issuer_keys_age_seconds",
        "Since an issuer's keys were fetched last.",
        ages,
    );
}
