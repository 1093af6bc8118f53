//! A stream that is torn goes on with the id of its last event: without a gap, and nothing comes twice.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use foodtrack_server::{DeliveryConfig, LogConfig};
use foodtrack_tenant_log::{MemoryLog, MemoryStore, Retention};
use serde_json::json;
use test_support::let_pass;

use crate::cursors::{publish_mixed, roomy};
use crate::harness::{
    Address, Client, EventSource, HttpConnection, Hub, KEEPS_ALL, Options, Process, Server,
    Transport, Who, config, eventually,
};
use crate::support::{TENANT, back_end, expect_numbers, publish, update};

fn carl() -> Who {
    Who::chef(TENANT, "carl")
}

/// Tears a stream after every `step` events, and comes back with its last id, until `count` numbers came.
#[track_caller]
fn collect(
    server: &Server,
    mut source: EventSource,
    query: &str,
    step: usize,
    count: usize,
) -> Vec<u64> {
    let mut got = Vec::new();
    loop {
        got.extend(source.numbers(step.min(count - got.len())));
        let last_id = source.last_id.clone();
        drop(source);
        source = EventSource::open(server, &carl(), query, last_id.as_deref());
        if got.len() == count {
            publish(&mut back_end(server), 1_000..=1_000);
            assert_eq!(source.numbers(1), [1_000], "all came, and nothing twice");
            return got;
        }
    }
}

#[track_caller]
fn check_all_once(got: &[u64], what: &str) {
    let all: BTreeSet<u64> = got.iter().copied().collect();
    let expected: BTreeSet<u64> = (1..=u64::try_from(got.len()).unwrap()).collect();
    assert_eq!(all, expected, "{what}: {got:?}");
}

#[test]
fn an_id_is_true_wherever_a_replay_is_torn() {
    for step in [1, 2, 7, 59] {
        let server = Server::start();
        let query = "?deviceId=screen";
        drop(EventSource::open(&server, &carl(), query, None));
        publish_mixed(&mut back_end(&server), 60, "");
        let source = EventSource::open(&server, &carl(), query, None);
        let got = collect(&server, source, query, step, 60);
        // Urgent ones came first: their ids say what is still to come.
        assert!(!got.is_sorted(), "nothing overtook: this proves nothing");
        check_all_once(&got, &format!("{step} at a time"));
    }
}

#[test]
fn an_id_is_true_wherever_a_stream_with_a_backlog_is_torn() {
    let server = roomy();
    let queries: Vec<_> =
        (0..4_usize).map(|n| (n * 15 + 6, format!("?deviceId=slow-{n}"))).collect();
    let slow: Vec<_> =
        queries.iter().map(|(_, query)| EventSource::open_slow(&server, &carl(), query)).collect();
    publish_mixed(&mut back_end(&server), 60, &"x".repeat(60_000));
    let mut torn_behind_an_overtaking_one = 0;
    for ((read, query), mut source) in queries.iter().zip(slow) {
        let mut got = source.numbers(*read);
        let last_id = source.last_id.clone().unwrap();
        torn_behind_an_overtaking_one += usize::from(last_id.contains('+'));
        drop(source);
        let mut back = EventSource::open(&server, &carl(), query, Some(&last_id));
        got.extend(back.numbers(60 - read));
        check_all_once(&got, &format!("torn after {read}"));
    }
    assert!(torn_behind_an_overtaking_one > 0, "nothing overtook: this proves nothing");
}

/// How long a reader or publisher goes on at most: where the test fails meanwhile, nobody kills and starts the server for it any more.
const LOAD_TIMEOUT: Duration = Duration::from_secs(90);

/// Where the server is now: killed and started again, it has another port.
#[derive(Clone)]
struct Place(Arc<Mutex<SocketAddr>>);

impl Address for Place {
    fn address(&self) -> SocketAddr {
        *self.0.lock().unwrap()
    }
}

/// Reads a device's stream, and comes back whenever it is torn, until `last` has come. Returns the numbers.
fn read_until(place: &Place, device: &str, last: u64) -> Vec<u64> {
    let query = format!("?deviceId={device}");
    let (mut got, mut last_id) = (Vec::new(), None);
    let deadline = Instant::now() + LOAD_TIMEOUT;
    loop {
        assert!(
            Instant::now() < deadline,
            "{device}: the last number has not come within {LOAD_TIMEOUT:?}; the server at {} does not answer, or lost it",
            place.address(),
        );
        let Some(mut source) = EventSource::try_open(place, &carl(), &query, last_id.as_deref())
        else {
            let_pass(Duration::from_millis(20));
            continue;
        };
        while let Some(sent) = source.next() {
            if sent.event == "order:updated" {
                got.push(sent.number());
            } else {
                assert_eq!(sent.event, "system:connection_established", "{sent:?}");
            }
            if got.last() == Some(&last) {
                return got;
            }
        }
        last_id = source.last_id;
    }
}

/// Publishes numbers over HTTP, one after another, until it is stopped; returns those that were accepted.
fn publish_until(place: &Place, is_over: &AtomicBool) -> Vec<u64> {
    let token = format!("Bearer {}", Who::service(TENANT).token());
    let headers = [("authorization", &*token), ("content-type", "application/json")];
    let mut accepted = Vec::new();
    let mut numbers = 1..;
    let deadline = Instant::now() + LOAD_TIMEOUT;
    while !is_over.load(Ordering::Relaxed) {
        assert!(Instant::now() < deadline, "nobody said that it is over within {LOAD_TIMEOUT:?}");
        let mut http = match std::net::TcpStream::connect(place.address()) {
            Ok(_) => HttpConnection::open(place.address()),
            Err(_) => continue,
        };
        for number in numbers.by_ref() {
            let body = json!({ "type": "order:updated", "payload": update("1", number) });
            let is_answered = http
                .send("POST /api/v1/publish", &headers, &body.to_string())
                .and_then(|()| http.receive(Instant::now() + crate::harness::PATIENCE));
            match is_answered {
                Ok(Some(answer)) if answer.status == 200 => accepted.push(number),
                _ => break,
            }
            if is_over.load(Ordering::Relaxed) {
                break;
            }
        }
    }
    accepted
}

#[test]
fn streams_go_on_without_a_gap_or_a_repeat_when_the_hub_is_killed_under_load() {
    const LAST: u64 = 1 << 40;
    let directory = tempfile::tempdir().unwrap();
    let mut server = Process::serve(directory.path(), &config());
    let place = Place(Arc::new(Mutex::new(server.address())));
    let is_over = AtomicBool::new(false);
    let (accepted, read) = thread::scope(|scope| {
        let place = &place;
        let readers: Vec<_> = (0..4)
            .map(|n| scope.spawn(move || read_until(place, &format!("screen-{n}"), LAST)))
            .collect();
        // Each is known before the first event: it is to miss none.
        let chefs = || {
            let mut http = HttpConnection::open(place.address());
            let owner = Who::owner(TENANT, "olga").token();
            let counts = http.call("GET /api/v1/connections", &owner, &json!(null)).json();
            (counts["data"]["counts"]["total"] == 4).then_some(())
        };
        eventually(chefs);
        let publisher = scope.spawn(|| publish_until(place, &is_over));
        for _ in 0..3 {
            let_pass(Duration::from_millis(500));
            server.kill();
            server = Process::serve(directory.path(), &config());
            *place.0.lock().unwrap() = server.address();
        }
        let_pass(Duration::from_millis(300));
        is_over.store(true, Ordering::Relaxed);
        let accepted = publisher.join().unwrap();
        publish(&mut back_end(place), LAST..=LAST);
        (accepted, readers.into_iter().map(|it| it.join().unwrap()).collect::<Vec<_>>())
    });
    assert!(accepted.len() > 50, "too few to prove anything: {}", accepted.len());
    for got in read {
        // In order, each once. What was not answered may be among them.
        assert!(got.is_sorted_by(|a, b| a < b), "{got:?}");
        let missing: Vec<_> =
            accepted.iter().filter(|number| got.binary_search(number).is_err()).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}

#[test]
fn who_was_never_here_has_missed_nothing_also_after_a_restart() {
    let mut server = Server::durable(config());
    publish(&mut back_end(&server), 1..=5);
    let mut source = EventSource::open(&server, &carl(), "?deviceId=screen", None);
    publish(&mut back_end(&server), 6..=6);
    assert_eq!(source.numbers(1), [6]);
    server.restart();
    let mut newcomer = EventSource::open(&server, &Who::chef(TENANT, "new"), "", None);
    publish(&mut back_end(&server), 7..=7);
    assert_eq!(newcomer.numbers(1), [7]);
}

#[test]
fn what_is_stale_is_not_replayed_and_of_states_the_last_says_it_all() {
    let policy = |event: &str, time_to_live_seconds, compact| DeliveryConfig {
        event: event.into(),
        class: None,
        time_to_live_seconds,
        compact,
        acknowledge: false,
        confirm_within_seconds: None,
        confirm_by: None,
    };
    let soon_stale = policy("kitchen:notification", Some(1), false);
    let states = policy("order:status_changed", None, true);
    let server = Server::with(config().deliver(soon_stale).deliver(states));
    let query = "?deviceId=screen";
    drop(EventSource::open(&server, &carl(), query, None));
    let mut sender = back_end(&server);
    sender.accepted("kitchen:notification", json!({ "message": "m" }));
    for (number, status) in [(1, "preparing"), (2, "ready"), (3, "done")] {
        let payload = json!({ "orderId": "1", "status": status, "number": number });
        sender.accepted("order:status_changed", payload);
    }
    let_pass(Duration::from_millis(1_100));
    publish(&mut sender, 4..=4);
    let mut back = EventSource::open(&server, &carl(), query, None);
    assert_eq!(back.expect("order:status_changed").number(), 3);
    assert_eq!(back.expect("order:updated").number(), 4);
}

#[test]
fn a_stream_goes_on_after_its_tenants_log_was_closed() {
    let log = LogConfig { close_after_seconds: 1, ..LogConfig::default() };
    let server = Server::durable(config().log(log));
    // Of a type of which nothing is remembered for the sake of repeats.
    let publish = |number: u64| {
        let message = json!({ "message": "m", "number": number });
        back_end(&server).accepted("notification:info", message);
    };
    let query = "?deviceId=screen";
    let mut source = EventSource::open(&server, &carl(), query, None);
    publish(1);
    assert_eq!(source.expect("notification:info").number(), 1);
    let last_id = source.last_id.clone();
    drop(source);
    eventually(|| (server.metric("tenants_closed_total") > 0).then_some(()));
    publish(2);
    let mut source = EventSource::open(&server, &carl(), query, last_id.as_deref());
    assert_eq!(source.expect("notification:info").number(), 2);
}

#[test]
fn what_is_gone_is_told_and_so_is_a_log_that_was_started_anew() {
    let retention = Retention { entries_max: 10, ..KEEPS_ALL };
    let log = move |on_completion| -> Arc<dyn foodtrack_tenant_log::TenantLog> {
        Arc::new(MemoryLog::new(MemoryStore::default(), retention, on_completion))
    };
    let hub = Hub::start(log, &[]);
    let query = "?deviceId=screen";
    let mut source = EventSource::open(&hub, &carl(), query, None);
    let mut sender = back_end(&hub);
    publish(&mut sender, 1..=1);
    assert_eq!(source.numbers(1), [1]);
    let last_id = source.last_id.clone();
    drop(source);
    // Larger than what is kept in memory beside the log, or the log would not be asked.
    for number in 2..=40 {
        let mut update = update("1", number);
        update["filling"] = json!("x".repeat(10_000));
        sender.accepted("order:updated", update);
    }
    let mut back = EventSource::open(&hub, &carl(), query, last_id.as_deref());
    let gap = back.expect("system:reconnection_required");
    assert_eq!(gap.data["payload"]["reason"], "gap");
    assert_eq!(back.numbers(10), (31..=40).collect::<Vec<_>>());
    let another = Server::start();
    let mut lost = EventSource::open(&another, &carl(), query, last_id.as_deref());
    let reset = lost.expect("system:reconnection_required");
    assert_eq!(reset.data["payload"]["reason"], "reset");
    publish(&mut back_end(&another), 50..=50);
    assert_eq!(lost.numbers(1), [50]);
}

#[test]
fn what_one_device_brought_back_the_other_still_gets() {
    let server = Server::start();
    let queries = ["?deviceId=one", "?deviceId=two"];
    queries.iter().for_each(|query| drop(EventSource::open(&server, &carl(), query, None)));
    publish(&mut back_end(&server), 1..=2);
    let mut first = EventSource::open(&server, &carl(), queries[0], None);
    assert_eq!(first.numbers(2), [1, 2]);
    drop(EventSource::open(&server, &carl(), queries[0], first.last_id.as_deref()));
    assert_eq!(EventSource::open(&server, &carl(), queries[1], None).numbers(2), [1, 2]);
}

#[test]
fn streams_of_one_user_without_a_device_each_hear_all_and_share_one_place() {
    let server = Server::start();
    let mut sources = [0, 1].map(|_| EventSource::open(&server, &carl(), "", None));
    publish(&mut back_end(&server), 1..=3);
    assert_eq!(sources[0].numbers(3), [1, 2, 3]);
    assert_eq!(sources[1].numbers(1), [1]);
    let ids = sources.map(|source| source.last_id.unwrap());
    drop(EventSource::open(&server, &carl(), "", Some(&ids[0])));
    // The other one confirmed more: what this one will not be sent it is told.
    let mut behind = EventSource::open(&server, &carl(), "", Some(&ids[1]));
    let gap = behind.expect("system:reconnection_required");
    assert_eq!(gap.data["payload"]["reason"], "gap");
    assert_eq!(gap.data["payload"]["lostAfter"], ids[1]);
    assert_eq!(gap.data["payload"]["lostThrough"], ids[0]);
    publish(&mut back_end(&server), 4..=4);
    assert_eq!(behind.numbers(1), [4]);
}

#[test]
fn streams_live_where_their_tenant_does() {
    let server = Server::with(config().shards(4));
    let tenants = ["t1", "t2", "t3", "t4", "t5", "t6"];
    let mut sources: HashMap<&str, Vec<EventSource>> = HashMap::new();
    for tenant in tenants {
        let before = server.metric_by_shard("connections");
        let who = Who::chef(tenant, "carl");
        let streams = (0..6).map(|_| EventSource::open(&server, &who, "", None)).collect();
        let after = server.metric_by_shard("connections");
        let grown: Vec<_> =
            after.iter().zip(before).map(|(after, before)| after - before).collect();
        assert_eq!(grown.iter().filter(|grown| **grown == 6).count(), 1, "{tenant}: {grown:?}");
        sources.insert(tenant, streams);
    }
    for (number, tenant) in (1..).zip(tenants) {
        let mut sender = Client::join(&server, Transport::WebSocket, &Who::service(tenant));
        publish(&mut sender, number..=number);
        for source in sources.get_mut(tenant).unwrap() {
            assert_eq!(source.numbers(1), [number], "{tenant}");
        }
    }
}

#[test]
fn a_stream_of_a_device_leaves_its_rooms_to_its_next_connection() {
    let server = Server::durable(config());
    let dora = Who::courier(TENANT, "dora");
    let auth = json!({ "token": dora.token(), "deviceId": "phone" });
    let options = Options::new(Transport::WebSocket, auth);
    let mut phone = Client::join_with(&server, &options);
    phone.subscribe("order", "1");
    drop(phone);
    publish(&mut back_end(&server), 1..=1);
    // What it missed in its rooms comes to whatever it opens first, and again while nothing confirms it.
    for _ in 0..2 {
        let mut source = EventSource::open(&server, &dora, "?deviceId=phone", None);
        assert_eq!(source.numbers(1), [1]);
    }
    expect_numbers(&mut Client::join_with(&server, &options), &[1], "as before");
}
