//! `/api/v1/revocations`: tokens of the tenant that are refused before their end.

use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use foodtrack_contract::{Refusal, Revocation, RevocationTarget, is_identifier};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::ApiError;
use super::act::Act;
use super::caller::Administrator;
use super::disk_work;
use super::error::{Data, ListSuccess, Part, Success};
use super::extract::{Body, Parameters, Segments, check_limit, malformed};
use crate::hub::Hub;
use crate::revocations::{KEPT_S_MAX, KeptRevocation, now_s};

/// How long a revocation is kept that does not say: longer than tokens live.
const KEPT_S_DEFAULT: u64 = 30 * DAY_S;
const DAY_S: u64 = 24 * 60 * 60;
/// The longest reason, in bytes.
const REASON_BYTES_MAX: usize = 256;
const LISTED_DEFAULT: usize = 100;

/// What a revocation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum RevocationKind {
    /// One token, by its `jti`.
    Token,
    /// A user's tokens.
    User,
    /// What a device shows, by the id that its token or its handshake names.
    Device,
    /// What comes back to a session, by its connection's id.
    Session,
    /// All of the tenant, the caller's own too.
    Tenant,
}

/// Which tokens are to be refused.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({ "kind": "user", "value": "ada", "reason": "left the company" }))]
pub(crate) struct NewRevocation {
    kind: RevocationKind,
    /// The `jti`, user, device or session; absent for the tenant.
    value: Option<String>,
    /// Tokens that were made later are good; now where absent. RFC 3339. A time to come lets nobody in until then. Counts for users, devices
    /// and the tenant.
    issued_through: Option<String>,
    /// When no token can be left that it is about, and it is forgotten: RFC 3339, at most 366 days from now; 30 days where absent.
    expires_at: Option<String>,
    /// For people, at most 256 bytes.
    reason: Option<String>,
}

/// Tokens that are refused.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RevocationReport {
    id: String,
    kind: RevocationKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// Tokens that were made later are good, where it is about a user, a device or the tenant.
    issued_through: String,
    /// When it is forgotten.
    expires_at: String,
    created_at: String,
    /// The user of the token that asked for it.
    created_by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// What was revoked.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Revoked {
    revocation: RevocationReport,
    /// How many connections of this node were ended by it; other nodes end theirs at the same time.
    disconnected: usize,
    /// Nodes of the cluster that did not say in time that it is in force there. It is within seconds, unless they cannot reach Redis.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing_nodes: Vec<String>,
}

/// A revocation that was taken back.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RevocationRemoved {
    removed: String,
    /// Nodes of the cluster that did not say in time that they know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing_nodes: Vec<String>,
}

/// Which revocations.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RevocationsQuery {
    /// Only those of this kind.
    #[param(inline)]
    kind: Option<RevocationKind>,
    /// Only those after this one, by `nextCursor`.
    cursor: Option<String>,
    /// At most so many; 100 where absent, 1000 at most.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// What it is about: `user ada`.
impl fmt::Display for NewRevocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            RevocationKind::Token => "token",
            RevocationKind::User => "user",
            RevocationKind::Device => "device",
            RevocationKind::Session => "session",
            RevocationKind::Tenant => "tenant",
        };
        let value = self.value.as_deref().unwrap_or_default();
        write!(f, "{kind} {value}")
    }
}

impl NewRevocation {
    fn read(self, created_by: &str, now_s: u64) -> Result<KeptRevocation, Refusal> {
        let target = self.target()?;
        let time = |text: &Option<String>, pointer: &'static str| {
            text.as_deref().map(|text| seconds(text, pointer)).transpose()
        };
        let issued_through_s = time(&self.issued_through, "/issuedThrough")?.unwrap_or(now_s);
        let expires_at_s = time(&self.expires_at, "/expiresAt")?.unwrap_or(now_s + KEPT_S_DEFAULT);
        if !(now_s + 1..=now_s + KEPT_S_MAX).contains(&expires_at_s) {
            let sentence = "expiresAt lies in the time to come, and at most 366 days ahead";
            return Err(malformed(sentence).at("/expiresAt", "range"));
        }
        if self.reason.as_ref().is_some_and(|it| it.len() > REASON_BYTES_MAX) {
            return Err(malformed("reason is at most 256 bytes").at("/reason", "maxLength"));
        }
        Ok(KeptRevocation {
            id: Uuid::now_v7(),
            revocation: Revocation { target, issued_through_s },
            expires_at_s,
            created_at_s: now_s,
            created_by: created_by.to_owned(),
            reason: self.reason,
        })
    }

    fn target(&self) -> Result<RevocationTarget, Refusal> {
        let make = match (self.kind, &self.value) {
            (RevocationKind::Tenant, None) => return Ok(RevocationTarget::Tenant),
            (RevocationKind::Tenant, Some(_)) => {
                let sentence = "a tenant's tokens are the caller's tenant's: leave value out";
                return Err(malformed(sentence).at("/value", "not"));
            }
            (RevocationKind::Token, _) => RevocationTarget::Token,
            (RevocationKind::User, _) => RevocationTarget::User,
            (RevocationKind::Device, _) => RevocationTarget::Device,
            (RevocationKind::Session, _) => RevocationTarget::Session,
        };
        let value = self.value.as_ref().filter(|it| is_identifier(it)).ok_or_else(|| {
            malformed("value names what is revoked, in 1 to 128 characters").at("/value", "length")
        })?;
        Ok(make(value.clone()))
    }
}

impl From<KeptRevocation> for RevocationReport {
    fn from(kept: KeptRevocation) -> Self {
        let (kind, value) = match kept.revocation.target {
            RevocationTarget::Token(id) => (RevocationKind::Token, Some(id)),
            RevocationTarget::User(id) => (RevocationKind::User, Some(id)),
            RevocationTarget::Device(id) => (RevocationKind::Device, Some(id)),
            RevocationTarget::Session(id) => (RevocationKind::Session, Some(id)),
            RevocationTarget::Tenant => (RevocationKind::Tenant, None),
        };
        Self {
            id: kept.id.to_string(),
            kind,
            value,
            issued_through: rfc3339(kept.revocation.issued_through_s),
            expires_at: rfc3339(kept.expires_at_s),
            created_at: rfc3339(kept.created_at_s),
            created_by: kept.created_by,
            reason: kept.reason,
        }
    }
}

/// RFC 3339 in UTC.
pub(super) fn rfc3339(unix_s: u64) -> String {
    let seconds = i64::try_from(unix_s).unwrap_or(i64::MAX);
    let time = OffsetDateTime::from_unix_timestamp(seconds).ok();
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

/// Seconds since the Unix epoch; a part of one counts as the whole.
pub(super) fn seconds(text: &str, pointer: &'static str) -> Result<u64, Refusal> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok();
    let seconds = time.map(|it| it.unix_timestamp() + i64::from(it.nanosecond() > 0));
    seconds.and_then(|it| u64::try_from(it).ok()).ok_or_else(|| {
        malformed("a time is RFC 3339, such as 2026-11-30T12:00:00Z").at(pointer, "format")
    })
}

/// Refuses tokens from now on, on every node, and ends the connections that were opened with them. The same target again is revoked once.
#[utoipa::path(post, path = "/api/v1/revocations", operation_id = "revoke", tag = "revocations", request_body = NewRevocation,
    responses((status = 201, body = Success<Revoked>)))]
pub(crate) async fn revoke(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    act: Act,
    Body(new): Body<NewRevocation>,
) -> Result<(StatusCode, Data<Revoked>), ApiError> {
    act.is_about(&new);
    let new = new.read(caller.user(), now_s())?;
    let revoke = move |hub: &Hub, tenant: &_| hub.revocations.revoke(tenant, &new);
    let (kept, disconnected) = disk_work::change_kept(&hub, caller.tenant(), revoke).await?;
    let missing_nodes = hub.cluster.tell_of_changes().await;
    let revoked = Revoked { revocation: kept.into(), disconnected, missing_nodes };
    Ok((StatusCode::CREATED, Data(revoked)))
}

/// Lists what is revoked, oldest first.
#[utoipa::path(get, path = "/api/v1/revocations", operation_id = "listRevocations", tag = "revocations", params(RevocationsQuery),
    responses((status = 200, body = ListSuccess<Vec<RevocationReport>>)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Parameters(query): Parameters<RevocationsQuery>,
) -> Result<Part<Vec<RevocationReport>>, ApiError> {
    check_limit(query.limit)?;
    let limit = query.limit.unwrap_or(LISTED_DEFAULT);
    let after = query.cursor.as_deref().map(id).transpose()?;
    let read = |hub: &Hub, tenant: &_| Ok(hub.revocations.of(tenant));
    let mut all = disk_work::read(&hub, caller.tenant(), read).await?;
    all.sort_unstable_by_key(|it| it.id);
    let mut listed = all
        .into_iter()
        .filter(|it| after.is_none_or(|after| it.id > after))
        .map(RevocationReport::from)
        .filter(|it| query.kind.is_none_or(|kind| it.kind == kind));
    let data: Vec<RevocationReport> = listed.by_ref().take(limit).collect();
    let has_more = listed.next().is_some();
    let next_cursor = data.last().filter(|_| has_more).map(|it| it.id.clone());
    Ok(Part { data, next_cursor, missing_nodes: Vec::new() })
}

/// Takes a revocation back: its tokens are good again until they end.
#[utoipa::path(delete, path = "/api/v1/revocations/{id}", operation_id = "withdrawRevocation", tag = "revocations",
    params(("id" = String, Path, description = "The revocation's id")),
    responses((status = 200, body = Success<RevocationRemoved>)))]
pub(crate) async fn withdraw(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Segments(text): Segments<String>,
) -> Result<Data<RevocationRemoved>, ApiError> {
    let id = id(&text)?;
    let withdraw = move |hub: &Hub, tenant: &_| hub.revocations.withdraw(tenant, id);
    disk_work::change_kept(&hub, caller.tenant(), withdraw).await?;
    let missing_nodes = hub.cluster.tell_of_changes().await;
    Ok(Data(RevocationRemoved { removed: id.to_string(), missing_nodes }))
}

fn id(text: &str) -> Result<Uuid, Refusal> {
    Uuid::try_parse(text)
        .map_err(|_| malformed("an id of a revocation is a UUID, as the list has it"))
}
