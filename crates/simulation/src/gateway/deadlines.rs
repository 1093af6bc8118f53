//! What is due at a gateway: heartbeats, and asking whether something arrived.

use foodtrack_session::{Beat, CloseReason};

use super::client::Client;
use super::{CONFIRM_PAUSE_MS, Clients};
use crate::{Call, ClientIndex};

impl Clients {
    /// When something is due.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        let of_clients = self.clients.values().map(Client::next_ms);
        of_clients.chain(self.closed.deadline_ms()).min()
    }

    /// Does what is due. Clients that are to be pinged are returned, with whether it is a heartbeat.
    pub(crate) fn expire(&mut self) -> Vec<(ClientIndex, bool)> {
        let now_ms = self.now.monotonic_ms;
        while self.closed.expire(now_ms).is_some() {}
        let due = self.clients.iter().filter(|(_, state)| state.next_ms() <= now_ms);
        let due: Vec<ClientIndex> = due.map(|(client, _)| *client).collect();
        let mut asked = Vec::new();
        for client in due {
            let heartbeat = self.heartbeat;
            let Some(state) = self.clients.get_mut(&client) else { continue };
            if !state.is_joined && state.connect_by_ms <= now_ms {
                state.connect_by_ms = u64::MAX;
                self.close(client, CloseReason::ConnectTimeout);
                continue;
            }
            if let Some((_, answer)) = state.held_answer.take_if(|(at_ms, _)| *at_ms <= now_ms) {
                self.put(client, answer);
            }
            let Some(state) = self.clients.get_mut(&client) else { continue };
            let is_over = state.stalled_until_ms <= now_ms && state.stalled_until_ms > 0;
            if is_over {
                state.stalled_until_ms = 0;
                self.calls.push_back(Call::Flush(client));
            }
            if state.beat_ms <= now_ms {
                match state.engine.beat(now_ms, &heartbeat) {
                    Beat::Ping { deadline_ms } => {
                        state.beat_ms = deadline_ms;
                        asked.push((client, true));
                    }
                    Beat::Wait { deadline_ms } => state.beat_ms = deadline_ms,
                    Beat::GiveUp => {
                        state.beat_ms = u64::MAX;
                        self.close(client, CloseReason::PingTimeout);
                        continue;
                    }
                }
            }
            if state.confirm_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
                let is_due = std::mem::take(&mut state.is_confirm_due);
                state.confirm_at_ms = is_due.then_some(now_ms + CONFIRM_PAUSE_MS);
                if is_due && state.engine.may_mark() {
                    asked.push((client, false));
                } else if is_due {
                    state.is_confirm_due = true;
                }
            }
        }
        asked
    }

    /// Whether a ping to a client may bear a mark.
    pub(crate) fn may_mark(&self, client: ClientIndex) -> bool {
        self.clients.get(&client).is_some_and(|state| state.engine.may_mark())
    }
}
