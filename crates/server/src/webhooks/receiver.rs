//! One webhook's receiver, and what it says to a request.

use std::io;
use std::time::{Duration, Instant};

use foodtrack_contract::TenantId;
use foodtrack_transport::CidrBlocks;
use http::HeaderMap;
use reqwest::StatusCode;
use serde::Serialize;

use crate::config::{Secret, WebhookConfig};
use crate::log_report::EntryReport;
use crate::posting::{NoAnswer, Target};
use crate::public_targets::{self, AllowedNetworks, WEBHOOK_NETWORKS};

/// How much of an answer that refuses is read, for the operator.
const ANSWER_BYTES_MAX: usize = 512;

/// What a receiver is posted.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Delivery<'a> {
    /// Which webhook it is.
    pub(super) webhook: &'a str,
    pub(super) tenant_id: &'a str,
    /// Whether it is only a test: there are no events in it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_test: bool,
    /// Whether events before these are missing: retention took them, or the log was started anew.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_after_gap: bool,
    /// In the log's order.
    pub(super) events: &'a [EntryReport],
}

/// The way to a receiver.
pub(super) struct Receiver(Target);

/// What became of a request.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) status: Option<u16>,
    pub(super) took: Duration,
    pub(super) outcome: Result<(), Failure>,
}

/// Why a receiver did not take what it was sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// With the beginning of what it said.
    #[error("it answered with status {0}{1}")]
    Status(StatusCode, String),
}

impl Failure {
    /// Whether the receiver found fault with these events, so that sending them again is of little use; otherwise it is the receiver
    /// that is not well, and its events wait for it.
    pub(super) fn is_refusal(&self) -> bool {
        let Self::Status(status, _) = self else { return false };
        matches!(
            *status,
            StatusCode::BAD_REQUEST
                | StatusCode::CONFLICT
                | StatusCode::PAYLOAD_TOO_LARGE
                | StatusCode::UNSUPPORTED_MEDIA_TYPE
                | StatusCode::UNPROCESSABLE_ENTITY
        )
    }
}

impl Receiver {
    /// # Errors
    /// The URL is none, or TLS cannot be set up.
    pub(super) fn new(config: &WebhookConfig, allowed: CidrBlocks) -> io::Result<Self> {
        let allowed = AllowedNetworks { networks: allowed, key: WEBHOOK_NETWORKS };
        let http =
            public_targets::client(allowed, Duration::from_millis(config.timeout_ms.into()))?;
        let secret = config.secret.as_ref().map_or("", Secret::reveal);
        Ok(Self(Target::new(http, &config.url, secret)?))
    }

    /// Where events go, without what may be secret in it.
    pub(super) fn shown_url(&self) -> String {
        let mut url = self.0.url().clone();
        url.set_query(None);
        // Of http and https: neither can fail.
        let _ = url.set_password(None);
        let _ = url.set_username("");
        url.into()
    }

    /// Posts once, with these headers beside its own.
    pub(super) async fn post(&self, delivery: &Delivery<'_>, headers: HeaderMap) -> Exchange {
        let begin = Instant::now();
        // Texts, and JSON that was read as such: it cannot fail.
        let body = serde_json::to_vec(delivery).unwrap_or_default();
        let mut status = None;
        let outcome = self.send(body, headers, &mut status).await;
        Exchange { status: status.map(|it| it.as_u16()), took: begin.elapsed(), outcome }
    }

    async fn send(
        &self,
        body: Vec<u8>,
        headers: HeaderMap,
        status: &mut Option<StatusCode>,
    ) -> Result<(), Failure> {
        let mut response = self.0.post(body, headers).await?;
        let answered = response.status();
        *status = Some(answered);
        if answered.is_success() {
            // What it says beyond that is of no interest, however long it goes on.
            return Ok(());
        }
        let mut said = Vec::new();
        while said.len() < ANSWER_BYTES_MAX
            && let Ok(Some(chunk)) = response.chunk().await
        {
            said.extend_from_slice(&chunk);
        }
        said.truncate(ANSWER_BYTES_MAX);
        let said = String::from_utf8_lossy(&said);
        let said: String = said.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let said = said.trim();
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        Err(Failure::Status(answered, said))
    }
}

impl Delivery<'_> {
    /// A test of a tenant's.
    pub(super) fn test<'a>(webhook: &'a str, tenant: &'a TenantId) -> Delivery<'a> {
        Delivery {
            webhook,
            tenant_id: tenant.as_str(),
            is_test: true,
            is_after_gap: false,
            events: &[],
        }
    }
}
