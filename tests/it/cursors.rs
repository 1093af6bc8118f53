//! Every event ends with a cursor that is true: whoever brings it back gets what is missing, and nothing twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use foodtrack_contract::ApplicationType;
use foodtrack_tenant_log::SqliteOptions;
use serde_json::{Value, json};
use test_support::let_pass;

use crate::harness::{
    Address, Away, Client, Event, Gate, Hub, Options, Parser, Process, Server, Transport, Who,
    config, eventually, limits, on_every_transport,
};
use crate::support::{
    TENANT, back_end, cursor, expect_nothing, expect_numbers, message, number, numbers, offset,
    publish, slow_client, update,
};

/// A server whose queues hold whatever a test leaves unread.
pub(crate) fn roomy() -> Server {
    let mut roomy = limits();
    (roomy.queue_messages_max, roomy.queue_bytes_max) = (100_000, 256 << 20);
    // Readers wait for each other.
    roomy.write_timeout_ms = 300_000;
    Server::with(config().limits(roomy))
}

/// Each order's events must come as they were published, whatever overtakes.
#[track_caller]
fn check_each_order(got: &[Event], what: &str) {
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    for event in got {
        let order = event.payload("orderId").as_str().unwrap().to_owned();
        let before = last.insert(order, number(event));
        assert!(before < Some(number(event)), "{what}: {:?}", numbers(got));
    }
}

/// Events of several orders and priorities: `(order, number, priority)`.
fn mixed(count: u64) -> Vec<(String, u64, &'static str)> {
    let priorities = ["medium", "low", "medium", "urgent", "high", "medium", "low"];
    let priority = |number: u64| priorities[usize::try_from(number * 3 % 7).unwrap()];
    (1..=count).map(|number| ((number % 5).to_string(), number, priority(number))).collect()
}

#[track_caller]
pub(crate) fn publish_mixed(sender: &mut Client, count: u64, filling: &str) {
    for (order, number, priority) in mixed(count) {
        let mut message = message(&order, number, priority);
        message["payload"]["filling"] = json!(filling);
        sender.accepted("order:updated", message);
    }
}

/// Comes back after every `step` events until there are no more, always torn.
#[track_caller]
fn collect(server: &impl Address, mut away: Away, step: usize, count: usize) -> Vec<Event> {
    let mut got = Vec::new();
    loop {
        let mut client = away.resume(server);
        assert!(client.recovered);
        let left = count - got.len();
        got.extend(client.take(step.min(left)));
        if got.len() == count {
            expect_nothing(&mut client, "all came");
            return got;
        }
        away = client.tear();
    }
}

#[track_caller]
fn check_all_once(got: &[Event], count: u64, what: &str) {
    let all: BTreeSet<u64> = got.iter().map(number).collect();
    assert_eq!(got.len(), all.len(), "{what}: twice: {:?}", numbers(got));
    assert_eq!(all, (1..=count).collect(), "{what}");
    check_each_order(got, what);
}

on_every_transport! {
    fn every_event_ends_with_the_cursor(transport) {
        let server = Server::start();
        for (parser, user) in [(Parser::Json, "mia"), (Parser::Msgpack, "mike")] {
            let auth = json!({ "token": Who::manager(TENANT, user).token() });
            let options = Options { parser, ..Options::new(transport, auth) };
            let mut client = Client::join_with(&server, &options);
            let before = client.offset.clone().unwrap();
            client.accepted("order:updated", update(user, 1));
            let event = client.expect("order:updated");
            let of_event = cursor(&event);
            assert_eq!(client.offset, event.cursor);
            assert_ne!(client.offset.as_ref(), Some(&before));
            // What is in no log says where its recipient stands.
            client.subscribe("order", "1");
            assert_eq!(client.offset, event.cursor);
            let mut courier = Client::join(&server, transport, &Who::courier(TENANT, "dora"));
            let place = json!({ "orderId": "1", "latitude": 1, "longitude": 2 });
            courier.accepted("delivery:location_updated", place);
            assert_eq!(cursor(&client.expect("delivery:location_updated")), of_event);
            client.emit("order:eaten", Value::Null);
            assert_eq!(cursor(&client.expect("system:error")), of_event);
        }
    }

    fn an_urgent_event_in_a_queue_overtakes_others_and_takes_its_own_orders_along(transport) {
        let server = roomy();
        let mut slow = slow_client(&server, transport, &Who::chef(TENANT, "slow"));
        let mut sender = back_end(&server);
        clog(&mut sender, transport);
        for (number, order, priority) in [
            (1, "a", "medium"), (2, "b", "medium"), (3, "a", "low"), (4, "c", "high"), (5, "a", "urgent"),
        ] {
            sender.accepted("order:updated", message(order, number, priority));
        }
        let got: Vec<u64> = numbers(&slow.drain()).into_iter().filter(|number| *number > 0).collect();
        assert_eq!(got, [1, 3, 5, 4, 2]);
    }

    fn the_cursor_is_true_wherever_a_backlogged_connection_is_torn(transport) {
        const COUNT: u64 = 60;
        let server = roomy();
        // Enough that no kernel takes it all; a polling client need only not poll.
        let filling = "x".repeat(if transport == Transport::Polling { 10 } else { 60_000 });
        let mut readers: Vec<_> = (0..12_usize)
            .map(|n| (n * 5 + 1, slow_client(&server, transport, &Who::chef(TENANT, &format!("u{n}")))))
            .collect();
        let mut sender = back_end(&server);
        publish_mixed(&mut sender, COUNT, &filling);
        let mut overtaken = 0;
        for (read, mut client) in readers.drain(..) {
            let mut got = client.take(read);
            overtaken += got.iter().filter(|event| !cursor(event).beyond().is_empty()).count();
            let mut client = client.tear().resume(&server);
            assert!(client.recovered);
            got.extend(client.take(60 - read));
            expect_nothing(&mut client, "torn");
            check_all_once(&got, COUNT, &format!("torn after {read}"));
        }
        assert!(overtaken > 0, "nothing overtook: this proves nothing");
    }

    fn who_leaves_a_room_while_brought_up_to_date_gets_what_came_before(transport) {
        let server = roomy();
        let mut client = slow_client(&server, transport, &Who::courier(TENANT, "dora"));
        client.subscribe("order", "1");
        let away = client.tear();
        let mut sender = back_end(&server);
        // Enough that the end of it is not even looked for before the client reads.
        for _ in 0..60 {
            let filling = "x".repeat(60_000);
            sender.accepted("notification:info", json!({ "message": "m", "number": 0, "filling": filling }));
        }
        publish(&mut sender, 1..=3);
        let mut back = away.resume(&server);
        assert!(back.recovered);
        back.emit("unsubscribe:order", json!("1"));
        // Its answer comes somewhere among them.
        let mut got = Vec::new();
        while got.len() < 64
            && let Some(event) = back.next_within(Duration::from_secs(2))
        {
            got.push(event);
        }
        got.retain(|event| event.name == "order:updated");
        assert_eq!(numbers(&got), [1, 2, 3]);
        publish(&mut sender, 4..=4);
        expect_nothing(&mut back, "it has left");
    }

    fn the_cursor_is_true_wherever_a_replay_is_torn(transport) {
        const COUNT: u64 = 60;
        let server = Server::start();
        let away = Client::join(&server, transport, &Who::chef(TENANT, "carl")).tear();
        publish_mixed(&mut back_end(&server), COUNT, "");
        for step in [1, 2, 7, 59] {
            let got = collect(&server, away.clone(), step, 60);
            check_all_once(&got, COUNT, &format!("{step} at a time"));
            // Urgent first, with what is before it of its own order; then as it was.
            let first_urgent = mixed(COUNT).into_iter().find(|(_, _, priority)| *priority == "urgent").unwrap();
            let own = got.iter().take_while(|it| it.payload("orderId") == first_urgent.0.as_str());
            assert_eq!(number(own.last().unwrap()), first_urgent.1, "{:?}", numbers(&got));
        }
    }

    fn urgent_is_replayed_first_and_takes_its_own_orders_along(transport) {
        let server = Server::start();
        let away = Client::join(&server, transport, &Who::chef(TENANT, "carl")).tear();
        let mut sender = back_end(&server);
        for (number, order, priority) in [
            (1, "a", "medium"), (2, "b", "medium"), (3, "a", "low"), (4, "c", "high"), (5, "a", "urgent"),
            (6, "d", "urgent"), (7, "a", "medium"),
        ] {
            sender.accepted("order:updated", message(order, number, priority));
        }
        let got = expect_numbers(&mut away.resume(&server), &[1, 3, 5, 6, 2, 4, 7], "urgent first");
        for (place, event) in got.iter().enumerate() {
            // Numbers are offsets here: each cursor has what came so far, and no more.
            let has: Vec<u64> = (1..=7).filter(|n| cursor(event).covers(offset(*n))).collect();
            let mut came = numbers(&got[..=place]);
            came.sort_unstable();
            assert_eq!(has, came, "{:?}", event.cursor);
        }
    }

    fn an_urgent_event_behind_a_replay_that_waits_takes_its_own_order_along(transport) {
        let server = roomy();
        let away = slow_client(&server, transport, &Who::chef(TENANT, "slow")).tear();
        let mut sender = back_end(&server);
        for (number, order) in (1..=40).map(|n| (n, if n % 2 == 0 { "a" } else { "b" })) {
            sender.accepted("order:updated", message(order, number, "medium"));
        }
        let mut back = away.resume(&server);
        // The last page waits for it, and it is live.
        let mut got = vec![back.next()];
        eventually(|| (server.metric("replays_total") > 0).then_some(()));
        for number in 41..=44 {
            sender.accepted("order:updated", message("a", number, "urgent"));
        }
        got.extend(back.take(43));
        check_all_once(&got, 44, "what was missed, and what came behind it");
        expect_nothing(&mut back, "all came");
    }

    fn forms_differ_and_what_they_say_does_not(transport) {
        let server = Server::start();
        let join = |parser, who: &Who| {
            let auth = json!({ "token": who.token() });
            Client::join_with(&server, &Options { parser, ..Options::new(transport, auth) })
        };
        let mut clients = Vec::new();
        for application in [ApplicationType::KitchenApp, ApplicationType::TenantDashboard] {
            for parser in [Parser::Json, Parser::Msgpack] {
                clients.push(join(parser, &Who::of_application(TENANT, "u", application)));
            }
        }
        let mut sender = back_end(&server);
        publish(&mut sender, 1..=3);
        let all: Vec<Vec<(String, Value)>> = clients
            .iter_mut()
            .map(|it| it.drain().into_iter().map(|it| (it.cursor.unwrap(), it.argument)).collect())
            .collect();
        assert_eq!(all[0].len(), 3);
        assert!(all.iter().all(|it| *it == all[0]), "{all:?}");
    }
}

/// Publishes more than a kernel takes in, under the number 0.
fn clog(sender: &mut Client, transport: Transport) {
    if transport != Transport::Polling {
        for order in 0..60 {
            let order = format!("z{order}");
            let mut message = message(&order, 0, "medium");
            message["payload"]["filling"] = json!("x".repeat(60_000));
            sender.accepted("order:updated", message);
        }
    }
}

#[test]
fn a_recoverable_event_behind_a_durable_one_waits_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let gate = Gate::default();
    let options = SqliteOptions { commit_gate: Box::new(gate.clone()), ..SqliteOptions::default() };
    let hub = Hub::on_disk(&directory, options);
    let mut ada = Client::join(&hub, Transport::WebSocket, &Who::manager(TENANT, "mia"));
    let mut sender = back_end(&hub);
    let info = |number: u64| json!({ "message": "m", "number": number });
    // With nothing before it, it does not wait for the disk.
    let shut = gate.shut();
    sender.accepted("notification:info", info(1));
    assert_eq!(number(&ada.expect("notification:info")), 1);
    sender.emit("order:updated", update("1", 2));
    // Its acknowledgement waits as well: an offset that was told is one that was shown.
    sender.emit("notification:info", info(3));
    sender.settle();
    assert!(ada.next_within(Duration::from_millis(150)).is_none(), "something was shown too early");
    drop(shut);
    let got = ada.take(2);
    assert_eq!(numbers(&got), [2, 3]);
    assert_eq!(
        got.iter().map(|it| cursor(it).through()).collect::<Vec<_>>(),
        [offset(2), offset(3)]
    );
}

#[test]
fn an_offset_that_was_shown_is_never_used_again_after_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    // Recoverable events are shown before they are on disk: a kill takes back what was shown.
    let mut shown: BTreeMap<String, String> = BTreeMap::new();
    let mut away: Option<Away> = None;
    let mut last = None;
    for round in 0..4_u64 {
        let server = Process::serve(directory.path(), &config());
        let mut sender = back_end(&server);
        let first = round * 1_000;
        let info = |number: u64| json!({ "message": "m", "number": number });
        sender.accepted("order:updated", update("1", first));
        // What was published since the restart reaches those with a cursor from before it.
        if let Some(away) = away.take() {
            let mut client = away.resume(&server);
            let first_new = loop {
                let came = number(&client.next());
                assert!(Some(came) > last, "round {round}: {came} was shown twice");
                if came >= first {
                    break came;
                }
            };
            assert_eq!(first_new, first, "round {round}");
            expect_nothing(&mut client, "what was published since");
        }
        let mut client = Client::join(&server, Transport::WebSocket, &Who::manager(TENANT, "mia"));
        // Somebody else was here before, and has not confirmed it.
        while client.next_within(Duration::from_millis(200)).is_some() {}
        // Not waited for, so that the kill comes between showing and writing.
        let events: Vec<_> = (1..=50).map(|n| ("notification:info", info(first + n))).collect();
        sender.emit_all(&events);
        let got = client.take(10 + usize::try_from(round).unwrap() * 9);
        server.kill();
        for event in &got {
            let place = cursor(event).to_string();
            let before = shown.insert(place.clone(), event.id().to_owned());
            assert_eq!(before, None, "round {round}: {place} was used twice");
        }
        last = got.last().map(number);
        away = Some(client.tear());
        let_pass(Duration::from_millis(5));
    }
}

#[test]
fn a_newcomer_is_shown_nothing_from_before_their_time_whatever_offset_they_make_up() {
    let mut server = Server::durable(config());
    publish(&mut back_end(&server), 1..=5);
    let who = Who::chef(TENANT, "nina");
    let away = Client::join(&server, Transport::WebSocket, &who).tear();
    let mut other = Client::join(&server, Transport::WebSocket, &Who::chef(TENANT, "carl"));
    publish(&mut back_end(&server), 6..=6);
    let shown = other.take(1).pop().unwrap().cursor.unwrap();
    let epoch = shown.split_once('-').unwrap().0;
    for restarts in [false, true] {
        if restarts {
            server.restart();
        }
        for offset in ["0", "1", "4", "0+1", "4+5"] {
            let made_up = format!("{epoch}-{offset}");
            let mut back = away.clone().with("offset", json!(made_up)).resume(&server);
            let got = numbers(&back.take(1));
            assert_eq!(got, [6], "{made_up}");
            expect_nothing(&mut back, &made_up);
        }
    }
}

#[test]
fn who_tears_in_the_middle_of_what_was_missed_goes_on_there_though_it_is_from_before_the_session() {
    let mut server = Server::durable(config());
    let who = Who::chef(TENANT, "nina");
    drop(Client::join(&server, Transport::WebSocket, &who));
    publish(&mut back_end(&server), 1..=5);
    // A new session, which begins behind all of it.
    let mut client = Client::join(&server, Transport::WebSocket, &who);
    assert_eq!(numbers(&client.take(2)), [1, 2]);
    let away = client.tear();
    for restarts in [false, true] {
        if restarts {
            server.restart();
        }
        let mut back = away.clone().resume(&server);
        assert!(back.recovered);
        expect_numbers(&mut back, &[3, 4, 5], "the rest of it");
    }
}
