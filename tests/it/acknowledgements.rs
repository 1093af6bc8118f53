//! Events that ask for an acknowledgement are sent until it comes, and kept for people where it does not.

use std::time::Duration;

use foodtrack_server::{DeliveryConfig, RetryConfig, TenantId, WebSocketConfig};
use foodtrack_tenant_log::{
    DeadLetterReason, Note, NoteKind, SqliteLog, SqliteOptions, SubscriberKey,
    SubscriberStore as _, delivery_key,
};
use foodtrack_wire::socket_io::PacketType;
use serde_json::json;

use crate::harness::{
    Client, Event, PATIENCE, Process, Server, Transport, Who, config, eventually,
    on_every_transport,
};
use crate::support::{
    TENANT, back_end, cursor, expect_nothing, expect_numbers, number, offset, publish, update,
};

const ASKING: &str = "kitchen:order_received";

/// Asks for an acknowledgement of one event, again after a tenth of a second, and so many times.
fn asking(attempts_max: u32) -> WebSocketConfig {
    asking_every(100, attempts_max)
}

fn asking_every(delay_ms: u32, attempts_max: u32) -> WebSocketConfig {
    let retry = RetryConfig {
        max_attempts: attempts_max,
        base_delay_ms: delay_ms,
        max_delay_ms: delay_ms,
        backoff_multiplier: 1.0,
        jitter_percent: 0,
    };
    config().retry(retry).deliver(asks(ASKING, None))
}

pub(crate) fn asks(event: &str, time_to_live_seconds: Option<u64>) -> DeliveryConfig {
    DeliveryConfig {
        event: event.into(),
        class: None,
        time_to_live_seconds,
        compact: false,
        acknowledge: true,
        confirm_within_seconds: None,
        confirm_by: None,
    }
}

/// Sends a ticket, and returns its offset.
#[track_caller]
fn ticket(sender: &mut Client, number: u64) -> u64 {
    let payload = json!({ "orderId": "1", "number": number });
    sender.accepted(ASKING, payload)["offset"].as_u64().unwrap()
}

#[track_caller]
fn expect_ticket(client: &mut Client, expected: u64) -> Event {
    let event = client.expect(ASKING);
    assert_eq!(number(&event), expected, "{event:?}");
    event
}

/// Waits until a tenant has a dead letter.
fn letters(server: &Server, tenant: &str, count: usize) -> Vec<foodtrack_tenant_log::DeadLetter> {
    let tenant = TenantId::parse(tenant).unwrap();
    eventually(|| {
        let letters = server.dead_letters().list(&tenant, offset(0), 100).unwrap_or_default();
        (letters.len() == count).then_some(letters)
    })
}

fn carl() -> SubscriberKey {
    SubscriberKey::new("carl:kitchen_app:").unwrap()
}

on_every_transport! {
    fn an_event_that_asks_is_sent_again_until_it_is_acknowledged(transport) {
        let server = Server::with(asking(50));
        let mut chef = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let mut sender = back_end(&server);
        let place = ticket(&mut sender, 1);
        let before = chef.offset.clone();
        let first = expect_ticket(&mut chef, 1);
        assert_eq!(first.ack_id, Some(place), "the id is the offset");
        assert_eq!(first.arguments, 1, "behind the message is the callback's place");
        assert_eq!(first.argument["retryCount"], 0);
        for retry in 1..=3 {
            let again = expect_ticket(&mut chef, 1);
            assert_eq!((again.ack_id, again.id()), (Some(place), first.id()));
            assert_eq!(again.argument["retryCount"], retry);
        }
        assert_eq!(chef.offset, before, "its last argument is the callback");
        chef.acknowledge(&first);
        chef.settle();
        while chef.next_within(Duration::from_millis(1)).is_some() {}
        assert!(chef.next_within(Duration::from_millis(300)).is_none(), "it was acknowledged");
        assert_eq!(server.metric("acknowledged_total"), 1);
        // The next event's cursor is behind it.
        publish(&mut sender, 2..=2);
        assert_eq!(cursor(&chef.expect("order:updated")).through(), offset(place + 1));
    }

    fn what_nobody_acknowledges_becomes_a_dead_letter(transport) {
        // A replayed message is given up after three of these: who answers it must be faster, on a busy machine too.
        let server = Server::durable(asking_every(700, 3));
        let mut chef = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let mut sender = back_end(&server);
        let place = ticket(&mut sender, 1);
        for _ in 0..3 {
            expect_ticket(&mut chef, 1);
        }
        let letter = letters(&server, TENANT, 1).remove(0);
        assert_eq!((letter.offset, letter.subscriber.clone()), (offset(place), carl()));
        assert_eq!((letter.reason, letter.attempts), (DeadLetterReason::Failed, 3));
        assert!(chef.next_within(Duration::from_millis(1_000)).is_none(), "it was given up");
        let (tenant, dead) = (TenantId::parse(TENANT).unwrap(), server.dead_letters());
        let entry = dead.inspect(&tenant, letter.offset).unwrap().unwrap();
        assert_eq!((entry.id, entry.event.as_str()), (letter.id, ASKING));
        // A person has it sent after all.
        assert_eq!(server.wait(dead.replay(&tenant, letter.offset, &carl())).unwrap(), 1);
        let again = expect_ticket(&mut chef, 1);
        assert_eq!(again.ack_id, Some(place));
        chef.acknowledge(&again);
        chef.settle();
        letters(&server, TENANT, 0);
        while chef.next_within(Duration::from_millis(10)).is_some() {}
        assert!(chef.next_within(Duration::from_millis(1_000)).is_none(), "acknowledged at last");
        letters(&server, TENANT, 0);
        // Another one is dropped; and it is not replayed to who is not here.
        let place = ticket(&mut sender, 2);
        let letter = letters(&server, TENANT, 1).remove(0);
        assert_eq!(letter.offset, offset(place));
        assert!(chef.send_packet(PacketType::Disconnect, None, &json!(null), &[]));
        eventually(|| (server.count(TENANT) == 1).then_some(()));
        let refusal = server.wait(dead.replay(&tenant, letter.offset, &carl())).unwrap_err();
        assert_eq!(refusal.code().as_str(), "conflict");
        assert_eq!(letters(&server, TENANT, 1).len(), 1, "the letter stays");
        dead.drop_letter(&tenant, letter.offset, &carl()).unwrap();
        letters(&server, TENANT, 0);
    }

    fn what_was_given_up_does_not_come_again_and_a_letter_that_is_sent_after_all_is_asked_for(transport) {
        let server = Server::with(asking(2).heartbeat_interval(Duration::from_millis(100)));
        let mut chef = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let mut sender = back_end(&server);
        ticket(&mut sender, 1);
        expect_ticket(&mut chef, 1);
        expect_ticket(&mut chef, 1);
        // Pongs say that all of it reached the client; and the ticket is given up.
        let letter = letters(&server, TENANT, 1).remove(0);
        let pings = chef.pings;
        eventually(|| {
            assert!(chef.next_within(Duration::from_millis(10)).is_none());
            (chef.pings > pings + 2).then_some(())
        });
        chef.settle();
        let (tenant, dead) = (TenantId::parse(TENANT).unwrap(), server.dead_letters());
        server.wait(dead.replay(&tenant, letter.offset, &carl())).unwrap();
        expect_ticket(&mut chef, 1);
        expect_ticket(&mut chef, 1);
        let again = eventually(|| Some(letters(&server, TENANT, 1).remove(0)).filter(|it| it.at_ms > letter.at_ms));
        assert_eq!(again.attempts, 2, "it is given up like any other");
        let mut back = chef.tear().reloaded().resume(&server);
        publish(&mut sender, 2..=2);
        expect_numbers(&mut back, &[2], "");
    }

    fn a_letter_that_is_sent_after_all_is_kept_until_it_is_acknowledged(transport) {
        // Its one retry comes too late to be seen.
        let slow = RetryConfig { base_delay_ms: 60_000, max_delay_ms: 60_000, ..RetryConfig::default() };
        let directory = tempfile::tempdir().unwrap();
        let data_dir = directory.path().to_str().unwrap();
        let chef_of = |server: &Server| {
            let mut chef = Client::join(server, transport, &Who::chef(TENANT, "carl"));
            chef.drain();
            chef
        };
        let replay = |server: &Server, place: u64| {
            let (tenant, dead) = (TenantId::parse(TENANT).unwrap(), server.dead_letters());
            assert_eq!(server.wait(dead.replay(&tenant, offset(place), &carl())).unwrap(), 1);
        };
        let server = Server::with(asking_every(100, 1).data_dir(data_dir));
        let mut chef = chef_of(&server);
        let place = ticket(&mut back_end(&server), 1);
        expect_ticket(&mut chef, 1);
        letters(&server, TENANT, 1);
        drop(server);
        let mut server = Server::with(asking(2).retry(slow).data_dir(data_dir));
        let mut chef = chef_of(&server);
        replay(&server, place);
        expect_ticket(&mut chef, 1);
        chef.settle();
        assert_eq!(letters(&server, TENANT, 1)[0].attempts, 1, "it was not acknowledged");
        server.restart();
        assert_eq!(letters(&server, TENANT, 1)[0].attempts, 1, "nobody is asked for it any more");
        let mut chef = chef_of(&server);
        replay(&server, place);
        let again = expect_ticket(&mut chef, 1);
        chef.acknowledge(&again);
        letters(&server, TENANT, 0);
    }

    fn what_expired_is_not_sent_again(transport) {
        let server = Server::with(asking(50).deliver(asks("kitchen:notification", Some(1))));
        let mut chef = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let mut sender = back_end(&server);
        sender.accepted("kitchen:notification", json!({ "message": "m", "number": 1 }));
        let letter = letters(&server, TENANT, 1).remove(0);
        assert_eq!(letter.reason, DeadLetterReason::Expired);
        assert!(letter.attempts > 1, "{letter:?}");
        while chef.next_within(Duration::from_millis(10)).is_some() {}
        assert!(chef.next_within(Duration::from_millis(250)).is_none(), "it is of no use any more");
    }

    fn what_was_not_acknowledged_comes_again_and_what_was_does_not(transport) {
        // Retries come too late to be seen.
        let slow = RetryConfig { base_delay_ms: 60_000, max_delay_ms: 60_000, ..RetryConfig::default() };
        let mut server = Server::durable(asking(5).retry(slow));
        let mut chef = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let mut sender = back_end(&server);
        let owed = ticket(&mut sender, 1);
        ticket(&mut sender, 2);
        publish(&mut sender, 3..=3);
        expect_ticket(&mut chef, 1);
        let second = expect_ticket(&mut chef, 2);
        chef.acknowledge(&second);
        assert_eq!(number(&chef.expect("order:updated")), 3);
        chef.settle();
        for what in ["torn", "torn again"] {
            let mut back = chef.tear().resume(&server);
            assert!(back.recovered, "{what}");
            // Its cursor is beyond it, and it is owed all the same.
            let got = expect_numbers(&mut back, &[1], what);
            assert_eq!(got[0].ack_id, Some(owed), "{what}");
            chef = back;
        }
        let mut chef = chef.tear().reloaded().resume(&server);
        expect_ticket(&mut chef, 1);
        // The cursor stands before the one that is owed: what is behind it may come again, and the ticket must.
        let rest: Vec<u64> = chef.drain().iter().map(number).collect();
        let away = chef.tear();
        assert!(rest.iter().all(|it| [2, 3].contains(it)), "{rest:?}");
        server.restart();
        let mut chef = away.resume(&server);
        let got = chef.next();
        assert_eq!((number(&got), got.ack_id), (1, Some(owed)), "after a restart");
        chef.acknowledge(&got);
        while let Some(event) = chef.next_within(Duration::from_millis(150)) {
            if event.ack_id.is_some() {
                chef.acknowledge(&event);
            }
        }
        chef.settle();
        server.restart();
        let mut chef = chef.tear().resume(&server);
        expect_nothing(&mut chef, "all was acknowledged");
    }

    fn what_was_acknowledged_does_not_come_again_after_a_planned_restart(transport) {
        let mut server = Server::durable(asking_every(60_000, 5));
        let mut chef = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let mut sender = back_end(&server);
        publish(&mut sender, 1..=1);
        expect_numbers(&mut chef, &[1], "its cursor");
        ticket(&mut sender, 2);
        let got = expect_ticket(&mut chef, 2);
        chef.acknowledge(&got);
        chef.settle();
        for restart in ["one", "another one"] {
            server.restart();
            let mut back = chef.tear().resume(&server);
            assert!(back.recovered, "{restart}");
            expect_nothing(&mut back, restart);
            chef = back;
        }
    }

    fn any_socket_of_a_subscriber_speaks_for_it_and_no_other_does(transport) {
        let server = Server::with(asking(50));
        let mut first = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let mut second = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let mut eve = Client::join(&server, transport, &Who::chef(TENANT, "eve"));
        let mut sender = back_end(&server);
        ticket(&mut sender, 1);
        let of_eve = expect_ticket(&mut eve, 1);
        eve.acknowledge(&of_eve);
        eve.settle();
        expect_ticket(&mut first, 1);
        expect_ticket(&mut first, 1);
        let got = expect_ticket(&mut second, 1);
        second.acknowledge(&got);
        second.settle();
        for client in [&mut first, &mut second] {
            while client.next_within(Duration::from_millis(10)).is_some() {}
            assert!(client.next_within(Duration::from_millis(300)).is_none(), "acknowledged");
        }
    }
}

#[test]
fn what_was_not_acknowledged_comes_again_after_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let config = asking(5).retry(RetryConfig { base_delay_ms: 30_000, ..RetryConfig::default() });
    let server = Process::serve(directory.path(), &config);
    let mut chef = Client::join(&server, Transport::WebSocket, &Who::chef(TENANT, "carl"));
    let mut sender = back_end(&server);
    let place = ticket(&mut sender, 1);
    expect_ticket(&mut chef, 1);
    publish(&mut sender, 2..=2);
    assert_eq!(number(&chef.expect("order:updated")), 2);
    chef.settle();
    server.kill();
    let server = Process::serve(directory.path(), &config);
    let mut back = chef.tear().resume(&server);
    let event = back.next_within(PATIENCE).expect("the ticket comes again");
    assert_eq!((number(&event), event.ack_id), (1, Some(place)));
}

#[test]
fn what_was_asked_for_while_no_server_ran_is_sent_until_it_is_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let config = asking_every(100, 1).data_dir(directory.path().to_str().unwrap());
    let join =
        |server: &Server| Client::join(server, Transport::WebSocket, &Who::chef(TENANT, "carl"));
    let server = Server::with(config.clone());
    let mut chef = join(&server);
    let place = ticket(&mut back_end(&server), 1);
    expect_ticket(&mut chef, 1);
    letters(&server, TENANT, 1);
    drop(server);
    let asked = Note {
        kind: NoteKind::Redelivery,
        key: delivery_key(offset(place), &carl()),
        value: Some("{}".into()),
        expires_at_ms: None,
    };
    let log =
        SqliteLog::open(directory.path(), SqliteOptions::default(), Box::new(|_| {})).unwrap();
    log.save_note(&TenantId::parse(TENANT).unwrap(), asked, None).unwrap();
    drop(log);
    let mut server = Server::with(config);
    let mut chef = join(&server);
    // It comes as what was missed, too: nothing was confirmed.
    for _ in 0..2 {
        let again = expect_ticket(&mut chef, 1);
        chef.acknowledge(&again);
    }
    letters(&server, TENANT, 0);
    server.restart();
    // As what was missed it may come again, but nobody asks for it any more.
    let mut chef = join(&server);
    while let Some(event) = chef.next_within(Duration::from_millis(300)) {
        assert_eq!(event.argument["retryCount"], 0, "{event:?}");
    }
}

#[test]
fn equal_names_of_two_tenants_share_no_letter_and_no_acknowledgement() {
    let server = Server::with(asking(3));
    let other = "sushi-kyoto";
    let mut chefs = [TENANT, other]
        .map(|tenant| Client::join(&server, Transport::WebSocket, &Who::chef(tenant, "carl")));
    let mut senders = [TENANT, other]
        .map(|tenant| Client::join(&server, Transport::WebSocket, &Who::service(tenant)));
    let places = [0, 1].map(|n| ticket(&mut senders[n], n as u64));
    assert_eq!(places[0], places[1], "the same offset in both");
    // One acknowledges for itself, and the other one's is given up.
    let event = expect_ticket(&mut chefs[0], 0);
    chefs[0].acknowledge(&event);
    let letter = letters(&server, other, 1).remove(0);
    assert_eq!(letter.subscriber, carl());
    assert!(letters(&server, TENANT, 0).is_empty());
    let (tenant, dead) = (TenantId::parse(TENANT).unwrap(), server.dead_letters());
    let entry = dead.inspect(&tenant, letter.offset).unwrap().unwrap();
    assert_ne!(entry.id, letter.id, "the same place in another log");
    dead.drop_letter(&tenant, letter.offset, &carl()).unwrap();
    assert_eq!(letters(&server, other, 1).len(), 1, "it is not the first one's to drop");
    update("1", 1);
}
