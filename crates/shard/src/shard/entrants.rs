//! Clients that come back where memory does not know enough: the log is asked before they come in.

use foodtrack_tenant::Admission;
use foodtrack_tenant_log::{OrderOwner, ReadError};
use foodtrack_transport::{Handover, Reactor};

use super::Shard;
use crate::entrant::Entrant;

impl Shard {
    /// Whether a client whose tenant's log is open need not wait until the log has said which orders are its user's.
    pub(super) fn knows_orders_of(&self, admission: &Admission) -> bool {
        admission.owns.is_some() || self.orders_to_ask(admission).is_empty()
    }

    fn orders_to_ask(&self, admission: &Admission) -> Vec<Box<str>> {
        let place = self.by_name.get(admission.principal.tenant());
        let tenant = place.and_then(|place| self.tenants.get(*place as usize));
        let key = &self.parts.settings.session_key;
        tenant.map_or(Vec::new(), |resident| resident.tenant.unknown_orders_of(admission, key))
    }

    /// Asks for a client which orders are its user's, if that is what it waits for. Returns it if not.
    pub(super) fn ask_for_orders(
        &mut self,
        handover: Handover<Entrant>,
    ) -> Option<Handover<Entrant>> {
        let Some(Entrant { admission, .. }) = handover.transfer() else { return Some(handover) };
        if admission.owns.is_some() {
            return Some(handover);
        }
        let orders = self.orders_to_ask(admission);
        if orders.is_empty() {
            return Some(handover);
        }
        self.serial = self.serial.wrapping_add(1);
        let tenant = admission.principal.tenant().clone();
        self.parts.log.read_owners(&tenant, self.serial, orders);
        self.entrants.insert(self.serial, handover);
        None
    }

    /// Whether a client comes back of whose session another node may have noted something that was not heard here yet.
    pub(super) fn must_hear_notes(&self, entrant: &Entrant) -> bool {
        self.parts.log.is_shared && entrant.admission.resume.is_some() && !entrant.has_heard_notes
    }

    pub(super) fn wait_for_notes(&mut self, handover: Handover<Entrant>) {
        let Some(Entrant { admission, .. }) = handover.transfer() else { return };
        self.serial = self.serial.wrapping_add(1);
        let tenant = admission.principal.tenant().clone();
        self.parts.log.hear_notes(&tenant, self.serial);
        self.entrants.insert(self.serial, handover);
    }

    /// All is heard that other nodes noted of the session of a client that comes back, or cannot be: then its session is not back,
    /// since it may have been in rooms that nobody here knows.
    pub(super) fn heard_notes(&mut self, io: &mut Reactor, serial: u32, is_all: bool) {
        let Some(mut handover) = self.entrants.remove(&serial) else { return };
        if let Some(entrant) = handover.transfer_mut() {
            entrant.has_heard_notes = true;
            if let Some(resume) = entrant.admission.resume.as_mut().filter(|_| !is_all) {
                resume.pid.clear();
            }
        }
        self.receive(io, handover);
    }

    /// The log has said whose the orders are that a client comes back to.
    pub(super) fn hear_of_owners(
        &mut self,
        io: &mut Reactor,
        serial: u32,
        orders: Vec<Box<str>>,
        owners: Result<Vec<Option<OrderOwner>>, ReadError>,
    ) {
        let Some(mut handover) = self.entrants.remove(&serial) else { return };
        let owners = match owners {
            Ok(owners) => owners,
            Err(error) => {
                // Its socket closes, and it comes again: it is not told that it is back without its rooms.
                tracing::error!(%error, "cannot look up whose orders are: a client is sent away");
                return;
            }
        };
        if let Some(Entrant { admission, .. }) = handover.transfer_mut() {
            let user = admission.principal.user().as_str();
            let is_own = |owner: &Option<OrderOwner>| {
                owner.as_ref().is_some_and(|it| it.customer.as_deref() == Some(user))
            };
            let all = orders.into_iter().zip(owners);
            let own = all.filter(|(_, owner)| is_own(owner)).map(|(order, _)| order);
            admission.owns = Some(own.collect());
        }
        self.receive(io, handover);
    }
}
