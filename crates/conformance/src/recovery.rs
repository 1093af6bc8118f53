//! Connection state recovery: recent events, and the sessions that may come back for them.

use std::collections::VecDeque;

use ahash::HashMap;
use foodtrack_session::NamespaceId;
use serde::Deserialize;

use crate::rooms::Socket;

/// Events that are kept; who missed more starts anew.
const EVENTS_MAX: usize = 10_000;
/// How long a session may be away, as the reference has it.
const ABSENCE_MS_MAX: u64 = 120_000;

/// An event as it was sent to a room.
pub(crate) struct Recent {
    offset: u64,
    namespace: NamespaceId,
    room: String,
    /// The socket that did not get it, by its id.
    but: Option<String>,
    pub(crate) name: String,
    /// Raw JSON, the offset last.
    pub(crate) arguments: Vec<String>,
    pub(crate) attachments: Vec<Vec<u8>>,
}

struct Absent {
    socket: Socket,
    since_ms: u64,
}

/// What a client that comes back says in its `auth`.
#[derive(Default, Deserialize)]
struct Claim {
    pid: Option<String>,
    offset: Option<String>,
}

#[derive(Default)]
pub(crate) struct Recovery {
    events: VecDeque<Recent>,
    last_offset: u64,
    absent: HashMap<(NamespaceId, String), Absent>,
}

impl Recovery {
    /// The offset of the last event, as the raw JSON argument that ends every event.
    pub(crate) fn offset(&self) -> String {
        format!("\"{}\"", self.last_offset)
    }

    /// Keeps an event and gives it its offset.
    pub(crate) fn keep(
        &mut self,
        namespace: NamespaceId,
        room: &str,
        but: Option<&str>,
        name: &str,
        arguments: &[&str],
        attachments: &[Vec<u8>],
    ) -> &Recent {
        self.last_offset += 1;
        let mut arguments: Vec<_> = arguments.iter().map(|&raw| raw.to_owned()).collect();
        arguments.push(self.offset());
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(Recent {
            offset: self.last_offset,
            namespace,
            room: room.to_owned(),
            but: but.map(str::to_owned),
            name: name.to_owned(),
            arguments,
            attachments: attachments.to_vec(),
        });
        &self.events[self.events.len() - 1]
    }

    /// A socket lost its transport; it may come back.
    pub(crate) fn part(&mut self, namespace: NamespaceId, socket: Socket, now_ms: u64) {
        self.absent.retain(|_, absent| now_ms - absent.since_ms <= ABSENCE_MS_MAX);
        self.absent.insert((namespace, socket.pid.clone()), Absent { socket, since_ms: now_ms });
    }

    /// The socket that `auth` proves to be back, and the offset up to which it has everything. Whoever comes back must
    /// be who left.
    pub(crate) fn resume(
        &mut self,
        namespace: NamespaceId,
        auth: Option<&str>,
        subject: &str,
        now_ms: u64,
    ) -> Option<(Socket, u64)> {
        let claim: Claim = serde_json::from_str(auth?).ok()?;
        let offset: u64 = claim.offset?.parse().ok()?;
        let oldest = self.events.front()?.offset;
        if offset > self.last_offset || offset + 1 < oldest {
            return None;
        }
        let place = (namespace, claim.pid?);
        let absent = self.absent.get(&place)?;
        if absent.socket.subject != subject || now_ms - absent.since_ms > ABSENCE_MS_MAX {
            return None;
        }
        self.absent.remove(&place).map(|absent| (absent.socket, offset))
    }

    /// What was sent to the socket's rooms behind `offset`.
    pub(crate) fn missed<'a>(
        &'a self,
        namespace: NamespaceId,
        socket: &'a Socket,
        offset: u64,
    ) -> impl Iterator<Item = &'a Recent> {
        self.events.iter().filter(move |event| {
            event.offset > offset
                && event.namespace == namespace
                && socket.rooms.contains(&event.room)
                && event.but.as_ref() != Some(&socket.id)
        })
    }
}
