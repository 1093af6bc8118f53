//! Who comes at once after an outage: sessions that come back enter as they come, the others one after another, within a
//! rate for each tenant and one for all. Nobody is refused: a client that is would not come again by itself. Customers may be
//! anybody: they have a share of a tenant's rate, and nobody else waits behind them.

use std::collections::VecDeque;

use foodtrack_tenant::{Admission, Bucket, Party};
use foodtrack_transport::{Handover, Reactor};

use super::Shard;
use crate::entrant::{Entrant, Stage};

/// How often those who wait are looked at.
const LOOK_MS: u64 = 20;
/// The number of that deadline; no tenant's.
pub(crate) const LOOK: u64 = u64::MAX - 1;
/// How many customers wait, and how many others; further ones are closed, and come again.
const WAITING_MAX: usize = 65_536;

/// Clients that come faster than they can be let in.
#[derive(Default)]
pub(super) struct Pacing {
    /// Of all tenants of the shard.
    all: Bucket,
    /// Staff and back ends.
    others: VecDeque<Handover<Entrant>>,
    customers: VecDeque<Handover<Entrant>>,
    is_looking: bool,
}

impl Pacing {
    /// Whether nobody waits who comes in before somebody of this party.
    fn is_empty_for(&self, party: Party) -> bool {
        self.others.is_empty() && (party != Party::Customers || self.customers.is_empty())
    }

    fn queue(&mut self, party: Party) -> &mut VecDeque<Handover<Entrant>> {
        match party {
            Party::Customers => &mut self.customers,
            Party::Staff | Party::BackEnds => &mut self.others,
        }
    }
}

fn party(admission: &Admission) -> Party {
    Party::of(admission.principal.role(), admission.source())
}

impl Shard {
    /// Takes a client whose home is here as far as it can get by now: it takes its turn, and has its tenant's log opened.
    pub(super) fn advance(&mut self, io: &mut Reactor, entrant: &mut Entrant) {
        if entrant.stage == Stage::Turn && !self.take_turn(io, &entrant.admission) {
            return;
        }
        let is_answered = self.ask_to_connect(io, &mut entrant.admission);
        let admission = &entrant.admission;
        entrant.stage = if !is_answered {
            Stage::Hook
        } else if matches!(admission.permit, Some(Err(_))) {
            Stage::Ready
        } else if !self.open_log(io, admission.principal.tenant()) {
            Stage::Log
        } else if self.must_hear_notes(entrant) {
            Stage::Notes
        } else if !self.knows_orders_of(admission) {
            Stage::Orders
        } else {
            Stage::Ready
        };
    }

    /// Somebody who says what it had is not kept waiting: what it asks for is cheaper, and it is who has missed something.
    fn take_turn(&mut self, io: &Reactor, admission: &Admission) -> bool {
        // Those who came before have their turn first.
        admission.resume.is_some()
            || (self.pacing.is_empty_for(party(admission)) && self.spend_entrance(io, admission))
    }

    fn spend_entrance(&mut self, io: &Reactor, admission: &Admission) -> bool {
        let (now_ms, limits) = (io.now_ms(), self.parts.settings.limits);
        let tenant = self.open_tenant(admission.principal.tenant()) as usize;
        let (arrivals, party) = (&mut self.tenants[tenant].arrivals, party(admission));
        // The tenant's own first: what it may not use is the others'.
        if arrivals.spend(party, limits.arrivals_per_tenant, 1, now_ms).is_err() {
            return false;
        }
        let has_turn = self.pacing.all.spend(limits.arrivals, 1, now_ms).is_ok();
        if !has_turn {
            arrivals.give_back(party, 1);
        }
        has_turn
    }

    /// A client whose home is here has come from another shard: it comes in, or waits.
    pub(super) fn receive(&mut self, io: &mut Reactor, mut handover: Handover<Entrant>) {
        if let Some(entrant) = handover.transfer_mut() {
            self.advance(io, entrant);
        }
        match handover.transfer().map_or(Stage::Ready, |entrant| entrant.stage) {
            Stage::Ready => io.adopt(self, handover),
            _ => self.wait_at_home(handover),
        }
    }

    /// Keeps a client until it is its turn, or its tenant's log is open. Its socket is not read meanwhile.
    pub(super) fn wait_at_home(&mut self, handover: Handover<Entrant>) {
        let Some(entrant) = handover.transfer() else { return };
        match entrant.stage {
            Stage::Turn => {
                let party = party(&entrant.admission);
                self.wait_for_turn(party, handover);
            }
            Stage::Hook => self.wait_for_permit(handover),
            Stage::Notes => self.wait_for_notes(handover),
            Stage::Orders => {
                if let Some(handover) = self.ask_for_orders(handover) {
                    self.wait_for_log(handover);
                }
            }
            Stage::Log | Stage::Ready => self.wait_for_log(handover),
        }
    }

    fn wait_for_turn(&mut self, party: Party, handover: Handover<Entrant>) {
        let queue = self.pacing.queue(party);
        if queue.len() >= WAITING_MAX {
            tracing::warn!("too many clients come at once: one was closed");
            return;
        }
        queue.push_back(handover);
        self.parts.settings.counters.arrivals_delayed.add(1);
    }

    /// Sees to it that those who wait are looked at.
    pub(super) fn look_at_waiting(&mut self, io: &mut Reactor) {
        if !self.pacing.is_empty_for(Party::Customers) && !self.pacing.is_looking {
            self.pacing.is_looking = true;
            io.schedule(LOOK_MS, LOOK);
        }
    }

    /// Lets in as many as may enter by now. A tenant over its rate does not hold up those behind.
    pub(super) fn let_in(&mut self, io: &mut Reactor) {
        self.pacing.is_looking = false;
        for party in [Party::Staff, Party::Customers] {
            for _ in 0..self.pacing.queue(party).len() {
                let Some(mut handover) = self.pacing.queue(party).pop_front() else { break };
                if let Some(entrant) = handover.transfer_mut() {
                    if !self.spend_entrance(io, &entrant.admission) {
                        self.pacing.queue(party).push_back(handover);
                        continue;
                    }
                    entrant.stage = Stage::Log;
                }
                self.receive(io, handover);
            }
        }
        self.look_at_waiting(io);
    }
}
