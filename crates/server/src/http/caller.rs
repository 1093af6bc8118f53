//! Who calls: the principal of the request's token, and what it may ask for.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use foodtrack_auth::API_KEY_PREFIX;
use foodtrack_contract::{ErrorCode, Permission, Principal, Refusal, TenantId, UserRole};
use foodtrack_router::Viewer;

use foodtrack_shard::PeerCertificate;

use super::ApiError;
use super::act::Act;
use super::extract::Segments;
use crate::hub::Hub;
use crate::log_report::Reports;
use crate::operator_token::operator_of;
use crate::tls::{KnownClient, Scope};

/// Who may publish: a token whose role is `system`, a certificate that may, or an API key, as far as its permissions go.
pub(crate) struct Publisher(pub(crate) Principal);

/// A backend service: as [`Publisher`], but for an API key without `admin:access`.
pub(crate) struct Backend(pub(crate) Principal);

/// Who may ask for what is of the whole node: as [`Backend`], but for API keys, which a tenant makes for itself.
pub(crate) struct NodeService(pub(crate) Principal);

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
            Act::of(parts).is_by_operator();
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

/// Whose numbers may be seen: the tenant's that the path names, by its administrators and by who runs the hub.
pub(crate) struct TenantWatcher(pub(crate) TenantId);

impl FromRequestParts<Arc<Hub>> for TenantWatcher {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self, ApiError> {
        check_running(hub)?;
        if is_operator(parts, hub) {
            Act::of(parts).is_by_operator();
            let Segments(name) = Segments::<String>::from_request_parts(parts, hub).await?;
            let tenant = TenantId::parse(&name).map_err(|_| {
                Refusal::new(ErrorCode::NotFound, "no tenant can have the name in the path")
            })?;
            return Ok(Self(tenant));
        }
        let administrator = Administrator::from_request_parts(parts, hub).await?;
        let Segments(name) = Segments::<String>::from_request_parts(parts, hub).await?;
        if administrator.tenant().as_str() == name {
            return Ok(Self(administrator.tenant().clone()));
        }
        // The same whether or not there is such a tenant.
        let sentence =
            "the token is another tenant's: its own numbers are at /metrics/tenants/ and its name";
        Err(Refusal::new(ErrorCode::PermissionDenied, sentence).into())
    }
}

/// Whose audit log may be read: a tenant's by its administrators, and all of it by who runs the hub and names no tenant.
pub(crate) struct Auditor(pub(crate) Option<TenantId>);

impl FromRequestParts<Arc<Hub>> for Auditor {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self, ApiError> {
        check_running(hub)?;
        if is_operator(parts, hub) && text(parts, TENANT_HEADER).is_none() {
            Act::of(parts).is_by_operator();
            return Ok(Self(None));
        }
        let administrator = Administrator::from_request_parts(parts, hub).await?;
        Ok(Self(Some(administrator.tenant().clone())))
    }
}

impl FromRequestParts<Arc<Hub>> for Publisher {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self, ApiError> {
        Ok(Self(back_end(parts, hub, |_| true)?))
    }
}

impl FromRequestParts<Arc<Hub>> for Backend {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self, ApiError> {
        let may = |key: &Principal| key.permissions().allows(Permission::AdminAccess);
        Ok(Self(back_end(parts, hub, may)?))
    }
}

impl FromRequestParts<Arc<Hub>> for NodeService {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self, ApiError> {
        Ok(Self(back_end(parts, hub, |_| false)?))
    }
}

impl FromRequestParts<Arc<Hub>> for Administrator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self, ApiError> {
        let Caller { principal, credential } = caller(parts, hub)?;
        let is_service = principal.role() == UserRole::System;
        let has_access = principal.permissions().allows(Permission::AdminAccess);
        let may = match credential {
            Credential::Token => is_service || has_access,
            Credential::Scoped(scopes) => scopes.contains(&Scope::Administer),
            Credential::ApiKey => has_access,
        };
        if may {
            hub.api_quota.spend(&principal, Instant::now())?;
            return Ok(Self(principal));
        }
        let sentence = "this takes admin:access, or a backend service's token with role system";
        Err(Refusal::new(ErrorCode::PermissionDenied, sentence).into())
    }
}

/// Who calls, and what of its own it may do.
struct Caller {
    principal: Principal,
    credential: Credential,
}

/// What somebody shows.
enum Credential {
    /// It may do what it says itself.
    Token,
    /// A certificate, or the operator's token: it may do this.
    Scoped(Vec<Scope>),
    /// It may do what its permissions name.
    ApiKey,
}

/// A back end that calls; `key_may` says which API keys may do what it calls for.
fn back_end(
    parts: &Parts,
    hub: &Hub,
    key_may: impl Fn(&Principal) -> bool,
) -> Result<Principal, Refusal> {
    let Caller { principal, credential } = caller(parts, hub)?;
    let may = match credential {
        Credential::Token => true,
        Credential::Scoped(scopes) => scopes.contains(&Scope::Publish),
        Credential::ApiKey => key_may(&principal),
    };
    if may && principal.role() == UserRole::System {
        return Ok(principal);
    }
    let sentence = "only a backend service may do this; use a token with role system";
    Err(Refusal::new(ErrorCode::PermissionDenied, sentence))
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

/// Whether the operator asks. The token is hashed once a request, whoever wants to know.
fn is_operator(parts: &Parts, hub: &Hub) -> bool {
    let token = text(parts, header::AUTHORIZATION.as_str()).and_then(bearer);
    let Some((operator, token)) = hub.operator.as_ref().zip(token) else { return false };
    Act::of(parts).has_operators_token(|| operator.is(token))
}

fn caller(parts: &Parts, hub: &Hub) -> Result<Caller, Refusal> {
    check_running(hub)?;
    let text = |name: &str| text(parts, name);
    if is_operator(parts, hub) {
        let principal = operator_of(text(TENANT_HEADER))?;
        Act::of(parts).is_by(&principal);
        return Ok(Caller { principal, credential: Credential::Scoped(vec![Scope::Administer]) });
    }
    if parts.headers.contains_key(header::AUTHORIZATION) {
        let shown = text(header::AUTHORIZATION.as_str()).and_then(bearer);
        let shown = shown.ok_or_else(token_missing)?;
        let (principal, credential) = match shown.starts_with(API_KEY_PREFIX) {
            true => (hub.holder(shown)?, Credential::ApiKey),
            false => (hub.principal(shown)?, Credential::Token),
        };
        Act::of(parts).is_by(&principal);
        return Ok(Caller { principal, credential });
    }
    // A browser shows its certificate for whichever page asks.
    let is_a_pages = parts.headers.contains_key(header::ORIGIN);
    let shown = parts.extensions.get::<PeerCertificate>().filter(|_| !is_a_pages);
    let known = shown.and_then(|shown| hub.certified(&shown.0, text(TENANT_HEADER)));
    let KnownClient { principal, scopes } = known.ok_or_else(token_missing)??;
    Act::of(parts).is_by(&principal);
    Ok(Caller { principal, credential: Credential::Scoped(scopes) })
}

fn token_missing() -> Refusal {
    Refusal::new(
        ErrorCode::TokenMissing,
        "send the token, or an API key, as `Authorization: Bearer TOKEN`",
    )
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
