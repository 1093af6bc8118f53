//! How a client enters: as the session it was, from where it says it is, or from where its subscriber is known to be.

use crate::connection_slot::ConnectionSlot;
use foodtrack_contract::{ApplicationType, Cursor, Epoch, ErrorCode, EventType, Refusal, RoomName};
use foodtrack_tenant_log::LoggedRoom;
use foodtrack_wire::Sid;

use crate::admission::Admission;
use crate::dialect::Dialect;
use crate::effects::Effects;
use crate::intake::Whose;
use crate::ledger::Position;
use crate::reliability::subscriber_key;
use crate::replay::Start;
use crate::session_key::{ProvenSession, SessionKey, SessionOwner};
use crate::sessions::{hours, owner};
use crate::tenant::Tenant;
use crate::turn::Turn;

/// How a client enters: whether its session is back, and where it starts.
#[derive(Debug)]
pub(crate) struct SessionResume {
    /// Its public id: the one it had, where its session is back.
    pub(crate) sid: Sid,
    /// What it brings when it comes again; `None` where its tenant's log is not known yet.
    pub(crate) pid: Option<String>,
    pub(crate) start: Start,
    /// When its session began, in hours since the Unix epoch.
    pub(crate) began_hours: u32,
    /// Whether its session is back.
    pub(crate) is_recovered: bool,
    /// The rooms of its session, beyond those of the start.
    pub(crate) rooms: Vec<LoggedRoom>,
    /// What it says of itself, where that is looked at once the log is open.
    pub(crate) claim: Option<ResumeClaim>,
}

/// What a client that comes back has claim.
#[derive(Debug)]
pub(crate) struct ResumeClaim {
    /// What its private id proves.
    proven: Option<ProvenSession>,
    /// The cursor that it says it has.
    cursor: Option<Cursor>,
    /// Whether it only listens: it has no private id, and its cursor is its word alone.
    is_listener: bool,
}

impl SessionResume {
    /// Of somebody whose session begins.
    fn anew(sid: Sid, pid: Option<String>, start: Start, now_ms: u64) -> Self {
        let (began_hours, rooms) = (hours(now_ms), Vec::new());
        Self { sid, pid, start, began_hours, is_recovered: false, rooms, claim: None }
    }
}

impl ResumeClaim {
    /// `None` where it shows nothing, or nothing that says anything.
    fn new(admission: &Admission, key: &SessionKey, owner: SessionOwner<'_>) -> Option<Self> {
        let resume = admission.resume.as_ref()?;
        let proven = key.prove(&resume.pid, owner);
        let cursor = resume.offset.as_deref().and_then(Cursor::parse);
        let is_listener = admission.dialect == Dialect::Listening;
        (proven.is_some() || cursor.is_some()).then_some(Self { proven, cursor, is_listener })
    }

    /// Whether it was here in another incarnation of the log, as far as it says. What is not proven counts as well: it is
    /// told that it has missed something, and shown nothing. The key that would prove it may be lost with the log.
    fn is_of_another_log(&self, epoch: Epoch) -> bool {
        let (proven, cursor) = (self.proven.as_ref(), self.cursor.as_ref());
        proven.is_some_and(|session| session.epoch != epoch)
            || cursor.is_some_and(|cursor| cursor.epoch() != epoch)
    }
}

fn expired() -> Refusal {
    let message = "the token is past its exp: get a fresh one and connect again";
    Refusal::new(ErrorCode::TokenExpired, message)
}

impl Tenant {
    /// Decides how a client enters; `new_id` is its public id if it is somebody new.
    ///
    /// # Errors
    /// `token_expired`, where only the return of its session would have let it in; `token_revoked`.
    pub(crate) fn resume_session(
        &self,
        turn: &Turn<'_, impl Effects>,
        admission: &Admission,
        new_id: Sid,
    ) -> Result<SessionResume, Refusal> {
        let device = admission.device.as_ref();
        let subscriber = subscriber_key(admission.principal.user(), admission.application, device);
        // Names have bounds that make the key fit.
        let subscriber =
            subscriber.unwrap_or_else(|| unreachable!("a user's and a device's names fit a key"));
        let owner = SessionOwner { tenant: self.id.as_str(), subscriber: subscriber.as_str() };
        let claim = ResumeClaim::new(admission, turn.session_key, owner);
        let session = claim.as_ref().and_then(|claim| claim.proven.as_ref()).map(|it| it.sid);
        Self::check_standing(turn, admission, session.as_ref().map(Sid::as_str))?;
        let now_ms = turn.now.believed_ms;
        let Some(position) = self.ledger.position() else {
            if admission.is_expired {
                return Err(expired());
            }
            let resume = SessionResume::anew(new_id, None, Start::Confirmed, now_ms);
            return Ok(SessionResume { claim, ..resume });
        };
        let claim = claim.as_ref();
        if let Some(resume) =
            claim.and_then(|claim| self.resumed(turn, admission, &position, claim))
        {
            return Ok(resume);
        }
        if admission.is_expired {
            return Err(expired());
        }
        let start = claim.map_or(Start::Confirmed, |claim| self.start_of(claim, &position));
        let since = match &start {
            // What it brings may turn out to be more than the log has.
            Start::Recovered(cursor) | Start::Brought(cursor) => {
                cursor.through().min(position.delivered_through)
            }
            Start::Since(since) => *since,
            Start::Confirmed | Start::Said(_) | Start::Reset => position.delivered_through,
        };
        let pid = turn.session_key.pid(&new_id, (position.epoch, since), owner, hours(now_ms));
        Ok(SessionResume::anew(new_id, Some(pid), start, now_ms))
    }

    /// Where a client starts that claims this, and whose session is not back.
    pub(crate) fn start_of(&self, claim: &ResumeClaim, position: &Position) -> Start {
        if claim.is_of_another_log(position.epoch) {
            return Start::Reset;
        }
        let brought = self.brought(claim).filter(|cursor| position.gave_out(cursor));
        match (claim.proven, brought) {
            // Its own word, though its session is gone.
            (Some(_), Some(cursor)) => Start::Brought(cursor.clone()),
            // It was here, and got nothing: it has missed everything since, unless more is known of its subscriber.
            (Some(session), None) if session.start <= position.given_through => {
                Start::Since(session.start)
            }
            (None, _) if claim.is_listener => {
                let said = claim.cursor.clone().filter(|cursor| position.gave_out(cursor));
                said.map_or(Start::Confirmed, Start::Said)
            }
            _ => Start::Confirmed,
        }
    }

    /// The cursor that a client brings, where its session can have got so far.
    fn brought<'s>(&self, claim: &'s ResumeClaim) -> Option<&'s Cursor> {
        let session = claim.proven?;
        // No client had less than what its session began with: it would be shown what was before its time.
        let kept = self.sessions.resumed_from(&session.sid);
        let from = kept.map_or(session.start, |from| from.min(session.start));
        let cursor = claim.cursor.as_ref();
        cursor.filter(|it| session.epoch == it.epoch() && it.through() >= from)
    }

    /// How a client enters whose session is back; `None` where it is not.
    fn resumed(
        &self,
        turn: &Turn<'_, impl Effects>,
        admission: &Admission,
        position: &Position,
        claim: &ResumeClaim,
    ) -> Option<SessionResume> {
        let (session, resume) = (claim.proven?, admission.resume.as_ref()?);
        let user = owner(turn.emission_key, admission.principal.user().as_str());
        let now_ms = turn.now.believed_ms;
        let rooms = self.known_rooms(&session.sid, user, session.began_hours, now_ms)?;
        // Who got nothing yet is where it began.
        let began = || resume.offset.is_none().then(|| Cursor::new(session.epoch, session.start));
        let brought = self.brought(claim).cloned();
        let has_brought = brought.is_some();
        let from = brought.or_else(began).filter(|from| position.goes_on_from(from))?;
        let start = match has_brought {
            true => Start::Recovered(from),
            false => Start::Since(session.start),
        };
        Some(SessionResume {
            sid: session.sid,
            // The private id stays as it was, too: that is how the client knows that it is back.
            pid: Some(resume.pid.clone()),
            start,
            began_hours: session.began_hours,
            is_recovered: true,
            rooms,
            claim: None,
        })
    }

    /// Of the orders whose rooms a client may come back to, those of which memory does not know whose they are: the log is to
    /// say so before the client comes in, for [`Admission::owns`].
    pub fn unknown_orders_of(&self, admission: &Admission, key: &SessionKey) -> Vec<Box<str>> {
        let device = admission.device.as_ref();
        let subscriber = subscriber_key(admission.principal.user(), admission.application, device);
        let (Some(subscriber), Some(ApplicationType::ClientApp)) =
            (subscriber, admission.application)
        else {
            return Vec::new();
        };
        let owner = SessionOwner { tenant: self.id.as_str(), subscriber: subscriber.as_str() };
        let resume = admission.resume.as_ref();
        let session = resume.and_then(|resume| key.prove(&resume.pid, owner));
        let mut rooms =
            session.map(|session| self.sessions.rooms_of(&session.sid)).unwrap_or_default();
        if device.is_some() {
            rooms.extend(self.sessions.last_rooms_of(&subscriber));
        }
        let unknown = |room: LoggedRoom| match room.name() {
            RoomName::Order(order) if self.intake.whose(order) == Whose::Unknown => {
                Some(Box::from(order))
            }
            _ => None,
        };
        rooms.into_iter().filter_map(unknown).collect()
    }

    /// Connections that the one about to enter takes the place of: its own session's, and others of its device.
    pub(crate) fn replaced(
        &self,
        admission: &Admission,
        sid: &Sid,
    ) -> Vec<(ConnectionSlot, Replaced)> {
        let own = self.members.find(sid.as_str());
        let mut replaced: Vec<_> =
            own.map(|(_, connection)| (connection.slot, Replaced::Zombie)).into_iter().collect();
        // Pages of the profile open several sockets, and go deaf when one of them is ended.
        let may_end = !admission.dialect.is_profile();
        if let Some(device) = admission.device.as_ref().filter(|_| may_end) {
            let user = admission.principal.user();
            let room = self.members.in_room(RoomName::User(user.as_str()));
            let others = room.map(|(_, other)| other).filter(|other| {
                other.device.as_ref() == Some(device)
                    && other.principal.user() == user
                    && other.application == admission.application
                    && !other.dialect.is_profile()
                    && other.id != *sid
            });
            replaced.extend(others.map(|other| (other.slot, Replaced::Device)));
        }
        replaced
    }

    /// Tells a connection that another one of its device has taken its place, for good.
    pub(crate) fn send_off(&self, turn: &mut Turn<'_, impl Effects>, client: ConnectionSlot) {
        let message = "this device connected again: the newer connection has its events";
        let refusal = Refusal::new(ErrorCode::DeviceReplaced, message);
        self.tell(turn, client, EventType::SystemError, &refusal.to_json());
        turn.effects.disconnect(client);
    }
}

/// Why a connection's place is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replaced {
    /// Its client has come back, and is not on this one any more.
    Zombie,
    /// Its device has connected anew.
    Device,
}
