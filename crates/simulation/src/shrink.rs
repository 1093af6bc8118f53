//! A failing schedule made short: steps and people are left out as long as it still fails in the same way.

use foodtrack_history_checker::Kind;

use crate::plan::{Plan, Step};

/// Makes a schedule shorter. `fails` says how a schedule fails; it is asked at most `runs_max` times.
pub fn shrink(plan: &Plan, runs_max: usize, mut fails: impl FnMut(&Plan) -> Vec<Kind>) -> Plan {
    let kinds = fails(plan);
    let mut runs = 0;
    let mut is_as_bad = |candidate: &Plan| {
        runs += 1;
        runs <= runs_max && fails(candidate).iter().any(|kind| kinds.contains(kind))
    };
    let mut best = plan.clone();
    loop {
        let before = size(&best);
        best = without_steps(best, &mut is_as_bad);
        best = without_people(best, &mut is_as_bad);
        best = without_tenants(best, &mut is_as_bad);
        for calm in [
            Plan { forgets: false, ..best.clone() },
            Plan { latency_ms_max: 0, ..best.clone() },
            Plan { sync_ms_max: 0, ..best.clone() },
            Plan { people: joining_at_once(&best), ..best.clone() },
        ] {
            if calm != best && is_as_bad(&calm) {
                best = calm;
            }
        }
        if size(&best) >= before {
            return best;
        }
    }
}

fn size(plan: &Plan) -> usize {
    plan.steps.len() + plan.people.len() + plan.tenants.len()
}

fn joining_at_once(plan: &Plan) -> Vec<crate::plan::Person> {
    let mut people = plan.people.clone();
    people.iter_mut().for_each(|person| person.joins_ms = 0);
    people
}

/// Leaves out as many steps as possible: halves first, then smaller and smaller parts.
fn without_steps(mut best: Plan, is_as_bad: &mut impl FnMut(&Plan) -> bool) -> Plan {
    let mut part = best.steps.len().div_ceil(2);
    while part > 0 {
        let mut from = 0;
        while from < best.steps.len() {
            let mut candidate = best.clone();
            let to = (from + part).min(best.steps.len());
            candidate.steps.drain(from..to);
            if is_as_bad(&candidate) {
                best = candidate;
            } else {
                from = to;
            }
        }
        part /= 2;
    }
    best
}

fn without_people(mut best: Plan, is_as_bad: &mut impl FnMut(&Plan) -> bool) -> Plan {
    let mut person = best.people.len();
    while person > 0 {
        person -= 1;
        let mut candidate = best.clone();
        candidate.people.remove(person);
        candidate.steps.retain(|(_, step)| person_of(step) != Some(person));
        candidate.steps.iter_mut().for_each(|(_, step)| {
            if let Some(other) = person_of_mut(step)
                && *other > person
            {
                *other -= 1;
            }
        });
        if is_as_bad(&candidate) {
            best = candidate;
        }
    }
    best
}

fn without_tenants(best: Plan, is_as_bad: &mut impl FnMut(&Plan) -> bool) -> Plan {
    let last = best.tenants.len().saturating_sub(1);
    let is_used = best.people.iter().any(|person| person.tenant == last)
        || best.steps.iter().any(|(_, step)| match step {
            Step::Publish { tenant, .. } => *tenant == last,
            _ => false,
        });
    if last == 0 || is_used {
        return best;
    }
    let mut candidate = best.clone();
    candidate.tenants.pop();
    if is_as_bad(&candidate) { candidate } else { best }
}

fn person_of(step: &Step) -> Option<usize> {
    match step {
        Step::Publish { person, .. } => *person,
        Step::Tear(person, _)
        | Step::Pause(person, _)
        | Step::Reload(person)
        | Step::Subscribe(person, _)
        | Step::Unsubscribe(person, _) => Some(*person),
        _ => None,
    }
}

fn person_of_mut(step: &mut Step) -> Option<&mut usize> {
    match step {
        Step::Publish { person, .. } => person.as_mut(),
        Step::Tear(person, _)
        | Step::Pause(person, _)
        | Step::Reload(person)
        | Step::Subscribe(person, _)
        | Step::Unsubscribe(person, _) => Some(person),
        _ => None,
    }
}
