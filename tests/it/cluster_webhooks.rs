//! Webhooks of several nodes with one Redis: one node at a time tells a receiver of a tenant, and another goes on when it ends.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use foodtrack_server::{RedisConfig, WebSocketConfig, WebhookConfig};
use serde_json::{Value, json};
use test_support::{stays_false_for, wait_until};

use crate::cluster::{Cluster, shared_redis};
use crate::harness::{
    Address, BackEnd, Client, HttpConnection, Process, SIGNING_SECRET, Server, Transport, Who,
};
use crate::support::{TENANT, back_end, publish, update};
use crate::webhooks::{dead_letters, events, numbers, takes, telling, wait_for_numbers, webhook};

/// Longer than a node's lease, and the round in which another one finds that it is over.
const LONGER_THAN_A_LEASE: Duration = Duration::from_millis(2_500);

/// A receiver that is away while the flag says so.
fn receiver_with_absences() -> (BackEnd, Arc<AtomicBool>) {
    let is_away = Arc::new(AtomicBool::new(false));
    let away = Arc::clone(&is_away);
    let receiver =
        BackEnd::start(
            move |_| {
                if away.load(Ordering::Relaxed) { takes().status(503) } else { takes() }
            },
        );
    (receiver, is_away)
}

/// For processes, whose configuration has no secret in it.
pub(crate) fn of_process(
    directory: &Path,
    mut config: WebSocketConfig,
    shared: &RedisConfig,
) -> WebSocketConfig {
    let secret = directory.join("webhook-secret");
    std::fs::write(&secret, SIGNING_SECRET).unwrap();
    for webhook in &mut config.webhooks {
        webhook.secret = None;
        webhook.secret_file = secret.to_str().map(Into::into);
    }
    config.redis(shared.clone())
}

/// A back end at a node.
fn service(node: &impl Address) -> Client {
    Client::join(node, Transport::WebSocket, &Who::service(TENANT))
}

fn call(node: &impl Address, line: &str) -> Value {
    let owner = Who::owner(TENANT, "olga").token();
    HttpConnection::open(node.address()).call(line, &owner, &Value::Null).json()
}

fn listed(node: &impl Address) -> Value {
    call(node, "GET /api/v1/webhooks")["data"][0].take()
}

#[test]
fn what_is_accepted_by_any_node_is_told_once_and_in_order() {
    let receiver = BackEnd::start(|_| takes());
    let config = || telling([webhook("billing", &receiver, &["order:*"])]);
    let Some(cluster) = Cluster::alike(3, config) else { return };
    let mut senders: Vec<Client> = cluster.nodes.iter().map(back_end).collect();
    for number in (1..=90).step_by(3) {
        for (number, sender) in (number..).zip(&mut senders) {
            sender.accepted("order:updated", update("1", number));
        }
    }
    wait_for_numbers(&receiver, 1..=90);
    stays_false_for(LONGER_THAN_A_LEASE, "it is told again", || numbers(&receiver).len() > 90);
    // Another tenant's is told as well, and by itself.
    let other = Who::service("sushi-kyoto");
    Client::join(&cluster.nodes[1], Transport::WebSocket, &other)
        .accepted("order:updated", update("1", 7));
    wait_until("the other tenant's came", || events(&receiver, "sushi-kyoto").len() == 1);
    assert_eq!(numbers(&receiver).len(), 90);
}

#[test]
fn when_the_node_is_killed_that_tells_a_webhook_another_goes_on_and_nothing_is_missed() {
    let Some((_redis, shared)) = shared_redis() else { return };
    let (receiver, is_away) = receiver_with_absences();
    let directory = tempfile::tempdir().unwrap();
    let hook = WebhookConfig { batch_max: 7, ..webhook("billing", &receiver, &["order:*"]) };
    let config = of_process(directory.path(), telling([hook]), &shared);
    let [one, other] =
        ["one", "other"].map(|name| Process::serve(&directory.path().join(name), &config));
    let mut sender = service(&one);
    publish(&mut sender, 1..=30);
    wait_for_numbers(&receiver, 1..=30);
    is_away.store(true, Ordering::Relaxed);
    let before = receiver.taken().len();
    publish(&mut sender, 31..=60);
    wait_until("it is tried", || receiver.taken().len() > before);
    one.kill();
    is_away.store(false, Ordering::Relaxed);
    // The other one does not have the tenant open.
    wait_for_numbers(&receiver, 1..=60);
    // And on, also where the killed one comes back.
    let _one = Process::serve(&directory.path().join("one"), &config);
    publish(&mut service(&other), 61..=70);
    wait_for_numbers(&receiver, 1..=70);
    let after: Vec<u64> = numbers(&receiver).into_iter().filter(|number| *number > 60).collect();
    assert_eq!(after, (61..=70).collect::<Vec<_>>(), "once");
}

#[test]
fn a_node_that_pauses_and_comes_back_repeats_nothing_that_another_has_told() {
    let Some((_redis, shared)) = shared_redis() else { return };
    let receiver = BackEnd::start(|_| takes());
    let directory = tempfile::tempdir().unwrap();
    let hook = webhook("billing", &receiver, &["order:*"]);
    let config = of_process(directory.path(), telling([hook]), &shared);
    let [one, other] =
        ["one", "other"].map(|name| Process::serve(&directory.path().join(name), &config));
    let mut sender = service(&one);
    publish(&mut sender, 1..=10);
    wait_for_numbers(&receiver, 1..=10);
    // What is not kept yet would come twice, as it may.
    wait_until("that is kept", || listed(&other)["behind"] == 0);
    one.signal("STOP");
    publish(&mut service(&other), 11..=20);
    wait_for_numbers(&receiver, 1..=20);
    one.signal("CONT");
    publish(&mut service(&one), 21..=30);
    wait_for_numbers(&receiver, 1..=30);
    stays_false_for(LONGER_THAN_A_LEASE, "it is told again", || numbers(&receiver).len() > 30);
}

#[test]
fn a_webhook_is_paused_resumed_sent_all_again_and_tried_at_any_node() {
    let receiver = BackEnd::start(|_| takes());
    let config = || telling([webhook("billing", &receiver, &["order:*"])]);
    let Some(cluster) = Cluster::alike(2, config) else { return };
    let [one, other] = &cluster.nodes[..] else { panic!() };
    let mut sender = back_end(one);
    publish(&mut sender, 1..=3);
    wait_for_numbers(&receiver, 1..=3);
    wait_until("both know how far it is", || {
        [one, other].iter().all(|node| listed(*node)["behind"] == 0)
    });
    call(other, "POST /api/v1/webhooks/billing/pause");
    publish(&mut sender, 4..=6);
    wait_until("both count what waits", || {
        [one, other].iter().all(|node| listed(*node)["behind"] == 3)
    });
    assert_eq!(
        [one, other].map(|node| listed(node)["isPaused"].clone()),
        [json!(true), json!(true)]
    );
    assert_eq!(call(other, "POST /api/v1/webhooks/billing/test")["data"]["isTaken"], true);
    assert_eq!(numbers(&receiver), [1, 2, 3], "it is paused");
    call(other, "POST /api/v1/webhooks/billing/resume");
    wait_for_numbers(&receiver, 1..=6);
    wait_until("it is up to date", || listed(other)["behind"] == 0);
    call(other, "POST /api/v1/webhooks/billing/replay");
    wait_until("all came again", || numbers(&receiver).len() == 12);
    wait_until("it is up to date", || listed(one)["behind"] == 0);
    let cursor = events(&receiver, TENANT)[4]["cursor"].as_str().unwrap().to_owned();
    call(other, &format!("POST /api/v1/webhooks/billing/replay?cursor={cursor}"));
    wait_until("the last came again", || numbers(&receiver).len() == 13);
}

#[test]
fn a_dead_letter_is_listed_and_posted_once_more_at_any_node() {
    let is_mended = Arc::new(AtomicBool::new(false));
    let mended = Arc::clone(&is_mended);
    let receiver = BackEnd::start(move |asked| {
        let text = asked.json().to_string();
        let is_bad = text.contains("\"number\":13") && !mended.load(Ordering::Relaxed);
        if is_bad { takes().status(422) } else { takes() }
    });
    let config = || telling([webhook("billing", &receiver, &["order:*"])]);
    let Some(cluster) = Cluster::alike(2, config) else { return };
    let letters = |node: &Server| dead_letters(node);
    publish(&mut back_end(&cluster.nodes[0]), 12..=14);
    for node in &cluster.nodes {
        wait_until("the letter is listed", || letters(node)[0]["subscriber"] == "webhook/billing");
        assert_eq!(letters(node).as_array().unwrap().len(), 1);
    }
    let offset = letters(&cluster.nodes[0])[0]["offset"].as_u64().unwrap();
    is_mended.store(true, Ordering::Relaxed);
    let line = format!("POST /api/v1/webhooks/billing/dead-letters/{offset}/replay");
    assert_eq!(call(&cluster.nodes[1], &line)["data"]["isTaken"], true);
    wait_until("it is gone", || letters(&cluster.nodes[0]) == json!([]));
}

#[test]
fn a_webhook_that_is_new_to_the_cluster_is_told_of_what_comes() {
    let receiver = BackEnd::start(|_| takes());
    let Some((_redis, shared)) = shared_redis() else { return };
    let old = Server::with(telling([]).redis(shared.clone()));
    publish(&mut back_end(&old), 1..=3);
    let config = || telling([webhook("billing", &receiver, &["order:*"])]).redis(shared.clone());
    let one = Server::with(config());
    publish(&mut back_end(&old), 4..=5);
    let mut sender = back_end(&one);
    wait_until("what comes is told", || numbers(&receiver) == [4, 5]);
    // One that comes later finds it there.
    let _other = Server::with(config());
    publish(&mut sender, 6..=6);
    wait_until("each once", || numbers(&receiver) == [4, 5, 6]);
}

#[test]
fn a_webhook_goes_on_when_redis_was_away() {
    let receiver = BackEnd::start(|_| takes());
    let config = || telling([webhook("billing", &receiver, &["order:*"])]);
    let Some(mut cluster) = Cluster::alike(2, config) else { return };
    let mut sender = back_end(&cluster.nodes[0]);
    publish(&mut sender, 1..=5);
    wait_for_numbers(&receiver, 1..=5);
    wait_until("that is kept", || listed(&cluster.nodes[1])["behind"] == 0);
    cluster.redis.kill();
    wait_until("it is refused", || sender.ask("order:updated", update("1", 9))["success"] != true);
    cluster.redis.start_again();
    wait_until("it is taken again", || {
        sender.ask("order:updated", update("1", 6))["success"] == true
    });
    wait_until("it is told again", || numbers(&receiver).contains(&6));
    let first: Vec<u64> = numbers(&receiver).into_iter().filter(|it| *it < 6).collect();
    assert_eq!(first, [1, 2, 3, 4, 5]);
}

#[test]
fn what_stands_strangely_in_redis_holds_up_a_webhook_until_an_operator_mends_it() {
    let receiver = BackEnd::start(|_| takes());
    let Some((redis, shared)) = shared_redis() else { return };
    let config = telling([webhook("billing", &receiver, &["order:*"])]).redis(shared.clone());
    let node = Server::with(config);
    let mut sender = back_end(&node);
    publish(&mut sender, 1..=2);
    wait_for_numbers(&receiver, 1..=2);
    wait_until("it is up to date", || listed(&node)["behind"] == 0);
    let key = format!("{}:{{{TENANT}}}:webhooks", shared.prefix);
    let mut last = 2;
    wait_until("its place is read, which a turn that had begun may have written over", || {
        redis.command(&format!("HSET {key} \"webhook/billing place\" nowhere"));
        last += 1;
        publish(&mut sender, last..=last);
        std::thread::sleep(Duration::from_millis(100));
        call(&node, "GET /api/v1/webhooks")["code"] == "degraded"
    });
    let told = numbers(&receiver);
    assert!(told.last().is_some_and(|it| *it < last), "{told:?} of {last}");
    let cursor = events(&receiver, TENANT)[told.len() - 1]["cursor"].as_str().unwrap().to_owned();
    call(&node, &format!("POST /api/v1/webhooks/billing/replay?cursor={cursor}"));
    wait_for_numbers(&receiver, 1..=last);
    assert!(numbers(&receiver).into_iter().eq(1..=last));
}
