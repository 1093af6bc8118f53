//! Webhooks, for people and programs.

use foodtrack_contract::Cursor;
use serde::Serialize;
use utoipa::ToSchema;

use super::desk::Standing;
use super::receiver::{Exchange, Receiver};
use super::webhook::Webhook;
use crate::log_report::time_text;

/// How a webhook does with one tenant's events.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebhookReport {
    /// Its name in the configuration.
    name: String,
    /// Where events are posted, without its query.
    url: String,
    /// Names, groups such as `order:*`, or `*`.
    events: Vec<String>,
    /// Whether it is sent nothing of this tenant for now.
    is_paused: bool,
    /// How far it is: the receiver has everything up to here. Absent where nothing was sent yet.
    cursor: Option<String>,
    /// How many entries of the tenant's log are behind its cursor, wanted or not.
    behind: u64,
    /// How often in a row the receiver was away; 0 while it answers.
    failures: u32,
    /// What was wrong the last time, if nothing was taken since.
    last_error: Option<String>,
    /// When the receiver last took something, of any tenant; RFC 3339.
    last_success_at: Option<String>,
}

impl WebhookReport {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the receiver has everything up to a place, as far as it wants it.
    pub(crate) fn has(&self, place: &Cursor) -> bool {
        let cursor = self.cursor.as_deref().and_then(Cursor::parse);
        cursor.is_some_and(|cursor| cursor.has(place))
    }
}

/// What came of a test.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TestReport {
    /// Where it was posted, without its query.
    pub(crate) url: String,
    /// Whether the receiver took it: a status of 200 to 299.
    pub(crate) is_taken: bool,
    /// The answer's status; absent where there was no answer.
    pub(crate) status: Option<u16>,
    /// How long it took, in milliseconds.
    pub(crate) took_ms: f64,
    /// What was wrong.
    pub(crate) error: Option<String>,
}

impl WebhookReport {
    pub(super) fn new(webhook: &Webhook, standing: &Standing, last: Option<&Cursor>) -> Self {
        let Standing { place, is_paused } = *standing;
        let (health, terms) = (webhook.health.report(), webhook.terms());
        let behind = last.map_or(0, |last| last.through().get());
        let is_same_log = place.epoch.is_none_or(|epoch| last.is_none_or(|it| it.epoch() == epoch));
        let behind = if is_same_log { behind.saturating_sub(place.after.get()) } else { behind };
        Self {
            name: webhook.name.clone(),
            url: terms.receiver.shown_url(),
            events: terms.said.events.clone(),
            is_paused,
            cursor: place.cursor().map(|cursor| cursor.to_string()),
            behind,
            failures: health.failures,
            last_error: health.last_error,
            last_success_at: health.last_success_ms.map(time_text),
        }
    }
}

impl TestReport {
    pub(super) fn new(receiver: &Receiver, exchange: Exchange) -> Self {
        Self {
            url: receiver.shown_url(),
            is_taken: exchange.outcome.is_ok(),
            status: exchange.status,
            took_ms: exchange.took.as_secs_f64() * 1_000.0,
            error: exchange.outcome.err().map(|failure| failure.to_string()),
        }
    }
}
