//! Webhooks of a configuration that is read anew while the hub runs.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use foodtrack_contract::UserRole;
use serde_json::json;

use crate::reload::{reload, start, system};
use crate::support::{call, request, token};
use crate::tracing::{Posted, taker};

const POLL: &str = "/socket.io/?EIO=4&transport=polling";
const PATIENCE: Duration = Duration::from_secs(30);
const LIMITS: &str =
    "[limits]\napiRequestsPerSecondPerTenant = 0\napiRequestsPerSecondPerToken = 0\n";

/// Writes a configuration with these webhooks: their names and receivers.
fn write(file: &Path, webhooks: &[(&str, &str)]) {
    let mut text = LIMITS.to_owned() + "[security]\nwebhookNetworks = [\"127.0.0.0/8\"]\n";
    for (name, url) in webhooks {
        text += &format!(
            "[[webhooks]]\nname = \"{name}\"\nurl = \"{url}\"\nevents = [\"order:*\", \"device.online\"]\nsecret = \"a secret for tests, of at least 32 bytes\"\n"
        );
    }
    std::fs::write(file, text).unwrap();
}

fn publish(address: SocketAddr, order: &str) {
    let payload = json!({ "orderId": order, "customerId": "ada" });
    let event = json!({ "type": "order:created", "payload": payload }).to_string();
    assert_eq!(call(address, "POST /api/v1/publish", &system(), &event).status, 200);
}

/// The orders of what was posted once.
fn orders((_, body): Posted) -> Vec<String> {
    let events = body["events"].as_array().unwrap().iter();
    events.map(|event| event["orderId"].as_str().unwrap().to_owned()).collect()
}

/// The webhooks of the tenant.
fn names(address: SocketAddr) -> Vec<String> {
    let webhooks = call(address, "GET /api/v1/webhooks", &system(), "").data();
    let webhooks = webhooks.as_array().unwrap().iter();
    webhooks.map(|it| it["name"].as_str().unwrap().to_owned()).collect()
}

fn changes(address: SocketAddr) {
    let expected = json!({ "changed": ["webhooks"], "needsRestart": [] });
    assert_eq!(reload(address).data(), expected);
}

fn next(told: &Receiver<Posted>) -> Vec<String> {
    orders(told.recv_timeout(PATIENCE).unwrap())
}

#[test]
fn webhooks_that_come_change_and_go_by_a_reload_are_told_each_event_once_and_none_is_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("hub.toml");
    let ((one, at_one), (two, at_two), (crm, at_crm)) = (taker(), taker(), taker());
    write(&file, &[]);
    let mut served = start(&file);
    let address = served.address;
    publish(address, "before");
    // The first one: told of what is accepted from now on.
    write(&file, &[("billing", &one)]);
    changes(address);
    publish(address, "first");
    assert_eq!(next(&at_one), ["first"]);
    // It changes its receiver while orders come.
    let publishing =
        std::thread::spawn(move || (0..100).for_each(|n| publish(address, &n.to_string())));
    let mut rounds = 0;
    while !publishing.is_finished() || rounds < 4 {
        let url = if rounds % 2 == 0 { &two } else { &one };
        write(&file, &[("billing", url)]);
        changes(address);
        rounds += 1;
    }
    publishing.join().unwrap();
    write(&file, &[("billing", &one), ("crm", "not a url")]);
    assert_eq!((reload(address).status, names(address)), (409, vec!["billing".to_owned()]));
    write(&file, &[("billing", &one), ("crm", &crm)]);
    assert_eq!(reload(address).status, 200);
    assert_eq!(names(address), ["billing", "crm"]);
    publish(address, "last");
    assert_eq!(next(&at_crm), ["last"], "nothing from before it was there");
    let mut told = Vec::new();
    while !told.iter().any(|order| order == "last") {
        told.extend(next(&at_one));
    }
    while told.len() < 101 {
        told.extend(next(&at_two));
    }
    told.retain(|order| order != "last");
    told.sort_unstable_by_key(|order| order.parse::<u64>().unwrap());
    assert_eq!(told, (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
    // One goes, and the other goes on.
    write(&file, &[("crm", &crm)]);
    changes(address);
    publish(address, "later");
    assert_eq!((next(&at_crm), names(address)), (vec!["later".to_owned()], vec!["crm".to_owned()]));
    // What the hub knows itself is told from then on, too.
    let open = request(address, &format!("GET {POLL}"), &[], "").body;
    let session = format!("POST {POLL}&sid={}", open.split('"').nth(3).unwrap());
    let connect = format!("40{}", json!({ "token": token("t1", UserRole::RestaurantOwner) }));
    assert_eq!(request(address, &session, &[], &connect).status, 200);
    let (_, told) = at_crm.recv_timeout(PATIENCE).unwrap();
    assert_eq!(told["events"][0]["event"], "device.online", "{told}");
    assert!(at_one.try_recv().is_err() && at_two.try_recv().is_err());
    served.signal("TERM");
    assert_eq!(served.wait(), 0);
}
