//! What back ends and operators ask: done at once, or when the tenant's log is open.

use foodtrack_contract::{ErrorCode, Refusal};

use crate::effects::Effects;
use crate::model::Accepted;
use crate::reply_to::ReplyTo;
use crate::request::{Answer, Request, RequestId};
use crate::shared_rate::Party;
use crate::tenant::Tenant;
use crate::turn::Turn;
use crate::waiting_work::{Publication, Revocation};

/// Requests that wait for the log to be opened; further ones are refused.
const WAITING_REQUESTS_MAX: usize = 1_024;

impl Tenant {
    /// Does what is asked, now or when the log is open.
    pub(crate) fn request(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        id: RequestId,
        request: Request,
    ) {
        if request.needs_log() {
            self.need_log(turn);
            if !self.takes_clients() {
                return self.request_later(turn, id, request);
            }
        }
        self.do_request(turn, id, request);
    }

    fn request_later(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        id: RequestId,
        request: Request,
    ) {
        if self.requests.len() < WAITING_REQUESTS_MAX {
            return self.requests.push((id, request));
        }
        let message = "the tenant's log is being opened: try again in a moment";
        let refusal = Refusal::new(ErrorCode::Overloaded, message).retry_after_ms(500);
        turn.effects.reply(id, Answer::Refused(refusal));
    }

    /// Does what waited for the log to be open, or to be known to be away.
    pub(crate) fn do_waiting_requests(&mut self, turn: &mut Turn<'_, impl Effects>) {
        for (id, request) in std::mem::take(&mut self.requests) {
            self.do_request(turn, id, request);
        }
    }

    fn do_request(&mut self, turn: &mut Turn<'_, impl Effects>, id: RequestId, request: Request) {
        let answer = match request {
            Request::Publish { principal, event, argument, spare_id } => {
                let reply = ReplyTo::Request(id);
                let publication = Publication { principal, event, argument, spare_id, reply };
                return self.publish_request(turn, publication);
            }
            Request::Broadcast(broadcast) => {
                return self.broadcast(turn, &broadcast, ReplyTo::Request(id));
            }
            Request::SendTo(event) => {
                self.send_direct(turn, event).map_or_else(Answer::Refused, Answer::Sent)
            }
            Request::RevokeGrant { room, user } => {
                return self.revoke_when_known(turn, Revocation { room, user, id });
            }
            Request::Counts | Request::Open => {
                Answer::Counts(self.counts(|client| turn.effects.is_polling(client)))
            }
            Request::Tally => Answer::Tally(self.tally()),
            Request::UserMarks => Answer::UserMarks(self.members.user_marks()),
            Request::List(filter) => Answer::Connections(self.list(turn, &filter)),
            Request::Present(query) => Answer::Present(self.present_ones(turn, &query)),
            Request::Disconnect(target) => Answer::Disconnected(self.disconnect(turn, &target)),
            Request::Revoke(revocation) => {
                Answer::Disconnected(self.revoke_tokens(turn, &revocation))
            }
            Request::Rooms(query) => Answer::Rooms(self.room_infos(&query)),
            Request::DescribeRoom { room, metadata } => match room.room() {
                Some(room) => match self.describe_room(turn, &room, metadata) {
                    Ok(info) => Answer::Room(info),
                    Err(refusal) => Answer::Refused(refusal),
                },
                None => malformed_room(),
            },
            Request::Grant { room, user } => match room.room() {
                Some(room) => match self.grant(turn, &room, &user) {
                    Ok(()) => Answer::Granted,
                    Err(refusal) => Answer::Refused(refusal),
                },
                None => malformed_room(),
            },
            Request::Grants(room) => match room.room() {
                Some(room) => Answer::Grants(self.grants_of(room.name())),
                None => malformed_room(),
            },
            Request::Trace(entries) => {
                Answer::Traced(entries.iter().map(|entry| self.trace(entry)).collect())
            }
            Request::DeviceJournal => Answer::DeviceJournal(self.journal.news()),
            Request::MoveQueue { subscriber, through } => {
                match self.move_queue(turn, &subscriber, through) {
                    Ok(()) => Answer::QueueMoved,
                    Err(refusal) => Answer::Refused(refusal),
                }
            }
            Request::ReplayLetter { subscriber, entry } => {
                Answer::LetterSent(self.send_letter(turn, &subscriber, *entry))
            }
        };
        turn.effects.reply(id, answer);
    }

    fn publish_request(&mut self, turn: &mut Turn<'_, impl Effects>, publication: Publication) {
        match self.spend_back_end_message(turn) {
            Ok(()) => self.publish_when_known(turn, publication),
            Err(refusal) => self.answer(turn, publication.reply, Err(refusal)),
        }
    }

    /// Counts a back end's event against what the tenant may send.
    ///
    /// # Errors
    /// [`ErrorCode::TenantRateLimited`].
    pub(crate) fn spend_back_end_message(
        &mut self,
        turn: &Turn<'_, impl Effects>,
    ) -> Result<(), Refusal> {
        let (rate, now_ms) = (turn.limits.messages_per_tenant, turn.now.monotonic_ms);
        self.intake.spend_message(Party::BackEnds, rate, now_ms).map_err(|after_ms| {
            let message = "the tenant sends more than its limit allows";
            Refusal::new(ErrorCode::TenantRateLimited, message).retry_after_ms(u64::from(after_ms))
        })
    }
}

impl From<Result<Accepted, Refusal>> for Answer {
    fn from(result: Result<Accepted, Refusal>) -> Self {
        result.map_or_else(Self::Refused, Self::Accepted)
    }
}

fn malformed_room() -> Answer {
    Answer::Refused(Refusal::new(ErrorCode::RoomMalformed, "that is no room's name"))
}
