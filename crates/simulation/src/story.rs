//! A run, told so that somebody can read it.

use foodtrack_history_checker::What;

use crate::plan::{Plan, Step};

/// What happened, in a line.
pub(crate) fn line_of(what: &What) -> String {
    match what {
        What::Attempted(attempt) => {
            let crate_free = short(&attempt.id);
            let (tenant, kind, class) = (&attempt.tenant, &attempt.event_type, attempt.class);
            let entity = attempt.entity.as_deref().unwrap_or("nothing");
            format!(
                "{tenant}: {kind} {crate_free} about {entity} is published ({class:?}, {:?})",
                attempt.priority
            )
        }
        What::Acknowledged { tenant, id, offset } => {
            let at = offset.as_deref().unwrap_or("none");
            format!("{tenant}: {} is acknowledged, offset {at}", short(id))
        }
        What::Refused { tenant, id, code, .. } => {
            format!("{tenant}: {} is refused: {code}", short(id))
        }
        What::Unknown { tenant, id } => {
            format!("{tenant}: what became of {} is not known", short(id))
        }
        What::Recipient(who) => {
            let device = who.device.as_deref().unwrap_or("none");
            format!(
                "{} opens a page: {} of {}, {}, device {device}",
                who.recipient, who.user, who.tenant, who.application
            )
        }
        What::Opened { recipient, recovered, brought, .. } => {
            let how = if *recovered { "recovers its session" } else { "begins a session" };
            format!("{recipient} {how}, cursor brought: {}", brought.as_deref().unwrap_or("none"))
        }
        What::TurnedAway { recipient, code } => format!("{recipient} is turned away: {code}"),
        What::Received(receipt) => {
            let id = receipt.id.as_deref().map_or("", short);
            let cursor = receipt.cursor.as_deref().unwrap_or("none");
            format!("{} gets {} {id}, cursor {cursor}", receipt.recipient, receipt.event_type)
        }
        What::Torn { recipient } => format!("{recipient} has lost its connection"),
        What::Ended { recipient } => format!("{recipient} is closed for good"),
        other => format!("{other:?}"),
    }
}

/// A step of a schedule, in a line.
pub(crate) fn line_of_step(plan: &Plan, step: &Step) -> String {
    let name = |person: &usize| {
        let who = plan.people.get(*person);
        who.map_or(String::new(), |who| format!("{:?}-{person}", who.role).to_lowercase())
    };
    match step {
        Step::Publish { tenant, person, publication, .. } => {
            let who = person.as_ref().map_or_else(|| String::from("a back end"), name);
            let (kind, id) = (publication.topic.event_type(), short(&publication.id));
            format!("** {who} of tenant-{tenant} is to publish {kind} {id}")
        }
        Step::Tear(person, how) => format!("** the connections of {} tear: {how:?}", name(person)),
        Step::Pause(person, ms) => format!("** {} does not read for {ms} ms", name(person)),
        Step::Reload(person) => format!("** {} opens its page anew", name(person)),
        Step::Subscribe(person, order) => format!("** {} wants to enter {order}", name(person)),
        Step::Unsubscribe(person, order) => format!("** {} wants to leave {order}", name(person)),
        other => format!("** {other:?}"),
    }
}

/// The beginning of an id.
fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// The lines of a story, with their times.
pub fn tell(story: &[(u64, String)]) -> String {
    let mut text = String::new();
    for (at_ms, line) in story {
        text.push_str(&format!("{at_ms:>7} ms  {line}\n"));
    }
    text
}
