//! How many connections a tenant may have, and a user of it.

use foodtrack_contract::{ApplicationType, ErrorCode, Refusal};

use crate::admission::Admission;
use crate::crowds::Crowd;
use crate::effects::Effects;
use crate::tenant::Tenant;
use crate::turn::Turn;

/// One in so many of a tenant's connections is for others than customers, of whom anybody can be one.
const STAFF_SHARE: usize = 10;

impl Tenant {
    /// Whether a client may come in besides those that are here, and those of the tenant that other nodes have. Of one whose session
    /// came back those are not counted: it may be one of them itself, at a node that has ended.
    pub(crate) fn check_room_for(
        &self,
        turn: &Turn<'_, impl Effects>,
        admission: &Admission,
        is_recovered: bool,
    ) -> Result<(), Refusal> {
        let limits = turn.limits;
        let elsewhere = turn.settings.crowds.as_ref().filter(|_| !is_recovered);
        let elsewhere = elsewhere.map_or_else(Crowd::default, |it| it.elsewhere(&self.id));
        let all = self.crowd().and(elsewhere);
        let over = |limit: usize, count: usize| limit != 0 && count >= limit;
        // Not the members of the user's room: the dashboard may follow a customer.
        let of_user = self.members.of_user(admission.principal.user());
        let is_customer = admission.application == Some(ApplicationType::ClientApp);
        let of_customers = limits.connections_max - limits.connections_max / STAFF_SHARE;
        let what = if over(limits.connections_max, all.connections) {
            "tenant"
        } else if is_customer && over(of_customers, all.customers) {
            "customers' part of the tenant"
        } else if over(limits.connections_per_user_max, of_user) {
            "user"
        } else {
            return Ok(());
        };
        let message = format!("the {what} has as many connections as it may have");
        Err(Refusal::new(ErrorCode::TooManyConnections, message).retry_after_ms(5_000))
    }

    /// Has other nodes told how many connections there are here, where they are many.
    pub(crate) fn tell_crowd(&mut self, turn: &Turn<'_, impl Effects>) {
        let Some(crowds) = &turn.settings.crowds else { return };
        let crowd = Some(self.crowd()).filter(|it| it.is_told(turn.limits.connections_max));
        if crowd.is_some() || self.is_crowd {
            crowds.set_here(&self.id, crowd);
        }
        self.is_crowd = crowd.is_some();
    }

    fn crowd(&self) -> Crowd {
        Crowd {
            connections: self.members.len(),
            customers: self.members.of_application(ApplicationType::ClientApp),
        }
    }
}
