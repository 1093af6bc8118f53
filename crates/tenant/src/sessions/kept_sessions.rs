//! The rooms of a tenant's sessions, within bounds for each user and for the tenant; beyond them the oldest go.

use ahash::AHashMap;
use foodtrack_contract::Offset;
use foodtrack_tenant_log::{LoggedRoom, SubscriberKey};
use foodtrack_wire::Sid;

/// Sessions of one user that are kept. More than the connections that a user may have by default.
pub(super) const SESSIONS_PER_USER_MAX: usize = 256;
/// Bytes of one user's sessions, by [`SessionRooms::bytes`].
pub(super) const SESSION_BYTES_PER_USER_MAX: usize = 1 << 20;
/// Sessions of one tenant that are kept.
pub(super) const SESSIONS_PER_TENANT_MAX: usize = 65_536;
/// Bytes of one tenant's sessions.
pub(super) const SESSION_BYTES_PER_TENANT_MAX: usize = 16 << 20;
/// Users of whom it is known that rooms of theirs were forgotten; beyond it, it counts for all.
const FORGOTTEN_USERS_MAX: usize = 4_096;
/// About what a session takes besides the names of its rooms, and each of them besides its letters.
const SESSION_BYTES: usize = 160;
const ROOM_BYTES: usize = 24;

/// What is kept of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SessionRooms {
    /// Rooms that it joined beyond those of the start, such as `order:42`.
    names: Vec<Box<str>>,
    /// Those of them that it leaves once that is on disk.
    leaving: Vec<Leaving>,
    /// Those of them of which no row on disk says that it is in them.
    unkept: Vec<Box<str>>,
    /// Those of them of which nobody knows whether a row on disk says that it is in them.
    in_doubt: Vec<Box<str>>,
    /// Its client left on purpose: it is over, though its private id still proves itself.
    pub(super) is_over: bool,
    /// Its client was sent what it had missed from here on, which is before its session began.
    pub(super) from: Option<Offset>,
    /// The device that it was the last to join a room on.
    pub(super) device: Option<SubscriberKey>,
    /// Whose it is, as a hash.
    pub(super) owner: u64,
    /// When it began, in hours since the Unix epoch.
    pub(super) began_hours: u32,
    pub(super) expires_at_ms: u64,
    /// The last row of a room that it asked for, until that is on disk.
    pub(super) ticket: Option<u64>,
    /// How many times it came back to a node, where nodes share the log: it is at the one that counted last.
    pub(super) claims: u32,
}

/// A room that a session leaves, with the tickets of the first and of the last row that say so.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Leaving {
    room: Box<str>,
    first: u64,
    last: u64,
}

impl SessionRooms {
    pub(super) fn new(owner: u64, began_hours: u32, expires_at_ms: u64) -> Self {
        Self {
            names: Vec::new(),
            leaving: Vec::new(),
            unkept: Vec::new(),
            in_doubt: Vec::new(),
            is_over: false,
            from: None,
            device: None,
            owner,
            began_hours,
            expires_at_ms,
            ticket: None,
            claims: 0,
        }
    }

    pub(super) fn rooms(&self) -> Vec<LoggedRoom> {
        self.names.iter().filter_map(|name| LoggedRoom::parse(name)).collect()
    }

    /// As [`LoggedRoom::to_text`] writes them.
    pub(super) fn names(&self) -> &[Box<str>] {
        &self.names
    }

    fn bytes(&self) -> usize {
        SESSION_BYTES + self.names.iter().map(|name| name.len() + ROOM_BYTES).sum::<usize>()
    }
}

#[derive(Debug, Default)]
struct Share {
    /// Those that were kept first come first.
    sids: Vec<Sid>,
    bytes: usize,
}

/// What is kept of a tenant's sessions.
#[derive(Debug, Default)]
pub(super) struct KeptSessions {
    kept: AHashMap<Sid, SessionRooms>,
    shares: AHashMap<u64, Share>,
    bytes: usize,
    /// The session whose rooms a device had last.
    devices: AHashMap<SubscriberKey, Sid>,
    /// Sessions of these users that began until this hour may have been in rooms that were forgotten.
    forgotten: AHashMap<u64, u32>,
    /// The same of any user.
    forgotten_of_all: u32,
}

/// Whose rooms were forgotten: of sessions that began until `hours`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Forgotten {
    /// `None` for anybody's.
    pub(super) owner: Option<u64>,
    pub(super) hours: u32,
}

impl KeptSessions {
    pub(super) fn get(&self, sid: &Sid) -> Option<&SessionRooms> {
        self.kept.get(sid)
    }

    /// Its rooms are on disk, or are not any more.
    pub(super) fn set_ticket(&mut self, sid: &Sid, ticket: Option<u64>) {
        if let Some(session) = self.kept.get_mut(sid) {
            session.ticket = ticket;
        }
    }

    /// Keeps a session, in the place of what was kept of it.
    pub(super) fn put(&mut self, sid: Sid, session: SessionRooms) {
        // Its place among its user's stays.
        let (owner, bytes) = (session.owner, session.bytes());
        let device = session.device.clone();
        let old = self.kept.insert(sid, session);
        let share = self.shares.entry(owner).or_default();
        match old {
            Some(old) => {
                share.bytes = share.bytes.saturating_sub(old.bytes());
                self.bytes = self.bytes.saturating_sub(old.bytes());
            }
            None => share.sids.push(sid),
        }
        share.bytes += bytes;
        self.bytes += bytes;
        if let Some(device) = device {
            self.devices.insert(device, sid);
        }
    }

    /// Changes what is kept of a session, which `new` makes where nothing is.
    pub(super) fn change(
        &mut self,
        sid: Sid,
        new: impl FnOnce() -> SessionRooms,
        change: impl FnOnce(&mut SessionRooms),
    ) -> &SessionRooms {
        if !self.kept.contains_key(&sid) {
            self.put(sid, new());
        }
        self.change_kept(&sid, change).unwrap_or_else(|| unreachable!("it was put there"))
    }

    /// Changes what is kept of a session, if anything is.
    pub(super) fn change_kept(
        &mut self,
        sid: &Sid,
        change: impl FnOnce(&mut SessionRooms),
    ) -> Option<&SessionRooms> {
        let session = self.kept.get_mut(sid)?;
        let before = session.bytes();
        change(session);
        let after = session.bytes();
        self.bytes = self.bytes.saturating_sub(before) + after;
        if let Some(share) = self.shares.get_mut(&session.owner) {
            share.bytes = share.bytes.saturating_sub(before) + after;
        }
        if let Some(device) = session.device.clone() {
            self.devices.insert(device, *sid);
        }
        Some(session)
    }

    pub(super) fn remove(&mut self, sid: &Sid) -> Option<SessionRooms> {
        let session = self.kept.remove(sid)?;
        self.bytes = self.bytes.saturating_sub(session.bytes());
        if let Some(share) = self.shares.get_mut(&session.owner) {
            share.bytes = share.bytes.saturating_sub(session.bytes());
            share.sids.retain(|other| other != sid);
            if share.sids.is_empty() {
                self.shares.remove(&session.owner);
            }
        }
        if let Some(device) = &session.device
            && self.devices.get(device) == Some(sid)
        {
            self.devices.remove(device);
        }
        Some(session)
    }

    /// The session whose rooms a device had last.
    pub(super) fn last_sid_of(&self, device: &SubscriberKey) -> Option<Sid> {
        self.devices.get(device).copied()
    }

    /// The rooms that a device had last.
    pub(super) fn last_of(&self, device: &SubscriberKey) -> Option<&SessionRooms> {
        self.kept.get(&self.last_sid_of(device)?)
    }

    /// Forgets the oldest where a user or the tenant has too many. Returns what was forgotten.
    pub(super) fn shrink(&mut self, owner: u64) -> Vec<(Sid, SessionRooms)> {
        let mut gone = Vec::new();
        while let Some(share) = self.shares.get(&owner)
            && (share.sids.len() > SESSIONS_PER_USER_MAX
                || share.bytes > SESSION_BYTES_PER_USER_MAX)
        {
            // What has no rooms is missed least.
            let has_none = |sid: &&Sid| self.kept.get(*sid).is_some_and(|it| it.names.is_empty());
            let oldest = share.sids.iter().find(has_none).or(share.sids.first());
            let Some(oldest) = oldest.copied() else { break };
            gone.extend(self.remove(&oldest).map(|session| (oldest, session)));
        }
        if self.kept.len() > SESSIONS_PER_TENANT_MAX || self.bytes > SESSION_BYTES_PER_TENANT_MAX {
            // Some more than must, so that the next ones find room without a look at all of them.
            let mut oldest: Vec<(u64, Sid)> =
                self.kept.iter().map(|(sid, session)| (session.expires_at_ms, *sid)).collect();
            oldest.sort_unstable_by_key(|(expires_at_ms, _)| *expires_at_ms);
            for (_, sid) in oldest.into_iter().take(self.kept.len() / 16 + 1) {
                gone.extend(self.remove(&sid).map(|session| (sid, session)));
            }
        }
        gone
    }

    /// Notes that rooms of a session are forgotten. Returns what to keep of that, if it is news.
    pub(super) fn forget(&mut self, session: &SessionRooms) -> Option<Forgotten> {
        // Where there were none, nothing is claimed that is not true.
        if session.names.is_empty() {
            return None;
        }
        let (owner, hours) = (session.owner, session.began_hours);
        self.note_forgotten(Forgotten { owner: Some(owner), hours })
    }

    /// Takes up what was kept of [`KeptSessions::forget`].
    pub(super) fn note_forgotten(&mut self, forgotten: Forgotten) -> Option<Forgotten> {
        let Forgotten { owner, hours } = forgotten;
        let is_known = |known: Option<&u32>| known.is_some_and(|known| *known >= hours);
        if self.forgotten_of_all >= hours {
            return None;
        }
        match owner {
            Some(owner) if is_known(self.forgotten.get(&owner)) => None,
            Some(owner)
                if self.forgotten.len() < FORGOTTEN_USERS_MAX
                    || self.forgotten.contains_key(&owner) =>
            {
                self.forgotten.insert(owner, hours);
                Some(forgotten)
            }
            _ => {
                self.forgotten_of_all = hours;
                Some(Forgotten { owner: None, hours })
            }
        }
    }

    /// Whether it is known which rooms a session was in of which nothing is kept: in none.
    pub(super) fn knows_of_none(&self, owner: u64, began_hours: u32) -> bool {
        let of_owner = self.forgotten.get(&owner).copied().unwrap_or(0);
        began_hours > of_owner.max(self.forgotten_of_all)
    }

    /// Forgets what is known of those that are elsewhere, so that it can be taken up anew.
    pub(super) fn forget_elsewhere(&mut self, is_here: impl Fn(&Sid) -> bool) {
        let elsewhere: Vec<Sid> = self.kept.keys().filter(|it| !is_here(it)).copied().collect();
        elsewhere.iter().for_each(|sid| _ = self.remove(sid));
    }

    /// Forgets those that cannot come back any more.
    pub(super) fn expire(
        &mut self,
        now_ms: u64,
        oldest_hours: u32,
        is_here: impl Fn(&Sid) -> bool,
    ) {
        let is_over = |sid: &Sid, it: &SessionRooms| it.expires_at_ms <= now_ms && !is_here(sid);
        let over: Vec<Sid> = self
            .kept
            .iter()
            .filter(|(sid, session)| is_over(sid, session))
            .map(|(sid, _)| *sid)
            .collect();
        over.iter().for_each(|sid| _ = self.remove(sid));
        // What began so long ago is not recovered without being kept in any case.
        self.forgotten.retain(|_, hours| *hours >= oldest_hours);
    }
}

impl SessionRooms {
    pub(super) fn set_rooms(&mut self, names: Vec<Box<str>>) {
        self.names = names;
        self.unkept.retain(|room| self.names.contains(room));
        self.in_doubt.retain(|room| self.names.contains(room));
    }

    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|other| **other == *name)
    }

    /// Notes that its being in a room, if it is, is on disk by now, or is not.
    pub(super) fn set_kept(&mut self, name: &str, is_kept: bool) {
        self.unkept.retain(|other| **other != *name);
        if !is_kept && self.has(name) {
            self.unkept.push(name.into());
        }
        if is_kept {
            self.in_doubt.retain(|other| **other != *name);
        }
    }

    /// Notes that nobody knows whether its being in a room is on disk.
    pub(super) fn doubt(&mut self, name: &str) {
        self.set_kept(name, false);
        if self.has(name) && !self.is_in_doubt(name) {
            self.in_doubt.push(name.into());
        }
    }

    /// Whether nobody knows whether its being in a room is on disk.
    pub(super) fn is_in_doubt(&self, name: &str) -> bool {
        self.in_doubt.iter().any(|other| **other == *name)
    }

    /// Whether it is in a room, and a row on disk says so.
    pub(super) fn is_kept(&self, name: &str) -> bool {
        self.has(name) && !self.unkept.iter().any(|other| **other == *name)
    }

    /// Returns whether it was not in the room before.
    pub(super) fn join(&mut self, name: &str) -> bool {
        self.leaving.retain(|it| *it.room != *name);
        let is_new = !self.has(name);
        if is_new {
            self.names.push(name.into());
        }
        is_new
    }

    pub(super) fn leave(&mut self, name: &str) {
        self.leaving.retain(|it| *it.room != *name);
        self.unkept.retain(|other| **other != *name);
        self.in_doubt.retain(|other| **other != *name);
        self.names.retain(|other| **other != *name);
    }

    /// Returns whether it is in the room, and leaves it with this ticket.
    pub(super) fn start_leaving(&mut self, name: &str, ticket: u64) -> bool {
        let is_in = self.has(name);
        match self.leaving.iter_mut().find(|it| *it.room == *name) {
            Some(leaving) => leaving.last = ticket,
            None if is_in => {
                self.leaving.push(Leaving { room: name.into(), first: ticket, last: ticket });
            }
            None => {}
        }
        is_in
    }

    /// The row with this ticket, which says that it leaves the room, is on disk. Returns whether it is out of it.
    pub(super) fn finish_leaving(&mut self, name: &str, ticket: u64) -> bool {
        let is_meant = |it: &Leaving| *it.room == *name && (it.first..=it.last).contains(&ticket);
        let leaves = self.leaving.iter().any(is_meant);
        if leaves {
            self.leave(name);
        } else {
            // If it is in it, it joined it again, and the row that says so is behind this one.
            self.set_kept(name, false);
        }
        !self.has(name)
    }

    /// The row with this ticket was not kept: unless a later one is on its way, it stays.
    pub(super) fn cancel_leaving(&mut self, name: &str, ticket: u64) {
        self.leaving.retain(|it| *it.room != *name || it.last != ticket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sid(n: usize) -> Sid {
        Sid::parse(&format!("{n:0>20}")).unwrap()
    }

    fn session(owner: u64, began_hours: u32, rooms: usize, letters: usize) -> SessionRooms {
        let mut session = SessionRooms::new(owner, began_hours, u64::from(began_hours));
        (0..rooms).for_each(|n| _ = session.join(&format!("order:{n:x<letters$}")));
        session
    }

    #[test]
    fn of_a_users_sessions_the_oldest_go_and_others_stay() {
        let mut all = KeptSessions::default();
        all.put(sid(9_999), session(2, 1, 1, 1));
        for n in 0..2 * SESSIONS_PER_USER_MAX {
            all.put(sid(n), session(1, 5, 1, 1));
            for (_, gone) in all.shrink(1) {
                all.forget(&gone);
            }
        }
        assert_eq!(all.kept.len(), SESSIONS_PER_USER_MAX + 1);
        assert!(all.get(&sid(0)).is_none() && all.get(&sid(9_999)).is_some());
        assert!(!all.knows_of_none(1, 5), "their rooms are not known");
        assert!(all.knows_of_none(1, 6) && all.knows_of_none(2, 5));
    }

    #[test]
    fn the_bytes_of_a_users_sessions_are_bounded() {
        let mut all = KeptSessions::default();
        for n in 0..SESSIONS_PER_USER_MAX {
            all.put(sid(n), session(1, 5, 250, 128));
            all.shrink(1);
            assert!(all.bytes <= SESSION_BYTES_PER_USER_MAX);
        }
        assert!(all.get(&sid(SESSIONS_PER_USER_MAX - 1)).is_some());
        assert!(all.kept.len() > 10 && all.kept.len() < SESSIONS_PER_USER_MAX);
    }

    #[test]
    fn a_tenants_sessions_are_bounded_whoever_they_are_of() {
        let mut all = KeptSessions::default();
        for n in 0..2_000 {
            all.put(sid(n), session(n as u64, u32::try_from(n).unwrap(), 250, 128));
            all.shrink(n as u64);
            assert!(all.bytes <= SESSION_BYTES_PER_TENANT_MAX);
        }
        assert!(all.get(&sid(0)).is_none() && all.get(&sid(1_999)).is_some());
        (0..2_000).for_each(|n| _ = all.remove(&sid(n)));
        assert!(all.bytes == 0 && all.shares.is_empty());
    }

    #[test]
    fn too_many_users_whose_rooms_were_forgotten_count_as_all_of_them() {
        let mut all = KeptSessions::default();
        for owner in 0..=FORGOTTEN_USERS_MAX as u64 {
            assert!(all.forget(&session(owner, 7, 1, 1)).is_some());
        }
        assert!(!all.knows_of_none(u64::MAX, 7) && all.knows_of_none(u64::MAX, 8));
        assert_eq!(all.forgotten.len(), FORGOTTEN_USERS_MAX);
        all.expire(0, 8, |_| false);
        assert!(all.forgotten.is_empty());
    }

    #[test]
    fn who_is_here_does_not_expire() {
        let mut all = KeptSessions::default();
        (0..2).for_each(|n| all.put(sid(n), session(1, 5, 1, 1)));
        all.expire(100, 0, |here| *here == sid(1));
        assert!(all.get(&sid(0)).is_none() && all.get(&sid(1)).is_some());
    }
}
