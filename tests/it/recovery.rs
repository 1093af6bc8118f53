//! A connection that was lost comes back as the session it was, and what it missed comes once, in order.

use foodtrack_contract::{ApplicationType, Cursor, Permission, PermissionSet, Room};
use foodtrack_server::{RoomName, TenantId};
use foodtrack_tenant_log::{MemoryLog, MemoryStore, Retention};
use foodtrack_wire::socket_io::PacketType;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::harness::{
    Away, Client, Connect, Hub, KEEPS_ALL, Options, Process, SESSION_SECRET, Server, Transport,
    Who, config, eventually, now_s, on_every_transport,
};
use crate::support::{
    NOTHING, TENANT, back_end, expect_nothing, expect_numbers, number, numbers, publish,
    slow_client, update,
};

fn chef() -> Who {
    Who::chef(TENANT, "carl")
}

/// A chef who got 1 and 2, and was away for 3 to 5.
fn chef_who_missed_some(
    server: &Server,
    transport: Transport,
    device: Option<&str>,
) -> (Client, Away) {
    let auth = json!({ "token": chef().token(), "deviceId": device });
    let mut client = Client::join_with(server, &Options::new(transport, auth));
    let mut sender = back_end(server);
    publish(&mut sender, 1..=2);
    assert_eq!(numbers(&client.take(2)), [1, 2]);
    let away = client.tear();
    publish(&mut sender, 3..=5);
    (sender, away)
}

on_every_transport! {
    fn the_session_is_the_same_and_what_was_missed_comes_once_in_order(transport) {
        let server = Server::start();
        let client = Client::join(&server, transport, &chef());
        let (id, pid) = (client.id.clone(), client.pid.clone());
        drop(client);
        assert!(pid.as_deref() != Some(&*id) && pid.is_some());
        let (mut sender, away) = chef_who_missed_some(&server, transport, None);
        let mut back = away.resume(&server);
        // CONNECT was first, or the client would not be here; then the greeting, then what it missed.
        assert!(back.recovered);
        assert_eq!(back.pid.as_deref(), Some(away.field("pid")));
        publish(&mut sender, 6..=6);
        expect_numbers(&mut back, &[3, 4, 5, 6], "");
        // Over the other transport too, and again with what it has now.
        let other = Transport::ALL.into_iter().find(|it| *it != transport).unwrap();
        let id = back.id.clone();
        let mut back = back.tear().over(other).resume(&server);
        assert!(back.recovered);
        assert_eq!(back.id, id);
        expect_numbers(&mut back, &[], "");
        assert_eq!(server.metric("sessions_recovered_total"), 2);
    }

    fn a_client_that_asks_is_told_whether_something_that_it_missed_is_still_to_come(transport) {
        let server = Server::start();
        let mut client = slow_client(&server, transport, &chef());
        assert!(client.is_up_to_date());
        let away = client.tear();
        // More than goes out before the client reads on.
        let filling = "x".repeat(60_000);
        let mut sender = back_end(&server);
        for number in 1..=100 {
            let payload = json!({ "orderId": "1", "number": number, "filling": filling });
            sender.accepted("order:updated", payload);
        }
        let mut back = away.resume(&server);
        assert!(!back.is_up_to_date());
        assert_eq!(numbers(&back.drain()), (1..=100).collect::<Vec<_>>());
        assert!(back.is_up_to_date());
    }

    fn a_session_that_got_nothing_yet_is_back_with_all_it_missed(transport) {
        let mut server = Server::durable(config());
        let client = Client::join(&server, transport, &chef());
        let (id, away) = (client.id.clone(), client.tear());
        publish(&mut back_end(&server), 1..=2);
        server.restart();
        let back = away.resume(&server);
        assert!(back.recovered);
        assert_eq!(back.id, id);
        // It tears before it has read any of that, too.
        let away = back.tear();
        publish(&mut back_end(&server), 3..=3);
        // The page is loaded anew, and its line tears at once: what it missed came before this session.
        drop(away);
        let client = Client::join(&server, transport, &chef());
        let (second, away) = (client.id.clone(), client.tear());
        assert_ne!(second, id);
        publish(&mut back_end(&server), 4..=4);
        let mut back = away.resume(&server);
        assert!(back.recovered);
        assert_eq!(back.id, second);
        expect_numbers(&mut back, &[1, 2, 3, 4], "all that nobody has read");
    }

    fn a_private_id_is_of_no_use_to_anybody_else(transport) {
        let server = Server::start();
        let (_, away) = chef_who_missed_some(&server, transport, Some("tablet"));
        let both = [ApplicationType::KitchenApp, ApplicationType::TenantDashboard];
        let owner = Who::owner(TENANT, "carl").applications(&both);
        let thieves = [
            ("user", away.clone().who(&Who::chef(TENANT, "eve"))),
            ("tenant", away.clone().who(&Who::chef("sushi-kyoto", "carl"))),
            ("application", away.clone().who(&owner).with("application", json!("tenant_dashboard"))),
            ("device", away.clone().with("deviceId", json!("phone"))),
            ("no device", away.clone().with("deviceId", Value::Null)),
        ];
        let own_id = away.resume(&server).id;
        for (what, thief) in thieves {
            let mut thief = thief.resume(&server);
            assert!(!thief.recovered, "another {what}");
            assert_ne!(thief.id, own_id, "another {what}");
            if what == "tenant" {
                // What it brings is of another log than its own tenant's: it is told that, as whoever has lost their place.
                assert_eq!(thief.next().payload("reason"), "reset");
            }
            // It is somebody new: nothing is replayed to it, and it is live.
            expect_numbers(&mut thief, &[], &format!("another {what}"));
        }
    }

    fn nonsense_in_place_of_an_id_or_a_cursor_is_no_error_and_no_gap(transport) {
        let server = Server::start();
        let (_, away) = chef_who_missed_some(&server, transport, None);
        let epoch = away.field("offset").split_once('-').unwrap().0.to_owned();
        let pid = away.field("pid").to_owned();
        let swapped: String = pid.chars().rev().collect();
        let long = "x".repeat(10_000);
        for forged in ["", "x", "\u{e9}", &swapped, &format!("{}!{}", &pid[..30], &pid[31..]), &pid[1..], &long] {
            let mut client = away.clone().with("pid", json!(forged)).resume(&server);
            assert!(!client.recovered, "{forged}");
            // Nothing was confirmed: all of it comes again, and nothing is missing.
            expect_numbers(&mut client, &[1, 2, 3, 4, 5], forged);
            assert_ne!(client.pid.as_deref(), Some(&*pid));
        }
        let (beyond, list) = (format!("{epoch}-999999"), format!("{epoch}-2+999999"));
        for garbage in ["", "subscribed", "-", "zz-", &beyond, &list, &format!("{epoch}-02"), &long] {
            let mut client = away.clone().with("offset", json!(garbage)).resume(&server);
            expect_numbers(&mut client, &[1, 2, 3, 4, 5], garbage);
        }
        // Of another type than text is as good as absent.
        let mut client = away.clone().with("offset", json!(7)).resume(&server);
        expect_numbers(&mut client, &[1, 2, 3, 4, 5], "");
        let mut client = away.with("pid", json!({ "a": 1 })).resume(&server);
        expect_numbers(&mut client, &[1, 2, 3, 4, 5], "");
    }

    fn a_session_outlives_a_restart_with_its_rooms(transport) {
        let mut server = Server::durable(config());
        let mut client = Client::join(&server, transport, &Who::courier(TENANT, "dora"));
        client.subscribe("order", "1");
        client.subscribe("route", "north");
        client.subscribe("route", "south");
        client.accepted("unsubscribe:route", json!("south"));
        client.expect("unsubscribed");
        let mut sender = back_end(&server);
        publish(&mut sender, 1..=2);
        assert_eq!(numbers(&client.take(2)), [1, 2]);
        let (id, away) = (client.id.clone(), client.tear());
        publish(&mut sender, 3..=3);
        server.restart();
        let mut sender = back_end(&server);
        publish(&mut sender, 4..=4);
        let on_route = |route: &str| json!({ "orderId": "9", "routeId": route, "status": "s", "number": 5 });
        sender.accepted("delivery:in_transit", on_route("south"));
        sender.accepted("delivery:in_transit", on_route("north"));
        let mut back = away.resume(&server);
        assert!(back.recovered);
        assert_eq!(back.id, id);
        let got = expect_numbers(&mut back, &[3, 4, 5], "");
        assert_eq!(got[2].payload("routeId"), "north", "it had left the other one");
        publish(&mut sender, 6..=6);
        expect_numbers(&mut back, &[6], "");
    }

    fn a_client_that_came_back_has_its_events_and_its_zombie_has_none(transport) {
        let server = Server::start();
        let mut zombie = Client::join(&server, transport, &chef());
        let mut sender = back_end(&server);
        publish(&mut sender, 1..=1);
        assert_eq!(number(&zombie.next()), 1);
        // Its network is gone, and nobody has told the server.
        let mut back = zombie.away().resume(&server);
        assert!(back.recovered);
        assert_eq!(back.id, zombie.id);
        publish(&mut sender, 2..=3);
        expect_numbers(&mut back, &[2, 3], "");
        assert_eq!(server.count(TENANT), 2, "the back end and the one that is back");
        let late = json!({ "orderId": "7", "status": "late" });
        zombie.try_emit("order:status_changed", late);
        let (events, _) = zombie.until_closed();
        assert_eq!(numbers(&events), NOTHING);
        assert_eq!(back.drain_names(), [""; 0], "what a zombie sends is nobody's");
    }

    fn rooms_are_as_they_were_and_permissions_as_they_are(transport) {
        let server = Server::start();
        let may = |permissions: &[Permission]| chef().permissions(PermissionSet::of(permissions));
        let much = may(&[Permission::ReadOrders, Permission::ReadKitchen, Permission::ReadInventory]);
        let client = Client::join(&server, transport, &much);
        let away = client.tear();
        let mut sender = back_end(&server);
        publish(&mut sender, 1..=1);
        sender.accepted("kitchen:notification", json!({ "message": "m", "number": 2 }));
        publish(&mut sender, 3..=3);
        let little = may(&[Permission::ReadKitchen]);
        let mut back = away.clone().who(&little).resume(&server);
        assert!(back.recovered);
        expect_numbers(&mut back, &[2], "it may not read orders any more");
        // What was left out is past: its cursor is behind it.
        sender.accepted("kitchen:notification", json!({ "message": "m", "number": 4 }));
        expect_numbers(&mut back, &[4], "");
        let mut whole = away.who(&much).resume(&server);
        expect_numbers(&mut whole, &[1, 2, 3, 4], "");
    }

    fn what_happened_in_a_room_is_not_replayed_once_its_grant_is_revoked(transport) {
        let server = Server::start();
        let tenant = TenantId::parse(TENANT).unwrap();
        let room = RoomName::Order("1").of(&tenant);
        let (connections, mut sender) = (server.connections(), back_end(&server));
        sender.accepted("order:created", json!({ "orderId": "1", "customerId": "ada" }));
        let grant = |room: &Room<'_>| server.wait(connections.grant(room, "bob")).unwrap();
        grant(&room);
        let mut bob = Client::join(&server, transport, &Who::customer(TENANT, "bob"));
        bob.subscribe("order", "1");
        publish(&mut sender, 1..=1);
        assert_eq!(number(&bob.next()), 1);
        let away = bob.tear();
        publish(&mut sender, 2..=2);
        expect_numbers(&mut away.resume(&server), &[2], "while it has the grant");
        assert!(server.wait(connections.revoke_grant(&room, "bob")).unwrap());
        let mut back = away.resume(&server);
        assert!(back.recovered);
        expect_numbers(&mut back, &[], "");
        publish(&mut sender, 3..=3);
        expect_numbers(&mut back, &[], "");
        // A grant that comes too late brings nothing back by itself.
        grant(&room);
        assert_eq!(back.tear().resume(&server).drain_names(), [""; 0]);
    }

    fn a_token_that_has_just_expired_brings_a_session_back_for_a_while(transport) {
        let server = Server::start();
        let (mut sender, away) = chef_who_missed_some(&server, transport, None);
        let expired = chef().expires_at_s(now_s() - 10);
        let mut back = away.clone().who(&expired).resume(&server);
        assert!(back.recovered);
        let told = back.expect("system:error");
        assert_eq!(told.payload("code"), "token_expired");
        expect_numbers(&mut back, &[3, 4, 5], "");
        back.accepted("authenticate", json!({ "token": chef().token() }));
        back.expect("authenticated");
        publish(&mut sender, 6..=6);
        expect_numbers(&mut back, &[6], "");
        // It brings nobody in who was not here.
        let refused = |away: &Away| match away.connect(&server) {
            Connect::Refused(error) => error["data"]["code"].as_str().unwrap().to_owned(),
            _ => panic!("it came in"),
        };
        let away = away.who(&expired);
        assert_eq!(refused(&away.clone().with("pid", Value::Null)), "token_expired");
        assert_eq!(refused(&away.clone().with("offset", json!("nonsense"))), "token_expired");
        assert_eq!(refused(&away.clone().with("pid", json!("forged"))), "token_expired");
        let eve = Who::chef(TENANT, "eve").expires_at_s(now_s() - 10);
        assert_eq!(refused(&away.clone().who(&eve)), "token_expired");
        assert_eq!(refused(&away.who(&chef().expires_at_s(now_s() - 60))), "token_expired");
    }
}

#[test]
fn a_session_outlives_a_kill_with_its_rooms() {
    let directory = tempfile::tempdir().unwrap();
    let server = Process::serve(directory.path(), &config());
    let clients = Transport::ALL.map(|transport| {
        let mut client = Client::join(&server, transport, &Who::courier(TENANT, "dora"));
        client.subscribe("order", "1");
        client
    });
    let mut sender = back_end(&server);
    publish(&mut sender, 1..=3);
    let aways = clients.map(|mut client| {
        assert_eq!(numbers(&client.take(2)), [1, 2]);
        let away = client.away();
        (client.id.clone(), away, client)
    });
    server.kill();
    let server = Process::serve(directory.path(), &config());
    let mut sender = back_end(&server);
    publish(&mut sender, 4..=4);
    for (id, away, _) in aways {
        let mut back = away.resume(&server);
        assert!(back.recovered);
        assert_eq!(back.id, id);
        expect_numbers(&mut back, &[3, 4], "its room is among what came back");
    }
}

#[test]
fn who_is_told_that_it_is_in_a_room_is_in_it_after_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let mut away = None;
    for round in 0..3 {
        let server = Process::serve(directory.path(), &config());
        let mut client = match away.take() {
            Some(away) => Away::resume(&away, &server),
            None => Client::join(&server, Transport::WebSocket, &Who::courier(TENANT, "dora")),
        };
        client.drain();
        let mut sender = back_end(&server);
        for order in 0..round {
            sender.accepted("order:updated", update(&order.to_string(), 100 + round));
            assert_eq!(number(&client.next()), 100 + round, "order {order}");
        }
        client.subscribe("order", &round.to_string());
        server.kill();
        away = Some(client.tear());
    }
}

/// A private id as a server made it, so many hours ago.
fn private_id(sid: &str, subscriber: &str, epoch: u64, hours_ago: u64) -> String {
    use aws_lc_rs::hmac;
    use base64::Engine as _;
    let start = format!("{epoch:016x}{:016x}", 0);
    let head = format!("{sid}{:06x}{start}", now_s() / 3_600 - hours_ago);
    let signed = [&*head, TENANT, subscriber].join("\0");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &SESSION_SECRET);
    let tag = hmac::sign(&key, signed.as_bytes());
    let mac = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&tag.as_ref()[..16]);
    format!("{head}{mac}")
}

#[test]
fn an_ancient_session_is_gone_and_its_cursor_is_good() {
    let log = |on_completion| -> Arc<dyn foodtrack_tenant_log::TenantLog> {
        Arc::new(MemoryLog::new(MemoryStore::default(), KEEPS_ALL, on_completion))
    };
    let hub = Hub::start(log, &[]);
    let mut client = Client::join(&hub, Transport::WebSocket, &chef());
    let mut sender = back_end(&hub);
    publish(&mut sender, 1..=2);
    client.take(2);
    let away = client.tear();
    publish(&mut sender, 3..=3);
    let epoch = Cursor::parse(away.field("offset")).unwrap().epoch().get();
    // Longer than 48 hours: it may have been connected for some of them.
    for (hours_ago, recovered) in [(47, true), (55, true), (56, false), (400, false)] {
        let pid = private_id(&format!("{hours_ago:A>20}"), "carl:kitchen_app:", epoch, hours_ago);
        let mut back = away.clone().with("pid", json!(pid)).resume(&hub);
        assert_eq!(back.recovered, recovered, "{hours_ago} hours");
        expect_numbers(&mut back, &[3], &format!("{hours_ago} hours"));
    }
}

#[test]
fn what_another_socket_of_its_user_got_is_not_what_this_one_got() {
    let mut server = Server::durable(config());
    let new = Client::join(&server, Transport::WebSocket, &chef());
    let (mut sender, away) = (back_end(&server), new.tear());
    publish(&mut sender, 1..=3);
    let mut other = Client::join(&server, Transport::WebSocket, &chef());
    other.drain();
    publish(&mut sender, 4..=4);
    other.drain();
    // With the cursor that it brings it confirms.
    let other = other.tear().resume(&server);
    let mut back = away.clone().resume(&server);
    expect_numbers(&mut back, &[1, 2, 3, 4], "known");
    drop((back, other, sender));
    server.restart();
    expect_numbers(&mut away.resume(&server), &[1, 2, 3, 4], "as the disk says");
}

#[test]
fn a_gap_is_told_and_never_silent() {
    let retention = Retention { entries_max: 10, ..KEEPS_ALL };
    let log = move |on_completion| -> Arc<dyn foodtrack_tenant_log::TenantLog> {
        Arc::new(MemoryLog::new(MemoryStore::default(), retention, on_completion))
    };
    let hub = Hub::start(log, &[]);
    let mut client = Client::join(&hub, Transport::WebSocket, &chef());
    let mut sender = back_end(&hub);
    publish(&mut sender, 1..=1);
    client.take(1);
    let away = client.tear();
    // Larger than what is kept in memory beside the log, or the log would not be asked.
    for number in 2..=40 {
        let mut update = update("1", number);
        update["filling"] = json!("x".repeat(10_000));
        sender.accepted("order:updated", update);
    }
    // It is known of the log what is gone once the first of them is told.
    for away in [away.clone(), away.clone().reloaded(), away.clone()] {
        let what = if away.options.auth["pid"].is_null() { "reloaded" } else { "torn" };
        let mut back = away.resume(&hub);
        let events = back.take(11);
        expect_nothing(&mut back, what);
        let told: Vec<_> =
            events.iter().filter(|it| it.name == "system:reconnection_required").collect();
        assert_eq!(told.len(), 1, "{what}: {events:?}");
        assert_eq!(told[0].payload("reason"), "gap", "{what}");
        let rest: Vec<u64> =
            events.iter().filter(|it| it.name == "order:updated").map(number).collect();
        assert_eq!(rest, (31..=40).collect::<Vec<_>>(), "{what}: what is left comes");
    }
}

#[test]
fn who_was_here_before_the_log_was_started_anew_is_told_and_gets_what_the_new_one_has() {
    let (before, after) = (Server::start(), Server::start());
    let mut client = Client::join(&before, Transport::WebSocket, &chef());
    publish(&mut back_end(&before), 1..=1);
    client.take(1);
    let away = client.tear();
    let mut sender = back_end(&after);
    let mut device = Client::join(&after, Transport::WebSocket, &chef());
    publish(&mut sender, 2..=2);
    device.take(1);
    // Its subscriber is known to the new log by now, and nothing is confirmed.
    let mut back = away.resume(&after);
    assert!(!back.recovered);
    let told = back.next();
    assert_eq!(told.name, "system:reconnection_required");
    assert_eq!(told.payload("reason"), "reset");
    expect_numbers(&mut back, &[2], "the new log has it");
    let away = back.tear();
    publish(&mut sender, 3..=3);
    expect_numbers(&mut away.resume(&after), &[3], "it is told once");
}

#[test]
fn a_session_left_for_good_does_not_come_back() {
    let server = Server::start();
    let mut client = Client::join(&server, Transport::WebSocket, &Who::courier(TENANT, "dora"));
    client.subscribe("order", "1");
    assert!(client.send_packet(PacketType::Disconnect, None, &Value::Null, &[]));
    eventually(|| (server.count(TENANT) == 0).then_some(()));
    let away = client.tear();
    let mut sender = back_end(&server);
    publish(&mut sender, 1..=1);
    assert_eq!(away.resume(&server).drain_names(), [""; 0], "it left its rooms");
}
