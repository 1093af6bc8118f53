//! Clients that come in, and go.

use foodtrack_contract::{DeviceId, ErrorCode, Refusal};
use foodtrack_tenant_log::LoggedRoom;

use crate::connection_lines;
use crate::connection_news::{ConnectionChange, ConnectionNews};
use crate::connection_slot::{ConnectionSlot, Generation};
use crate::effects::{CloseReason, Effects, Verdict, Welcome};
use crate::input::Arrival;
use crate::members::NewConnection;
use crate::reliability::subscriber_key;
use crate::replay::Start;
use crate::session_resume::{Replaced, SessionResume};
use crate::tenant::Tenant;
use crate::turn::Turn;

/// What follows once the answer to a client's CONNECT is on its way.
#[derive(Debug)]
pub(crate) struct Entering {
    start: Start,
    /// Orders of its user's that may not be in memory.
    owns: Box<[Box<str>]>,
    is_recovered: bool,
    is_expired: bool,
}

/// Why a connection is over whose client has come back on another one.
pub(crate) const RESUMED_ELSEWHERE: &str = "resumed_elsewhere";

impl Tenant {
    /// A client comes in, or may not.
    pub(crate) fn connect(&mut self, turn: &mut Turn<'_, impl Effects>, mut arrival: Arrival) {
        let verdict = match arrival.admission.permit.take() {
            Some(Err(refusal)) => refused(turn.effects, &arrival, refusal),
            Some(Ok(())) | None => self.let_in(turn, arrival),
        };
        let accepted = match &verdict {
            Verdict::Accepted { slot, .. } => Some(*slot),
            Verdict::Refused(_) | Verdict::ComeAgain => None,
        };
        turn.effects.decide(verdict);
        if let Some(slot) = accepted {
            self.watch_token(turn, slot);
        }
    }

    fn let_in(&mut self, turn: &mut Turn<'_, impl Effects>, arrival: Arrival) -> Verdict {
        match self.resume_session(turn, &arrival.admission, arrival.new_id) {
            _ if self.ledger.is_closed() => Verdict::ComeAgain,
            Err(refusal) => refused(turn.effects, &arrival, refusal),
            Ok(resume) => {
                for (replaced, why) in self.replaced(&arrival.admission, &resume.sid) {
                    self.replace(turn, replaced, why);
                }
                match self.check_room_for(turn, &arrival.admission, resume.is_recovered) {
                    Err(refusal) => refused(turn.effects, &arrival, refusal),
                    Ok(()) => self.enter(turn, arrival, resume),
                }
            }
        }
    }

    /// Ends a connection whose place another one takes.
    fn replace(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        replaced: ConnectionSlot,
        why: Replaced,
    ) {
        let reason = match why {
            Replaced::Zombie => {
                turn.effects.close(replaced, CloseReason::TransportClosed);
                RESUMED_ELSEWHERE
            }
            Replaced::Device => {
                self.send_off(turn, replaced);
                ErrorCode::DeviceReplaced.as_str()
            }
        };
        // Nothing more is sent to it, and what it still sends is nobody's.
        self.let_go(turn, replaced.place(), reason);
        turn.effects.release(replaced);
    }

    /// Takes a client in: it is in its tenant's, application's and user's rooms from now on, and in those of its session
    /// that it still may be in.
    pub(crate) fn enter(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        arrival: Arrival,
        resume: SessionResume,
    ) -> Verdict {
        let Arrival { mut admission, namespace, user_agent, .. } = arrival;
        let owns = admission.owns.take().unwrap_or_default();
        let (is_expired, is_recovered) = (admission.is_expired, resume.is_recovered);
        let (user, application) = (admission.principal.user(), admission.application);
        let key = subscriber_key(user, application, admission.device.as_ref());
        // Names have bounds that make the key fit.
        let key = key.unwrap_or_else(|| unreachable!("a user's and a device's names fit a key"));
        self.absences.came(&key, turn.now.monotonic_ms, turn.recovery.offline_after_ms);
        let subscriber = self.reliability.enter(key, application);
        if application.is_some() {
            self.journal_came(subscriber, turn.now.wall_ms, is_recovered);
        }
        let device = admission.device.as_ref().map(DeviceId::as_str);
        let sender = turn.emission_key.sender(user.as_str(), device, admission.source());
        let is_first = self.members.is_empty();
        let generation = Generation::new(self.next_serial(), namespace);
        let slot = self.members.enter(NewConnection {
            generation,
            id: resume.sid,
            admission,
            sender,
            subscriber,
            user_agent,
            now_ms: turn.now.wall_ms,
            began_hours: resume.began_hours,
        });
        self.rejoin(turn, slot, &resume.rooms, &owns);
        if let Some(connection) = self.present(slot) {
            connection_lines::connected(&self.id, connection, is_recovered);
            let change = ConnectionChange::Connected { is_recovered };
            turn.effects.account(&ConnectionNews::of(connection, change));
        }
        self.tell_crowd(turn);
        let counters = turn.counters;
        counters.connections.add(1);
        counters.connections_opened.add(1);
        counters.tenants.add(u64::from(is_first));
        counters.sessions_recovered.add(u64::from(is_recovered));
        self.returning.extend(resume.claim.map(|claim| (slot.place(), claim)));
        if is_recovered {
            self.claim_session(turn, slot.place());
        }
        let entering = Entering { start: resume.start, owns, is_recovered, is_expired };
        self.entering.insert(slot.place(), entering);
        let welcome = Welcome { sid: resume.sid, pid: resume.pid, is_recovered };
        Verdict::Accepted { slot, welcome }
    }

    /// Brings a connection back to the rooms of its session. Permissions are as they are, though the rooms are as they were.
    fn rejoin(
        &mut self,
        turn: &Turn<'_, impl Effects>,
        slot: ConnectionSlot,
        rooms: &[LoggedRoom],
        owns: &[Box<str>],
    ) {
        let Some(connection) = self.members.get(slot.place()) else { return };
        let may = |room: &&LoggedRoom| self.may_join(connection, room.name(), owns).is_ok();
        let allowed: Vec<&LoggedRoom> = rooms.iter().filter(may).collect();
        for room in allowed {
            self.members.join(slot.place(), room.name(), turn.now.wall_ms);
        }
    }

    /// The answer to a client's CONNECT is out; what was missed follows it, and then what happens from now on.
    pub(crate) fn connected(&mut self, turn: &mut Turn<'_, impl Effects>, place: u32) {
        let Some(entering) = self.entering.remove(&place) else { return };
        // Even the greeting must not claim more than the client has: it may be the last thing that it gets.
        self.start_catch_up(turn, place, entering.start);
        self.set_owns(place, entering.owns);
        self.wait_for_page(turn, place);
        self.greet(turn, place, entering.is_recovered);
        if entering.is_expired {
            self.ask_for_fresh_token(turn, place);
        }
        self.go_on(turn, place);
        self.device_came(turn, place);
    }

    /// The JSON object that tells a client without a Socket.IO library who it is here; `None` where it has gone.
    pub fn introduction(&self, client: ConnectionSlot, welcome: &Welcome) -> Option<String> {
        let connection = self.present(client)?;
        let mut about = serde_json::json!({
            "sid": welcome.sid.as_str(),
            "recovered": welcome.is_recovered,
            "tenant": self.id.as_str(),
            "user": connection.principal.user().as_str(),
            "role": connection.principal.role(),
            "application": connection.application,
        });
        if let (Some(pid), Some(fields)) = (&welcome.pid, about.as_object_mut()) {
            fields.insert("session".to_owned(), pid.as_str().into());
        }
        Some(about.to_string())
    }

    /// Lets a connection go: its session can come back, and it is in no room any more.
    pub(crate) fn let_go(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        place: u32,
        reason: &'static str,
    ) {
        self.keep_for_return(turn, place);
        self.depart(turn, place, reason);
    }

    /// Takes a connection out, of whose session nothing is kept here.
    pub(crate) fn depart(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        place: u32,
        reason: &'static str,
    ) {
        self.forget_users(turn);
        let Some(gone) = self.members.depart(place) else { return };
        self.entering.remove(&place);
        self.returning.remove(&place);
        self.pages.forget(place);
        self.lookups.detach(place);
        self.save_acknowledged(turn, gone.subscriber);
        self.reliability.leave(gone.subscriber);
        self.device_went(turn, &gone);
        self.goes(turn, &gone, reason);
        if gone.application.is_some() {
            self.journal_went(&gone, turn.now.wall_ms, reason);
        }
        connection_lines::disconnected(&self.id, &gone, reason, turn.now.wall_ms);
        let change = ConnectionChange::Disconnected(reason);
        turn.effects.account(&ConnectionNews::of(&gone, change));
        self.tell_crowd(turn);
        let counters = turn.counters;
        counters.connections.sub(1);
        counters.connections_closed.add(1);
        counters.disconnects.add(reason);
        counters.tenants.sub(u64::from(self.members.is_empty()));
    }
}

fn refused(effects: &mut impl Effects, arrival: &Arrival, refusal: Refusal) -> Verdict {
    connection_lines::refused(&arrival.admission, &refusal);
    effects.account(&ConnectionNews::refused(&arrival.admission, refusal.code()));
    Verdict::Refused(refusal)
}
