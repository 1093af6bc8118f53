//! `/api/v1/api-keys`: keys with which the tenant's back ends call this API instead of a token.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use foodtrack_contract::{Permission, Refusal};
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::act::Act;
use super::caller::Administrator;
use super::disk_work;
use super::error::{Data, Success};
use super::extract::{Body, Segments, malformed};
use super::revocations::{rfc3339, seconds};
use crate::api_keys::{KeptApiKey, WantedApiKey, WantedSecret};
use crate::hub::Hub;
use crate::revocations::now_s;

/// How long a key is good that does not say.
const GOOD_S_DEFAULT: u64 = 90 * DAY_S;
/// The longest.
const GOOD_S_MAX: u64 = 366 * DAY_S;
const DAY_S: u64 = 24 * 60 * 60;
/// How long the secret before is good beside a new one: at most, and where it is not said.
const GRACE_S_MAX: u64 = 7 * DAY_S;
const GRACE_S_DEFAULT: u64 = DAY_S;
const NAME_BYTES_MAX: usize = 64;

/// A key to be made.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({ "name": "billing", "permissions": ["write:orders"] }))]
pub(crate) struct NewKey {
    /// For people, 1 to 64 bytes.
    name: String,
    /// What it may do, such as `write:orders`; `admin:access` opens what is for administrators.
    permissions: Vec<String>,
    /// RFC 3339, at most 366 days from now; 90 days where absent.
    expires_at: Option<String>,
}

/// How a key gets another secret.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Rotation {
    /// RFC 3339, at most 366 days from now; 90 days where absent.
    expires_at: Option<String>,
    /// How long the secret before is still good, at most 7 days; a day where absent.
    grace_seconds: Option<u64>,
}

/// A key without its secret.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiKeyReport {
    id: String,
    name: String,
    permissions: Vec<String>,
    created_at: String,
    /// The user of the token that asked for it.
    created_by: String,
    expires_at: String,
    /// To about a minute; absent where it never was.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<String>,
}

/// A key that was made, or has another secret.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiKeyMade {
    api_key: ApiKeyReport,
    /// The key itself: nobody can show it a second time.
    key: String,
    /// Nodes of the cluster that did not say in time that it is good there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing_nodes: Vec<String>,
}

/// A key that was taken away.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiKeyRevoked {
    revoked: String,
    /// Nodes of the cluster that did not say in time that they know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing_nodes: Vec<String>,
}

impl From<KeptApiKey> for ApiKeyReport {
    fn from(kept: KeptApiKey) -> Self {
        let expires_at = rfc3339(kept.expires_at_s());
        Self {
            id: kept.id,
            name: kept.name,
            permissions: kept.permissions,
            created_at: rfc3339(kept.created_at_s),
            created_by: kept.created_by,
            expires_at,
            last_used_at: (kept.last_used_s > 0).then(|| rfc3339(kept.last_used_s)),
        }
    }
}

fn expiry(text: Option<&str>) -> Result<u64, Refusal> {
    let now_s = now_s();
    let at_s = text.map(|text| seconds(text, "/expiresAt")).transpose()?;
    let at_s = at_s.unwrap_or(now_s + GOOD_S_DEFAULT);
    if (now_s + 1..=now_s + GOOD_S_MAX).contains(&at_s) {
        return Ok(at_s);
    }
    let sentence = "expiresAt lies in the time to come, and at most 366 days ahead";
    Err(malformed(sentence).at("/expiresAt", "range"))
}

/// Makes a key. It is in the answer, and nowhere else.
#[utoipa::path(post, path = "/api/v1/api-keys", operation_id = "createApiKey", tag = "api keys", request_body = NewKey,
    responses((status = 201, body = Success<ApiKeyMade>)))]
pub(crate) async fn create(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    act: Act,
    Body(new): Body<NewKey>,
) -> Result<(StatusCode, Data<ApiKeyMade>), ApiError> {
    if !(1..=NAME_BYTES_MAX).contains(&new.name.len()) {
        return Err(malformed("name has 1 to 64 bytes").at("/name", "length").into());
    }
    let mut permissions = new.permissions;
    permissions.sort_unstable();
    permissions.dedup();
    let unknown = permissions.iter().find(|it| Permission::from_wire(it).is_none());
    if unknown.is_some() || permissions.is_empty() {
        let known = Permission::ALL.map(|it| it.as_str()).join(", ");
        let sentence = format!("permissions is a list of some of {known}");
        return Err(malformed(sentence).at("/permissions", "enum").into());
    }
    let wanted = WantedApiKey {
        name: new.name,
        permissions,
        expires_at_s: expiry(new.expires_at.as_deref())?,
        created_by: caller.user().to_owned(),
    };
    let create = move |hub: &Hub, tenant: &_| hub.api_keys.create(tenant, wanted);
    let (kept, key) = disk_work::change_kept(&hub, caller.tenant(), create).await?;
    act.is_about(&kept.id);
    let missing_nodes = hub.cluster.tell_of_changes().await;
    let made = ApiKeyMade { api_key: kept.into(), key, missing_nodes };
    Ok((StatusCode::CREATED, Data(made)))
}

/// Lists the tenant's keys, without their secrets, oldest first.
#[utoipa::path(get, path = "/api/v1/api-keys", operation_id = "listApiKeys", tag = "api keys",
    responses((status = 200, body = Success<Vec<ApiKeyReport>>)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
) -> Result<Data<Vec<ApiKeyReport>>, ApiError> {
    let read = |hub: &Hub, tenant: &_| Ok(hub.api_keys.of(tenant));
    let all = disk_work::read(&hub, caller.tenant(), read).await?;
    Ok(Data(all.into_iter().map(ApiKeyReport::from).collect()))
}

/// Gives a key another secret. The one before is good for a while, so that nobody is locked out meanwhile.
#[utoipa::path(post, path = "/api/v1/api-keys/{id}/rotate", operation_id = "rotateApiKey", tag = "api keys", request_body = Rotation,
    params(("id" = String, Path, description = "The key's id")),
    responses((status = 200, body = Success<ApiKeyMade>)))]
pub(crate) async fn rotate(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Segments(id): Segments<String>,
    Body(rotation): Body<Rotation>,
) -> Result<Data<ApiKeyMade>, ApiError> {
    let grace_s = rotation.grace_seconds.unwrap_or(GRACE_S_DEFAULT);
    if grace_s > GRACE_S_MAX {
        return Err(malformed("graceSeconds is at most 604800")
            .at("/graceSeconds", "maximum")
            .into());
    }
    let expires_at_s = expiry(rotation.expires_at.as_deref())?;
    let wanted = WantedSecret { expires_at_s, grace_s };
    let rotate = move |hub: &Hub, tenant: &_| hub.api_keys.rotate(tenant, &id, wanted);
    let (kept, key) = disk_work::change_kept(&hub, caller.tenant(), rotate).await?;
    let missing_nodes = hub.cluster.tell_of_changes().await;
    Ok(Data(ApiKeyMade { api_key: kept.into(), key, missing_nodes }))
}

/// Takes a key away: it opens nothing from now on, on every node.
#[utoipa::path(delete, path = "/api/v1/api-keys/{id}", operation_id = "revokeApiKey", tag = "api keys",
    params(("id" = String, Path, description = "The key's id")),
    responses((status = 200, body = Success<ApiKeyRevoked>)))]
pub(crate) async fn revoke(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Segments(id): Segments<String>,
) -> Result<Data<ApiKeyRevoked>, ApiError> {
    let of = id.clone();
    let revoke = move |hub: &Hub, tenant: &_| hub.api_keys.revoke(tenant, &of);
    disk_work::change_kept(&hub, caller.tenant(), revoke).await?;
    let missing_nodes = hub.cluster.tell_of_changes().await;
    Ok(Data(ApiKeyRevoked { revoked: id, missing_nodes }))
}
