//! A tenant without a socket, a clock or a disk: what it does is written down.

mod devices;
mod epochs;
mod left_devices;
mod node_state;
mod profile;
mod redactions;
mod resting;
mod rooms;
mod tokens;

use foodtrack_contract::{ApplicationType, DeviceId, Epoch, Offset, PermissionSet, TenantId};
use foodtrack_tenant_log::{Completion, Head, NotedMeanwhile, RefusedReason};
use foodtrack_wire::{NamespaceId, Sid};

use super::Tenant;
use crate::admission::{Admission, Resume};
use crate::connection_slot::ConnectionSlot;
use crate::effects::Verdict;
use crate::forwarded::Requester;
use crate::input::{Arrival, ClientEvent, Input};
use crate::now::Now;
use crate::policies::Policies;
use crate::read_job::{Asker, Found, Job, ReadAnswer, ReadJob};
use crate::request::{Answer, Request, RequestId};
use crate::request_names::RequestNames;
use crate::samples::{World, admission, settings};
use crate::settings::Settings;

/// What was sent: to the connection at which place, and what.
type Sent = Vec<(u32, String)>;

struct Test {
    tenant: Tenant,
    world: World,
    settings: Settings,
    now_ms: u64,
    /// Of whoever comes in.
    device: Option<DeviceId>,
}

/// That time, on every clock.
fn at(now_ms: u64) -> Now<'static> {
    Now {
        monotonic_ms: now_ms,
        steady_ms: now_ms,
        wall_ms: now_ms,
        believed_ms: now_ms,
        text: "2026-11-23T12:00:00.000Z",
        turn: 0,
        has_others: false,
    }
}

impl Test {
    /// A tenant whose log is open.
    fn new() -> Self {
        let mut test = Self::closed();
        test.handle(Input::OpenLog);
        test.open();
        test
    }

    /// A tenant whose log nobody asked for.
    fn closed() -> Self {
        let tenant = Tenant::new(TenantId::parse("t1").unwrap());
        Self { tenant, world: World::default(), settings: settings(), now_ms: 0, device: None }
    }

    fn open(&mut self) {
        self.open_as(1, 1);
    }

    /// The store has opened the log: its epoch, and the next offset.
    fn open_as(&mut self, epoch: u64, next: u64) -> Sent {
        let head = Head {
            epoch: Epoch::new(epoch),
            next: Offset::new(next).unwrap(),
            reserved_through: Offset::new(1_000).unwrap(),
            recent: Vec::new(),
            trimmed_through: Offset::ZERO,
            orders: Vec::new(),
            has_assignments: false,
            emissions: Vec::new(),
            notes: Vec::new(),
            tail: Vec::new(),
        };
        let tenant = self.tenant.id().clone();
        self.handle(Input::Log(Completion::Opened {
            tenant,
            head,
            noted_meanwhile: NotedMeanwhile::default(),
        }))
    }

    /// Has the tenant handle an input. Returns what it sent.
    fn handle(&mut self, input: Input<'_>) -> Sent {
        self.tenant.handle(at(self.now_ms), &self.settings, input, &mut self.world);
        std::mem::take(&mut self.world.sent)
    }

    fn is_at_rest(&self) -> bool {
        self.tenant.is_at_rest(at(self.now_ms), &self.settings)
    }

    /// Lets somebody of an application in, who is live from then on.
    fn enter(&mut self, user: &str, application: ApplicationType) -> ConnectionSlot {
        self.connect(user, application, None).0
    }

    /// Lets somebody in who shows this. Returns the private id as well.
    fn connect(
        &mut self,
        user: &str,
        application: ApplicationType,
        resume: Option<Resume>,
    ) -> (ConnectionSlot, String) {
        self.connect_in(NamespaceId::ROOT, user, application, resume)
    }

    fn connect_in(
        &mut self,
        namespace: NamespaceId,
        user: &str,
        application: ApplicationType,
        resume: Option<Resume>,
    ) -> (ConnectionSlot, String) {
        let number = self.world.verdicts.len();
        let arrival = Arrival {
            admission: Admission {
                resume,
                device: self.device.clone(),
                ..admission(user, application, PermissionSet::ALL)
            },
            new_id: Sid::parse(&format!("{number:0>20}")).unwrap(),
            namespace,
            user_agent: None,
        };
        self.handle(Input::Connect(Box::new(arrival)));
        let Some(Verdict::Accepted { slot, welcome }) = self.world.verdicts.last() else {
            panic!("{:?}", self.world.verdicts);
        };
        (*slot, welcome.pid.clone().unwrap_or_default())
    }

    /// The answer to a client's CONNECT is on its way. The store knows nothing of its subscriber. Returns what it is sent.
    fn begin(&mut self, slot: ConnectionSlot) -> Sent {
        let mut sent = self.handle(Input::Connected(slot));
        for (asker, ReadJob(job)) in std::mem::take(&mut self.world.read) {
            let found = match job {
                Job::Cursor(_) => Found::Cursor(Ok(None)),
                job => panic!("{job:?}"),
            };
            sent.extend(self.handle(Input::Read(asker, ReadAnswer(found))));
        }
        sent
    }

    fn publish(&mut self, from: ConnectionSlot, name: &str, argument: &str) -> Sent {
        let data = format!("[\"{name}\",{argument}]").into();
        let event = ClientEvent { id: Some(7), data, attachments: Vec::new().into() };
        self.handle(Input::Event(from, event))
    }

    fn committed(&mut self, through: u64) -> Sent {
        self.handle(Input::Log(Completion::Committed {
            tenant: self.tenant.id().clone(),
            through: Offset::new(through).unwrap(),
            reserved_through: Offset::new(1_000).unwrap(),
            is_awaited: true,
        }))
    }
}

const ORDER: &str = r#"{"orderId":"42"}"#;

#[test]
fn a_durable_event_is_delivered_when_the_log_has_it_and_then_its_sender_is_told() {
    let mut test = Test::new();
    let owner = test.enter("olga", ApplicationType::TenantDashboard);
    let chef = test.enter("chef", ApplicationType::KitchenApp);
    assert_eq!(test.publish(owner, "order:created", ORDER), []);
    assert_eq!(test.world.submitted, [1]);
    let sent = test.committed(1);
    let (reply, delivered) = sent.split_last().unwrap();
    assert!(reply.0 == owner.place() && reply.1.starts_with("37[{\"success\":true"), "{sent:?}");
    assert!(delivered.iter().any(|(to, _)| *to == chef.place()), "{sent:?}");
    for (_, text) in delivered {
        assert!(text.starts_with("2[\"order:created\",{") && text.ends_with(",\"1-1\"]"), "{text}");
    }
    assert_eq!(test.world.frames.len(), 1, "it was encoded once");
}

#[test]
fn everyone_gets_an_event_in_the_namespace_that_they_joined_and_each_form_is_made_once() {
    let mut test = Test::new();
    let second = NamespaceId::at(1).unwrap();
    let owner = test.enter("olga", ApplicationType::TenantDashboard);
    let chefs = ["ada", "bob", "eve"]
        .map(|chef| test.connect_in(second, chef, ApplicationType::KitchenApp, None).0);
    assert!(chefs.iter().all(|chef| chef.namespace() == second));
    test.publish(owner, "order:created", ORDER);
    test.committed(1);
    assert_eq!(test.world.encoded, [NamespaceId::ROOT, second]);
}

#[test]
fn what_the_store_did_not_keep_is_delivered_to_nobody_and_its_sender_hears_why() {
    let mut test = Test::new();
    let owner = test.enter("olga", ApplicationType::TenantDashboard);
    test.enter("chef", ApplicationType::KitchenApp);
    test.publish(owner, "order:created", ORDER);
    let (at, tenant) = (Offset::new(1).unwrap(), test.tenant.id().clone());
    let refused =
        Completion::Refused { tenant, from: at, through: at, reason: RefusedReason::DiskFull };
    let sent = test.handle(Input::Log(refused));
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert!(sent[0].0 == owner.place() && sent[0].1.contains("storage_full"), "{sent:?}");
    // Nothing of it is left: it can be sent again.
    test.publish(owner, "order:created", ORDER);
    assert_eq!(test.world.submitted, [1, 2]);
}

#[test]
fn what_may_be_on_a_disk_that_failed_is_answered_so_and_nothing_behind_it_is_shown() {
    let mut test = Test::new();
    let owner = test.enter("olga", ApplicationType::TenantDashboard);
    test.publish(owner, "order:created", ORDER);
    test.publish(owner, "notification:info", r#"{"message":"behind it"}"#);
    let at = |n| Offset::new(n).unwrap();
    let refused = |from, through, reason| {
        let (tenant, from, through) = (TenantId::parse("t1").unwrap(), at(from), at(through));
        Input::Log(Completion::Refused { tenant, from, through, reason })
    };
    let sent = test.handle(refused(1, 1, RefusedReason::Unknown));
    assert!(sent.len() == 1 && sent[0].1.contains("\"timeout\""), "{sent:?}");
    // Who sends it again repeats it.
    let sent = test.publish(owner, "order:created", ORDER);
    assert!(sent.len() == 1 && sent[0].1.contains("\"timeout\""), "{sent:?}");
    assert_eq!(test.world.submitted, [1, 2]);
    // Of what never came to the disk it is known.
    let sent = test.handle(refused(2, 2, RefusedReason::Poisoned));
    assert!(sent.len() == 1 && sent[0].1.contains("storage_failed"), "{sent:?}");
    assert!(test.world.frames.is_empty(), "nobody was shown anything");
}

#[test]
fn who_sends_an_event_again_is_told_with_the_first_answer_and_it_is_delivered_once() {
    let mut test = Test::new();
    let owner = test.enter("olga", ApplicationType::TenantDashboard);
    test.publish(owner, "order:created", ORDER);
    assert_eq!(test.publish(owner, "order:created", ORDER), []);
    assert_eq!(test.world.submitted, [1]);
    let sent = test.committed(1);
    let replies: Vec<bool> = sent
        .iter()
        .filter(|(_, text)| text.starts_with("37["))
        .map(|(_, text)| text.contains("\"duplicate\":true"))
        .collect();
    assert_eq!(replies, [false, true], "{sent:?}");
    assert_eq!(test.world.frames.len(), 1);
}

#[test]
fn a_slot_that_outlived_its_connection_finds_nobody() {
    let mut test = Test::new();
    let old = test.enter("olga", ApplicationType::TenantDashboard);
    test.handle(Input::Gone(old, "left"));
    let new = test.enter("chef", ApplicationType::KitchenApp);
    assert_eq!((old.place(), old == new), (new.place(), false));
    assert_eq!(test.publish(old, "order:created", ORDER), []);
    assert_eq!(test.world.submitted, [0_u64; 0]);
    test.handle(Input::Gone(old, "left"));
    assert_eq!(test.settings.counters.connections.get(), 1);
    assert!(test.tenant.present(new).is_some());
}

#[test]
fn a_tenant_that_broke_is_followed_by_one_that_hears_nothing_of_what_was_meant_for_it() {
    let mut test = Test::new();
    let old = test.enter("olga", ApplicationType::TenantDashboard);
    test.tenant = test.tenant.successor();
    test.handle(Input::OpenLog);
    test.open();
    let new = test.enter("chef", ApplicationType::KitchenApp);
    assert_eq!((old.place(), old == new), (new.place(), false));
}

#[test]
fn a_request_that_needs_the_log_waits_for_it_and_is_answered_once() {
    let mut test = Test::closed();
    test.handle(Input::Request(RequestId(1), Request::Counts));
    let metadata = crate::model::RoomMetadata::default();
    let tenant = test.tenant.id().clone();
    let room = crate::request::OwnedRoom::new(&foodtrack_contract::RoomName::Tenant.of(&tenant));
    test.handle(Input::Request(RequestId(2), Request::DescribeRoom { room, metadata }));
    assert!(matches!(test.world.answers[..], [(RequestId(1), Answer::Counts(_))]));
    assert!(test.tenant.owes_answers());
    test.open();
    let answers: Vec<RequestId> = test.world.answers.iter().map(|(id, _)| *id).collect();
    assert_eq!(answers, [RequestId(1), RequestId(2)]);
    assert!(!test.tenant.owes_answers());
}

/// Whether the log was asked for a message, and the number of the question that was asked last.
fn asked_for(test: &Test) -> (Vec<uuid::Uuid>, u32) {
    let (mut ids, mut last) = (Vec::new(), 0);
    for (asker, job) in &test.world.read {
        if let (Asker::Events(serial), Job::Message(id)) = (asker, &job.0) {
            ids.push(*id);
            last = *serial;
        }
    }
    (ids, last)
}

/// No emission, so nothing else would tell that it is a repeat.
const NAMED: &str = r#"{"type":"notification:info","id":"00000000-0000-0000-0000-000000000007","payload":{"message":"hello"}}"#;

#[test]
fn an_id_whose_table_was_given_up_is_asked_of_the_log_and_answered_with_its_first_offset() {
    let mut test = Test::new();
    let owner = test.enter("olga", ApplicationType::TenantDashboard);
    test.publish(owner, "notification:info", NAMED);
    test.committed(1);
    test.tenant.forget_tables(0);
    let answers = |sent: &Sent| {
        let is_answer = |(_, text): &&(u32, String)| text.starts_with("37[");
        sent.iter().filter(is_answer).map(|(_, text)| text.clone()).collect::<Vec<_>>()
    };
    // Twice at once: both wait for one answer.
    for _ in 0..2 {
        let sent = test.publish(owner, "notification:info", NAMED);
        assert_eq!(answers(&sent), [""; 0]);
    }
    let (ids, serial) = asked_for(&test);
    assert_eq!(ids, [uuid::Uuid::from_u128(7)]);
    let found = ReadAnswer(Found::Message(ids[0], Ok(Some(Offset::new(1).unwrap()))));
    let answers = answers(&test.handle(Input::Read(Asker::Events(serial), found)));
    assert_eq!(answers.len(), 2, "{answers:?}");
    for answer in answers {
        let is_first = answer.contains("\"offset\":1");
        assert!(answer.contains("\"duplicate\":true") && is_first, "{answer}");
    }
    assert_eq!(test.world.submitted, [1], "it was not kept a second time");
}

#[test]
fn an_id_that_only_seems_to_be_known_is_taken_once_the_log_has_said_so_and_once_alone() {
    let mut test = Test::new();
    let owner = test.enter("olga", ApplicationType::TenantDashboard);
    test.publish(owner, "notification:info", NAMED);
    test.committed(1);
    test.tenant.forget_tables(0);
    (0..2).for_each(|_| _ = test.publish(owner, "notification:info", NAMED));
    let (ids, serial) = asked_for(&test);
    assert_eq!(ids.len(), 1);
    assert!(!test.tenant.may_forget_tables(), "an answer is on its way");
    let found = ReadAnswer(Found::Message(ids[0], Ok(None)));
    test.handle(Input::Read(Asker::Events(serial), found));
    assert_eq!(test.world.submitted, [1, 2], "the second of them repeats the first");
    assert!(test.tenant.may_forget_tables());
}

#[test]
fn a_request_goes_to_the_back_end_and_its_answer_to_who_asked_and_to_nobody_else() {
    let mut test = Test::new();
    let policies = Policies { requests: RequestNames::new(["kitchen:*"]), ..Policies::default() };
    test.settings.policies = std::sync::Arc::new(policies);
    let chef = test.enter("chef", ApplicationType::KitchenApp);
    let other = test.enter("carl", ApplicationType::KitchenApp);
    assert_eq!(test.publish(chef, "kitchen:get_orders", r#"{"limit":3}"#), []);
    let request = test.world.forwarded.pop().unwrap();
    assert_eq!(
        (request.event.as_str(), request.payload.as_str()),
        ("kitchen:get_orders", r#"{"limit":3}"#)
    );
    assert_eq!((request.principal.user().as_str(), request.requester.ack_id), ("chef", Some(7)));
    let answer = || Ok(Box::from(&br#"{"success":true,"data":[]}"#[..]));
    let sent = test.handle(Input::Answered(request.requester, answer()));
    assert_eq!(sent, [(chef.place(), r#"37[{"success":true,"data":[]}]"#.to_owned())]);
    // Slots are given out again: whoever has this one now did not ask.
    let stale = Requester { slot: other, ..request.requester };
    assert_eq!(test.handle(Input::Answered(stale, answer())), []);
    test.handle(Input::Gone(chef, "transport close"));
    assert_eq!(test.handle(Input::Answered(request.requester, answer())), []);
    // What is no request is an event like any other.
    let sent = test.publish(other, "order:get_details", ORDER);
    assert!(sent[0].1.contains("event_unknown"), "{sent:?}");
    assert!(test.world.forwarded.is_empty());
}
