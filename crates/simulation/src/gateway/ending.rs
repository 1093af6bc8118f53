//! How clients and their links end.

use foodtrack_session::{CloseReason, End};

use super::{BODY_BYTES_MAX, Clients, of_link, text_of};
use crate::{Call, ClientIndex, LinkIndex, Output, Packet};

impl Clients {
    pub(super) fn release_from_upgrade(&mut self, client: ClientIndex) {
        if self.clients.get(&client).is_some_and(|state| state.engine.is_kept_by_upgrade()) {
            self.closing.push(client);
        }
    }

    pub(super) fn drop_link(&mut self, link: LinkIndex) {
        self.links.remove(&link);
        self.ended.insert(link);
        self.outputs.push(Output::Close(link));
    }

    /// Lets go of the clients that were closed in this turn. Returns whether the application is to be told something.
    pub(crate) fn finish_closing(&mut self) -> bool {
        let closing = std::mem::take(&mut self.closing);
        for client in &closing {
            let Some(state) = self.clients.get(client) else { continue };
            let Some(leave) = state.engine.leave() else { continue };
            if leave.is_news {
                self.calls.push_back(Call::Closed(*client, leave.reason));
            }
            // What it was sent last goes out in front of the end.
            self.flush(*client);
            let Some(state) = self.clients.get_mut(client) else { continue };
            if !state.engine.stay_for_upgrade() {
                self.let_go(*client, leave.reason);
            }
        }
        !closing.is_empty()
    }

    pub(super) fn let_go(&mut self, client: ClientIndex, reason: CloseReason) {
        let Some(state) = self.clients.remove(&client) else { return };
        self.by_sid.remove(&state.sid);
        match state.engine.end(reason, state.queue, BODY_BYTES_MAX) {
            End::WebSocket(Some(link), _) => self.drop_link(of_link(link)),
            End::WebSocket(None, _) => {}
            End::Polling { answer, probing, last } => {
                if let Some(answer) = answer {
                    let (link, body) = (of_link(answer.link), text_of(answer.body));
                    self.links.remove(&link);
                    self.outputs.push(Output::Send(link, Packet::Answer(Some(body))));
                }
                probing.into_iter().for_each(|link| self.drop_link(of_link(link)));
                if let Some(last) = last {
                    self.closed.insert(state.sid, last, self.now.monotonic_ms);
                }
            }
        }
    }
}
