//! Applications of today beside those that speak as the contract has it.

use foodtrack_contract::{ApplicationType as App, PermissionSet, RoomName};
use foodtrack_wire::{NamespaceId, Sid};

use super::{ORDER, Sent, Test};
use crate::connection_slot::ConnectionSlot;
use crate::dialect::Dialect;
use crate::effects::Verdict;
use crate::input::{Arrival, ClientEvent, Input};
use crate::pages::NOT_LISTENING;
use crate::read_job::{Found, Job, ReadAnswer};
use crate::samples::admission;

impl Test {
    /// Lets a page of an application of today in, who is live from then on.
    fn enter_page(&mut self, user: &str, application: App) -> ConnectionSlot {
        let number = self.world.verdicts.len();
        let mut admission = admission(user, application, PermissionSet::ALL);
        admission.dialect = Dialect::Profile(application);
        let new_id = Sid::parse(&format!("{number:0>20}")).unwrap();
        self.handle(Input::Connect(Box::new(Arrival {
            admission,
            namespace: NamespaceId::ROOT,
            new_id,
            user_agent: None,
        })));
        let Some(Verdict::Accepted { slot, .. }) = self.world.verdicts.last() else {
            panic!("{:?}", self.world.verdicts);
        };
        *slot
    }

    /// As [`Test::enter_page`], and its answer to CONNECT is out.
    fn connect_page(&mut self, user: &str, application: App) -> ConnectionSlot {
        let slot = self.enter_page(user, application);
        let sent = self.handle(Input::Connected(slot));
        assert_eq!(sent, [], "nothing before the page listens");
        let (asker, job) = self.world.read.pop().unwrap();
        assert!(matches!(job.0, Job::Cursor(_)));
        self.handle(Input::Read(asker, ReadAnswer(Found::Cursor(Ok(None)))));
        slot
    }

    fn say(&mut self, from: ConnectionSlot, data: &str, id: Option<u64>) -> Sent {
        let event = ClientEvent { id, data: data.into(), attachments: Vec::new().into() };
        self.handle(Input::Event(from, event))
    }

    fn is_live(&self, client: ConnectionSlot) -> bool {
        self.tenant.members.get(client.place()).is_some_and(|it| it.replay.is_none())
    }
}

fn named(sent: &Sent, name: &str) -> Vec<u32> {
    let begins = format!("2[\"{name}\",");
    sent.iter().filter(|(_, text)| text.starts_with(&begins)).map(|(to, _)| *to).collect()
}

#[test]
fn an_event_is_encoded_once_for_each_dialect_and_not_for_each_recipient() {
    let mut test = Test::new();
    let owner = test.enter("olga", App::TenantDashboard);
    let chef = test.enter("chef", App::KitchenApp);
    let pages = [1, 2, 3].map(|n| test.enter_page(&format!("cook{n}"), App::KitchenApp).place());
    let screens =
        [1, 2].map(|n| test.enter_page(&format!("boss{n}"), App::TenantDashboard).place());
    test.publish(owner, "order:created", ORDER);
    let sent = test.committed(1);
    assert_eq!(test.world.frames.len(), 3, "canonical, kitchen and dashboard");
    assert_eq!(named(&sent, "order:new"), pages);
    assert_eq!(named(&sent, "ORDER_CREATED"), screens);
    let canonical = named(&sent, "order:created");
    assert_eq!(canonical, [owner.place(), chef.place()]);
    let kitchen = &sent.iter().find(|(to, _)| *to == pages[0]).unwrap().1;
    let argument = r#"2["order:new",{"orderId":"42","items":[],"tenantId":"t1"},"1-1"]"#;
    assert_eq!(kitchen, argument);
}

#[test]
fn an_event_without_a_name_is_for_others_and_one_that_breaks_a_page_is_counted_once() {
    let mut test = Test::new();
    let chef = test.enter("chef", App::KitchenApp);
    let page = test.enter_page("boss", App::TenantDashboard).place();
    test.publish(chef, "station:help_requested", r#"{"stationId":"grill"}"#);
    let sent = test.committed(1);
    assert!(sent.iter().all(|(to, _)| *to != page), "{sent:?}");
    assert_eq!(test.world.frames.len(), 1);
    assert_eq!(test.settings.counters.untranslated.get(), 0);
    let guests = [1, 2].map(|_| test.enter_page("ada", App::ClientApp).place());
    test.publish(
        chef,
        "order:status_changed",
        r#"{"orderId":"42","status":"cancelled","customerId":"ada"}"#,
    );
    let sent = test.committed(2);
    assert!(sent.iter().all(|(to, _)| !guests.contains(to)), "{sent:?}");
    assert_eq!(named(&sent, "ORDER_STATUS_CHANGED"), [page]);
    assert!(test.settings.counters.untranslated.get() <= 1, "not once for each recipient");
}

#[test]
fn what_a_page_sends_by_its_own_name_is_the_contracts_event() {
    let mut test = Test::new();
    let owner = test.enter("olga", App::TenantDashboard);
    let page = test.enter_page("cook", App::KitchenApp);
    test.say(
        page,
        r#"["order:update-status",{"orderId":"42","status":"ready_for_pickup"}]"#,
        Some(7),
    );
    let sent = test.committed(1);
    assert_eq!(named(&sent, "order:status_changed"), [owner.place()]);
    assert_eq!(named(&sent, "order:status-update"), [page.place()]);
    assert!(sent.iter().any(|(_, text)| text.contains(r#""status":"ready""#)), "{sent:?}");
    // A name of the contract's is told what to say instead.
    let sent =
        test.say(page, r#"["order:status_changed",{"orderId":"42","status":"ready"}]"#, Some(8));
    let [(_, refusal)] = &sent[..] else { panic!("{sent:?}") };
    assert!(refusal.contains("event_unknown") && refusal.contains("order:update-status"));
    // Nothing is told without an acknowledgement: no page listens.
    let sent =
        test.say(page, r#"["order:status_changed",{"orderId":"42","status":"ready"}]"#, None);
    assert_eq!(sent, []);
    let sent = test.say(page, r#"["order:update-status",null]"#, Some(9));
    assert!(sent[0].1.contains("payload_invalid"), "{sent:?}");
    // A control event of the contract is for everybody.
    assert!(
        test.say(page, r#"["ping"]"#, Some(10)).iter().any(|(_, text)| text.starts_with("310["))
    );
}

#[test]
fn a_page_is_sent_nothing_before_it_answered_three_pings_and_a_pause_is_over() {
    let mut test = Test::new();
    let page = test.connect_page("cook", App::KitchenApp);
    for _ in 0..3 {
        let ping = test.world.pings.pop();
        assert_eq!(ping, Some((page.place(), NOT_LISTENING)));
        assert_eq!(test.tenant.ping_mark(page), NOT_LISTENING);
        assert!(!test.is_live(page));
        test.handle(Input::Ponged(page, NOT_LISTENING));
    }
    assert_eq!(test.tenant.next_deadline_ms(), Some(250));
    test.now_ms = 249;
    test.handle(Input::Deadline);
    assert!(!test.is_live(page));
    test.now_ms = 250;
    test.handle(Input::Deadline);
    assert!(test.is_live(page));
    // An answer that comes late confirms nothing.
    test.handle(Input::Ponged(page, NOT_LISTENING));
    let pongs = &mut test.tenant.members.get_mut(page.place()).unwrap().pongs;
    assert_eq!(pongs.take(0), (0, false));
}

#[test]
fn a_page_that_proves_nothing_is_waited_for_ten_seconds_and_one_that_speaks_no_longer() {
    let mut test = Test::new();
    let page = test.connect_page("cook", App::KitchenApp);
    assert_eq!(test.tenant.next_deadline_ms(), Some(10_000));
    test.now_ms = 10_000;
    test.handle(Input::Deadline);
    assert!(test.is_live(page));
    let mut test = Test::new();
    let page = test.connect_page("boss", App::TenantDashboard);
    let sent = test.say(page, r#"["subscribe_to_orders",null]"#, None);
    assert_eq!(sent, [], "an answer would be asked for again");
    assert!(test.is_live(page));
}

#[test]
fn a_page_that_leaves_and_joins_an_order_without_end_stays_in_its_room() {
    let mut test = Test::new();
    let guest = test.enter_page("ada", App::ClientApp);
    let order = RoomName::Order("42");
    test.tenant.members.join(guest.place(), order, 0);
    let submitted = test.world.submitted.len();
    for _ in 0..20_000 {
        assert_eq!(test.say(guest, r#"["leave_order_room",{"orderId":"42"}]"#, None), []);
        assert_eq!(test.say(guest, r#"["join_order_room",{"orderId":"42"}]"#, None), []);
    }
    let connection = test.tenant.members.get(guest.place()).unwrap();
    assert!(test.tenant.members.is_in(connection, order));
    assert_eq!(test.settings.counters.rate_limited.get(), 0);
    assert_eq!(test.world.submitted.len(), submitted);
    // It has left once it asks for another one.
    test.tenant.members.join(guest.place(), RoomName::Order("43"), 0);
    test.say(guest, r#"["leave_order_room",{"orderId":"42"}]"#, None);
    test.say(guest, r#"["join_order_room",{"orderId":"43"}]"#, None);
    let connection = test.tenant.members.get(guest.place()).unwrap();
    assert!(!test.tenant.members.is_in(connection, order));
    assert!(test.tenant.members.is_in(connection, RoomName::Order("43")));
}

#[test]
fn who_stays_after_a_page_has_gone_gets_what_the_contract_says() {
    let mut test = Test::new();
    let owner = test.enter("olga", App::TenantDashboard);
    let page = test.enter_page("cook", App::KitchenApp);
    test.handle(Input::Gone(page, "left"));
    test.publish(owner, "order:created", ORDER);
    let sent = test.committed(1);
    assert_eq!(named(&sent, "order:created"), [owner.place()]);
}
