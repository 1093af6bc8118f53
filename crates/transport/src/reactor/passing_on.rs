//! Requests about sessions of other nodes: passed on, each by itself, in the name of whoever made it.

use foodtrack_session::{LinkId, Sid};

use super::Reactor;
use super::application::{Application, HttpRequest, HttpTicket};
use super::next::Progress;
use crate::engine_request::{EngineError, EngineRequest};
use crate::link::Waited;
use crate::node_mark::PASSED_ON;
use crate::passed_on::{PassOn, PassedSocket};

impl Reactor {
    /// Passes on a request about a session that is none of this node's.
    pub(super) fn pass_on<A: Application>(
        &mut self,
        app: &mut A,
        link: LinkId,
        sid: &Sid,
        request: &EngineRequest<'_>,
    ) -> Result<Progress, EngineError> {
        let unknown = EngineError::UnknownSid;
        let mark = self.config.node.as_ref().ok_or(unknown)?;
        let node = mark.other(sid).ok_or(unknown)?;
        let head = request.head;
        // Nobody passes on what was passed on: two nodes with the same tag would do so without end.
        if head.header(PASSED_ON).is_some() {
            return Err(unknown);
        }
        if request.is_upgrade() {
            request.accept()?;
        }
        let Some(state) = self.links.get(link) else { return Ok(Progress::Gone) };
        let vouched = mark.vouch(sid, state.peer());
        let passed = HttpRequest {
            method: head.method.to_owned(),
            target: head.target().into_owned(),
            headers: head.owned_headers(),
            body: request.body.to_vec(),
            peer: state.peer(),
            certificate: None,
            pass_on: Some(PassOn { node, vouched }),
        };
        if request.is_upgrade() {
            let unread = request.whole.get(request.used..).unwrap_or_default().to_vec();
            if let Some(link) = self.take_link(link) {
                app.pass_on(self, passed, PassedSocket::new(link, unread));
            }
            return Ok(Progress::Gone);
        }
        // The other node counts it as whoever's it is, and ends it where that has too many.
        self.make_known(link);
        if let Some(state) = self.links.get_mut(link) {
            state.wait_for_answer(None, Waited::new(head));
        }
        app.http(self, passed, HttpTicket { link });
        Ok(Progress::Used(request.used))
    }
}
