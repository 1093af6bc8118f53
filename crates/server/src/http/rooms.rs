//! `/api/v1/rooms`: the tenant's own rooms, what they are, and who may join by a grant.

use std::sync::Arc;

use axum::extract::State;
use foodtrack_contract::{ErrorCode, Refusal, Room, TenantId, is_identifier};
use foodtrack_shard::{Page, PageQuery, RoomInfo, RoomMetadata};
use serde::Serialize;

use super::ApiError;
use super::caller::Administrator;
use super::error::{Data, ListSuccess, Part, Success};
use super::extract::{Body, Parameters, Segments, check_limit};
use crate::hub::Hub;

/// A grant as it stands after the request.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Grant {
    room: String,
    user: String,
    granted: bool,
}

/// Who may join a room by a grant.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct GrantedUser {
    user: String,
}

/// Lists the tenant's rooms.
#[utoipa::path(get, path = "/api/v1/rooms", operation_id = "listRooms", tag = "rooms", params(PageQuery),
    responses((status = 200, body = ListSuccess<Vec<RoomInfo>>)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Part<Vec<RoomInfo>>, ApiError> {
    check_limit(query.limit)?;
    let rooms = hub.cluster.connections.rooms(caller.tenant(), query).await?;
    let Page { items: data, next: next_cursor } = rooms.found;
    Ok(Part { data, next_cursor, missing_nodes: rooms.missing_nodes })
}

/// Says what a room is, before anyone joins it or after.
#[utoipa::path(put, path = "/api/v1/rooms/{name}", operation_id = "describeRoom", tag = "rooms", params(("name" = String, Path, description = "The room's whole name")), request_body = RoomMetadata,
    responses((status = 200, body = Success<RoomInfo>)))]
pub(crate) async fn describe(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Segments(name): Segments<String>,
    Body(metadata): Body<RoomMetadata>,
) -> Result<Data<RoomInfo>, ApiError> {
    let room = own_room(&name, caller.tenant())?;
    Ok(Data(hub.connections.describe_room(&room, metadata).await?))
}

/// Lists who may join a room by a grant; at most 1 000 users.
#[utoipa::path(get, path = "/api/v1/rooms/{name}/grants", operation_id = "listGrants", tag = "rooms", params(("name" = String, Path, description = "The room's whole name")),
    responses((status = 200, body = Success<Vec<GrantedUser>>)))]
pub(crate) async fn grants(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Segments(name): Segments<String>,
) -> Result<Data<Vec<GrantedUser>>, ApiError> {
    let room = own_room(&name, caller.tenant())?;
    let users = hub.connections.grants(&room).await?;
    Ok(Data(users.into_iter().map(|user| GrantedUser { user }).collect()))
}

/// Lets a user join a room that would be refused otherwise.
#[utoipa::path(put, path = "/api/v1/rooms/{name}/grants/{user}", operation_id = "grantRoom", tag = "rooms", params(("name" = String, Path, description = "The room's whole name"), ("user" = String, Path, description = "The user's id")),
    responses((status = 200, body = Success<Grant>)))]
pub(crate) async fn grant(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Segments((name, user)): Segments<(String, String)>,
) -> Result<Data<Grant>, ApiError> {
    let room = own_room(&name, caller.tenant())?;
    if !is_identifier(&user) {
        let sentence = "a user's id is 1 to 128 characters";
        return Err(Refusal::new(ErrorCode::MessageMalformed, sentence).into());
    }
    hub.connections.grant(&room, &user).await?;
    Ok(Data(Grant { room: name, user, granted: true }))
}

/// Takes a grant back; who is in the room by no other right leaves it.
#[utoipa::path(delete, path = "/api/v1/rooms/{name}/grants/{user}", operation_id = "revokeRoom", tag = "rooms", params(("name" = String, Path, description = "The room's whole name"), ("user" = String, Path, description = "The user's id")),
    responses((status = 200, body = Success<Grant>)))]
pub(crate) async fn revoke(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Segments((name, user)): Segments<(String, String)>,
) -> Result<Data<Grant>, ApiError> {
    let room = own_room(&name, caller.tenant())?;
    if hub.connections.revoke_grant(&room, &user).await? {
        return Ok(Data(Grant { room: name, user, granted: false }));
    }
    Err(Refusal::new(ErrorCode::NotFound, "the user has no grant for this room").into())
}

/// The room of this whole name, which must be the tenant's.
fn own_room<'a>(name: &'a str, tenant: &TenantId) -> Result<Room<'a>, Refusal> {
    let room = Room::parse(name)
        .map_err(|error| Refusal::new(ErrorCode::RoomMalformed, error.to_string()))?;
    if room.tenant() != tenant {
        let sentence = "the room is another tenant's; a room's name has the token's tenant in it";
        return Err(Refusal::new(ErrorCode::TenantMismatch, sentence));
    }
    Ok(room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_of_another_tenant_is_refused_whatever_its_type() {
        let tenant = TenantId::parse("t1").unwrap();
        assert!(own_room("order:t1:42", &tenant).is_ok());
        for other in ["order:t2:42", "tenant:t2", "user:t11:u1", "app:T1:client_app"] {
            let refusal = own_room(other, &tenant).unwrap_err();
            assert_eq!(refusal.code(), ErrorCode::TenantMismatch, "{other}");
        }
        let refusal = own_room("42", &tenant).unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::RoomMalformed);
    }
}
