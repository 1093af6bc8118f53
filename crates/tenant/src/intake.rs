//! Whether an event may come in, and what it is: it owns whose orders are, what was seen before, and the tenant's rates.

mod acceptances;
mod assignments;
mod check_budget;
mod claims;
mod from_log;
mod message_rates;
mod order_book;
mod order_owners;
mod order_table;
mod publish_dedup;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use foodtrack_contract::{
    DeliveryClass, Entities, EventName, Incoming, Message, Offset, PermissionSet, Refusal, Source,
    TenantId, UserRole, encrypted_entities, read_envelope,
};
use foodtrack_router::About;
use foodtrack_tenant_log::{
    Assignment, Fact, LogEntry, LoggedAudience, LoggedRoom, OrderOwner, RecentIds,
};
use uuid::Uuid;

use crate::appending::Checked;
use crate::effects::Effects;
use crate::hook::HookQuestion;
use crate::ledger::Unavailable;
use crate::policies::Policies;
use crate::quota::Rate;
use crate::shared_rate::{Party, SharedBucket};

use acceptances::needs_assignee;
use assignments::{AssignedTo, Assignments};
use claims::{check_attachments, check_claims};
use order_book::OrderBook;
use publish_dedup::Repeats;

pub use check_budget::CHECKS_US_PER_SECOND;
pub(crate) use from_log::OpenedLog;
pub(crate) use message_rates::OverRate;
pub(crate) use order_book::{ORDERS_IN_MEMORY_MAX, Whose};
use order_owners::by_customer;
pub(crate) use order_owners::log_unknown;
pub(crate) use publish_dedup::Emission;
pub use publish_dedup::EmissionKey;

/// The events of one tenant on their way in.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    orders: OrderBook,
    assignments: Assignments,
    /// Ids of messages that are in no log.
    recent: RecentIds<()>,
    repeats: Repeats,
    /// Memory for the rooms of the next event's audience.
    spare_rooms: Vec<LoggedRoom>,
    messages: SharedBucket,
    /// Time for the checks of the tenant's own schemas, in microseconds.
    check_budget: SharedBucket,
    /// The message at work, for who looks into a panic.
    at_work: Option<Uuid>,
}

/// Who publishes: a connection, or a back end over HTTP.
#[derive(Clone, Copy)]
pub(crate) struct Publisher<'a> {
    pub(crate) user: &'a str,
    /// Who that is on which device, as [`EmissionKey::sender`] says it.
    pub(crate) sender: u64,
    pub(crate) role: UserRole,
    pub(crate) source: Source,
    pub(crate) permissions: PermissionSet,
}

/// An event as its sender emitted it.
#[derive(Clone, Copy)]
pub(crate) struct Emitted<'a> {
    pub(crate) name: &'a str,
    /// Its first argument as raw JSON.
    pub(crate) argument: &'a str,
    pub(crate) attachments: &'a [Vec<u8>],
    /// Its id where it says none; none: one is made.
    pub(crate) spare_id: Option<Uuid>,
}

/// What memory does not know, and the log does, or the back end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Question {
    /// Whose this order is.
    OwnerOf(Box<str>),
    /// Who this order is assigned to.
    AssigneeOf(Box<str>),
    /// Where the message of this id is, if it is there.
    Message(Uuid),
    /// Whether somebody may join a room: the back end knows.
    Permit(Arc<HookQuestion>),
}

/// Why an event was not taken.
#[derive(Debug)]
pub(crate) enum Stopped {
    Refused(Refusal),
    /// Not yet: somebody must say something first. Nothing was done.
    Asks(Question),
}

impl From<Refusal> for Stopped {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What an event is judged by besides what the intake owns.
pub(crate) struct Circumstances<'c> {
    pub(crate) tenant: &'c TenantId,
    pub(crate) policies: &'c Policies,
    pub(crate) emission_key: &'c EmissionKey,
    /// On the shard's clock.
    pub(crate) now_ms: u64,
    /// The wall clock, as messages say it.
    pub(crate) timestamp: &'c str,
    /// Whether the log can be asked whose an order is, and why not.
    pub(crate) log: Result<(), Unavailable>,
    /// Whether the log must say first if it has a message of an id.
    pub(crate) must_ask_for: &'c dyn Fn(&Uuid) -> bool,
}

/// An event that may come in.
struct Judged<'a> {
    event: EventName,
    incoming: Incoming<'a>,
    source: Source,
    entities: Entities<'a>,
    /// Whether it makes an order of which nobody can be asked whether it is made.
    presumes_new: bool,
}

impl Intake {
    /// Whether an event may come in, and what it is. `effects` says whether one more order's owner can be remembered, and gives
    /// an id to what has none.
    ///
    /// # Errors
    /// [`Stopped`]
    pub(crate) fn check<'a>(
        &mut self,
        by: &Circumstances<'_>,
        publisher: Publisher<'_>,
        emitted: Emitted<'a>,
        effects: &mut impl Effects,
    ) -> Result<Checked<'a>, Stopped> {
        let judged = self.judge(by, publisher, emitted, effects)?;
        let Judged { event, incoming, source, entities, presumes_new } = &judged;
        let (tenant, policies) = (by.tenant, by.policies);
        let mut policy = policies.delivery.of(&policies.schemas, tenant, event);
        let entity_hash = by.emission_key.order(entities.order_id.as_deref());
        let emission = Emission::of(
            by.emission_key,
            &publisher,
            event,
            &policy,
            incoming,
            entity_hash,
            emitted.attachments,
        );
        let creates_order = self.new_order(event, &publisher, entities, *presumes_new);
        // What says whose an order is must be there again after a restart.
        if creates_order.is_some() && policy.class == DeliveryClass::Volatile {
            policy.class = DeliveryClass::Recoverable;
        }
        let assigns = entities.assigns(event);
        if assigns {
            policy.class = DeliveryClass::Durable;
        }
        let said_before = self.assigned_already(event, &publisher, entities);
        let audience = self.audience(by, &judged, creates_order.as_ref());
        let id = incoming.id.or(emitted.spare_id).unwrap_or_else(|| effects.new_message_id());
        let message = Message {
            id,
            event: emitted.name,
            tenant,
            timestamp: by.timestamp,
            source: *source,
            target: incoming.target,
            payload: incoming.payload,
            priority: incoming.priority,
            retry_count: 0,
            encrypted: incoming.encrypted,
        };
        Ok(Checked {
            id,
            is_named: incoming.id.is_some(),
            priority: incoming.priority,
            audience,
            entity_hash,
            creates_order,
            emission,
            message: message.to_json(),
            compacts: policy.compacts && !tells_a_cancel(incoming.payload),
            // Back ends and the dashboard may say again whose an order is.
            fact: (*presumes_new && by_customer(&publisher)).then_some(Fact::NewOrder),
            attachments: emitted.attachments,
            policy,
            event: judged.event,
            said_before,
            assigns: judged.entities.assignee_id.filter(|_| assigns),
            entity: judged.entities.order_id,
        })
    }

    /// Whether an event may come in: it is well formed, its sender may send it, and it is about an order that they may touch.
    fn judge<'a>(
        &mut self,
        by: &Circumstances<'_>,
        publisher: Publisher<'_>,
        emitted: Emitted<'a>,
        effects: &mut impl Effects,
    ) -> Result<Judged<'a>, Stopped> {
        let Emitted { name, argument, attachments, .. } = emitted;
        let (tenant, policies) = (by.tenant, by.policies);
        let event = policies.schemas.resolve(tenant, name)?;
        self.at_work = None;
        let incoming = read_envelope(name, argument)?;
        self.at_work = incoming.id;
        check_claims((tenant, policies.encrypted_payloads), &incoming, &publisher)
            .map_err(|refusal| refusal.of_event(name))?;
        let source = incoming.source.unwrap_or(publisher.source);
        let sender = foodtrack_router::Sender { source, permissions: publisher.permissions };
        policies.router.authorize(tenant, &event, sender)?;
        check_attachments(&incoming, attachments).map_err(|refusal| refusal.of_event(name))?;
        if let Some(id) = incoming.id.filter(by.must_ask_for) {
            return Err(Stopped::Asks(Question::Message(id)));
        }
        let (schemas, party) = (&policies.schemas, Party::of(publisher.role, publisher.source));
        let entities = match incoming.encrypted {
            true => encrypted_entities(&event, incoming.payload)
                .map_err(|refusal| refusal.of_event(name))?,
            false => self.validate(tenant, schemas, &event, incoming.payload, party, by.now_ms)?,
        };
        let must_know = || needs_assignee(policies, tenant, &event, source, &publisher, &entities);
        let order = entities.order_id.as_deref();
        let presumes_new = order.is_some_and(|order| self.may_be_new(order, by.log, &event))
            && effects.is_log_spooling();
        if let Some(order) = order.filter(|_| !presumes_new)
            && let Some(question) = self.must_ask_of(order, by.log, must_know)
        {
            if !incoming.encrypted {
                self.give_back_check(tenant, schemas, &event, incoming.payload, party);
            }
            return Err(Stopped::Asks(question));
        }
        let has_room = || effects.has_room_for_orders(tenant);
        self.check_order((by.log, presumes_new), &event, &publisher, &entities, has_room)
            .and_then(|()| self.check_acceptance(by.log, &event, &publisher, &entities))
            .map_err(|refusal| refusal.of_event(name))?;
        Ok(Judged { event, incoming, source, entities, presumes_new })
    }

    /// Whom an event is for; `creates_order` says whose its order is from now on.
    fn audience(
        &mut self,
        by: &Circumstances<'_>,
        judged: &Judged<'_>,
        creates_order: Option<&OrderOwner>,
    ) -> LoggedAudience {
        let Judged { event, incoming, source, entities, .. } = judged;
        let order = entities.order_id.as_deref();
        let customer = match creates_order {
            Some(owner) => owner.customer.as_deref(),
            None => order.and_then(|order| self.orders.whose(order).customer()),
        };
        let about = About {
            order,
            customer,
            station: entities.station_id.as_deref(),
            route: entities.route_id.as_deref(),
            assignee: entities.assignee_id.as_deref().or(
                match order.map(|it| self.assignments.of(it)) {
                    Some(AssignedTo::Somebody(assignment)) => Some(&assignment.user),
                    _ => None,
                },
            ),
        };
        let router = &by.policies.router;
        let audience = router.audience(by.tenant, event, *source, incoming.target, &about);
        let mut rooms = std::mem::take(&mut self.spare_rooms);
        rooms.extend(audience.rooms.iter().copied().map(LoggedRoom::from));
        LoggedAudience {
            applications: audience.applications,
            rooms,
            only: audience.only,
            read: audience.read,
        }
    }

    /// The id of the message that this one repeats, and its offset where the log has said it, if memory knows of one.
    pub(crate) fn first_of(
        &mut self,
        checked: &Checked<'_>,
        steady_ms: u64,
    ) -> Option<(Uuid, Option<Offset>)> {
        if checked.is_named && self.recent.get(&checked.id).is_some() {
            return Some((checked.id, None));
        }
        let repeated = checked.emission.and_then(|it| self.repeats.repeated(it, steady_ms));
        repeated.or_else(|| checked.said_before.map(|(id, offset)| (id, Some(offset))))
    }

    /// A message was submitted to the log: it says whose its order is.
    pub(crate) fn submitted(&mut self, checked: &Checked<'_>, offset: Offset) {
        if let (Some(owner), Some(order)) = (&checked.creates_order, &checked.entity) {
            self.orders.made(order, owner.customer.as_deref(), offset);
        }
        if let (Some(user), Some(order)) = (checked.assigns.as_deref(), &checked.entity) {
            self.assignments
                .assigned(order, Assignment { user: user.into(), id: checked.id, offset });
        }
    }

    /// A message is in the log at this offset, since now or for long: what repeats it is known by that.
    pub(crate) fn seen(&mut self, checked: &Checked<'_>, offset: Offset, steady_ms: u64) {
        if let Some(emission) = checked.emission {
            self.repeats.note(emission, checked.id, Some(offset), steady_ms);
        }
    }

    /// A message was submitted to a log that says later where it is.
    pub(crate) fn submitted_unplaced(&mut self, checked: &Checked<'_>, steady_ms: u64) {
        if let (Some(_), Some(order)) = (&checked.creates_order, &checked.entity) {
            self.orders.being_made(order);
        }
        if let (Some(_), Some(order)) = (&checked.assigns, &checked.entity) {
            self.assignments.being_assigned(order);
        }
        if let Some(emission) = checked.emission {
            self.repeats.note(emission, checked.id, None, steady_ms);
        }
    }

    /// Whether the log will say it by itself, since an entry was submitted that says it.
    pub(crate) fn is_being_said(&self, question: &Question) -> bool {
        match question {
            Question::OwnerOf(order) => self.orders.is_being_made(order),
            Question::AssigneeOf(order) => self.assignments.is_being_assigned(order),
            Question::Message(_) | Question::Permit(_) => false,
        }
    }

    /// A message was taken and is in no log.
    pub(crate) fn seen_unlogged(&mut self, checked: &Checked<'_>) {
        // Only a sender's own id can come twice.
        if checked.is_named {
            self.recent.insert(checked.id, ());
        }
    }

    /// Another node took a message that is in no log. Says whether it came here as well; it is known from now on.
    pub(crate) fn passed_on(&mut self, id: Uuid) -> bool {
        !id.is_nil() && self.recent.insert(id, ()).is_some()
    }

    /// Takes back the memory of an event that is done.
    pub(crate) fn done(&mut self, checked: Checked<'_>) {
        self.spare_rooms = checked.audience.rooms;
        self.spare_rooms.clear();
    }

    /// The store has everything on disk up to here.
    pub(crate) fn committed(&mut self, through: Offset) {
        self.orders.committed(through);
        self.assignments.committed(through);
    }

    /// The store did not keep an entry: it is as though it had not come.
    pub(crate) fn refused(&mut self, entry: &LogEntry) {
        if let (Some(_), Some(order)) = (&entry.creates_order, &entry.entity) {
            self.orders.withdraw(order);
        }
        if let Some((order, assignment)) = entry.by_ref().assignment() {
            self.assignments.withdraw(order, assignment.offset);
        }
        self.repeats.forget(entry.offset);
    }

    /// Whose an order is.
    pub(crate) fn whose(&self, order: &str) -> Whose<'_> {
        self.orders.whose(order)
    }

    /// Notes what the log said of an order: its customer if it has one, or that it was not made.
    pub(crate) fn learn(&mut self, order: &str, owner: Option<Option<Box<str>>>) {
        self.orders.learn(order, owner);
    }

    /// Notes what the log said of who an order is assigned to.
    pub(crate) fn learn_assignment(&mut self, order: &str, assignment: Option<Assignment>) {
        self.assignments.learn(order, assignment);
    }

    /// The log has just said that it does not know this, and what is done next is done so.
    pub(crate) fn presume_absent(&mut self, question: &Question) {
        match question {
            Question::OwnerOf(order) => self.orders.learn(order, None),
            Question::AssigneeOf(order) => self.assignments.learn(order, None),
            Question::Message(_) | Question::Permit(_) => {}
        }
    }

    /// Another node may have said so since: the log is asked again.
    pub(crate) fn forget_absent(&mut self, question: &Question) {
        match question {
            Question::OwnerOf(order) => self.orders.forget_not_made(order),
            Question::AssigneeOf(order) => self.assignments.forget_nobody(order),
            Question::Message(_) | Question::Permit(_) => {}
        }
    }

    /// Whether the log must say first whose an order is. Where it is away nobody knows, and nobody is asked.
    pub(crate) fn must_ask(&self, order: &str, log: Result<(), Unavailable>) -> bool {
        self.orders.whose(order) == Whose::Unknown && log.is_ok()
    }

    /// Takes a message's share of the tenant's rate, or says after how many milliseconds it can be taken.
    pub(crate) fn spend_message(
        &mut self,
        party: Party,
        rate: Rate,
        now_ms: u64,
    ) -> Result<(), u32> {
        self.messages.spend(party, rate, 1, now_ms)
    }

    /// Lets go of emissions that nothing can repeat any more.
    pub(crate) fn expire(&mut self, steady_ms: u64) {
        self.repeats.expire(steady_ms);
    }

    /// Forgets what the log can be asked for, and what is of no use any more.
    pub(crate) fn give_up(&mut self, steady_ms: u64) {
        self.orders.give_up();
        self.assignments.give_up();
        self.repeats.expire(steady_ms);
    }

    /// What the tables take, and of that, what [`Intake::give_up`] could give back now or soon; in bytes.
    pub(crate) fn bytes(&self) -> (usize, usize) {
        let to_give = self.orders.bytes() + self.assignments.bytes() + self.repeats.bytes();
        (to_give + self.recent.bytes().0, to_give)
    }

    /// Whether a new intake would judge as this one does, once it has heard what the log says. `rate` is the tenant's.
    ///
    /// Ids of messages that are in no log are not known to the new one.
    pub(crate) fn is_at_rest(&self, rate: Rate, now_ms: u64, steady_ms: u64) -> bool {
        self.messages.is_full(rate, now_ms)
            && self.check_budget.is_full(CHECKS_US_PER_SECOND, now_ms)
            && self.repeats.is_at_rest(steady_ms)
    }

    /// The message at work, if its sender named it.
    pub(crate) fn at_work(&self) -> Option<Uuid> {
        self.at_work
    }
}

/// A cancel is never left out for a later state. Errs on the side of keeping.
pub(crate) fn tells_a_cancel(payload: &str) -> bool {
    payload.as_bytes().windows(6).any(|word| word.eq_ignore_ascii_case(b"cancel"))
}
