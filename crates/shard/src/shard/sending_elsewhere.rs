//! Before a node stops, its clients are sent elsewhere, some at a time: who takes them is not asked by all at once.

use foodtrack_transport::{CloseReason, Reactor};

use super::{SEND_ELSEWHERE, Shard};

/// How often some are sent.
const EVERY_MS: u64 = 100;
/// By how much that differs from time to time: shards and nodes that begin together do not go on in step.
const JITTER_MS: u64 = 25;

impl Shard {
    /// Sends all clients elsewhere by then.
    pub(super) fn send_elsewhere_within(&mut self, io: &mut Reactor, within_ms: u64) {
        let by_ms = io.now_ms().saturating_add(within_ms);
        let is_under_way = self.sends_elsewhere_by_ms.replace(by_ms).is_some();
        // It has its timer then.
        if !is_under_way {
            self.send_some_elsewhere(io);
        }
    }

    /// Sends as many as it takes for all to be gone in time, from all over the table: neighbours in it are often of one tenant.
    pub(super) fn send_some_elsewhere(&mut self, io: &mut Reactor) {
        let Some(by_ms) = self.sends_elsewhere_by_ms else { return };
        let clients = io.clients();
        let number = share(clients.len(), by_ms.saturating_sub(io.now_ms()));
        let stride = clients.len().checked_div(number).unwrap_or(1).max(1);
        for client in clients.into_iter().step_by(stride).take(number) {
            io.close(client, CloseReason::ServerClosed);
        }
        let wait_ms = fastrand::u64(EVERY_MS - JITTER_MS..=EVERY_MS + JITTER_MS);
        io.schedule(wait_ms, SEND_ELSEWHERE);
    }
}

/// How many of so many go now, where so much time is left for all of them.
fn share(clients: usize, left_ms: u64) -> usize {
    let turns = usize::try_from(left_ms / EVERY_MS).unwrap_or(usize::MAX).max(1);
    clients.div_ceil(turns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_gone_when_the_time_is_over_and_about_as_many_go_in_each_turn() {
        let (mut left, mut gone) = (1_000, Vec::new());
        for turn in 0..10 {
            let number = share(left, 1_000 - turn * EVERY_MS);
            gone.push(number);
            left -= number;
        }
        assert_eq!((left, gone), (0, vec![100; 10]));
        assert_eq!(share(7, 0), 7, "who is late goes at once");
        assert_eq!(share(0, 500), 0);
    }
}
