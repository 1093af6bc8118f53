//! A client that got no answer sends again, and it counts once.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Client, Process, Server, Transport, Who, config, on_every_transport};
use crate::support::{TENANT, back_end, update};

/// What the dashboard shows of an order's states.
#[track_caller]
fn states(dashboard: &mut Client) -> Vec<String> {
    let state =
        |event: &crate::harness::Event| event.payload("status").as_str().unwrap().to_owned();
    dashboard.drain().iter().map(state).collect()
}

/// An answer as it is given to who sends again.
fn again(first: &Value) -> Value {
    let mut again = first.clone();
    again["duplicate"] = json!(true);
    again
}

fn status(status: &str) -> Value {
    json!({ "orderId": "1", "status": status })
}

on_every_transport! {
    fn the_same_id_gets_the_same_answer_before_and_after_a_restart(transport) {
        let mut server = Server::durable(config());
        let mut dashboard = Client::join(&server, transport, &Who::manager(TENANT, "mia"));
        let mut chef = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let message = |id: u128, status_: &str| json!({ "type": "order:status_changed",
            "id": Uuid::from_u128(id), "payload": status(status_) });
        let first = chef.accepted("order:status_changed", message(7, "a"));
        let between = chef.accepted("order:status_changed", message(8, "b"));
        assert_ne!(first, between);
        assert_eq!(chef.accepted("order:status_changed", message(7, "a")), again(&first));
        assert_eq!(states(&mut dashboard), ["a", "b"]);
        server.restart();
        let mut dashboard = dashboard.tear().resume(&server);
        let mut chef = chef.tear().resume(&server);
        assert_eq!(chef.accepted("order:status_changed", message(7, "a")), again(&first));
        assert_eq!(chef.accepted("order:status_changed", message(8, "other")), again(&between));
        assert_eq!(states(&mut dashboard), [""; 0]);
        assert_eq!(server.metric("duplicates_total"), 2);
    }

    fn the_same_emission_twice_in_a_row_is_one(transport) {
        let server = Server::start();
        let mut dashboard = Client::join(&server, transport, &Who::manager(TENANT, "mia"));
        let mut chef = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let mut other = Client::join(&server, transport, &Who::chef(TENANT, "carla"));
        let first = chef.accepted("order:status_changed", status("ready"));
        assert_eq!(chef.accepted("order:status_changed", status("ready")), again(&first));
        // Its connection was lost before the answer came.
        let mut chef = chef.tear().resume(&server);
        assert_eq!(chef.accepted("order:status_changed", status("ready")), again(&first));
        // Somebody else says it too: that is not a repeat, and then neither is the first one's.
        assert_ne!(other.accepted("order:status_changed", status("ready"))["id"], first["id"]);
        assert_ne!(chef.accepted("order:status_changed", status("ready"))["id"], first["id"]);
        assert_eq!(states(&mut dashboard), ["ready"; 3]);
    }

    fn a_state_that_is_left_and_entered_again_is_told_again(transport) {
        let server = Server::start();
        let mut dashboard = Client::join(&server, transport, &Who::manager(TENANT, "mia"));
        let mut chef = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let answers = ["a", "b", "a", "a"].map(|it| chef.accepted("order:status_changed", status(it)));
        assert_ne!(answers[0]["id"], answers[2]["id"]);
        assert_eq!(again(&answers[2]), answers[3]);
        assert_eq!(states(&mut dashboard), ["a", "b", "a"]);
        // Where the same twice means two things, both count.
        for _ in 0..2 {
            chef.accepted("inventory:usage_update", json!({ "ingredientId": "flour", "quantity": 1 }));
        }
        assert_eq!(dashboard.drain_names(), ["inventory:usage_update"; 2]);
    }
}

#[test]
fn the_same_words_with_other_pictures_are_no_repeat() {
    let server = Server::start();
    let mut dashboard = Client::join(&server, Transport::WebSocket, &Who::manager(TENANT, "mia"));
    let mut sender = back_end(&server);
    let payload = json!({ "orderId": "1", "picture": { "_placeholder": true, "num": 0 } });
    let mut send = |bytes: &[u8]| {
        sender.ask_binary("order:updated", payload.clone(), &[bytes.to_vec()])["data"].take()
    };
    let first = send(b"one");
    assert_ne!(send(b"two"), first);
    assert_eq!(send(b"two")["offset"], 2);
    let pictures: Vec<_> = dashboard.drain().into_iter().map(|it| it.attachments).collect();
    assert_eq!(pictures, [[b"one".to_vec()], [b"two".to_vec()]]);
}

#[test]
fn an_answer_that_was_lost_in_a_kill_is_given_again() {
    let directory = tempfile::tempdir().unwrap();
    let server = Process::serve(directory.path(), &config());
    let mut dashboard = Client::join(&server, Transport::WebSocket, &Who::manager(TENANT, "mia"));
    let mut sender = back_end(&server);
    let message =
        json!({ "type": "order:updated", "id": Uuid::from_u128(7), "payload": update("1", 1) });
    let first = sender.accepted("order:updated", message.clone());
    dashboard.expect("order:updated");
    server.kill();
    let server = Process::serve(directory.path(), &config());
    assert_eq!(sender.tear().resume(&server).accepted("order:updated", message), again(&first));
    assert_eq!(dashboard.tear().resume(&server).drain_names(), [""; 0]);
}
