//! Clients that come back to rooms of orders which memory does not know: the log is asked before they come in.

use foodtrack_contract::{ApplicationType, RoomName};
use foodtrack_tenant_log::{LoggedRoom, OrderOwner, ReadError};
use foodtrack_transport::{Handover, Reactor};

use super::Shard;
use crate::handshake::Admission;
use crate::intake::Whose;
use crate::log_link::OwnerAsker;
use crate::reliability::subscriber_key;
use crate::session_key::{SessionKey, SessionOwner};
use crate::tenant::Tenant;

impl Shard {
    /// Whether a client whose tenant's log is open need not wait until the log has said which orders are its user's.
    pub(super) fn knows_orders_of(&self, admission: &Admission) -> bool {
        admission.owns.is_some() || self.orders_to_ask(admission).is_empty()
    }

    fn orders_to_ask(&self, admission: &Admission) -> Vec<Box<str>> {
        let place = self.by_name.get(admission.principal.tenant());
        let tenant = place.and_then(|place| self.tenants.get(*place as usize));
        tenant.map_or(Vec::new(), |tenant| {
            tenant.unknown_orders_of(admission, &self.parts.session_key)
        })
    }

    /// Asks for a client which orders are its user's, if that is what it waits for. Returns it if not.
    pub(super) fn ask_for_orders(
        &mut self,
        handover: Handover<Admission>,
    ) -> Option<Handover<Admission>> {
        let Some(admission) = handover.transfer() else { return Some(handover) };
        if admission.owns.is_some() {
            return Some(handover);
        }
        let orders = self.orders_to_ask(admission);
        if orders.is_empty() {
            return Some(handover);
        }
        self.serial = self.serial.wrapping_add(1);
        let tenant = admission.principal.tenant().clone();
        self.parts.log.read_owners(&tenant, OwnerAsker::Entrant(self.serial), orders);
        self.entrants.insert(self.serial, handover);
        None
    }

    /// The log has said whose orders are.
    pub(super) fn hear_of_owners(
        &mut self,
        io: &mut Reactor,
        tenant: u32,
        asker: OwnerAsker,
        orders: Vec<Box<str>>,
        owners: Result<Vec<Option<OrderOwner>>, ReadError>,
    ) {
        match asker {
            OwnerAsker::Events(serial) => {
                let owner = owners.map(|owners| owners.into_iter().next().flatten());
                let Some(order) = orders.into_iter().next() else { return };
                self.with_tenant(io, tenant, |tenant, turn| {
                    tenant.owner_found(turn, serial, &order, owner);
                });
            }
            OwnerAsker::Entrant(serial) => {
                let Some(mut handover) = self.entrants.remove(&serial) else { return };
                let owners = match owners {
                    Ok(owners) => owners,
                    Err(error) => {
                        // Its socket closes, and it comes again: it is not told that it is back without its rooms.
                        tracing::error!(%error, "cannot look up whose orders are: a client is sent away");
                        return;
                    }
                };
                if let Some(admission) = handover.transfer_mut() {
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
    }
}

impl Tenant {
    /// Of the orders whose rooms a client may come back to, those of which memory does not know whose they are.
    fn unknown_orders_of(&self, admission: &Admission, key: &SessionKey) -> Vec<Box<str>> {
        let device = admission.device.as_ref();
        let subscriber = subscriber_key(admission.principal.user(), admission.application, device);
        let (Some(subscriber), Some(ApplicationType::ClientApp)) =
            (subscriber, admission.application)
        else {
            return Vec::new();
        };
        let owner = SessionOwner { tenant: self.id.as_str(), subscriber: subscriber.as_str() };
        let resume = admission.resume.as_ref();
        let session = resume.and_then(|resume| key.prove(&resume.pid, owner));
        let mut rooms =
            session.map(|session| self.sessions.rooms_of(&session.sid)).unwrap_or_default();
        if device.is_some() {
            rooms.extend(self.sessions.last_rooms_of(&subscriber));
        }
        let unknown = |room: LoggedRoom| match room.name() {
            RoomName::Order(order) if self.intake.whose(order) == Whose::Unknown => {
                Some(Box::from(order))
            }
            _ => None,
        };
        rooms.into_iter().filter_map(unknown).collect()
    }
}
