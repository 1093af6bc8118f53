//! Rooms as back ends see them: which there are, what is said of them, and who was granted to be in them.

use foodtrack_contract::{ErrorCode, Refusal, Room, RoomName};

use crate::clock::rfc3339;
use crate::model::{Page, PageQuery, RoomInfo, RoomMetadata, page_limit};
use crate::rooms::RoomKey;
use crate::tenant::Tenant;
use crate::turn::Turn;

/// Bytes of one room's grants: they are written anew with each of them.
const GRANT_BYTES_PER_ROOM_MAX: usize = 64 << 10;

impl Tenant {
    pub(crate) fn room_infos(&self, query: PageQuery) -> Page<RoomInfo> {
        let limit = page_limit(query.limit);
        let mut rooms = self.rooms.from(query.cursor.unwrap_or(0));
        let items = rooms.by_ref().take(limit).map(|(_, room)| self.room_info(room)).collect();
        Page { items, next: rooms.next().map(|(place, _)| place) }
    }

    fn room_info(&self, room: &crate::rooms::Room) -> RoomInfo {
        let metadata =
            room.described.as_ref().map(|described| described.metadata.clone()).unwrap_or_default();
        let created_at = rfc3339(room.created_ms);
        RoomInfo::new(&room.name().of(&self.id), room.members.len(), created_at, metadata)
    }

    pub(crate) fn describe_room(
        &mut self,
        turn: &mut Turn<'_>,
        room: &Room<'_>,
        metadata: RoomMetadata,
    ) -> Result<RoomInfo, Refusal> {
        metadata.check()?;
        self.check_room_to_describe(turn, room.name())?;
        let key = self.open_room(turn, room.name())?;
        let members = self.rooms.get(key).members.len();
        if metadata.max_members.is_some_and(|limit| members > limit as usize) {
            let message = format!("{members} connections are in the room already");
            self.rooms.close_if_unused(key);
            return Err(Refusal::new(ErrorCode::Conflict, message));
        }
        self.rooms.described(key).metadata = metadata;
        let info = self.room_info(self.rooms.get(key));
        self.keep_room(turn, room.name());
        self.rooms.close_if_unused(key);
        Ok(info)
    }

    /// Finds a room or makes it, within the tenant's bound.
    pub(crate) fn open_room(
        &mut self,
        turn: &Turn<'_>,
        name: RoomName<'_>,
    ) -> Result<RoomKey, Refusal> {
        if self.rooms.find(name).is_none() && self.rooms.len() >= turn.limits.rooms_max {
            let message = "the tenant has as many rooms as it may have";
            return Err(Refusal::new(ErrorCode::RoomsTooMany, message));
        }
        Ok(self.rooms.open(name, turn.clock.wall_ms()))
    }

    /// Whether one more room may be kept with what is said of it.
    fn check_room_to_describe(&self, turn: &Turn<'_>, name: RoomName<'_>) -> Result<(), Refusal> {
        let is_described =
            self.rooms.find(name).is_some_and(|room| self.rooms.get(room).described.is_some());
        if is_described || self.rooms.described_rooms() < turn.limits.described_rooms_max {
            return Ok(());
        }
        let message = "the tenant has as many rooms with metadata or grants as it may have";
        Err(Refusal::new(ErrorCode::RoomsTooMany, message))
    }

    pub(crate) fn grant(
        &mut self,
        turn: &mut Turn<'_>,
        room: &Room<'_>,
        user: &str,
    ) -> Result<(), Refusal> {
        self.check_room_to_describe(turn, room.name())?;
        let key = self.open_room(turn, room.name())?;
        let grants = &mut self.rooms.described(key).grants;
        let bytes: usize = grants.iter().map(|grant| grant.len()).sum();
        let is_full = grants.len() >= turn.limits.grants_per_room_max
            || bytes + user.len() > GRANT_BYTES_PER_ROOM_MAX;
        if is_full && !grants.contains(user) {
            self.rooms.close_if_unused(key);
            let message = "the room has as many grants as it may have";
            return Err(Refusal::new(ErrorCode::RoomFull, message));
        }
        grants.insert(user.into());
        self.keep_room(turn, room.name());
        Ok(())
    }

    pub(crate) fn revoke_grant(
        &mut self,
        turn: &mut Turn<'_>,
        room: &Room<'_>,
        user: &str,
    ) -> bool {
        let name = room.name();
        let Some(key) = self.rooms.find(name) else { return false };
        if !self.rooms.described(key).grants.remove(user) {
            self.rooms.close_if_unused(key);
            return false;
        }
        self.keep_room(turn, name);
        // Who is in the room by another right stays in it.
        let leaving: Vec<u32> = self
            .rooms
            .get(key)
            .members
            .iter()
            .copied()
            .filter(|place| {
                self.connections.get(*place).is_some_and(|connection| {
                    connection.principal.user().as_str() == user
                        && self.may_join(connection, name, &[]).is_err()
                })
            })
            .collect();
        for place in leaving {
            self.leave_room(place, name);
        }
        if let Some(key) = self.rooms.find(name) {
            self.rooms.close_if_unused(key);
        }
        true
    }
}
