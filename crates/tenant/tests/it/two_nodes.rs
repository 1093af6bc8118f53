//! Two nodes with one log: a tenant on each, with clients of its own. Whoever published what where, everybody gets the same
//! events in the same order, each once.

use foodtrack_contract::Offset;
use foodtrack_tenant::ConnectionSlot;
use foodtrack_tenant_log::{
    Completion, LogReader, MemoryLog, MemoryStore, ReadRequest, RefusedReason, Retention, TenantLog,
};

use super::operations::World;
use super::outside::Client;

/// Users by their places in [`super::operations::USERS`].
const ADA: usize = 0;
const BOB: usize = 1;
const OLGA: usize = 2;
const CHEF: usize = 3;
const DORA: usize = 4;

/// Two nodes over one store, and somebody of the dashboard on each.
struct Pair {
    store: MemoryStore,
    nodes: [World; 2],
    olgas: [ConnectionSlot; 2],
}

impl Pair {
    fn new() -> Self {
        let store = MemoryStore::default();
        let mut nodes = [1, 2].map(|node| World::sharing(&store, node));
        let olgas = [0, 1].map(|node: usize| {
            let world: &mut World = &mut nodes[node];
            world.settle();
            world.enter(OLGA)
        });
        let mut pair = Self { store, nodes, olgas };
        pair.settle();
        pair
    }

    /// The same, with a courier on the first node who is in the room of order 42.
    fn with_a_courier_in_a_room() -> (Self, ConnectionSlot) {
        let mut pair = Self::new();
        pair.nodes[0].say(pair.olgas[0], &order("42", ""));
        pair.settle();
        let dora = pair.nodes[0].enter(DORA);
        pair.nodes[0].say(dora, r#"["subscribe:order","42"]"#);
        pair.settle();
        (pair, dora)
    }

    /// Lets everything come to an end on both nodes.
    fn settle(&mut self) {
        // An application of today begins late, and gets what it missed two at a time.
        for _ in 0..40 {
            self.nodes.iter_mut().for_each(World::settle);
            self.nodes.iter_mut().for_each(World::drain);
        }
    }

    /// The offsets that those of the dashboard got, in their order.
    fn got(&self) -> [Vec<u64>; 2] {
        [0, 1].map(|node| self.nodes[node].outside.clients[&self.olgas[node]].got.clone())
    }

    /// All that is in the log.
    fn logged(&self) -> Vec<u64> {
        let tell = Box::new(|_| ());
        let log = MemoryLog::shared(self.store.clone(), Retention::default(), tell);
        let request = ReadRequest {
            tenant: self.nodes[0].tenant.id().clone(),
            epoch: None,
            after: Offset::ZERO,
            through: Offset::MAX,
            entries_max: usize::MAX,
            bytes_max: u64::MAX,
        };
        log.read(&request).unwrap().entries.iter().map(|it| it.offset.get()).collect()
    }

    fn check(&self) {
        let logged = self.logged();
        assert_eq!(self.got(), [logged.clone(), logged]);
    }
}

fn order(id: &str, more: &str) -> String {
    format!(r#"["order:created",{{"orderId":"{id}"{more}}}]"#)
}

/// An event whose sender gave it its id.
fn named(n: u32, about: &str) -> String {
    let id = format!("00000000-0000-7000-8000-{n:0>12}");
    format!(
        r#"["notification:info",{{"id":"{id}","type":"notification:info","payload":{{"message":"{about}"}}}}]"#
    )
}

#[test]
fn clients_of_one_tenant_on_two_nodes_get_the_same_events_in_the_same_order_each_once() {
    let mut pair = Pair::new();
    let chefs = [0, 1].map(|node| pair.nodes[node].enter(CHEF));
    pair.settle();
    for n in 0..60_usize {
        let (node, data) = (n % 2, order(&n.to_string(), ""));
        pair.nodes[node].say(pair.olgas[node], &data);
        pair.nodes[node].now_ms += 200;
        pair.nodes[1 - node].now_ms += 200;
        // Now the one is far behind, now the other.
        let fast = n / 15 % 2;
        pair.nodes[fast].hear(3);
        pair.nodes[fast].read(2);
        if n % 5 == 0 {
            pair.nodes[1 - fast].hear(2);
            pair.nodes[1 - fast].read(1);
        }
    }
    pair.settle();
    pair.check();
    assert_eq!(pair.logged().len(), 60);
    for (node, chef) in [0, 1].into_iter().zip(chefs) {
        assert_eq!(pair.nodes[node].outside.clients[&chef].got, pair.got()[node]);
    }
    let told = |node: usize| pair.nodes[node].outside.clients[&pair.olgas[node]].answers.len();
    assert_eq!((told(0), told(1)), (30, 30), "each was told once what became of it");
}

#[test]
fn lost_notices_cost_nothing_since_the_next_one_fills_the_gap_and_a_sweep_finds_the_last() {
    let mut pair = Pair::new();
    let lose = |pair: &mut Pair| {
        let mut news = pair.nodes[1].outside.news.lock().unwrap();
        news.retain(|it| !matches!(it, Completion::Grown { .. }));
    };
    for n in 0..6 {
        pair.nodes[0].say(pair.olgas[0], &named(n, "hello"));
        if n != 4 {
            lose(&mut pair);
        }
        pair.nodes[1].hear(1);
    }
    pair.settle();
    assert_eq!(pair.got(), [vec![1, 2, 3, 4, 5, 6], vec![1, 2, 3, 4, 5]]);
    // An own one behind those that nobody told of waits for them.
    pair.nodes[0].say(pair.olgas[0], &named(7, "hello"));
    lose(&mut pair);
    pair.nodes[1].say(pair.olgas[1], &named(8, "hello"));
    pair.settle();
    pair.check();
    pair.nodes[0].say(pair.olgas[0], &named(9, "hello"));
    lose(&mut pair);
    pair.settle();
    assert_eq!(pair.got()[1].len(), 8);
    pair.nodes[1].sweep();
    pair.settle();
    pair.check();
}

#[test]
fn a_repeat_is_told_where_the_first_is_whichever_node_took_that() {
    let mut pair = Pair::new();
    let event = named(7, "hello");
    pair.nodes[0].say(pair.olgas[0], &event);
    let (first, second) =
        (pair.nodes[1].say(pair.olgas[1], &event), pair.nodes[1].say(pair.olgas[1], &event));
    pair.settle();
    pair.check();
    assert_eq!(pair.logged(), [1]);
    let answers = &pair.nodes[1].outside.clients[&pair.olgas[1]].answers;
    for id in [first, second] {
        assert!(answers[&id].contains(r#""offset":1,"duplicate":true"#), "{answers:?}");
    }
    // One that sends the same without a name: the log's last one about the order is known on both.
    pair.nodes[0].say(pair.olgas[0], &order("42", ""));
    pair.settle();
    let again = pair.nodes[1].say(pair.olgas[1], &order("42", ""));
    pair.settle();
    let answers = &pair.nodes[1].outside.clients[&pair.olgas[1]].answers;
    assert!(answers[&again].contains(r#""offset":2,"duplicate":true"#), "{answers:?}");
    assert_eq!(pair.logged(), [1, 2]);
    // And while the first one waits for the store.
    let twice = [0; 2].map(|_| pair.nodes[1].say(pair.olgas[1], &order("43", "")));
    pair.settle();
    let answers = &pair.nodes[1].outside.clients[&pair.olgas[1]].answers;
    assert!(!answers[&twice[0]].contains("duplicate"), "{answers:?}");
    assert!(answers[&twice[1]].contains(r#""offset":3,"duplicate":true"#), "{answers:?}");
    pair.check();
}

#[test]
fn a_repeat_of_what_the_log_has_and_nobody_was_sent_yet_is_told_where_that_is() {
    let mut pair = Pair::new();
    // One of the other node is in front of it, and not read yet.
    pair.nodes[0].say(pair.olgas[0], &order("1", ""));
    let first = pair.nodes[1].say(pair.olgas[1], &order("42", ""));
    pair.nodes[1].hear(usize::MAX);
    let again = pair.nodes[1].say(pair.olgas[1], &order("42", ""));
    let answers = &pair.nodes[1].outside.clients[&pair.olgas[1]].answers;
    assert!(!answers.contains_key(&first) && !answers.contains_key(&again), "{answers:?}");
    pair.settle();
    pair.check();
    let answers = &pair.nodes[1].outside.clients[&pair.olgas[1]].answers;
    assert!(answers[&first].contains(r#""offset":2}"#), "{answers:?}");
    assert!(answers[&again].contains(r#""offset":2,"duplicate":true"#), "{answers:?}");
    assert_eq!(pair.logged(), [1, 2]);
}

#[test]
fn a_repeat_of_what_can_be_read_and_no_replica_may_have_is_answered_by_the_store() {
    let mut pair = Pair::new();
    let id = "00000000-0000-7000-8000-000000000007";
    let payload = r#"{"orderId":"42"}"#;
    let event =
        format!(r#"["order:created",{{"id":"{id}","type":"order:created","payload":{payload}}}]"#);
    pair.nodes.iter_mut().for_each(|node| node.outside.waits_for_replicas = true);
    pair.nodes[0].say(pair.olgas[0], &event);
    pair.settle();
    for node in [0, 1] {
        // Whatever node it comes through: the store does not know whether it is kept, and then it does.
        pair.nodes[node].outside.log.refuse_next(RefusedReason::Unknown);
        let [doubted, told] = [(); 2].map(|()| {
            let asked = pair.nodes[node].say(pair.olgas[node], &event);
            pair.settle();
            pair.nodes[node].outside.clients[&pair.olgas[node]].answers[&asked].clone()
        });
        assert!(doubted.contains("\"timeout\""), "{doubted}");
        assert!(told.contains(r#""offset":1,"duplicate":true"#), "{told}");
    }
    assert_eq!(pair.logged(), [1]);
    pair.check();
}

#[test]
fn what_the_store_refuses_is_delivered_to_nobody_and_may_be_sent_again() {
    let mut pair = Pair::new();
    pair.nodes[0].outside.log.refuse_next(RefusedReason::DiskFull);
    let refused = pair.nodes[0].say(pair.olgas[0], &order("42", r#","customerId":"ada""#));
    pair.settle();
    pair.check();
    let answer =
        |pair: &Pair, id| pair.nodes[0].outside.clients[&pair.olgas[0]].answers[&id].clone();
    assert!(answer(&pair, refused).contains("storage_full"), "{}", answer(&pair, refused));
    let again = pair.nodes[0].say(pair.olgas[0], &order("42", r#","customerId":"ada""#));
    pair.settle();
    assert!(
        answer(&pair, again).contains(r#""success":true"#)
            && !answer(&pair, again).contains("duplicate")
    );
    assert_eq!(pair.logged(), [1]);
    pair.check();
}

#[test]
fn a_log_that_was_taken_over_is_opened_again_and_nothing_is_lost_or_repeated() {
    let mut pair = Pair::new();
    pair.nodes[0].say(pair.olgas[0], &order("1", ""));
    pair.settle();
    // Somebody who does not share takes it over.
    let tenant = pair.nodes[0].tenant.id().clone();
    let intruder = MemoryLog::new(pair.store.clone(), Retention::default(), Box::new(|_| ()));
    intruder.open(&tenant, 0).unwrap();
    let fenced = pair.nodes[0].say(pair.olgas[0], &order("2", ""));
    pair.nodes[0].hear(1);
    let away = pair.nodes[0].say(pair.olgas[0], &order("3", ""));
    pair.settle();
    let answers = pair.nodes[0].outside.clients[&pair.olgas[0]].answers.clone();
    for id in [fenced, away] {
        assert!(answers[&id].contains("degraded"), "{answers:?}");
    }
    pair.nodes[1].say(pair.olgas[1], &order("4", ""));
    pair.nodes[0].say(pair.olgas[0], &order("2", ""));
    pair.settle();
    pair.check();
    let answers =
        [0, 1].map(|node| pair.nodes[node].outside.clients[&pair.olgas[node]].answers.clone());
    assert_eq!(pair.logged(), [1, 2, 3], "{answers:?}");
}

#[test]
fn a_node_that_is_killed_with_unanswered_submissions_loses_none_that_the_log_took() {
    let mut pair = Pair::new();
    let events: Vec<String> = (0..3).map(|n| named(n, &n.to_string())).collect();
    for event in &events {
        pair.nodes[0].say(pair.olgas[0], event);
    }
    pair.nodes[1].say(pair.olgas[1], &order("1", ""));
    // Nobody hears the answers: the node is gone. Its client goes to the other one, and sends again what was not answered.
    let mut resume = pair.nodes[0].resumes[OLGA].clone();
    let cursor = pair.nodes[0].outside.clients[&pair.olgas[0]].cursor.clone();
    resume.as_mut().unwrap().1 = cursor.map(|(epoch, offset)| format!("{epoch}-{offset}"));
    pair.nodes[0] = World::sharing(&pair.store, 3);
    pair.nodes[1].resumes[OLGA] = resume;
    pair.settle();
    let back = pair.nodes[1].come_back(OLGA);
    let asked: Vec<u64> = events.iter().map(|it| pair.nodes[1].say(back, it)).collect();
    pair.settle();
    let client = &pair.nodes[1].outside.clients[&back];
    for (place, id) in asked.iter().enumerate() {
        let duplicate = format!(r#""offset":{},"duplicate":true"#, place + 1);
        assert!(client.answers[id].contains(&duplicate), "{:?}", client.answers);
    }
    assert_eq!(client.got, [1, 2, 3, 4]);
    assert_eq!(pair.nodes[1].outside.clients[&pair.olgas[1]].got, [1, 2, 3, 4]);
    // The one that was killed is back, and goes on where the log is.
    pair.olgas[0] = pair.nodes[0].enter(OLGA);
    pair.nodes[1].say(back, &order("2", ""));
    pair.nodes[0].say(pair.olgas[0], &order("3", ""));
    pair.settle();
    // She had confirmed nothing there.
    pair.check();
}

#[test]
fn who_comes_from_a_node_that_is_further_gets_nothing_twice_and_misses_nothing() {
    let mut pair = Pair::new();
    let moves = pair.nodes[0].enter(OLGA);
    pair.settle();
    for n in 0..3 {
        pair.nodes[0].say(pair.olgas[0], &order(&n.to_string(), ""));
    }
    pair.nodes[0].settle();
    // The other node has heard nothing yet.
    let mut resume = pair.nodes[0].resumes[OLGA].clone();
    let (epoch, offset) = pair.nodes[0].outside.clients[&moves].cursor.clone().unwrap();
    assert_eq!(offset, 3);
    resume.as_mut().unwrap().1 = Some(format!("{epoch}-{offset}"));
    pair.nodes[1].resumes[OLGA] = resume.clone();
    pair.nodes[1].outside.news.lock().unwrap().clear();
    let moved = pair.nodes[1].come_back(OLGA);
    pair.nodes[1].say(moved, r#"["ping"]"#);
    pair.settle();
    pair.nodes[1].say(moved, &order("4", ""));
    pair.settle();
    assert_eq!(pair.nodes[1].outside.clients[&moved].got, [4]);
    assert_eq!(pair.got(), [vec![1, 2, 3, 4], vec![1, 2, 3, 4]]);
}

#[test]
fn a_session_that_has_more_than_the_log_is_not_set_back_but_ends_and_begins_anew() {
    let mut pair = Pair::new();
    let one = pair.nodes[0].enter(OLGA);
    pair.settle();
    for n in 0..3 {
        pair.nodes[0].say(pair.olgas[0], &order(&n.to_string(), ""));
    }
    pair.settle();
    let (epoch, _) = pair.nodes[0].outside.clients[&one].cursor.clone().unwrap();
    let mut resume = pair.nodes[0].resumes[OLGA].clone();
    // The log went back, or no node gave that out.
    resume.as_mut().unwrap().1 = Some(format!("{epoch}-999"));
    pair.nodes[1].resumes[OLGA] = resume.clone();
    let back = pair.nodes[1].come_back(OLGA);
    pair.settle();
    let is_here = |client: &Client| !client.is_closed;
    assert!(!pair.nodes[1].outside.clients.get(&back).is_some_and(is_here), "it was told to go");
    // What it never confirmed comes again to whoever comes back of it, and so does what is new.
    pair.nodes[1].resumes[OLGA] = resume;
    let anew = pair.nodes[1].come_back(OLGA);
    pair.settle();
    pair.nodes[0].say(pair.olgas[0], &order("5", ""));
    pair.settle();
    let client = &pair.nodes[1].outside.clients[&anew];
    assert!(!client.is_recovered && is_here(client));
    assert_eq!(client.got, [1, 2, 3, 4]);
}

#[test]
fn whose_an_order_is_is_known_on_every_node_and_by_the_logs_order() {
    let mut pair = Pair::new();
    let [ada, bob] = [ADA, BOB].map(|user| pair.nodes[1].enter(user));
    let elsewhere = pair.nodes[0].enter(ADA);
    pair.nodes[0].say(elsewhere, &order("42", ""));
    pair.settle();
    let join = r#"["subscribe:order","42"]"#;
    let (may, may_not) = (pair.nodes[1].say(ada, join), pair.nodes[1].say(bob, join));
    pair.settle();
    let told = |pair: &Pair, who, id| {
        pair.nodes[1].outside.clients[&who].answers[&id].contains(r#""success":true"#)
    };
    assert!(
        told(&pair, ada, may) && !told(&pair, bob, may_not),
        "{:?}",
        pair.nodes[1].outside.clients
    );
    // Both make the same order: it is hers whose entry comes first, and nobody is told so before it is certain. That nobody had made
    // it when he asked says nothing of later.
    let early = pair.nodes[1].say(bob, r#"["subscribe:order","43"]"#);
    pair.nodes[1].settle();
    assert!(!told(&pair, bob, early), "nobody has made it");
    pair.nodes[0].say(elsewhere, &order("43", ""));
    pair.nodes[0].read(1);
    let made = pair.nodes[1].say(bob, &order("43", ""));
    let joins = pair.nodes[1].say(bob, r#"["subscribe:order","43"]"#);
    assert!(!pair.nodes[1].outside.clients[&bob].answers.contains_key(&joins), "he waits");
    pair.settle();
    assert!(!told(&pair, bob, made) && !told(&pair, bob, joins));
    // His own he may join, and need not wait to be told that it is made.
    pair.nodes[1].say(bob, &order("44", ""));
    let joins = pair.nodes[1].say(bob, r#"["subscribe:order","44"]"#);
    pair.settle();
    assert!(told(&pair, bob, joins));
    pair.check();
}

#[test]
fn who_is_told_that_a_room_is_left_is_out_of_it_also_where_the_notes_were_read_anew_before() {
    let (mut pair, dora) = Pair::with_a_courier_in_a_room();
    // As a node does it that may not have heard something for a while; meanwhile she leaves.
    let tenant = pair.nodes[0].tenant.id().clone();
    pair.nodes[0].outside.log.open(&tenant, 0).unwrap();
    let leaves = pair.nodes[0].say(dora, r#"["unsubscribe:order","42"]"#);
    pair.settle();
    let told = pair.nodes[0].outside.clients[&dora].answers[&leaves].clone();
    assert!(told.contains(r#""success":true"#), "{told}");
    pair.nodes[1].say(pair.olgas[1], r#"["order:updated",{"orderId":"42"}]"#);
    pair.settle();
    assert_eq!(pair.nodes[0].outside.clients[&dora].got, [0_u64; 0]);
}

#[test]
fn a_room_that_was_left_while_a_node_heard_nothing_is_left_for_it_too_once_it_reads_the_notes_anew()
{
    let (mut pair, dora) = Pair::with_a_courier_in_a_room();
    // The other node knows of the room, and then hears nothing.
    pair.nodes[0].say(dora, r#"["unsubscribe:order","42"]"#);
    pair.nodes[0].settle();
    pair.nodes[1].outside.news.lock().unwrap().clear();
    let tenant = pair.nodes[1].tenant.id().clone();
    pair.nodes[1].outside.log.open(&tenant, 0).unwrap();
    pair.settle();
    pair.nodes[1].resumes[DORA] = pair.nodes[0].resumes[DORA].clone();
    let moved = pair.nodes[1].come_back(DORA);
    pair.settle();
    assert!(pair.nodes[1].outside.clients[&moved].is_recovered);
    pair.nodes[0].say(pair.olgas[0], r#"["order:updated",{"orderId":"42"}]"#);
    pair.settle();
    assert_eq!(pair.nodes[1].outside.clients[&moved].got, [0_u64; 0]);
}

#[test]
fn a_session_brings_its_rooms_to_another_node_and_the_one_where_it_was_lets_go_of_it() {
    let mut pair = Pair::new();
    let dora = pair.nodes[0].enter(DORA);
    pair.settle();
    for room in ["1", "2"] {
        pair.nodes[0].say(dora, &format!(r#"["subscribe:kitchen","{room}"]"#));
        pair.settle();
    }
    pair.nodes[0].say(dora, r#"["unsubscribe:kitchen","2"]"#);
    pair.settle();
    // Its line is torn, which the first node has not noticed.
    pair.nodes[1].resumes[DORA] = pair.nodes[0].resumes[DORA].clone();
    let moved = pair.nodes[1].come_back(DORA);
    pair.settle();
    assert!(pair.nodes[1].outside.clients[&moved].is_recovered);
    assert!(!pair.nodes[0].outside.clients.contains_key(&dora), "the old one is gone");
    let is_in = |pair: &mut Pair, node: usize, station: &str| {
        let rooms = pair.nodes[node].rooms_of(DORA);
        rooms.iter().any(|it| it.ends_with(&format!(":{station}")))
    };
    assert!(is_in(&mut pair, 1, "1") && !is_in(&mut pair, 1, "2"));
    // And back, where what it left meanwhile is left.
    pair.nodes[1].say(moved, r#"["unsubscribe:kitchen","1"]"#);
    pair.settle();
    pair.nodes[0].resumes[DORA] = pair.nodes[1].resumes[DORA].clone();
    let back = pair.nodes[0].come_back(DORA);
    pair.settle();
    assert!(pair.nodes[0].outside.clients[&back].is_recovered);
    assert!(!is_in(&mut pair, 0, "1"));
}

#[test]
fn a_session_is_back_on_whichever_node_it_comes_to_with_what_it_missed() {
    let mut pair = Pair::new();
    pair.nodes[0].say(pair.olgas[0], &order("1", ""));
    pair.settle();
    for node in [0, 1] {
        let resume = pair.nodes[0].resumes[OLGA].clone();
        pair.nodes[0].leave(pair.olgas[0], false);
        let (epoch, offset) = (pair.nodes[1].epoch(), 1 + node as u64);
        pair.nodes[1].say(pair.olgas[1], &order(&format!("2{node}"), ""));
        pair.settle();
        pair.nodes[node].resumes[OLGA] =
            resume.map(|(pid, _)| (pid, Some(format!("{epoch}-{offset}"))));
        let back = pair.nodes[node].come_back(OLGA);
        pair.settle();
        let client = &pair.nodes[node].outside.clients[&back];
        assert_eq!(client.got, [2 + node as u64]);
        assert!(client.is_recovered);
        pair.olgas[0] = back;
    }
}
