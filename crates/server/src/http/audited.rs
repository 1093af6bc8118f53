//! What the HTTP API was asked, as records of the audit log.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use foodtrack_contract::Principal;

use super::act::Act;
use super::refusals::RefusedWith;
use super::request_line::ClientAddress;
use crate::audit::{AuditEntry, Share, cut};
use crate::hub::Hub;

/// Requests that read what people did; all others that only read are not told.
const READS: [&str; 9] = [
    "/api/v1/audit",
    "/api/v1/log",
    "/api/v1/messages/{id}/trace",
    "/api/v1/orders/{order}/timeline",
    "/api/v1/offline-queues",
    "/api/v1/offline-queues/{subscriber}",
    "/api/v1/dead-letters",
    "/api/v1/dead-letters/{offset}",
    "/api/v1/revocations",
];
const PUBLISHES: [&str; 2] = ["/api/v1/publish", "/api/v1/publish/batch"];
/// It is asked with a body, and changes nothing.
const EXPLAIN: &str = "/api/v1/explain";

/// What is known of a request before it is answered.
struct Asked {
    method: Method,
    route: MatchedPath,
    path: String,
    address: Option<ClientAddress>,
    is_dry_run: bool,
}

impl Asked {
    /// `None` where there is no such route.
    fn of(request: &Request) -> Option<Self> {
        let route = request.extensions().get::<MatchedPath>()?.clone();
        let has_names = route.as_str().contains('{');
        Some(Self {
            method: request.method().clone(),
            path: if has_names { cut(request.uri().path()) } else { String::new() },
            route,
            address: request.extensions().get().copied(),
            is_dry_run: request.uri().query().is_some_and(|it| it.contains("dryRun=true")),
        })
    }

    /// Whether it is told when it was answered so.
    fn is_told(&self, hub: &Hub, status: StatusCode) -> bool {
        let route = self.route.as_str();
        match status {
            // It was not so much as looked at.
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => false,
            StatusCode::FORBIDDEN => true,
            _ if PUBLISHES.contains(&route) => hub.audit.has_publishes(),
            _ if self.method.is_safe() => READS.contains(&route),
            _ => route != EXPLAIN && !self.is_dry_run,
        }
    }

    /// Whether it is more than what the same one has read a moment ago.
    fn is_news(&self, hub: &Hub, principal: Option<&Principal>, status: StatusCode) -> bool {
        if !self.method.is_safe() || !status.is_success() {
            return true;
        }
        let who = principal.map(|it| (it.tenant(), it.user().as_str(), it.token_id()));
        let from = self.address.map(|ClientAddress(address)| address.ip());
        hub.audit.is_read_anew((who, from, self.route.as_str(), &self.path))
    }

    fn entry(self, subject: Option<String>) -> AuditEntry {
        let Self { method, route, path, address, .. } = self;
        AuditEntry {
            path: Some(path).filter(|path| !path.is_empty()),
            address: address.map(|ClientAddress(address)| address.ip().to_string()),
            subject,
            ..AuditEntry::new(format!("{method} {}", route.as_str()))
        }
    }
}

/// Answers a request, and tells of it what is to be told.
pub(super) async fn tell(
    State(hub): State<Arc<Hub>>,
    Extension(act): Extension<Act>,
    request: Request,
    next: Next,
) -> Response {
    let asked = Asked::of(&request).filter(|_| hub.audit.is_on());
    let Some(asked) = asked else { return next.run(request).await };
    let response = next.run(request).await;
    let code = response.extensions().get().map(|RefusedWith(code)| *code);
    let status = response.status();
    let (principal, is_operator, subject) = {
        let mut known = act.known();
        (known.principal.clone(), known.is_operator, known.subject.take())
    };
    let with_answer = |entry: AuditEntry| AuditEntry {
        status: Some(status.as_u16()),
        code: code.map(|code| code.as_str().into()),
        ..entry
    };
    match (principal, code) {
        (Some(principal), _)
            if asked.is_told(&hub, status) && asked.is_news(&hub, Some(&principal), status) =>
        {
            let share = if status == StatusCode::FORBIDDEN { Share::Rest } else { Share::Acts };
            let entry = || with_answer(asked.entry(subject).by(&principal));
            hub.audit.tell_of(share, principal.tenant(), entry);
        }
        (None, _)
            if is_operator && asked.is_told(&hub, status) && asked.is_news(&hub, None, status) =>
        {
            let user = Some("operator".to_owned());
            hub.audit.tell(AuditEntry { user, ..with_answer(asked.entry(subject)) });
        }
        (None, Some(code)) if status == StatusCode::UNAUTHORIZED => {
            hub.audit.stranger_refused(code);
        }
        _ => {}
    }
    response
}
