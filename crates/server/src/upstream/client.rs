//! Asks the back end one thing, over HTTP.

use std::io;
use std::time::{Duration, Instant};

use foodtrack_contract::{
    ApplicationType, DeviceId, ErrorCode, Permission, PermissionSet, Refusal,
};
use foodtrack_shard::{Forwarded, HookQuestion};
use http::HeaderMap;
use reqwest::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;

use super::answer::{self, Said};
use super::hooks;
use crate::config::{Secret, UpstreamConfig};
use crate::posting::{self, NoAnswer, Target};

/// Connections that are kept for the next requests.
const IDLE_CONNECTIONS_MAX: usize = 64;

/// What the back end is sent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Question<'a> {
    /// The event's name.
    pub(crate) event: &'a str,
    /// Its first argument.
    pub(crate) payload: &'a RawValue,
    pub(crate) tenant_id: &'a str,
    pub(crate) user_id: &'a str,
    pub(crate) role: &'a str,
    /// Absent for back ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) application: Option<&'a str>,
    pub(crate) permissions: Vec<&'a str>,
    /// The Socket.IO id of the connection; absent in hooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) connection_id: Option<&'a str>,
    /// In hooks alone, where the device has a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) device_id: Option<&'a str>,
}

impl<'a> Question<'a> {
    /// What a client asks; `None` where its argument is not JSON.
    pub(super) fn of(request: &'a Forwarded) -> Option<Self> {
        let Forwarded { requester, principal, application, event, payload } = request;
        Some(Self {
            event,
            payload: serde_json::from_str(payload).ok()?,
            tenant_id: principal.tenant().as_str(),
            user_id: principal.user().as_str(),
            role: principal.role().as_str(),
            application: application.map(ApplicationType::as_str),
            permissions: names(principal.permissions()),
            connection_id: Some(requester.id.as_str()),
            device_id: None,
        })
    }

    /// What a hook asks; `payload` is its argument.
    pub(crate) fn of_hook(question: &'a HookQuestion, payload: &'a RawValue) -> Self {
        Self {
            event: hooks::event(&question.hook),
            payload,
            tenant_id: question.tenant.as_str(),
            user_id: question.user.as_str(),
            role: question.role.as_str(),
            application: question.application.map(ApplicationType::as_str),
            permissions: names(question.permissions),
            connection_id: None,
            device_id: question.device.as_ref().map(DeviceId::as_str),
        }
    }
}

/// The names of permissions.
pub(crate) fn names(permissions: PermissionSet) -> Vec<&'static str> {
    let all = Permission::ALL.into_iter().filter(|one| permissions.allows(*one));
    all.map(Permission::as_str).collect()
}

/// The way to the back end.
pub(crate) struct UpstreamClient {
    target: Target,
    answer_bytes_max: usize,
}

/// One question, and what became of it.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// The body that was sent.
    pub(crate) sent: String,
    /// How long it took.
    pub(crate) took: Duration,
    /// The status and the body of the answer, as far as they came.
    pub(crate) status: Option<u16>,
    pub(crate) body: Vec<u8>,
    outcome: Result<Said, Failure>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    #[error("it answers with status {0}")]
    Status(u16),
    #[error("its answer is longer than {0} bytes")]
    TooLong(usize),
    #[error(transparent)]
    Unreadable(#[from] answer::Unreadable),
}

impl UpstreamClient {
    /// # Errors
    /// The URL is none, or TLS cannot be set up.
    pub(crate) fn new(
        config: &UpstreamConfig,
        url: &str,
        answer_bytes_max: usize,
    ) -> io::Result<Self> {
        let timeout = Duration::from_millis(config.timeout_ms.into());
        let http =
            posting::client(timeout, IDLE_CONNECTIONS_MAX).build().map_err(io::Error::other)?;
        let target = Target::new(http, url, config.secret.as_ref().map_or("", Secret::reveal))?;
        Ok(Self { target, answer_bytes_max })
    }

    /// Asks once, with these headers beside its own.
    pub(crate) async fn ask(&self, question: &Question<'_>, headers: HeaderMap) -> Exchange {
        let begin = Instant::now();
        let mut exchange = Exchange {
            // Texts, and JSON that was read as such: it cannot fail.
            sent: serde_json::to_string(question).unwrap_or_default(),
            took: Duration::ZERO,
            status: None,
            body: Vec::new(),
            outcome: Err(NoAnswer::Timeout.into()),
        };
        exchange.outcome = match self.post(&mut exchange, headers).await {
            Ok(()) => read(&exchange),
            Err(failure) => Err(failure),
        };
        exchange.took = begin.elapsed();
        exchange
    }

    async fn post(&self, exchange: &mut Exchange, headers: HeaderMap) -> Result<(), Failure> {
        let mut response = self.target.post(exchange.sent.clone().into(), headers).await?;
        exchange.status = Some(response.status().as_u16());
        while let Some(chunk) = response.chunk().await.map_err(NoAnswer::from)? {
            if exchange.body.len() + chunk.len() > self.answer_bytes_max {
                return Err(Failure::TooLong(self.answer_bytes_max));
            }
            exchange.body.extend_from_slice(&chunk);
        }
        Ok(())
    }
}

fn read(exchange: &Exchange) -> Result<Said, Failure> {
    let status = exchange.status.unwrap_or_default();
    let is_answer = StatusCode::from_u16(status)
        .is_ok_and(|status| status.is_success() || status.is_client_error());
    match answer::read(&exchange.body) {
        Ok(answer) if is_answer => Ok(answer),
        // An answer in another shape says no more than its status.
        Err(unreadable) if StatusCode::from_u16(status).is_ok_and(|it| it.is_success()) => {
            Err(unreadable.into())
        }
        _ => Err(Failure::Status(status)),
    }
}

impl Exchange {
    /// Whether the back end answers, whatever it says.
    pub(crate) fn is_healthy(&self) -> bool {
        self.outcome.is_ok()
    }

    /// What the client that asked is told, and what is published before.
    pub(crate) fn into_said(self) -> Said {
        match self.outcome {
            Ok(said) => said,
            Err(failure) => {
                let code = match failure {
                    Failure::NoAnswer(NoAnswer::Timeout) => ErrorCode::Timeout,
                    _ => ErrorCode::Degraded,
                };
                tracing::warn!(%failure, "the back end gave no answer to a request");
                let sentence = format!("the back end gave no answer: {}", failure.for_clients());
                Said { answer: Err(Refusal::new(code, sentence)), events: Vec::new() }
            }
        }
    }

    /// Why there is no answer, for the operator.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        self.outcome.as_ref().err()
    }
}

impl Failure {
    /// Without what a client need not know of the back end.
    fn for_clients(&self) -> &'static str {
        match self {
            Self::NoAnswer(NoAnswer::Timeout) => {
                "it did not answer in time; whether it did what was asked, nobody knows"
            }
            Self::NoAnswer(NoAnswer::Unreachable(_)) => "it cannot be reached",
            Self::Status(_) | Self::TooLong(_) | Self::Unreadable(_) => "its answer is none",
        }
    }
}
