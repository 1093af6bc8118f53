//! Rooms as back ends see them: which there are, what is said of them, and who was granted to be in them.

use foodtrack_contract::{ErrorCode, Refusal, Room, RoomName, TenantId};

use crate::effects::Effects;
use crate::hook::PermitsOf;
use crate::members::{self, Described};
use crate::model::{Page, PageQuery, RoomInfo, RoomMetadata, first_after, page_limit};
use crate::now::rfc3339;
use crate::tenant::Tenant;
use crate::turn::Turn;

/// Bytes of one room's grants: they are written anew with each of them.
const GRANT_BYTES_PER_ROOM_MAX: usize = 64 << 10;

impl Tenant {
    pub(crate) fn room_infos(&self, query: &PageQuery) -> Page<RoomInfo> {
        let limit = page_limit(query.limit);
        let all = self.members.all_rooms().map(|room| (room.name().of(&self.id).to_string(), room));
        let (found, has_more) = first_after(all, query.cursor.as_deref(), limit);
        let next = found.last().filter(|_| has_more).map(|(name, _)| name.clone());
        Page { items: found.iter().map(|(_, room)| room_info(&self.id, room)).collect(), next }
    }

    pub(crate) fn describe_room(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        room: &Room<'_>,
        metadata: RoomMetadata,
    ) -> Result<RoomInfo, Refusal> {
        metadata.check()?;
        let name = room.name();
        self.check_room_to_describe(turn, name)?;
        self.check_room(turn, name)?;
        let members = self.members.room(name).map_or(0, members::Room::members);
        if metadata.max_members.is_some_and(|limit| members > limit as usize) {
            let message = format!("{members} connections are in the room already");
            return Err(Refusal::new(ErrorCode::Conflict, message));
        }
        let change = |described: &mut Described| described.metadata = metadata;
        let look = |room: &members::Room| room_info(&self.id, room);
        let info = self.members.describe(name, turn.now.wall_ms, change, look);
        self.keep_room(turn, name);
        Ok(info)
    }

    /// Whether there is a room, or may be one more in the tenant.
    pub(crate) fn check_room(
        &self,
        turn: &Turn<'_, impl Effects>,
        name: RoomName<'_>,
    ) -> Result<(), Refusal> {
        if self.members.room(name).is_none() && self.members.room_count() >= turn.limits.rooms_max {
            let message = "the tenant has as many rooms as it may have";
            return Err(Refusal::new(ErrorCode::RoomsTooMany, message));
        }
        Ok(())
    }

    /// Whether one more room may be kept with what is said of it.
    fn check_room_to_describe(
        &self,
        turn: &Turn<'_, impl Effects>,
        name: RoomName<'_>,
    ) -> Result<(), Refusal> {
        let is_described = self.members.room(name).is_some_and(|room| room.described().is_some());
        if is_described || self.members.described_rooms() < turn.limits.described_rooms_max {
            return Ok(());
        }
        let message = "the tenant has as many rooms with metadata or grants as it may have";
        Err(Refusal::new(ErrorCode::RoomsTooMany, message))
    }

    pub(crate) fn grant(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        room: &Room<'_>,
        user: &str,
    ) -> Result<(), Refusal> {
        let name = room.name();
        self.check_room_to_describe(turn, name)?;
        self.check_room(turn, name)?;
        let described = self.members.room(name).and_then(members::Room::described);
        let grants = || described.into_iter().flat_map(|described| &described.grants);
        let bytes: usize = grants().map(|grant| grant.len()).sum();
        let is_full = grants().count() >= turn.limits.grants_per_room_max
            || bytes + user.len() > GRANT_BYTES_PER_ROOM_MAX;
        if is_full && !grants().any(|grant| **grant == *user) {
            let message = "the room has as many grants as it may have";
            return Err(Refusal::new(ErrorCode::RoomFull, message));
        }
        let change = |described: &mut Described| _ = described.grants.insert(user.into());
        self.members.describe(name, turn.now.wall_ms, change, |_| ());
        self.keep_room(turn, name);
        Ok(())
    }

    /// Who may join a room by a grant, by id.
    pub(crate) fn grants_of(&self, name: RoomName<'_>) -> Vec<String> {
        let described = self.members.room(name).and_then(|room| room.described());
        let grants = described.into_iter().flat_map(|described| &described.grants);
        grants.map(|user| user.to_string()).collect()
    }

    pub(crate) fn revoke_grant(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        room: &Room<'_>,
        user: &str,
    ) -> bool {
        let name = room.name();
        turn.effects.forget_permits(&self.id, PermitsOf::User(user));
        if !self.members.room(name).is_some_and(|room| room.is_granted(user)) {
            return false;
        }
        let change = |described: &mut Described| _ = described.grants.remove(user);
        self.members.describe(name, turn.now.wall_ms, change, |_| ());
        self.keep_room(turn, name);
        // Who is in the room by another right stays in it.
        let leaving: Vec<u32> = self
            .members
            .in_room(name)
            .filter(|(_, connection)| connection.principal.user().as_str() == user)
            .filter(|(_, connection)| self.may_join(connection, name, &[]).is_err())
            .map(|(place, _)| place)
            .collect();
        for place in leaving {
            self.members.leave(place, name);
        }
        true
    }
}

fn room_info(tenant: &TenantId, room: &members::Room) -> RoomInfo {
    let metadata = room.described().map(|it| it.metadata.clone()).unwrap_or_default();
    let created_at = rfc3339(room.created_ms);
    RoomInfo::new(&room.name().of(tenant), room.members(), created_at, metadata)
}
