//! The upgrade from long-polling to WebSocket, seen from the second socket.

use foodtrack_wire::engine_io::Packet;

/// How far the probing socket has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// Opened; the client is to send `2probe`.
    Awaited,
    /// `2probe` was answered by `3probe`; the client is to send `5` once its last poll has ended.
    Answered,
}

/// What a packet on the probing socket means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeStep {
    /// Answer `3probe`, and end a waiting poll.
    Answer,
    /// The socket is the client's transport from now on.
    Upgrade,
    /// Not what an upgrade looks like: close this socket; the client goes on polling.
    Refuse,
}

impl Probe {
    /// Takes a packet of the probing socket.
    pub(crate) fn handle(&mut self, packet: &Packet<'_>) -> ProbeStep {
        match (*self, packet) {
            (Self::Awaited, Packet::Ping("probe")) => {
                *self = Self::Answered;
                ProbeStep::Answer
            }
            (Self::Answered, Packet::Upgrade) => ProbeStep::Upgrade,
            _ => ProbeStep::Refuse,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_answered_and_then_upgrades() {
        let mut probe = Probe::Awaited;
        assert_eq!(probe.handle(&Packet::Ping("probe")), ProbeStep::Answer);
        assert_eq!(probe.handle(&Packet::Upgrade), ProbeStep::Upgrade);
    }

    #[test]
    fn nothing_else_upgrades() {
        assert_eq!(Probe::Awaited.handle(&Packet::Upgrade), ProbeStep::Refuse);
        assert_eq!(Probe::Awaited.handle(&Packet::Ping("")), ProbeStep::Refuse);
        assert_eq!(Probe::Answered.handle(&Packet::Text("2[\"x\"]")), ProbeStep::Refuse);
    }
}
