//! Who calls: the principal of the request's token, and what it may ask for.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use foodtrack_contract::{ErrorCode, Permission, Principal, Refusal, TenantId, UserRole};
use foodtrack_router::Viewer;

use foodtrack_shard::PeerCertificate;

use super::ApiError;
use super::audited::Act;
use super::request_line::Asker;
use crate::hub::Hub;
use crate::log_report::Reports;
use crate::operator_token::operator_of;
use crate::tls::{KnownClient, Scope};

/// A backend service: a token whose role is `system`.
pub(crate) struct Backend(pub(crate) Principal);

/// A backend service, or a person with `admin:access`. Only the tenant is of use: all that follows happens within it.
pub(crate) struct Administrator(Principal);

impl Administrator {
    /// The only tenant that the request can be about.
    pub(crate) fn tenant(&self) -> &TenantId {
        self.0.tenant()
    }

    /// How its log is told to it.
    pub(crate) fn reports(&self, hub: &Hub) -> Reports {
        let viewer = Viewer::Person { applications: self.0.applications(), role: self.0.role() };
        Reports::new(&hub.policies.current().redactions, self.tenant(), viewer)
    }

    /// Who asks, for people to read.
    pub(crate) fn user(&self) -> &str {
        self.0.user().as_str()
    }
}

/// Who runs the hub: the token that the configuration names. No tenant's.
pub(crate) struct Operator;

impl FromRequestParts<Arc<Hub>> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self, ApiError> {
        check_running(hub)?;
        if is_operator(parts, hub) {
            return Ok(Self);
        }
        // Who has no good token at all is told so.
        caller(parts, hub)?;
        let sentence =
            "only who runs the hub may do this: with the token of dashboard.operatorToken";
        Err(Refusal::new(ErrorCode::PermissionDenied, sentence).into())
    }
}

/// Who may see how the node performs: the operator, and every administrator.
pub(crate) struct Watcher;

impl FromRequestParts<Arc<Hub>> for Watcher {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self, ApiError> {
        if !is_operator(parts, hub) {
            Administrator::from_request_parts(parts, hub).await?;
        }
        Ok(Self)
    }
}

impl FromRequestParts<Arc<Hub>> for Backend {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self, ApiError> {
        let Caller { principal, scopes } = caller(parts, hub)?;
        if principal.role() == UserRole::System && allows(scopes.as_deref(), Scope::Publish) {
            return Ok(Self(principal));
        }
        let sentence = "only a backend service may do this; use a token with role system";
        Err(Refusal::new(ErrorCode::PermissionDenied, sentence).into())
    }
}

impl FromRequestParts<Arc<Hub>> for Administrator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self, ApiError> {
        let Caller { principal, scopes } = caller(parts, hub)?;
        let is_administrator = principal.role() == UserRole::System
            || principal.permissions().allows(Permission::AdminAccess);
        if is_administrator && allows(scopes.as_deref(), Scope::Administer) {
            hub.api_quota.spend(&principal, Instant::now())?;
            return Ok(Self(principal));
        }
        let sentence = "this takes admin:access, or a backend service's token with role system";
        Err(Refusal::new(ErrorCode::PermissionDenied, sentence).into())
    }
}

/// Who calls, and what of its own it may do: all, where nobody says.
struct Caller {
    principal: Principal,
    scopes: Option<Vec<Scope>>,
}

fn allows(scopes: Option<&[Scope]>, wanted: Scope) -> bool {
    scopes.is_none_or(|scopes| scopes.contains(&wanted))
}

/// The tenant that a back end with a certificate speaks for, where it has several, and that an operator asks about.
const TENANT_HEADER: &str = "foodtrack-tenant";

fn check_running(hub: &Hub) -> Result<(), Refusal> {
    if hub.is_stopping() {
        let sentence = "the server is about to stop; ask another one, or this one shortly";
        return Err(Refusal::new(ErrorCode::Draining, sentence));
    }
    Ok(())
}

fn text<'p>(parts: &'p Parts, name: &str) -> Option<&'p str> {
    parts.headers.get(name).and_then(|value| value.to_str().ok())
}

fn is_operator(parts: &Parts, hub: &Hub) -> bool {
    let token = text(parts, header::AUTHORIZATION.as_str()).and_then(bearer);
    hub.operator.as_ref().zip(token).is_some_and(|(operator, token)| operator.is(token))
}

fn caller(parts: &Parts, hub: &Hub) -> Result<Caller, Refusal> {
    check_running(hub)?;
    let text = |name: &str| text(parts, name);
    if is_operator(parts, hub) {
        let principal = operator_of(text(TENANT_HEADER))?;
        note(parts, &principal);
        return Ok(Caller { principal, scopes: Some(vec![Scope::Administer]) });
    }
    if parts.headers.contains_key(header::AUTHORIZATION) {
        let token = text(header::AUTHORIZATION.as_str()).and_then(bearer);
        let principal = hub.principal(token.ok_or_else(token_missing)?)?;
        note(parts, &principal);
        return Ok(Caller { principal, scopes: None });
    }
    // A browser shows its certificate for whichever page asks.
    let is_a_pages = parts.headers.contains_key(header::ORIGIN);
    let shown = parts.extensions.get::<PeerCertificate>().filter(|_| !is_a_pages);
    let known = shown.and_then(|shown| hub.certified(&shown.0, text(TENANT_HEADER)));
    let KnownClient { principal, scopes } = known.ok_or_else(token_missing)??;
    note(parts, &principal);
    Ok(Caller { principal, scopes: Some(scopes) })
}

/// Names who asks in the request's line, and in the audit log's record of it.
fn note(parts: &Parts, principal: &Principal) {
    Act::of(parts).is_by(principal);
    if let Some(asker) = parts.extensions.get::<Asker>() {
        asker.is(principal);
    }
}

fn token_missing() -> Refusal {
    Refusal::new(ErrorCode::TokenMissing, "send the token as `Authorization: Bearer TOKEN`")
}

/// The token of a `Bearer` header; the scheme's case does not matter (RFC 9110, section 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_after_bearer_in_any_case() {
        assert_eq!(bearer("Bearer a.b.c"), Some("a.b.c"));
        assert_eq!(bearer("bearer  a.b.c "), Some("a.b.c"));
        for other in ["Basic a.b.c", "a.b.c", "Bearer", "Bearer  "] {
            assert_eq!(bearer(other), None, "{other}");
        }
    }
}
