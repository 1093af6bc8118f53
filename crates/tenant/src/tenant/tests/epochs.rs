//! Clients that come back to a log of another epoch.

use foodtrack_contract::ApplicationType;
use foodtrack_tenant_log::{Completion, RefusedReason};

use super::{ORDER, Sent, Test};
use crate::admission::Resume;
use crate::input::Input;

/// Whether somebody is told that everything they missed is gone.
fn is_told_of_reset(sent: &Sent) -> bool {
    let is_it = |text: &str| {
        text.starts_with("2[\"system:reconnection_required\"") && text.contains("\"reset\"")
    };
    let told = sent.iter().filter(|(_, text)| is_it(text)).count();
    assert!(told < 2, "told more than once: {sent:?}");
    assert!(
        sent.iter().take(1).all(|(_, text)| !is_it(text)),
        "in front of the greeting: {sent:?}"
    );
    told == 1
}

#[test]
fn who_comes_back_to_a_log_that_was_started_anew_is_told() {
    let mut before = Test::new();
    let (slot, pid) = before.connect("chef", ApplicationType::KitchenApp, None);
    assert!(!is_told_of_reset(&before.begin(slot)));
    let shown = |pid: &str, offset: Option<&str>| {
        Some(Resume { pid: pid.to_owned(), offset: offset.map(str::to_owned) })
    };
    // The key of sessions may be lost with the log: then the private id proves nothing any more.
    for pid in [&*pid, "unknown"] {
        // Its subscriber is unknown to the new log, and then known.
        let mut after = Test::closed();
        after.handle(Input::OpenLog);
        after.open_as(2, 5);
        for _ in 0..2 {
            let resume = shown(pid, Some("1-3"));
            let (slot, _) = after.connect("chef", ApplicationType::KitchenApp, resume);
            let sent = after.begin(slot);
            assert!(is_told_of_reset(&sent), "{pid}: {sent:?}");
            assert!(sent.iter().all(|(_, text)| !text.contains(",\"1-")), "{sent:?}");
        }
    }
    let mut after = Test::closed();
    after.handle(Input::OpenLog);
    after.open_as(2, 5);
    let (slot, anew) = after.connect("chef", ApplicationType::KitchenApp, shown(&pid, None));
    assert!(is_told_of_reset(&after.begin(slot)), "it had got nothing, and missed all");
    // Who tears before that reached it has a new private id, and its old cursor.
    let (slot, _) = after.connect("chef", ApplicationType::KitchenApp, shown(&anew, Some("1-3")));
    assert!(is_told_of_reset(&after.begin(slot)));
    for offset in [None, Some("2-4"), Some("no cursor")] {
        let (slot, _) = after.connect("chef", ApplicationType::KitchenApp, shown(&anew, offset));
        assert!(!is_told_of_reset(&after.begin(slot)), "{offset:?} is of this log");
    }
}

#[test]
fn who_comes_back_while_the_log_is_away_is_told_that_it_was_started_anew_once_it_is_open() {
    let mut before = Test::new();
    let (_, pid) = before.connect("chef", ApplicationType::KitchenApp, None);
    let mut after = Test::closed();
    after.handle(Input::OpenLog);
    let (tenant, reason) = (after.tenant.id().clone(), RefusedReason::DiskFull);
    after.handle(Input::Log(Completion::OpenFailed { tenant, reason }));
    let resume = Some(Resume { pid, offset: Some("1-3".into()) });
    let (slot, _) = after.connect("chef", ApplicationType::KitchenApp, resume);
    let mut sent = after.begin(slot);
    assert!(!is_told_of_reset(&sent), "nobody knows yet");
    sent.extend(after.open_as(2, 1));
    sent.extend(after.begin(slot));
    assert!(is_told_of_reset(&sent), "{sent:?}");
}

#[test]
fn what_only_a_log_had_that_was_started_anew_is_no_repeat_when_it_is_sent_again() {
    let mut test = Test::new();
    let owner = test.enter("olga", ApplicationType::TenantDashboard);
    test.publish(owner, "order:created", ORDER);
    test.committed(1);
    let tenant = test.tenant.id().clone();
    test.handle(Input::Log(Completion::Lost { tenant }));
    test.open_as(2, 1);
    let owner = test.enter("olga", ApplicationType::TenantDashboard);
    assert_eq!(test.publish(owner, "order:created", ORDER), []);
    assert_eq!(test.world.submitted, [1, 1], "it is in the new one as well");
}
