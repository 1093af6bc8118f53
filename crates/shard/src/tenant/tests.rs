//! A tenant without a socket, a clock or a disk: what it does is written down.

use foodtrack_contract::{ApplicationType, Epoch, Offset, PermissionSet};
use foodtrack_tenant_log::{
    EntryRef, MemoryLog, MemoryStore, RefusedReason, Retention, SubmitError, TenantLog,
};
use foodtrack_transport::Sid;

use super::*;
use crate::clock::Now;
use crate::counters::Counters;
use crate::event_frame::EventFrame;
use crate::intake::{EmissionKey, Emitted, Publisher};
use crate::log_link::{Asker, OwnerAsker, ReadJob};
use crate::page_limits::PageLimits;
use crate::policies::Policies;
use crate::replay::Start;
use crate::reply_to::ReplyTo;
use crate::retry_policy::RetryPolicy;
use crate::samples::admission;
use crate::session_key::SessionKey;
use crate::shard_config::RecoveryConfig;

/// What a tenant did, in its order.
struct World {
    frames: Vec<String>,
    /// To which client, and what.
    sent: Vec<(usize, String)>,
    submitted: Vec<u64>,
    /// Keeps what is noted beside the log.
    log: MemoryLog,
}

impl Default for World {
    fn default() -> Self {
        let (store, retention) = (MemoryStore::default(), Retention::default());
        let log = MemoryLog::new(store, retention, Box::new(|_| ()));
        Self { frames: Vec::new(), sent: Vec::new(), submitted: Vec::new(), log }
    }
}

impl Effects for World {
    type Frame = usize;

    fn encode(&mut self, event: &EventFrame<'_>) -> usize {
        let id = event.ack_id.map(|id| id.to_string()).unwrap_or_default();
        let text = text(&format!("2{id}"), event.suffix, |out| event.write_arguments(out));
        self.frames.push(text);
        self.frames.len() - 1
    }

    fn send(&mut self, to: ClientKey, frame: usize) -> bool {
        self.sent.push((to.dense(), self.frames[frame].clone()));
        true
    }

    fn send_event(&mut self, to: ClientKey, event: &EventFrame<'_>) {
        let frame = self.encode(event);
        self.send(to, frame);
    }

    fn emit(
        &mut self,
        to: ClientKey,
        event: &str,
        suffix: &CursorSuffix,
        argument: impl FnOnce(&mut Vec<u8>),
    ) {
        let text = text("2", suffix, |out| {
            out.extend_from_slice(format!("\"{event}\",").as_bytes());
            argument(out);
        });
        self.sent.push((to.dense(), text));
    }

    fn acknowledge(&mut self, to: ClientKey, id: u64, answer: impl FnOnce(&mut Vec<u8>)) {
        self.sent.push((to.dense(), text(&format!("3{id}"), &CursorSuffix::None, answer)));
    }

    fn take_unsayable(&mut self) -> Vec<ClientKey> {
        Vec::new()
    }

    fn ping(&mut self, _: ClientKey, _: u64) {}

    fn close(&mut self, _: ClientKey, _: foodtrack_transport::CloseReason) {}

    fn disconnect(&mut self, _: ClientKey) {}

    fn place_of(&self, client: ClientKey) -> Option<u32> {
        u32::try_from(client.dense()).ok()
    }

    fn is_backlogged(&self, _: ClientKey) -> bool {
        false
    }

    fn tell_when_drained(&mut self, _: ClientKey) {}

    fn is_polling(&self, _: ClientKey) -> bool {
        false
    }

    fn heard_ms(&self, _: ClientKey) -> u64 {
        0
    }

    fn is_log_in_memory(&self) -> bool {
        false
    }

    fn submit(&mut self, _: &TenantId, entry: &EntryRef<'_>) -> Result<(), SubmitError> {
        self.submitted.push(entry.offset.get());
        Ok(())
    }

    fn log(&mut self) -> &dyn TenantLog {
        &self.log
    }

    fn read(&mut self, _: &TenantId, _: Asker, _: ReadJob) {}

    fn read_owners(&mut self, _: &TenantId, _: OwnerAsker, _: Vec<Box<str>>) {}
}

/// A packet as its recipient would read it.
fn text(head: &str, suffix: &CursorSuffix, arguments: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut text = format!("{head}[").into_bytes();
    arguments(&mut text);
    if let CursorSuffix::At(epoch, offset) = suffix {
        text.extend_from_slice(format!(",\"{epoch}-{}\"", offset.get()).as_bytes());
    }
    text.push(b']');
    String::from_utf8(text).unwrap()
}

struct Test {
    tenant: Tenant,
    world: World,
    policies: Policies,
    key: EmissionKey,
}

impl Test {
    fn new() -> Self {
        let mut tenant = Tenant::new(TenantId::parse("t1").unwrap());
        tenant.ledger.opened(Head {
            epoch: Epoch::new(1),
            next: Offset::new(1).unwrap(),
            reserved_through: Offset::new(1_000).unwrap(),
            recent: Vec::new(),
            trimmed_through: Offset::ZERO,
            orders: Vec::new(),
            emissions: Vec::new(),
            notes: Vec::new(),
            tail: Vec::new(),
        });
        let key = EmissionKey::new(&[1; 16]);
        tenant.intake.opened(Vec::new(), Vec::new(), 100, &key, 0);
        Self { tenant, world: World::default(), policies: Policies::default(), key }
    }

    /// A turn of the tenant. Returns what it sent.
    fn turn(
        &mut self,
        work: impl FnOnce(&mut Tenant, &mut Turn<'_, World>),
    ) -> Vec<(usize, String)> {
        let (limits, retry) = (TenantLimits::default(), RetryPolicy::default());
        let (recovery, counters) = (RecoveryConfig::default(), Counters::default());
        let session_key = SessionKey::new(&[1; 32]);
        let (mut serial, mut has_more) = (0, false);
        let now = Now {
            monotonic_ms: 0,
            steady_ms: 0,
            wall_ms: 0,
            believed_ms: 0,
            text: "2026-11-23T12:00:00.000Z",
        };
        let mut turn = Turn {
            now,
            effects: &mut self.world,
            policies: &self.policies,
            limits: &limits,
            retry: &retry,
            recovery: &recovery,
            page: PageLimits { entries_max: 1, bytes_max: 1 },
            session_key: &session_key,
            emission_key: &self.key,
            counters: &counters,
            serial: &mut serial,
            has_others: false,
            has_more: &mut has_more,
        };
        work(&mut self.tenant, &mut turn);
        std::mem::take(&mut self.world.sent)
    }

    /// Lets somebody of an application in. Returns their place, which is their client's too.
    fn enter(&mut self, user: &str, application: ApplicationType) -> u32 {
        let place = u32::try_from(self.tenant.members.len()).unwrap();
        let admission = admission(user, application, PermissionSet::ALL);
        let sid = Sid::parse(&format!("{place:0>20}")).unwrap();
        let entrance = Entrance {
            sid,
            answer: String::new(),
            start: Start::Confirmed,
            began_hours: 0,
            is_recovered: false,
            rooms: Vec::new(),
        };
        let mut entered = None;
        self.turn(|tenant, turn| {
            let client = ClientKey::from_dense(place);
            entered = Some(tenant.enter(turn, client, &entrance, admission, None));
        });
        entered.unwrap()
    }

    fn publish(&mut self, place: u32, name: &str, argument: &str) -> Vec<(usize, String)> {
        self.turn(|tenant, turn| {
            let connection = tenant.members.get(place).unwrap();
            let publisher = Publisher {
                user: connection.principal.user().as_str(),
                sender: connection.sender,
                role: connection.principal.role(),
                source: connection.source,
                permissions: connection.principal.permissions(),
            };
            let (user, publisher) = (publisher.user.to_owned(), publisher);
            let publisher = Publisher { user: &user, ..publisher };
            let reply = ReplyTo::sender(tenant.addressee(place).unwrap(), Some(7));
            let emitted = Emitted { name, argument, attachments: &[] };
            assert!(tenant.publish(turn, publisher, emitted, reply).is_ok());
        })
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
    let through = Offset::new(1).unwrap();
    let sent = test.turn(|tenant, turn| tenant.committed(turn, through, through.plus(999)));
    let (reply, delivered) = sent.split_last().unwrap();
    assert!(reply.0 == owner as usize && reply.1.starts_with("37[{\"success\":true"), "{sent:?}");
    assert!(delivered.iter().any(|(to, _)| *to == chef as usize), "{sent:?}");
    for (_, text) in delivered {
        assert!(text.starts_with("2[\"order:created\",{") && text.ends_with(",\"1-1\"]"), "{text}");
    }
    assert_eq!(test.world.frames.len(), 1, "it was encoded once");
}

#[test]
fn what_the_store_did_not_keep_is_delivered_to_nobody_and_its_sender_hears_why() {
    let mut test = Test::new();
    let owner = test.enter("olga", ApplicationType::TenantDashboard);
    test.enter("chef", ApplicationType::KitchenApp);
    test.publish(owner, "order:created", ORDER);
    let at = Offset::new(1).unwrap();
    let sent = test.turn(|tenant, turn| tenant.refused(turn, at, at, RefusedReason::DiskFull));
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert!(sent[0].0 == owner as usize && sent[0].1.contains("storage_full"), "{sent:?}");
    // Nothing of it is left: it can be sent again.
    test.publish(owner, "order:created", ORDER);
    assert_eq!(test.world.submitted, [1, 2]);
}

#[test]
fn who_sends_an_event_again_is_told_with_the_first_answer_and_it_is_delivered_once() {
    let mut test = Test::new();
    let owner = test.enter("olga", ApplicationType::TenantDashboard);
    test.publish(owner, "order:created", ORDER);
    assert_eq!(test.publish(owner, "order:created", ORDER), []);
    assert_eq!(test.world.submitted, [1]);
    let through = Offset::new(1).unwrap();
    let sent = test.turn(|tenant, turn| tenant.committed(turn, through, through.plus(999)));
    let replies: Vec<bool> = sent
        .iter()
        .filter(|(_, text)| text.starts_with("37["))
        .map(|(_, text)| text.contains("\"duplicate\":true"))
        .collect();
    assert_eq!(replies, [false, true], "{sent:?}");
    assert_eq!(test.world.frames.len(), 1);
}

/// Whether somebody receives what another one says of order 42.
fn is_followed(test: &mut Test, by: u32, place: u32) -> bool {
    let at = test.world.submitted.len() as u64 + 1;
    let event = format!(r#"{{"orderId":"42","number":{at}}}"#);
    test.publish(by, "delivery:picked_up", &event);
    let through = Offset::new(at).unwrap();
    let sent = test.turn(|tenant, turn| tenant.committed(turn, through, through.plus(999)));
    sent.iter().any(|(to, text)| *to == place as usize && text.starts_with("2[\"delivery"))
}

fn ask(test: &mut Test, place: u32, joins: bool) -> Vec<(usize, String)> {
    test.turn(|tenant, turn| {
        let topic = (crate::control_events::Topic::Order, joins);
        assert!(tenant.control_room(turn, place, topic, ORDER, Some(7)).is_ok());
    })
}

#[test]
fn who_is_told_that_a_room_is_left_is_not_in_it_again_also_where_the_disk_was_full() {
    let mut test = Test::new();
    let courier = test.enter("leo", ApplicationType::DeliveryApp);
    let other = test.enter("rui", ApplicationType::DeliveryApp);
    assert_eq!(ask(&mut test, courier, true), []);
    let sent = test.turn(|tenant, turn| tenant.noted(turn, 1));
    assert!(sent[0].1.starts_with("2[\"subscribed\""), "{sent:?}");
    assert!(is_followed(&mut test, other, courier));
    // The disk is full: what it asks for is refused, and was not done. It is in the room as a restart would find it.
    assert_eq!(ask(&mut test, courier, false), []);
    let sent = test.turn(|tenant, turn| tenant.not_noted(turn, 2, RefusedReason::DiskFull));
    assert!(sent.len() == 1 && sent[0].1.contains("storage_full"), "{sent:?}");
    assert!(is_followed(&mut test, other, courier));
    // Its next attempt has to wait for the disk, too.
    assert_eq!(ask(&mut test, courier, false), []);
    assert!(is_followed(&mut test, other, courier), "it was not told yet");
    let sent = test.turn(|tenant, turn| tenant.noted(turn, 3));
    assert!(sent[0].1.starts_with("2[\"unsubscribed\""), "{sent:?}");
    assert!(!is_followed(&mut test, other, courier));
}
