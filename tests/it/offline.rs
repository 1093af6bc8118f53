//! Who was away without a session gets what their audience missed, since they last confirmed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use foodtrack_server::DeliveryConfig;
use serde_json::json;
use test_support::{let_pass, wait_until};

use crate::harness::{
    Away, Client, Options, Process, Server, Transport, Who, config, eventually, on_every_transport,
};
use crate::support::{
    TENANT, back_end, expect_nothing, expect_numbers, number, numbers, publish, slow_client, update,
};

/// Pings often, so that pongs confirm soon.
fn pinging() -> foodtrack_server::WebSocketConfig {
    config()
        .heartbeat_interval(Duration::from_millis(150))
        .heartbeat_timeout(Duration::from_secs(20))
}

/// Has no heartbeat while a test lasts: what is confirmed, the round after an event does.
fn quiet() -> foodtrack_server::WebSocketConfig {
    config().heartbeat_interval(Duration::from_secs(60))
}

/// Reads nothing but pings until so many were answered.
#[track_caller]
fn answer_pings(client: &mut Client, count: u32) {
    let before = client.pongs_left;
    eventually(|| {
        let _ = client.next_within(Duration::from_millis(20)).map(|it| panic!("{it:?}"));
        (before - client.pongs_left >= count).then_some(())
    });
}

on_every_transport! {
    fn somebody_who_was_never_here_has_missed_nothing(transport) {
        let mut server = Server::durable(config());
        let mut sender = back_end(&server);
        publish(&mut sender, 1..=5);
        let mut client = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        publish(&mut sender, 6..=6);
        expect_numbers(&mut client, &[6], "the first time");
        server.restart();
        let mut newcomer = Client::join(&server, transport, &Who::chef(TENANT, "new"));
        expect_numbers(&mut newcomer, &[], "after a restart");
    }

    fn who_comes_back_without_a_session_gets_what_their_audience_missed(transport) {
        let mut server = Server::durable(config());
        let customer = Client::join(&server, transport, &Who::customer(TENANT, "ada"));
        let chef = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let (ada, carl) = (customer.tear().reloaded(), chef.tear().reloaded());
        let mut sender = back_end(&server);
        for (order, customer) in [("1", "ada"), ("2", "bob")] {
            let payload = json!({ "orderId": order, "customerId": customer, "number": 1 });
            sender.accepted("order:created", payload);
        }
        publish(&mut sender, 2..=3);
        sender.accepted("order:updated", update("2", 4));
        let pages: [(&Away, &[u64]); 2] = [(&ada, &[1, 2, 3]), (&carl, &[1, 1, 2, 3, 4])];
        for (away, missed) in &pages {
            let mut back = away.resume(&server);
            assert!(!back.recovered);
            expect_numbers(&mut back, missed, "away for a while");
        }
        server.restart();
        for (away, missed) in pages {
            expect_numbers(&mut away.resume(&server), missed, "away for a restart");
        }
    }

    fn what_was_written_but_not_confirmed_comes_again(transport) {
        let server = Server::with(pinging());
        let mut client = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let mut sender = back_end(&server);
        // The first pong says that it reached the process: its handlers may not have run.
        client.pongs_left = 1;
        publish(&mut sender, 1..=2);
        assert_eq!(numbers(&client.take(2)), [1, 2]);
        eventually(|| {
            client.next_within(Duration::from_millis(20));
            (client.pings >= 2).then_some(())
        });
        client.settle();
        let mut back = client.tear().reloaded().resume(&server);
        back.pongs_left = 0;
        expect_numbers(&mut back, &[1, 2], "one pong is no confirmation");
        // The second one says that they have.
        back.pongs_left = 10;
        answer_pings(&mut back, 2);
        back.settle();
        let mut back = back.tear().reloaded().resume(&server);
        expect_numbers(&mut back, &[], "two pongs are");
    }

    fn a_page_that_is_reloaded_a_while_after_an_event_does_not_get_it_again(transport) {
        let server = Server::with(quiet());
        let mut client = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let mut sender = back_end(&server);
        publish(&mut sender, 1..=2);
        client.take(2);
        answer_pings(&mut client, 2);
        client.settle();
        let mut back = client.tear().reloaded().resume(&server);
        expect_numbers(&mut back, &[], "confirmed within seconds");
    }

    fn a_stream_of_events_is_confirmed_by_a_few_pings(transport) {
        let server = Server::with(quiet());
        let mut client = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let mut sender = back_end(&server);
        let started = Instant::now();
        let mut number = 0;
        while started.elapsed() < Duration::from_secs(4) {
            number += 1;
            publish(&mut sender, number..=number);
            client.take(1);
        }
        assert!(number > 20 && (1..=4).contains(&client.pings), "{number}: {}", client.pings);
    }

    fn what_was_confirmed_stays_so_after_a_restart(transport) {
        let mut server = Server::durable(pinging());
        let mut client = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let mut sender = back_end(&server);
        publish(&mut sender, 1..=2);
        client.take(2);
        answer_pings(&mut client, 3);
        client.settle();
        client.pongs_left = 0;
        publish(&mut sender, 3..=3);
        client.take(1);
        server.restart();
        let mut back = client.tear().reloaded().resume(&server);
        expect_numbers(&mut back, &[3], "");
    }

    fn live_events_come_behind_what_was_missed_and_none_comes_twice(transport) {
        const MISSED: u64 = 300;
        const LIVE: u64 = 100;
        let server = Server::durable(config());
        let away = Client::join(&server, transport, &Who::chef(TENANT, "carl")).tear();
        let mut sender = back_end(&server);
        let missed: Vec<_> = (1..=MISSED).map(|n| ("order:updated", update("1", n))).collect();
        sender.emit_all(&missed);
        sender.settle();
        let is_back = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                wait_until("a reader is back", || is_back.load(Ordering::SeqCst));
                publish(&mut sender, MISSED + 1..=MISSED + LIVE);
            });
            for away in [away.clone(), away.reloaded()] {
                let mut back = away.resume(&server);
                // It confirms nothing, so that all of it comes again to the page that is loaded next.
                back.pongs_left = 0;
                is_back.store(true, Ordering::SeqCst);
                for expected in 1..=MISSED + LIVE {
                    assert_eq!(number(&back.next()), expected);
                }
                expect_nothing(&mut back, "all came");
            }
        });
    }

    fn a_message_past_its_time_is_not_replayed(transport) {
        let soon_stale = DeliveryConfig {
            event: "kitchen:notification".into(),
            class: None,
            time_to_live_seconds: Some(1),
            compact: false,
            acknowledge: false,
            confirm_within_seconds: None,
            confirm_by: None,
        };
        let server = Server::with(config().deliver(soon_stale));
        let away = Client::join(&server, transport, &Who::chef(TENANT, "carl")).tear();
        let mut sender = back_end(&server);
        sender.accepted("kitchen:notification", json!({ "message": "m", "number": 1 }));
        publish(&mut sender, 2..=2);
        expect_numbers(&mut away.resume(&server), &[1, 2], "in time");
        let_pass(Duration::from_millis(1_100));
        expect_numbers(&mut away.resume(&server), &[2], "too late");
    }

    fn of_states_missed_the_last_says_it_all_and_a_cancel_stays(transport) {
        let states = DeliveryConfig {
            event: "order:status_changed".into(),
            class: None,
            time_to_live_seconds: None,
            compact: true,
            acknowledge: false,
            confirm_within_seconds: None,
            confirm_by: None,
        };
        let server = Server::with(config().deliver(states));
        let away = Client::join(&server, transport, &Who::chef(TENANT, "carl")).tear();
        let mut sender = back_end(&server);
        for (number, order, status) in [
            (1, "1", "preparing"), (2, "2", "preparing"), (3, "1", "cancelled"), (4, "1", "ready"),
            (5, "1", "done"), (6, "2", "ready"),
        ] {
            let payload = json!({ "orderId": order, "status": status, "number": number });
            sender.accepted("order:status_changed", payload);
        }
        sender.accepted("order:cancelled", json!({ "orderId": "2", "number": 7 }));
        expect_numbers(&mut away.resume(&server), &[1, 2, 3, 4, 5, 6, 7], "away for a moment");
        let mut back = away.reloaded().resume(&server);
        expect_numbers(&mut back, &[3, 5, 6, 7], "away for long");
    }
}

#[test]
fn who_was_let_in_before_an_event_was_taken_gets_it_after_a_kill_though_nothing_is_kept() {
    const CHEFS: usize = 400;
    let directory = tempfile::tempdir().unwrap();
    let server = Process::serve(directory.path(), &config());
    let mut sender = back_end(&server);
    publish(&mut sender, 1..=3);
    let options = |n: usize| {
        let who = Who::chef(TENANT, &format!("carl-{n}"));
        Options::new(Transport::WebSocket, json!({ "token": who.token() }))
    };
    let open = |n| Client::open(&server, &options(n)).unwrap();
    let mut chefs: Vec<_> = (0..CHEFS).map(open).collect();
    // All at once, so that the store has much to say when the kill comes.
    chefs.iter_mut().for_each(Client::send_connect);
    chefs.iter_mut().for_each(|chef| chef.connected().unwrap());
    publish(&mut sender, 4..=4);
    server.kill();
    let server = Process::serve(directory.path(), &config());
    for n in 0..CHEFS {
        let mut chef = Client::join_with(&server, &options(n));
        let first = chef.next_within(Duration::from_secs(2)).unwrap_or_else(|| panic!("chef {n}"));
        assert_eq!(number(&first), 4, "chef {n}");
    }
}

#[test]
fn twenty_thousand_missed_events_cost_a_slow_reader_bounded_memory() {
    const MISSED: u64 = 20_000;
    const FILLING_BYTES: usize = 1_000;
    let directory = tempfile::tempdir().unwrap();
    let server = Process::serve(directory.path(), &config());
    let who = Who::chef(TENANT, "carl");
    let away = slow_client(&server, Transport::WebSocket, &who).tear();
    let mut sender = back_end(&server);
    let filling = "x".repeat(FILLING_BYTES);
    for page in 0..MISSED / 500 {
        let events: Vec<_> = (page * 500 + 1..=page * 500 + 500)
            .map(|n| json!({ "orderId": (n % 50).to_string(), "number": n, "filling": filling }))
            .map(|payload| ("order:updated", payload))
            .collect();
        sender.emit_all(&events);
        sender.settle();
    }
    let mut polling = away.clone().reloaded().over(Transport::Polling);
    polling.options.receive_bytes = None;
    // All of it, for all of them, would be a hundred megabytes.
    let before = server.resident_bytes();
    // Each is its own: a session is one connection's.
    let reload = || away.clone().reloaded();
    let mut readers: Vec<Client> = (0..4).map(|_| reload().resume(&server)).collect();
    readers.push(polling.resume(&server));
    let mut peak = before;
    for _ in 0..20 {
        let_pass(Duration::from_millis(15));
        peak = peak.max(server.resident_bytes());
    }
    let grown = peak.saturating_sub(before);
    assert!(grown < 24 << 20, "{} KiB more for readers that do not read", grown >> 10);
    // Slow, though not so slow that the test is.
    let mut wider = away.reloaded();
    wider.options.receive_bytes = Some(64 << 10);
    let mut reader = wider.resume(&server);
    for expected in 1..=MISSED {
        assert_eq!(number(&reader.next()), expected);
    }
    expect_nothing(&mut reader, "all came");
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 32 << 20, "{} KiB more", grown >> 10);
}

#[test]
fn a_polling_reader_needs_few_polls_for_what_it_missed() {
    let server = Server::start();
    let away = Client::join(&server, Transport::Polling, &Who::chef(TENANT, "carl")).tear();
    let mut sender = back_end(&server);
    let missed: Vec<_> = (1..=400).map(|n| ("order:updated", update("1", n))).collect();
    sender.emit_all(&missed);
    sender.settle();
    let mut back = away.resume(&server);
    let got = back.take(400);
    assert_eq!(numbers(&got), (1..=400).collect::<Vec<_>>());
    let requests = back.requests();
    assert!(requests < 100, "{requests} requests");
}
